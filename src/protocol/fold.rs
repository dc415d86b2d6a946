//! Folding: what was taken is written into record and base, so that people and legacy writers see it.
//!
//! It hands nothing out and nobody waits for it. At rest three keys are left, and the record shows the
//! newest value; in a crowd it is late by about a hundred milliseconds.

use std::sync::Arc;

use super::call::delete_weights;
use super::keys::to_json;
use super::snapshot::Snapshot;
use super::transaction::{Compare, Operation, Reply, Transaction};
use super::{Protocol, Question, read_all};
use crate::clock::{Time, check_jump};

/// When to fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// At once, beside whatever else goes on: others keep taking meanwhile.
    InACrowd,
    /// Once this process rests, if nobody took after it.
    AtRest,
}

impl Fold {
    /// One take in so many folds in a crowd.
    const CROWD: u64 = 32;
}

impl Protocol {
    /// Whether a take of ours is not folded yet, and when it should be.
    pub fn fold_due(&self) -> Option<Fold> {
        let took = self.took?;
        let snapshot = self.snapshot.as_ref()?;
        let is_newest = snapshot.revision == took.revision;
        Some(
            match is_newest && snapshot.takes().is_multiple_of(Fold::CROWD) {
                true => Fold::InACrowd,
                false => Fold::AtRest,
            },
        )
    }

    /// The newest snapshot, if it shows that nobody took but us: it need not be looked at again before
    /// a fold.
    pub fn sole_take(&self) -> Option<Arc<Snapshot>> {
        let snapshot = self.snapshot.as_ref()?;
        (snapshot.takes() == 1).then(|| snapshot.clone())
    }

    /// Whether a look is so late that it does not show our newest take.
    pub fn is_before_our_take(&self, seen: &Snapshot) -> bool {
        self.took.is_some_and(|took| seen.revision < took.revision)
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    /// The transaction that folds what `seen` shows; `None` if there is nothing to fold, or if somebody
    /// else will.
    ///
    /// `seen` may be stale: it is not judged, and the transaction compares it.
    pub fn fold(&self, form: Fold, seen: &Arc<Snapshot>, real_timestamp: f64) -> Option<Question> {
        let took = self.took?;
        let is_folded = seen.accounted() == seen.taken().0;
        if self.losses.has_lost() || is_folded {
            return None;
        }
        // A later taker folds, unless all keep taking.
        if form == Fold::AtRest && seen.taken_at() != took.revision {
            return None;
        }
        let clock = seen.clock().ok()??;
        let recorded = seen.recorded().ok()?;
        check_jump(recorded, clock, self.max_jump, "the shared record").ok()?;
        let value = clock.max(recorded);
        let (taken, created) = seen.taken();
        let mut base = self.base(value, real_timestamp);
        base.taken = taken;
        base.created = created;
        let keys = &self.keys;
        let compares = match form {
            Fold::AtRest => seen.is_current(),
            Fold::InACrowd => {
                // Others put weights at every moment: they stay as they are, and go on counting.
                base.value = Time::saturating(value.get().saturating_sub(seen.weighed()));
                vec![
                    seen.is_unchanged(&keys.record),
                    seen.is_unchanged(&keys.base),
                    Compare::Value(keys.base.clone(), seen.base_bytes().to_vec()),
                    Compare::VersionAtLeast(keys.taken.clone(), taken),
                ]
            }
        };
        base.first = base.value;
        let mut then = vec![
            Operation::Put(keys.record.clone(), seen.folded_record(value).to_json()),
            Operation::Put(keys.base.clone(), to_json(&base.after(seen.base()))),
        ];
        if form == Fold::AtRest {
            then.extend(delete_weights(seen));
        }
        then.push(Operation::Get(keys.takes()));
        let transaction = Transaction {
            compares,
            then,
            otherwise: read_all(keys),
        };
        Some(self.ask(transaction, seen))
    }

    /// The fold was carried out, and this is the answer.
    pub fn handle_fold(&mut self, question: &Question, reply: &Reply) {
        let answer = question.answer(reply);
        // A loss is reported by the next call.
        self.judge(question, reply, &answer);
    }
}
