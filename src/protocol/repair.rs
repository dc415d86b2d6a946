//! Moving the clock forward by hand, where the store has lost times that were handed out.
//!
//! Only a person knows what happened to the store, so a person decides. The repair takes a time like
//! any update, above everything that is found and everything it is told of; it never moves the clock
//! back. It is found in the history under a name that says so.

use std::sync::Arc;

use super::call::delete_weights;
use super::keys::{Repaired, Taken, to_json};
use super::record::Record;
use super::snapshot::{Observed, Snapshot};
use super::transaction::{Operation, Reply, Transaction};
use super::watermark::Watermark;
use super::{Protocol, read_all};
use crate::clock::{Time, check_jump};
use crate::error::Result;

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
    /// [`ErrorKind::TooFarAhead`] if that lies further ahead of the store than the jump bound allows,
    /// [`ErrorKind::Exhausted`] if there is no time left.
    pub fn plan_repair(
        &self,
        asked: Watermark,
        reply: &Reply,
        at_least: Time,
    ) -> Result<RepairPlan> {
        let found = Snapshot::of(&self.keys, reply);
        let clock = found.clock();
        let mut problems: Vec<String> = Vec::new();
        problems.extend(found.record().err().map(|error| error.to_string()));
        problems.extend(clock.as_ref().err().map(|error| error.to_string()));
        if clock.is_ok() {
            problems.extend(
                self.losses
                    .missing(asked, &found)
                    .map(|error| error.to_string()),
            );
        }
        // Where the store has lost something, the base may still say how far it had come.
        let based = found.base().map_or(Time::ZERO, |base| base.value);
        let recorded = found.recorded().unwrap_or_default();
        let stored = clock
            .ok()
            .flatten()
            .unwrap_or_default()
            .max(based)
            .max(recorded);
        let above = stored.max(asked.time()).max(at_least);
        check_jump(above, stored, self.max_jump, "the repair")?;
        Ok(RepairPlan {
            to: above.after(1)?,
            found: Arc::new(found),
            problems,
        })
    }

    /// The next transaction that moves the clock to [`RepairPlan::to`], if the store is still as `seen`
    /// shows it: first the plan's own snapshot, then what [`repair_went_on`](Protocol::repair_went_on)
    /// gives.
    ///
    /// [`ErrorKind::Corrupt`] if one of the keys holds what no clock writes, or what a later version of
    /// this library wrote.
    pub fn repair(
        &self,
        plan: &RepairPlan,
        seen: &Arc<Snapshot>,
        real_timestamp: f64,
    ) -> Result<Transaction> {
        let keys = &self.keys;
        seen.refuse_foreign()?;
        let process = format!("{REPAIR_PREFIX}{}", self.process);
        let (taken, created) = seen.taken();
        let then = if created == 0 {
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
            let record = Record {
                value: plan.to,
                process_id: process.clone(),
                real_timestamp: Some(real_timestamp),
            };
            let mut base = self.base(plan.to, real_timestamp);
            base.process = process;
            base.taken = taken;
            base.created = created;
            base.count = 1;
            base.repaired = Some(self.repaired(plan));
            let mut then = vec![
                Operation::Put(keys.record.clone(), record.to_json()),
                Operation::Put(keys.base.clone(), to_json(&base.after(seen.base()))),
            ];
            then.extend(delete_weights(seen));
            then
        };
        Ok(Transaction {
            compares: seen.is_current(),
            then,
            otherwise: read_all(keys),
        })
    }

    /// What the store holds once a transaction of the [`repair`](Protocol::repair) was carried out, or
    /// what it held instead of `seen`: somebody wrote in between, or its own first attempt did, whose
    /// answer was lost.
    pub fn repair_went_on(
        &self,
        transaction: &Transaction,
        seen: &Arc<Snapshot>,
        reply: &Reply,
    ) -> Arc<Snapshot> {
        let question = self.ask(transaction.clone(), seen);
        question.answer(reply).after
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
            revision: snapshot.based_at(),
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
