//! Folding writes what was taken into record and base, so that people and legacy writers see it.
//!
//! A fold hands out no times, and no update waits for it. At rest three keys are left, and the record shows
//! the newest value. In a crowd the record is late by about a hundred milliseconds.

use std::sync::Arc;

use super::call::delete_weights;
use super::snapshot::{Snapshot, Written};
use super::transaction::{Compare, Operation, Reply, Transaction};
use super::{Protocol, Question, read_all};
use crate::clock::Time;

/// When to fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// At once, beside other updates, because others keep taking.
    InACrowd,
    /// Once this process rests, if nobody took after it.
    AtRest,
}

impl Fold {
    /// In a crowd, the smallest number of takes since the base at which a fold is due.
    const CROWD: u64 = 32;
    const MOST: u64 = 1_024;
}

impl Protocol {
    /// When to fold our newest take; `None` if there is nothing left to fold.
    pub fn fold_due(&self) -> Option<Fold> {
        let took = self.took.as_ref()?;
        let snapshot = self.snapshot.as_ref()?;
        let is_newest = snapshot.revision == took.revision;
        let takes = snapshot.takes();
        // Of all folds in flight only one succeeds, and more takes in flight would mean more folds. So a
        // fold is due each time that the number of takes has doubled, not at each 32nd take. If all of
        // these folds fail, there is one at every `MOST` takes, so the record is late by no more than that.
        let has_doubled = takes >= Fold::CROWD && takes.is_power_of_two();
        let is_one_of_few = has_doubled || (takes > 0 && takes.is_multiple_of(Fold::MOST));
        Some(match is_newest && is_one_of_few {
            true => Fold::InACrowd,
            false => Fold::AtRest,
        })
    }

    /// The newest snapshot, if it shows no take but ours since the base. A fold then needs no new look.
    pub fn sole_take(&self) -> Option<Arc<Snapshot>> {
        let snapshot = self.snapshot.as_ref()?;
        (snapshot.takes() == 1).then(|| snapshot.clone())
    }

    /// Whether `seen` is too old to show our newest take.
    pub fn is_before_our_take(&self, seen: &Snapshot) -> bool {
        let took = self.took.as_ref();
        took.is_some_and(|took| seen.revision < took.revision)
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    /// The transaction that folds what `seen` shows; `None` if there is nothing to fold, or if somebody
    /// else will.
    ///
    /// `seen` may be stale. It is not judged; the transaction compares the store with it.
    pub fn fold(&self, form: Fold, seen: &Arc<Snapshot>, real_timestamp: f64) -> Option<Question> {
        let took = self.took.as_ref()?;
        let taken = seen.taken();
        let is_folded = seen.accounted() == taken.version;
        // At rest, the process that took last folds. In a crowd all keep taking, so nobody waits for that.
        let is_anothers = form == Fold::AtRest && taken.mod_revision != took.revision;
        if self.losses.lost.is_some() || is_folded || is_anothers {
            return None;
        }
        let clock = seen.clock().ok()??;
        let recorded = seen.recorded().ok()?;
        self.check_record(recorded, Some(clock)).ok()?;
        let value = clock.max(recorded);
        let keys = &self.keys;
        let (based, compares) = match form {
            Fold::AtRest => (value, seen.is_current()),
            Fold::InACrowd => {
                // Others may put weights at any moment, so the weights stay and go on counting. The base
                // leaves out what they count.
                let based = u128::from(value.get()).saturating_sub(seen.weighed());
                let compares = vec![
                    seen.is_unchanged(&keys.record),
                    seen.is_unchanged(&keys.base),
                    Compare::Value(keys.base.clone(), seen.based().value.clone()),
                    Compare::VersionAtLeast(keys.taken.clone(), taken.version),
                ];
                (Time::saturating(based as u64), compares)
            }
        };
        let record = seen.folded_record(value);
        let base = self.base(seen, based, real_timestamp);
        let written = Written::with(record, base, seen);
        let mut then = written.puts(keys);
        if form == Fold::AtRest {
            then.extend(delete_weights(seen));
        }
        then.push(Operation::Get(keys.takes()));
        let transaction = Transaction {
            compares,
            then,
            otherwise: read_all(keys),
        };
        Some(self.ask(transaction, seen).writing(written))
    }

    /// Number of folds by this process whose success it knows from the reply.
    pub fn folds(&self) -> u64 {
        self.folds
    }

    /// The fold was carried out, and this is the answer.
    pub fn handle_fold(&mut self, question: &Question, reply: &Reply) {
        self.folds += u64::from(reply.succeeded);
        // A loss is reported by the next call.
        let _ = self.judge(question.asked, &question.answer(reply));
    }
}
