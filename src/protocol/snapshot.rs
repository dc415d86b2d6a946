//! All that one transaction showed of the shared clock, at one revision.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::keys::{Base, Keys, Repaired, Taken, foreign};
use super::record::Record;
use super::transaction::{Change, Compare, Entry, Operation, Reply};
use crate::clock::Time;
use crate::error::{Error, ErrorKind, Result};

mod observed;

pub(super) use self::observed::is_void;
pub use self::observed::{Holder, Observed};

/// The shared clock at one revision.
#[derive(Clone)]
pub struct Snapshot {
    keys: Arc<Keys>,
    /// Which store it is, as [`Reply::cluster`].
    pub cluster: u64,
    /// The store's revision.
    pub revision: u64,
    record: Option<Found<Result<Record>>>,
    base: Option<Found<Result<Base>>>,
    taken: Option<Found<Option<Taken>>>,
    /// The weights that there are, by their power of two.
    weights: BTreeMap<u32, Entry>,
}

/// A key as it was found, and what its value says.
#[derive(Clone)]
struct Found<T> {
    entry: Entry,
    content: T,
}

impl Snapshot {
    /// No key at all, at revision 0.
    pub fn empty(keys: &Arc<Keys>) -> Snapshot {
        Snapshot {
            keys: keys.clone(),
            cluster: 0,
            revision: 0,
            record: None,
            base: None,
            taken: None,
            weights: BTreeMap::new(),
        }
    }

    /// What a reply shows that read every key of the clock.
    pub fn of(keys: &Arc<Keys>, reply: &Reply) -> Snapshot {
        let mut snapshot = Snapshot::empty(keys);
        snapshot.revision = reply.revision;
        snapshot.cluster = reply.cluster;
        for entry in &reply.entries {
            snapshot.set(&entry.key, Some(entry.clone()));
        }
        snapshot
    }

    /// The same at `revision`, since when nobody has written: a reply bears the store's newest one.
    pub fn as_of(self, revision: u64) -> Snapshot {
        Snapshot { revision, ..self }
    }

    pub(super) fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// What a watch tells of the next revision that wrote any of these keys.
    pub fn advance(&mut self, change: &Change) {
        for (key, entry) in &change.keys {
            self.set(key, entry.clone());
        }
        self.revision = self.revision.max(change.revision);
    }

    /// What operations of our own did at `revision`.
    pub(super) fn perform(&mut self, operations: &[Operation], revision: u64) {
        for operation in operations {
            match operation {
                Operation::Put(key, value) => {
                    let before = self.entry(key);
                    let entry = Entry {
                        key: key.clone(),
                        value: value.clone(),
                        create_revision: before.map_or(revision, |entry| entry.create_revision),
                        mod_revision: revision,
                        version: before.map_or(0, |entry| entry.version) + 1,
                    };
                    self.set(key, Some(entry));
                }
                Operation::Delete(key) => self.set(key, None),
                Operation::Get(_) => {}
            }
        }
        self.revision = revision;
    }

    /// The one place where bytes become what they mean.
    pub(super) fn set(&mut self, key: &[u8], entry: Option<Entry>) {
        let keys = self.keys.clone();
        if key == keys.record {
            self.record = entry.map(|entry| Found {
                content: read_record(&entry.value, &keys),
                entry,
            });
        } else if key == keys.base {
            self.base = entry.map(|entry| Found {
                content: Base::parse(&entry.value, &keys),
                entry,
            });
        } else if key == keys.taken {
            self.taken = entry.map(|entry| Found {
                content: Taken::parse(&entry.value),
                entry,
            });
        } else if let Some(bit) = keys.bit_of(key) {
            match entry {
                Some(entry) => self.weights.insert(bit, entry),
                None => self.weights.remove(&bit),
            };
        }
    }

    fn entry(&self, key: &[u8]) -> Option<&Entry> {
        if key == self.keys.record {
            Some(&self.record.as_ref()?.entry)
        } else if key == self.keys.base {
            Some(&self.base.as_ref()?.entry)
        } else if key == self.keys.taken {
            Some(&self.taken.as_ref()?.entry)
        } else {
            self.weights.get(&self.keys.bit_of(key)?)
        }
    }

    /// Where the shared clock stands: the highest time that was taken. `None` if nobody has created
    /// the clock yet.
    ///
    /// [`ErrorKind::Regressed`] if anybody can see that the store lost something,
    /// [`ErrorKind::Corrupt`] if the base can't be read, [`ErrorKind::Exhausted`] past the last time.
    pub fn clock(&self) -> Result<Option<Time>> {
        if let Some(weight) = self.weights().find(|entry| !entry.value.is_empty()) {
            return Err(is_foreign(weight));
        }
        let written = match &self.base {
            Some(base) => Some(base.content.as_ref().map_err(Error::clone)?),
            None => None,
        };
        let (written, taken) = match (written, &self.taken) {
            (None, None) => return Ok(None),
            (Some(written), Some(taken)) => (written, taken),
            (Some(_), None) => return Err(self.lost("is gone", &self.keys.taken)),
            (None, Some(taken)) if taken.content.is_none() => return Err(is_foreign(&taken.entry)),
            (None, Some(_)) => return Err(self.lost("is gone", &self.keys.base)),
        };
        let taken = &taken.entry;
        let created_with = match written.created {
            0 => self.created(),
            created => created,
        };
        if taken.create_revision != created_with {
            return Err(self.lost("was deleted and written anew", &self.keys.taken));
        }
        let Some(takes) = taken.version.checked_sub(written.taken) else {
            return Err(self.lost("counts less than before", &self.keys.taken));
        };
        // In 128 bits: no version makes it wrap.
        let clock = u128::from(written.value.get()) + u128::from(takes) + self.sum_of_weights();
        let clock = u64::try_from(clock).unwrap_or(u64::MAX);
        Ok(Some(Time::ZERO.after(clock)?))
    }

    /// [`ErrorKind::Corrupt`] where a key holds what no clock writes there: nothing of it may be written
    /// over or deleted, however the clock stands.
    pub(super) fn refuse_foreign(&self) -> Result<()> {
        self.record()?;
        match (self.clock(), &self.taken) {
            (Err(error), _) if error.kind() == ErrorKind::Corrupt => Err(error),
            // Without a base that knows it, nothing says whose it is.
            (Err(_), Some(taken)) if taken.content.is_none() => Err(is_foreign(&taken.entry)),
            _ => Ok(()),
        }
    }

    fn sum_of_weights(&self) -> u128 {
        let weights = self.weights.iter();
        weights
            .map(|(bit, entry)| u128::from(entry.version) << bit)
            .sum()
    }

    /// What the weights add to the clock.
    pub(super) fn weighed(&self) -> u64 {
        u64::try_from(self.sum_of_weights()).unwrap_or(u64::MAX)
    }

    fn lost(&self, what: &str, key: &[u8]) -> Error {
        Error::new(
            ErrorKind::Regressed,
            format!(
                "the store has lost times that were handed out: its key {} {what}. No time is handed \
                 out until somebody has moved the clock forward: lamport repair",
                String::from_utf8_lossy(key)
            ),
        )
    }

    /// The record; `None` if there is none, [`ErrorKind::Corrupt`] if it can't be read.
    pub fn record(&self) -> Result<Option<&Record>> {
        match &self.record {
            Some(Found { content, .. }) => content.as_ref().map(Some).map_err(Error::clone),
            None => Ok(None),
        }
    }

    /// The record's value, 0 if there is none.
    pub(super) fn recorded(&self) -> Result<Time> {
        Ok(self.record()?.map_or(Time::ZERO, |record| record.value))
    }

    /// What lies under the base's key, if it can be read.
    pub fn base(&self) -> Option<&Base> {
        self.base.as_ref()?.content.as_ref().ok()
    }

    /// The newest repair.
    pub fn repaired(&self) -> Option<Repaired> {
        self.base()?.repaired
    }

    /// The revision that created the base; 0: there is none.
    pub(super) fn created(&self) -> u64 {
        self.base
            .as_ref()
            .map_or(0, |base| base.entry.create_revision)
    }

    /// The revision that wrote the base last; 0: there is none.
    pub(super) fn based_at(&self) -> u64 {
        self.base.as_ref().map_or(0, |base| base.entry.mod_revision)
    }

    /// How many puts `taken` has seen, and the revision that created it; 0: there is none.
    pub(super) fn taken(&self) -> (u64, u64) {
        let entry = self.taken.as_ref().map(|taken| &taken.entry);
        entry.map_or((0, 0), |entry| (entry.version, entry.create_revision))
    }

    /// How many transactions took times since the base was written.
    pub(super) fn takes(&self) -> u64 {
        let accounted = self.base().map_or(0, |base| base.taken);
        self.taken().0.saturating_sub(accounted)
    }

    /// The version of `taken` up to which nothing is left to fold: a crowd's fold leaves the weights.
    pub(super) fn accounted(&self) -> u64 {
        match self.weights.is_empty() {
            true => self.base().map_or(0, |base| base.taken),
            false => 0,
        }
    }

    /// The revision that wrote `taken` last; 0: there is none.
    pub(super) fn taken_at(&self) -> u64 {
        self.taken
            .as_ref()
            .map_or(0, |taken| taken.entry.mod_revision)
    }

    pub(super) fn weights(&self) -> impl Iterator<Item = &Entry> {
        self.weights.values()
    }

    /// Compares that hold as long as nobody has written `record`, `base` or `taken`.
    ///
    /// The bytes of the newest of these are compared beside its revision, since a restored store may
    /// use a revision a second time.
    pub(super) fn is_current(&self) -> Vec<Compare> {
        let keys = [&self.keys.record, &self.keys.base, &self.keys.taken];
        let mut compares: Vec<Compare> = keys.map(|key| self.is_unchanged(key)).into();
        // Of those written together the base is enough: it names its writer.
        let newest = [&self.keys.record, &self.keys.taken, &self.keys.base]
            .into_iter()
            .filter_map(|key| self.entry(key))
            .max_by_key(|entry| entry.mod_revision);
        if let Some(newest) = newest {
            compares.push(Compare::Value(newest.key.clone(), newest.value.clone()));
        }
        compares
    }

    /// A compare that holds as long as nobody has written `key`.
    pub(super) fn is_unchanged(&self, key: &[u8]) -> Compare {
        let revision = self.entry(key).map_or(0, |entry| entry.mod_revision);
        Compare::ModRevision(key.to_vec(), revision)
    }

    /// The base, byte for byte.
    pub(super) fn base_bytes(&self) -> &[u8] {
        self.base.as_ref().map_or(b"", |base| &base.entry.value)
    }

    /// Whether a change, after which the clock is as this shows it, deleted what no clock deletes: the
    /// record, the base or `taken`, or weights that no base accounts for.
    pub fn is_loss(&self, change: &Change) -> bool {
        let based = self.based_at() == change.revision;
        change.keys.iter().any(|(key, entry)| {
            let weight = self.keys.bit_of(key).is_some();
            let ours = [&self.keys.record, &self.keys.base, &self.keys.taken].contains(&key);
            entry.is_none() && (ours || (weight && !based))
        })
    }

    /// The newest revision that wrote `record`, `base` or `taken`; 0: there is none.
    pub fn written_at(&self) -> u64 {
        let keys = [&self.keys.record, &self.keys.base, &self.keys.taken];
        let entries = keys.into_iter().filter_map(|key| self.entry(key));
        entries.map(|entry| entry.mod_revision).max().unwrap_or(0)
    }
}

/// The keys that there are: the rest follows from them.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster {:x} @{} ", self.cluster, self.revision)?;
        let keys = [&self.keys.record, &self.keys.base, &self.keys.taken];
        let entries = keys.into_iter().filter_map(|key| self.entry(key));
        f.debug_list()
            .entries(entries.chain(self.weights()))
            .finish()
    }
}

fn is_foreign(entry: &Entry) -> Error {
    Error::new(ErrorKind::Corrupt, foreign(&entry.key, &entry.value))
}

/// What the record says; the error names its key.
fn read_record(bytes: &[u8], keys: &Keys) -> Result<Record> {
    Record::parse(bytes).map_err(|error| {
        let key = String::from_utf8_lossy(&keys.record);
        Error::with_source(error.kind(), format!("under {key}: {error}"), error)
    })
}
