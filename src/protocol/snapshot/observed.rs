//! What a snapshot tells of updates: the newest one, and the one that its own revision made.

use super::Snapshot;
use crate::clock::{Instance, Time};
use crate::error::{Error, Result};
use crate::protocol::keys::{Base, Taken};
use crate::protocol::record::Record;
use crate::protocol::transaction::Entry;

/// The holder of a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// The value.
    pub value: Time,
    /// The process, as its writer wrote it.
    pub process: String,
}

/// An update by anyone, as it is found in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The first time that the update took; equal to `value` unless it took several.
    pub first: Time,
    /// The last time that the update took.
    pub value: Time,
    /// The process that took it, as its writer wrote it.
    pub process: String,
    /// Which life of that process; `None` if it is a legacy writer.
    pub instance: Option<Instance>,
    /// When, by the writer's wall clock: Unix time in seconds. Never compared.
    pub real_timestamp: Option<f64>,
    /// The store's revision of the update.
    pub revision: u64,
}

impl Snapshot {
    /// Whether a legacy writer wrote the record: nobody else writes it without the base.
    fn is_legacy(&self, record: &Entry) -> bool {
        let base = self.base.as_ref();
        base.is_none_or(|base| base.entry.mod_revision != record.mod_revision)
    }

    /// What a record says that a legacy writer wrote, and where it stands.
    fn legacy_record(&self) -> Option<(&Record, &Entry)> {
        let found = self.record.as_ref()?;
        let record = found.content.as_ref().ok()?;
        self.is_legacy(&found.entry)
            .then_some((record, &found.entry))
    }

    /// The record of a legacy writer that a fold found above all takes, as long as nobody took since.
    fn folded_legacy(&self) -> Option<(&Record, &Entry)> {
        let (found, taken) = (self.record.as_ref()?, self.taken.as_ref()?);
        let (record, base) = (found.content.as_ref().ok()?, self.base()?);
        let is_fold = base.count == 0
            && found.entry.mod_revision == self.based_at()
            && base.taken == taken.entry.version;
        let by_taker = taken.content.as_ref().is_none_or(|taken| {
            let name = (&taken.process, Some(taken.real_timestamp));
            name == (&record.process_id, record.real_timestamp)
        });
        (is_fold && !by_taker).then_some((record, &found.entry))
    }

    /// The update that took the newest time; `None` if there was none yet.
    ///
    /// A take that gave its times up (see [`Taken`]) is told of as if it had them: they are nobody's.
    pub fn newest(&self) -> Option<Observed> {
        let clock = self.clock().ok().flatten();
        if let Some((record, entry)) = self.legacy_record()
            && clock.is_none_or(|clock| record.value > clock)
        {
            return Some(observed_legacy(record, entry));
        }
        let clock = clock?;
        let (base, taken) = (self.base.as_ref()?, self.taken.as_ref()?);
        let written = base.content.as_ref().ok()?;
        // Both at once is the creation.
        if written.count > 0 && base.entry.mod_revision >= taken.entry.mod_revision {
            return Some(observed_base(written, base.entry.mod_revision));
        }
        if let Some((record, entry)) = self.folded_legacy() {
            return Some(observed_legacy(record, entry));
        }
        let revision = taken.entry.mod_revision;
        Some(observed_take(taken.content.as_ref(), clock, revision))
    }

    /// The update that its own revision made, if it made one: what `newest` is not, where a fold or
    /// a void take came last.
    ///
    /// [`ErrorKind::Corrupt`] if what it wrote can't be read.
    pub fn update(&self) -> Result<Option<Observed>> {
        let here = |entry: &Entry| entry.mod_revision == self.revision;
        if let Some(base) = self.base.as_ref().filter(|base| here(&base.entry)) {
            let written = base.content.as_ref().map_err(Error::clone)?;
            return Ok((written.count > 0).then(|| observed_base(written, self.revision)));
        }
        if let Some(taken) = self.taken.as_ref().filter(|taken| here(&taken.entry)) {
            let Some(clock) = self.clock()? else {
                return Ok(None);
            };
            let content = taken.content.as_ref();
            let update = observed_take(content, clock, self.revision);
            let void = content.is_some_and(|taken| {
                // A record that can't be read leaves nobody a time.
                let recorded = self.recorded().unwrap_or(Time::MAX);
                taken.count == 0 || is_void(update.first, taken.local, taken.attempt, recorded)
            });
            return Ok((!void).then_some(update));
        }
        match self.record.as_ref().filter(|record| here(&record.entry)) {
            Some(found) => {
                let record = found.content.as_ref().map_err(Error::clone)?;
                Ok(Some(observed_legacy(record, &found.entry)))
            }
            None => Ok(None),
        }
    }

    /// The highest time taken, if a legacy writer's record stands below it and is the last word.
    pub(in crate::protocol) fn set_back_from(&self) -> Option<Time> {
        let (record, entry) = self.legacy_record()?;
        let clock = self.clock().ok().flatten()?;
        (record.value < clock && entry.mod_revision > self.taken_at()).then_some(clock)
    }

    /// The record that a fold writes, with the name and time of who took last.
    pub(in crate::protocol) fn folded_record(&self, value: Time) -> Record {
        if let Some((record, _)) = self
            .legacy_record()
            .filter(|(record, _)| record.value == value)
        {
            return record.clone();
        }
        let taken = self.taken.as_ref().and_then(|taken| taken.content.as_ref());
        Record {
            value,
            process_id: taken.map_or_else(String::new, |taken| taken.process.clone()),
            real_timestamp: taken.map(|taken| taken.real_timestamp),
        }
    }
}

/// Whether a take from `first` on has to be given up: its times are not above all that the rule
/// wants them above.
pub(in crate::protocol) fn is_void(first: Time, local: Time, attempt: u8, recorded: Time) -> bool {
    first <= local || (attempt < 2 && first <= recorded)
}

fn observed_base(base: &Base, revision: u64) -> Observed {
    Observed {
        first: base.first,
        value: base.value,
        process: base.process.clone(),
        instance: Some(base.instance),
        real_timestamp: Some(base.real_timestamp),
        revision,
    }
}

fn observed_take(taken: Option<&Taken>, clock: Time, revision: u64) -> Observed {
    let count = taken.map_or(1, |taken| taken.count.max(1));
    Observed {
        first: Time::saturating((clock.get() + 1).saturating_sub(count)),
        value: clock,
        process: taken.map_or_else(String::new, |taken| taken.process.clone()),
        instance: taken.map(|taken| taken.instance),
        real_timestamp: taken.map(|taken| taken.real_timestamp),
        revision,
    }
}

fn observed_legacy(record: &Record, entry: &Entry) -> Observed {
    Observed {
        first: record.value,
        value: record.value,
        process: record.process_id.clone(),
        instance: None,
        real_timestamp: record.real_timestamp,
        revision: entry.mod_revision,
    }
}
