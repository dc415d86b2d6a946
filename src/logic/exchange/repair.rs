//! Moving the clock forward by hand, where the store has lost times that were handed out.
//!
//! Only a person knows what happened to the store, so a person decides. The repair takes a time like
//! any update, above everything that is found and everything it is told of; never does it move the
//! clock back. It is found in the record's history under a name that says so.

use super::view::Sighting;
use super::{Exchange, Known};
use crate::error::{Error, ErrorKind, Result};
use crate::logic::board::{Highest, Repaired, to_json};
use crate::logic::clock::check_jump;
use crate::logic::record::Record;
use crate::logic::time::Time;
use crate::logic::trace::Observed;
use crate::logic::transaction::{Compare, Entry, Operation, Reply, Transaction};

/// What lies in the store, and what a repair would make of it.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The record; `None` if there is none.
    pub record: Option<Sighting>,
    /// The highest time handed out, as the store keeps it; `None` if it keeps none.
    pub highest: Option<Result<Time>>,
    /// The newest repair before this one.
    pub repaired: Option<Repaired>,
    /// Which store it is, 0 if it does not tell, and its revision.
    pub cluster: u64,
    /// The store's revision.
    pub revision: u64,
    /// What is wrong, as far as it can be seen from here, one sentence each. What the store has
    /// forgotten is known only to who was there: their errors name the time that they know of.
    pub problems: Vec<String>,
    /// Where a repair would move the clock: above everything that is found, and above what it was
    /// told of.
    pub to: Time,
    highest_revision: u64,
    served: u64,
    /// Somebody named a time.
    told: bool,
}

impl Exchange {
    /// What a reply to a [look](Exchange::look_transaction) shows, for a repair that goes past
    /// `at_least`.
    ///
    /// [`ErrorKind::TooFarAhead`] if that lies further ahead of the store than the jump bound allows,
    /// [`ErrorKind::Exhausted`] if there is no time left.
    pub fn condition(&self, asked: Known, reply: &Reply, at_least: Time) -> Result<Condition> {
        let first = |i: usize| reply.gets.get(i).and_then(|found| found.first());
        let record = first(0).map(|entry| self.sighting(entry));
        let highest = first(1).map(|entry| Highest::parse(&entry.value, &self.keys));

        let readable = highest.as_ref().and_then(|highest| highest.as_ref().ok());
        let value = record.as_ref().map_or(Time::ZERO, Sighting::value);
        let stored = readable.map_or(value, |highest| highest.value.max(value));
        let found = Known {
            cluster: reply.cluster,
            revision: reply.revision,
            highest: readable.map_or(Time::ZERO, |highest| highest.value),
            repairs: 0,
        };
        let mut problems = Vec::new();
        match &record {
            Some(record) => problems.extend(record.record.as_ref().err().map(Error::to_string)),
            None if highest.is_some() => problems.push(self.robbed(found).to_string()),
            None => {}
        }
        if let Some(Err(error)) = &highest {
            problems.push(error.to_string());
        }
        if asked.is_contradicted_by(found)
            && !self
                .repairs
                .excuse(readable.and_then(|highest| highest.repaired), asked)
        {
            problems.push(asked.lost(found).to_string());
        }

        let above = stored.max(asked.highest).max(at_least);
        check_jump(above, stored, self.max_jump, "the repair")?;
        Ok(Condition {
            to: above.after(1)?,
            repaired: readable.and_then(|highest| highest.repaired),
            served: readable.map_or(0, |highest| highest.served),
            highest: highest.map(|highest| highest.map(|highest| highest.value)),
            highest_revision: first(1).map_or(0, |entry| entry.mod_revision),
            record,
            cluster: reply.cluster,
            revision: reply.revision,
            told: at_least > Time::ZERO,
            problems,
        })
    }

    /// The transaction that moves the clock to [`Condition::to`], if nobody wrote since.
    ///
    /// [`ErrorKind::InvalidArgument`] if the store can't say how far it had come, and nobody else did.
    pub fn repair_transaction(
        &self,
        condition: &Condition,
        real_timestamp: f64,
    ) -> Result<Transaction> {
        if matches!(condition.highest, Some(Err(_))) && !condition.told {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "the highest time handed out can't be read, so it must be told: lamport repair \
                 --at-least N, with the highest time that anybody has seen",
            ));
        }
        let record = Record {
            value: condition.to,
            process_id: format!("{REPAIR_PREFIX}{}", self.process),
            real_timestamp: Some(real_timestamp),
        };
        let highest = Highest {
            value: condition.to,
            count: 1,
            instance: self.instance,
            served: condition.served,
            repaired: Some(Repaired {
                by: self.instance,
                from: condition.to,
            }),
        };
        let revision = |record: &Sighting| record.revision;
        Ok(Transaction {
            compares: vec![
                Compare::ModRevision(
                    self.keys.record.clone(),
                    condition.record.as_ref().map_or(0, revision),
                ),
                Compare::ModRevision(self.keys.highest.clone(), condition.highest_revision),
            ],
            then: vec![
                Operation::Put(self.keys.record.clone(), record.to_json()),
                Operation::Put(self.keys.highest.clone(), to_json(&highest)),
            ],
            otherwise: self.look(),
        })
    }

    /// What the repair left in the history, once `revision` has written it.
    pub fn repaired(&self, condition: &Condition, real_timestamp: f64, revision: u64) -> Observed {
        Observed {
            first: condition.to,
            value: condition.to,
            process_id: format!("{REPAIR_PREFIX}{}", self.process),
            instance: Some(self.instance),
            real_timestamp: Some(real_timestamp),
            revision,
        }
    }

    /// Whether the clock stands where our repair of this `condition` moved it: said by a reply to a
    /// look, where the repair's own answer was lost.
    pub fn is_repaired(&self, condition: &Condition, reply: &Reply) -> bool {
        let ours = Repaired {
            by: self.instance,
            from: condition.to,
        };
        let highest = reply.gets.get(1).and_then(|found| found.first());
        highest
            .and_then(|entry| Highest::parse(&entry.value, &self.keys).ok())
            .is_some_and(|highest| highest.repaired == Some(ours))
    }

    fn sighting(&self, entry: &Entry) -> Sighting {
        Sighting::new(&self.keys, entry.value.clone(), entry.mod_revision)
    }
}

/// Before the name of the process, in the record that a repair leaves.
const REPAIR_PREFIX: &str = "repair:";
