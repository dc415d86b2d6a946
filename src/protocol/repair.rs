//! Moving the clock forward by hand, after the store has lost times that were handed out.
//!
//! Only a person knows what happened to the store, so a person decides. The repair takes a time like any
//! update. That time lies above everything found in the store and above the time that the person gives, so
//! the clock never moves back. In the history, the name of the process marks the repair.

use std::sync::Arc;

use super::call::delete_weights;
use super::keys::{Repaired, Taken, to_json};
use super::snapshot::{Observed, Snapshot, Written};
use super::transaction::{Operation, Reply, Transaction};
use super::watermark::Watermark;
use super::{Answer, Protocol, Question, read_all};
use crate::clock::{Time, check_jump};
use crate::error::{Error, ErrorKind, Result};

/// What the store holds, and where a repair would move the clock.
#[derive(Clone, Debug)]
pub struct RepairPlan {
    /// The snapshot from which the plan was made.
    pub found: Arc<Snapshot>,
    /// The faults that this process can see, one sentence each. Times that the store has lost are known
    /// only to the processes that saw them: the errors of those processes name the highest one.
    pub problems: Vec<String>,
    /// The time to which a repair would move the clock: above everything that was found, and above the time
    /// that was asked for.
    pub to: Time,
}

impl Protocol {
    /// Plans a repair that moves the clock past `at_least`, from the reply to a read of [every
    /// key](super::Keys::all).
    ///
    /// [`ErrorKind::TooFarAhead`] if the repair would go further ahead of
    /// the store than the jump bound allows, [`ErrorKind::Exhausted`] if there
    /// is no time left, or if the clock is counted past its last time and `at_least` is 0.
    pub fn plan_repair(
        &self,
        asked: Watermark,
        reply: &Reply,
        at_least: Time,
    ) -> Result<RepairPlan> {
        let answer = Answer::read(&self.keys, reply, true);
        let found = answer.before.clone();
        let clock = found.clock();
        if let Err(error) = &clock
            && error.kind() == ErrorKind::Exhausted
            && at_least == Time::ZERO
        {
            // How far the clock had come before another program wrote there can't be seen.
            let what = format!(
                "{error}. If another program wrote into the clock's keys, say the highest time that \
                 anybody was given: lamport repair --at-least N"
            );
            return Err(Error::new(ErrorKind::Exhausted, what));
        }
        let missing = clock.is_ok().then(|| self.losses.check(asked, &answer));
        let problems = [
            found.record().err(),
            clock.as_ref().err().cloned(),
            missing.and_then(Result::err),
            self.record_that_lies_far_ahead(&found),
        ];
        // After a loss, the base may still show how far the clock had come.
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

    /// The error with what to do if no time is left for a repair.
    fn no_way_forward(&self, error: &Error) -> Error {
        let ways = format!(
            "{error}. If the record alone is wrong, delete that one key (etcdctl del {}). Else begin anew: \
             stop all processes, give them another key (LAMPORT_KEY), and start them; times and stamps \
             of the two clocks say nothing about each other",
            String::from_utf8_lossy(&self.keys.record)
        );
        Error::new(error.kind(), ways)
    }

    /// A problem if the record is so far ahead that no legacy writer can have counted up to it, with the
    /// ways out.
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

    /// The next transaction on the way to [`RepairPlan::to`]. It writes only if the store is still as
    /// `seen` shows it. Pass the plan's own snapshot first, then the one that the first transaction
    /// [leaves](Question::leaves).
    ///
    /// [`ErrorKind::Corrupt`] if one of the keys holds a value that no clock
    /// writes, or one that a later version of this library wrote.
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
            // The base must name the revision that created `taken`. So `taken` is put first, in its own
            // transaction.
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

    /// The update that the repair made, if `snapshot` holds the repair's mark. Its revision is the newest
    /// one with that mark.
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

/// The prefix of the process's name in what a repair writes.
const REPAIR_PREFIX: &str = "repair:";
