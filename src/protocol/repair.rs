//! Moving the clock forward by hand, where the store has lost times that were handed out.
//!
//! Only a person knows what happened to the store, so a person decides. The repair takes a time like
//! any update, above everything that is found and everything it is told of; it never moves the clock
//! back. It is found in the history under a name that says so.

use std::sync::Arc;

use super::call::delete_weights;
use super::keys::{Repaired, Taken, to_json};
use super::snapshot::{Observed, Snapshot, Written};
use super::transaction::{Operation, Reply, Transaction};
use super::watermark::Watermark;
use super::{Answer, Protocol, Question, read_all};
use crate::clock::{Time, check_jump};
use crate::error::{Error, Result};

/// What lies in the store, and what a repair would make of it.
#[derive(Clone, Debug)]
pub struct RepairPlan {
    /// The snapshot that it was made from.
    pub found: Arc<Snapshot>,
    /// The faults that can be seen from here, one sentence each. Times that the store has lost are
    /// known only to processes that saw them: their errors name the highest one.
    pub problems: Vec<String>,
    /// Where a repair would move the clock: above everything that is found, and above what it was
    /// told of.
    pub to: Time,
}

impl Protocol {
    /// What a reply to a read of [every key](super::Keys::all) shows, for a repair that goes past
    /// `at_least`.
    ///
    /// [`ErrorKind::TooFarAhead`](crate::ErrorKind::TooFarAhead) if that lies further ahead of the store
    /// than the jump bound allows, [`ErrorKind::Exhausted`](crate::ErrorKind::Exhausted) if there is no
    /// time left.
    pub fn plan_repair(
        &self,
        asked: Watermark,
        reply: &Reply,
        at_least: Time,
    ) -> Result<RepairPlan> {
        let answer = Answer::read(&self.keys, reply, true);
        let found = answer.before.clone();
        let clock = found.clock();
        let missing = clock.is_ok().then(|| self.losses.check(asked, &answer));
        let problems = [
            found.record().err(),
            clock.as_ref().err().cloned(),
            missing.and_then(Result::err),
            self.record_that_lies_far_ahead(&found),
        ];
        // Where the store has lost something, the base may still say how far it had come.
        let based = found.base().map_or(Time::ZERO, |base| base.value);
        let recorded = found.recorded().unwrap_or_default();
        let counted = clock.ok().flatten().unwrap_or_default();
        let stored = counted.max(based).max(recorded);
        let above = stored.max(asked.time()).max(at_least);
        let shared = "the shared clock";
        check_jump(above, "the repair", stored, shared, self.max_jump)?;
        Ok(RepairPlan {
            to: above
                .after(1)
                .map_err(|error| self.no_way_forward(&error))?,
            found,
            problems: problems.iter().flatten().map(Error::to_string).collect(),
        })
    }

    /// What to do where no time is left to move the clock to.
    fn no_way_forward(&self, error: &Error) -> Error {
        let ways = format!(
            "{error}. If the record alone is wrong, delete that one key (etcdctl del {}). Else begin anew: \
             stop all processes, give them another key (LAMPORT_KEY), and start them; times and stamps \
             of the two clocks say nothing about each other",
            String::from_utf8_lossy(&self.keys.record)
        );
        Error::new(error.kind(), ways)
    }

    /// What to say of a record up to which no legacy writer can have counted, and the ways on.
    fn record_that_lies_far_ahead(&self, found: &Snapshot) -> Option<Error> {
        let clock = found.clock().ok()?;
        let error = self.check_record(found.recorded().ok()?, clock).err()?;
        let explained = format!(
            "{error}. If the record is right, a repair moves the clock above it, for good. If it is \
             wrong, delete this one key (etcdctl del {}): the clock goes on from where it stands, and \
             writes the record anew",
            String::from_utf8_lossy(&self.keys.record)
        );
        Some(Error::new(error.kind(), explained))
    }

    /// The next transaction that moves the clock to [`RepairPlan::to`], if the store is still as `seen`
    /// shows it: first the plan's own snapshot, then what the first one [leaves](Question::leaves).
    ///
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if one of the keys holds what no clock writes, or
    /// what a later version of this library wrote.
    pub fn repair(
        &self,
        plan: &RepairPlan,
        seen: &Arc<Snapshot>,
        real_timestamp: f64,
    ) -> Result<Question> {
        let keys = &self.keys;
        seen.refuse_foreign()?;
        let process = format!("{REPAIR_PREFIX}{}", self.process);
        let then = if seen.taken().version == 0 {
            // The base has to name the revision that creates it.
            let taken = Taken {
                process,
                instance: self.instance,
                count: 0,
                local: Time::ZERO,
                attempt: 1,
                real_timestamp,
            };
            vec![Operation::Put(keys.taken.clone(), to_json(&taken))]
        } else {
            let mut base = self.base(seen, plan.to, real_timestamp);
            base.process = process;
            base.count = 1;
            base.repaired = Some(self.repaired(plan));
            let mut both = Written::by(base, seen).puts(keys);
            both.extend(delete_weights(seen));
            both
        };
        let transaction = Transaction {
            compares: seen.is_current(),
            then,
            otherwise: read_all(keys),
        };
        Ok(self.ask(transaction, seen))
    }

    /// The update that the repair left, if `snapshot` bears its mark. The revision is the newest that
    /// bears it.
    pub fn repair_done(&self, plan: &RepairPlan, snapshot: &Snapshot) -> Option<Observed> {
        let base = snapshot.base()?;
        if base.repaired != Some(self.repaired(plan)) {
            return None;
        }
        let is_its_own = base.value == plan.to && base.count == 1;
        Some(Observed {
            first: plan.to,
            value: plan.to,
            process: format!("{REPAIR_PREFIX}{}", self.process),
            instance: Some(self.instance),
            real_timestamp: is_its_own.then_some(base.real_timestamp),
            revision: snapshot.based().mod_revision,
        })
    }

    fn repaired(&self, plan: &RepairPlan) -> Repaired {
        Repaired {
            by: self.instance,
            to: plan.to,
        }
    }
}

/// Before the name of the process, in the record that a repair leaves.
const REPAIR_PREFIX: &str = "repair:";
