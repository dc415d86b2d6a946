//! The updates that a snapshot shows: the newest one, and the one made at its own revision.

use super::Snapshot;
use crate::clock::{Instance, Time};
use crate::error::{Error, Result};
use crate::protocol::keys::{Base, Taken};
use crate::protocol::record::Record;

/// The holder of a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// The time.
    pub value: Time,
    /// The name of the process, as it is found in the store.
    pub process: String,
}

/// An update by any process, as it is found in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The first time that the update took; equal to `value` unless it took several.
    pub first: Time,
    /// The last time that the update took.
    pub value: Time,
    /// The name of the process that made the update, as it is found in the store.
    pub process: String,
    /// Which instance of that process; `None` if it is a legacy writer, or if what it wrote can't be read.
    pub instance: Option<Instance>,
    /// When, by the writer's wall clock: Unix time in seconds. Never compared.
    pub real_timestamp: Option<f64>,
    /// The store's revision of the update.
    pub revision: u64,
}

impl Snapshot {
    /// The record if a legacy writer wrote it: nobody else writes the record without the base.
    fn legacy_record(&self) -> Option<&Record> {
        let record = self.record().ok()?;
        record.filter(|_| self.recorded_at() != self.based().mod_revision)
    }

    /// The record if it is a legacy writer's, which a fold found above all takes, and nobody took since.
    fn folded_legacy(&self, taken: Option<&Taken>) -> Option<&Record> {
        let (record, base) = (self.record().ok()??, self.base()?);
        let is_fold = base.count == 0
            && self.recorded_at() == self.based().mod_revision
            && base.taken == self.taken().version;
        let by_taker = taken.is_none_or(|taken| {
            let name = (&taken.process, Some(taken.real_timestamp));
            name == (&record.process_id, record.real_timestamp)
        });
        (is_fold && !by_taker).then_some(record)
    }

    /// The update that took the newest time; `None` if there was none yet.
    ///
    /// A take that gave its times up (see [`Taken`](crate::protocol::Taken)) is reported as if it had kept
    /// them: they are nobody's.
    pub fn newest(&self) -> Option<Observed> {
        let clock = self.clock().ok().flatten();
        if let Some(record) = self.legacy_record()
            && clock.is_none_or(|clock| record.value > clock)
        {
            return Some(self.observed_legacy(record));
        }
        let (clock, base) = (clock?, self.base()?);
        // Equal revisions: this update created the clock.
        if base.count > 0 && self.based().mod_revision >= self.taken().mod_revision {
            return Some(self.observed_base(base));
        }
        let taken = self.taker();
        Some(match self.folded_legacy(taken.as_ref()) {
            Some(record) => self.observed_legacy(record),
            None => self.observed_take(clock, taken),
        })
    }

    /// The update made at this snapshot's own revision; `None` if that revision made none. Unlike `newest`,
    /// it skips a fold or a void take that came last.
    ///
    /// [`ErrorKind::Corrupt`](crate::ErrorKind) if what that revision wrote can't be read.
    pub fn update(&self) -> Result<Option<Observed>> {
        if self.based().mod_revision == self.revision {
            let base = self.base.says.as_ref().map_err(Error::clone)?.as_deref();
            let update = base.filter(|base| base.count > 0);
            return Ok(update.map(|base| self.observed_base(base)));
        }
        if self.taken().mod_revision == self.revision {
            let Some(clock) = self.clock()? else {
                return Ok(None);
            };
            let taken = self.taker();
            let update = self.observed_take(clock, taken.clone());
            let void = taken.is_some_and(|taken| {
                // No time is above a record that can't be read.
                let recorded = self.recorded().unwrap_or(Time::MAX);
                taken.count == 0 || is_void(update.first, taken.local, taken.attempt, recorded)
            });
            return Ok((!void).then_some(update));
        }
        if self.recorded_at() == self.revision {
            return Ok(self.record()?.map(|record| self.observed_legacy(record)));
        }
        Ok(None)
    }

    /// The highest time taken, if the last writer was a legacy writer that set the record below that time.
    pub(in crate::protocol) fn set_back_from(&self) -> Option<Time> {
        let record = self.legacy_record()?;
        let clock = self.clock().ok().flatten()?;
        let is_last = self.recorded_at() > self.taken().mod_revision;
        (record.value < clock && is_last).then_some(clock)
    }

    /// The record that a fold writes: a legacy record that already holds `value`, or else `value` with the
    /// name and the wall-clock time of the last take.
    pub(in crate::protocol) fn folded_record(&self, value: Time) -> Record {
        let legacy = self.legacy_record();
        if let Some(record) = legacy.filter(|record| record.value == value) {
            return record.clone();
        }
        let taken = self.taker();
        Record {
            value,
            real_timestamp: taken.as_ref().map(|taken| taken.real_timestamp),
            process_id: taken.map_or_else(String::new, |taken| taken.process),
        }
    }

    /// The revision that wrote the record last; 0: there is none.
    fn recorded_at(&self) -> u64 {
        self.record.entry().mod_revision
    }

    fn observed_base(&self, base: &Base) -> Observed {
        Observed {
            first: base.first,
            value: base.value,
            process: base.process.clone(),
            instance: Some(base.instance),
            real_timestamp: Some(base.real_timestamp),
            revision: self.based().mod_revision,
        }
    }

    fn observed_take(&self, clock: Time, taken: Option<Taken>) -> Observed {
        let count = taken.as_ref().map_or(1, |taken| taken.count.max(1));
        Observed {
            first: Time::saturating((clock.get() + 1).saturating_sub(count)),
            value: clock,
            instance: taken.as_ref().map(|taken| taken.instance),
            real_timestamp: taken.as_ref().map(|taken| taken.real_timestamp),
            process: taken.map_or_else(String::new, |taken| taken.process),
            revision: self.taken().mod_revision,
        }
    }

    fn observed_legacy(&self, record: &Record) -> Observed {
        Observed {
            first: record.value,
            value: record.value,
            process: record.process_id.clone(),
            instance: None,
            real_timestamp: record.real_timestamp,
            revision: self.recorded_at(),
        }
    }
}

/// Whether a take from `first` on must give its times up. It must if they don't lie above the local time
/// and, at the first try, above the record.
pub(in crate::protocol) fn is_void(first: Time, local: Time, attempt: u8, recorded: Time) -> bool {
    first <= local || (attempt < 2 && first <= recorded)
}
