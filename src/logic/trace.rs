//! What an update leaves behind in the store, read back: for `read`, `watch` and `history`.

use super::board::{Granted, Highest, Keys};
use super::stamp::Instance;
use super::time::Time;
use super::transaction::Entry;
use crate::error::Result;

/// An update by anyone, as it is found in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The first time that the update took; equal to `value` unless it took several.
    pub first: Time,
    /// The last time that the update took, the one in the record.
    pub value: Time,
    /// Who took it, as its writer wrote it.
    pub process_id: String,
    /// Which life of that process; `None` if the writer is of the old kind.
    pub instance: Option<Instance>,
    /// When, by the writer's wall clock: Unix time in seconds. Never compared.
    pub real_timestamp: Option<f64>,
    /// The store's revision of the update. Updates that were served together share it.
    pub revision: u64,
}

/// The three keys of a clock's [trace](Keys::trace) as one revision shows them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace<'a> {
    /// The record.
    pub record: Option<&'a Entry>,
    /// The highest time.
    pub highest: Option<&'a Entry>,
    /// The grants.
    pub granted: Option<&'a Entry>,
}

impl<'a> Trace<'a> {
    /// Picks the clock's keys out of `entries` by name.
    pub fn of(keys: &Keys, entries: impl IntoIterator<Item = &'a Entry>) -> Trace<'a> {
        let mut trace = Trace::default();
        for entry in entries {
            if entry.key == keys.record {
                trace.record = Some(entry);
            } else if entry.key == keys.highest {
                trace.highest = Some(entry);
            } else if entry.key == keys.granted {
                trace.granted = Some(entry);
            }
        }
        trace
    }

    /// The updates of the transaction that wrote the record last, in the order of their times.
    ///
    /// Whoever serves others writes the record once for all of them: the grants of the same
    /// revision tell them apart. Empty if there is no record.
    pub fn updates(&self, keys: &Keys) -> Result<Vec<Observed>> {
        let Some(entry) = self.record else {
            return Ok(Vec::new());
        };
        let revision = entry.mod_revision;
        let together = |other: Option<&'a Entry>| other.filter(|o| o.mod_revision == revision);
        let record = keys.read_record(&entry.value)?;

        if let Some(granted) = together(self.granted) {
            let granted = Granted::parse(&granted.value, granted.mod_revision);
            if let Some(batch) = granted.batches.last() {
                let observed = batch.grants.iter().map(|grant| Observed {
                    first: grant.first,
                    value: grant.last(),
                    process_id: grant.process_id.clone(),
                    instance: Some(grant.instance),
                    real_timestamp: Some(batch.real_timestamp),
                    revision,
                });
                return Ok(observed.collect());
            }
        }
        let highest = match together(self.highest) {
            Some(highest) => Some(Highest::parse(&highest.value, keys)?),
            None => None,
        };
        let count = highest.as_ref().map_or(1, |highest| highest.count.max(1));
        Ok(vec![Observed {
            first: Time::saturating((record.value.get() + 1).saturating_sub(count)),
            value: record.value,
            process_id: record.process_id,
            instance: highest.map(|highest| highest.instance),
            real_timestamp: record.real_timestamp,
            revision,
        }])
    }
}
