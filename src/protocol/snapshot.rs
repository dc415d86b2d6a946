//! All that one transaction showed of the shared clock, at one revision.

use std::fmt;
use std::sync::Arc;

use super::keys::{Base, Keys, Repaired, Taken, foreign, mend};
use super::record::Record;
use super::transaction::{Change, Compare, Entry, Operation, Reply};
use crate::clock::Time;
use crate::error::{Error, ErrorKind, Result};

mod held;
mod observed;

pub(super) use self::held::Written;
use self::held::{ABSENT, Held};
pub(super) use self::observed::is_void;
pub use self::observed::{Holder, Observed};

/// The shared clock at one revision.
#[derive(Clone)]
pub struct Snapshot {
    pub(super) keys: Arc<Keys>,
    /// The id of the store: see [`Reply::cluster`].
    pub cluster: u64,
    /// The store's revision.
    pub revision: u64,
    record: Held<Record>,
    base: Held<Base>,
    taken: Option<Arc<Entry>>,
    /// The weights that exist, in the order of their bits.
    weights: Vec<(u32, Arc<Entry>)>,
}

impl Snapshot {
    /// A snapshot without any key, at revision 0.
    pub fn empty(keys: &Arc<Keys>) -> Snapshot {
        Snapshot {
            keys: keys.clone(),
            cluster: 0,
            revision: 0,
            record: Held::absent(),
            base: Held::absent(),
            taken: None,
            weights: Vec::new(),
        }
    }

    /// The snapshot that is shown by the reply to a read of every key of the clock.
    pub fn of(keys: &Arc<Keys>, reply: &Reply) -> Snapshot {
        let mut snapshot = Snapshot::empty(keys);
        snapshot.revision = reply.revision;
        snapshot.cluster = reply.cluster;
        snapshot.show(&reply.entries);
        snapshot
    }

    /// Takes over every key that a transaction found. Keys that it did not find are gone.
    pub(super) fn show_all(&mut self, found: &[Entry]) {
        let is_gone = |known: &&Arc<Entry>| !found.iter().any(|entry| entry.key == known.key);
        let gone: Vec<_> = self.entries().filter(is_gone).cloned().collect();
        for entry in gone {
            self.set(&entry.key, None);
        }
        self.show(found);
    }

    /// Takes over some keys that a transaction found. Most are unchanged, and those are not parsed again.
    pub(super) fn show(&mut self, found: &[Entry]) {
        for entry in found {
            if self.get(&entry.key) != Some(entry) {
                self.set(&entry.key, Some(entry.clone()));
            }
        }
    }

    /// The same snapshot dated `revision`, since which nobody has written these keys. A reply bears the
    /// store's newest revision instead.
    pub fn as_of(self, revision: u64) -> Snapshot {
        Snapshot { revision, ..self }
    }

    /// Takes over the next revision that wrote any of these keys, as a watch reports it.
    pub fn advance(&mut self, change: &Change) {
        for (key, entry) in &change.keys {
            self.set(key, entry.clone());
        }
        self.revision = self.revision.max(change.revision);
    }

    /// Takes over what our own operations did at `revision`. `written` is the record and the base that they
    /// wrote; without it, both are parsed from their bytes.
    pub(super) fn perform(
        &mut self,
        operations: &[Operation],
        revision: u64,
        written: Option<&Written>,
    ) {
        for operation in operations {
            match operation {
                Operation::Put(key, value) => {
                    let before = self.entry(key);
                    let entry = Entry {
                        key: key.clone(),
                        value: value.clone(),
                        create_revision: match before.create_revision {
                            0 => revision,
                            created => created,
                        },
                        mod_revision: revision,
                        version: before.version + 1,
                    };
                    match written {
                        Some(written) if *key == self.keys.record => {
                            self.record = Held::of(entry, &written.record);
                        }
                        Some(written) if *key == self.keys.base => {
                            self.base = Held::of(entry, &written.base);
                        }
                        _ => self.set(key, Some(entry)),
                    }
                }
                Operation::Delete(key) => self.set(key, None),
                Operation::Get(_) => {}
            }
        }
        self.revision = revision;
    }

    /// Sets or removes a key. Record and base are parsed here from the bytes of any writer.
    pub(super) fn set(&mut self, key: &[u8], entry: Option<Entry>) {
        let keys = &self.keys;
        let entry = entry.map(Arc::new);
        if key == keys.record {
            self.record = Held::read(entry, |bytes| read_record(bytes, keys));
        } else if key == keys.base {
            self.base = Held::read(entry, |bytes| Base::parse(bytes, keys));
        } else if key == keys.taken {
            self.taken = entry;
        } else if let Some(bit) = keys.bit_of(key) {
            let weights = &mut self.weights;
            weights.retain(|(known, _)| *known != bit);
            weights.extend(entry.map(|entry| (bit, entry)));
            weights.sort_unstable_by_key(|(bit, _)| *bit);
        }
    }

    /// Whether both show the same keys with the same contents.
    pub(crate) fn has_the_keys_of(&self, other: &Snapshot) -> bool {
        self.entries().eq(other.entries())
    }

    /// The keys that exist, in order.
    fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        let three = [&self.record.entry, &self.base.entry, &self.taken];
        let weights = self.weights.iter().map(|(_, weight)| weight);
        three.into_iter().flatten().chain(weights)
    }

    fn get(&self, key: &[u8]) -> Option<&Entry> {
        let found = self.entries().find(|entry| entry.key == key);
        found.map(|entry| &**entry)
    }

    fn entry(&self, key: &[u8]) -> &Entry {
        self.get(key).unwrap_or(&ABSENT)
    }

    /// The base's key as the store has it.
    pub(super) fn based(&self) -> &Entry {
        self.base.entry()
    }

    /// The key `taken` as the store has it.
    pub(super) fn taken(&self) -> &Entry {
        self.taken.as_deref().unwrap_or(&ABSENT)
    }

    /// The parsed value of `taken`, written by the newest take; `None` if there is none, or if it can't be
    /// read.
    pub(super) fn taker(&self) -> Option<Taken> {
        Taken::parse(&self.taken().value)
    }

    /// Where the shared clock stands: the highest time that was taken. `None` if nobody has created
    /// the clock yet.
    ///
    /// [`ErrorKind::Regressed`] if the keys alone show that the store lost something,
    /// [`ErrorKind::Corrupt`] if the base can't be read, [`ErrorKind::Exhausted`] past the last time.
    pub fn clock(&self) -> Result<Option<Time>> {
        let lost = |key: &[u8], what| {
            let key = String::from_utf8_lossy(key);
            Err(lost(format!("its key {key} {what}."), None))
        };
        let keys = &self.keys;
        if let Some((_, weight)) = self.weights().find(|(_, weight)| !weight.value.is_empty()) {
            return Err(is_foreign(weight));
        }
        let base = self.base.says.as_ref().map_err(Error::clone)?;
        let base = match (base, self.taken.as_deref()) {
            (None, None) => return Ok(None),
            (Some(_), None) => return lost(&keys.taken, "is gone"),
            (None, Some(taken)) if self.taker().is_none() => return Err(is_foreign(taken)),
            (None, Some(_)) => return lost(&keys.base, "is gone"),
            (Some(base), Some(_)) => base,
        };
        let taken = self.taken();
        let created_with = match base.created {
            0 => self.based().create_revision,
            created => created,
        };
        if taken.create_revision != created_with {
            return lost(&keys.taken, "was deleted and written anew");
        }
        let Some(takes) = taken.version.checked_sub(base.taken) else {
            return lost(&keys.taken, "counts less than before");
        };
        // In 128 bits, so that no version makes the sum wrap.
        let clock = u128::from(base.value.get()) + u128::from(takes) + self.weighed();
        let clock = u64::try_from(clock).unwrap_or(u64::MAX);
        Ok(Some(Time::ZERO.after(clock)?))
    }

    /// [`ErrorKind::Corrupt`] if a key holds a value that no clock writes. Such a value must not be
    /// overwritten or deleted, even if the clock itself has lost something.
    pub(super) fn refuse_foreign(&self) -> Result<()> {
        self.record()?;
        match (self.clock(), self.taken.as_deref()) {
            (Err(error), _) if error.kind() == ErrorKind::Corrupt => Err(error),
            // No base matches this key and its text can't be read: nothing shows that a clock wrote it.
            (Err(_), Some(taken)) if self.taker().is_none() => Err(is_foreign(taken)),
            _ => Ok(()),
        }
    }

    /// What the weights add to the clock.
    pub(super) fn weighed(&self) -> u128 {
        let weights = self.weights();
        weights
            .map(|(bit, entry)| u128::from(entry.version) << bit)
            .sum()
    }

    /// The record; `None` if there is none, [`ErrorKind::Corrupt`] if it can't be read.
    pub fn record(&self) -> Result<Option<&Record>> {
        let record = &self.record.says;
        record.as_ref().map(Option::as_deref).map_err(Error::clone)
    }

    /// The record's value, 0 if there is none.
    pub(super) fn recorded(&self) -> Result<Time> {
        Ok(self.record()?.map_or(Time::ZERO, |record| record.value))
    }

    /// What lies under the base's key, if it can be read.
    pub fn base(&self) -> Option<&Base> {
        self.base.says.as_ref().ok()?.as_deref()
    }

    /// The newest repair.
    pub fn repaired(&self) -> Option<Repaired> {
        self.base()?.repaired
    }

    /// How many transactions took times since the base was written.
    pub(super) fn takes(&self) -> u64 {
        let accounted = self.base().map_or(0, |base| base.taken);
        self.taken().version.saturating_sub(accounted)
    }

    /// The version of `taken` up to which nothing is left to fold; 0 if weights are left, as after a
    /// crowd's fold.
    pub(super) fn accounted(&self) -> u64 {
        let base = self.base().filter(|_| self.weights().next().is_none());
        base.map_or(0, |base| base.taken)
    }

    /// The weights that exist, each with its bit.
    pub(super) fn weights(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.weights.iter().map(|(bit, weight)| (*bit, &**weight))
    }

    /// Compares that hold as long as nobody has written `record`, `base` or `taken`.
    ///
    /// The bytes of the newest of these keys are compared as well as its revision, since a restored store
    /// may use a revision a second time.
    pub(super) fn is_current(&self) -> Vec<Compare> {
        let keys = &self.keys;
        // Base last: of keys written together, its bytes are compared, since they name the writer.
        let keys = [&keys.record, &keys.taken, &keys.base];
        let mut compares: Vec<Compare> = keys.map(|key| self.is_unchanged(key)).into();
        let newest = keys.into_iter().filter_map(|key| self.get(key));
        if let Some(newest) = newest.max_by_key(|entry| entry.mod_revision) {
            compares.push(Compare::Value(newest.key.clone(), newest.value.clone()));
        }
        compares
    }

    /// A compare that holds as long as nobody has written `key`.
    pub(super) fn is_unchanged(&self, key: &[u8]) -> Compare {
        Compare::ModRevision(key.to_vec(), self.entry(key).mod_revision)
    }

    /// Whether `change`, which led to this snapshot, deleted a key that no clock deletes: the record, the
    /// base, `taken`, or a weight that no base accounts for. Watchers are told. For the clock itself the
    /// record alone is no loss.
    pub fn is_deletion(&self, change: &Change) -> bool {
        let keys = &self.keys;
        let based = self.based().mod_revision == change.revision;
        change.keys.iter().any(|(key, entry)| {
            let ours = [&keys.record, &keys.base, &keys.taken].contains(&key);
            let weight = keys.bit_of(key).is_some();
            entry.is_none() && (ours || (weight && !based))
        })
    }

    /// The newest revision that wrote any key of the clock; 0: no key exists.
    pub fn written_at(&self) -> u64 {
        let entries = self.entries();
        entries.map(|entry| entry.mod_revision).max().unwrap_or(0)
    }
}

/// Shows only the keys that exist: the rest follows from them.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster {:x} @{} ", self.cluster, self.revision)?;
        f.debug_list().entries(self.entries()).finish()
    }
}

fn is_foreign(entry: &Entry) -> Error {
    Error::new(ErrorKind::Corrupt, foreign(&entry.key, &entry.value))
}

/// Parses the record; the error names its key.
fn read_record(bytes: &[u8], keys: &Keys) -> Result<Record> {
    Record::parse(bytes).map_err(|error| {
        let key = String::from_utf8_lossy(&keys.record);
        let what = format!("under {key}: {error}. {}", mend(&keys.record));
        Error::with_source(error.kind(), what, error)
    })
}

/// An [`ErrorKind::Regressed`] error with the evidence of the loss, and what to do about it.
pub(super) fn lost(what: String, at_least: Option<Time>) -> Error {
    let told = at_least.map_or(String::new(), |time| format!(" --at-least {time}"));
    Error::new(
        ErrorKind::Regressed,
        format!(
            "the store has lost times that were handed out: {what} No time is handed out until \
             somebody has moved the clock forward: lamport repair{told}"
        ),
    )
}
