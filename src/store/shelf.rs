//! Keys with their history: the contract of a store's transactions, without sharing or waiting.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::Change;
use crate::error::{Error, ErrorKind, Result};
use crate::logic::transaction::{Compare, Entry, Get, KeyRange, Operation, Reply, Transaction};

/// A multi-version map as etcd keeps one: every transaction that changes something is a revision.
///
/// Pure: it may be stepped through by a model checker as well as shared by a [`MemoryStore`].
///
/// [`MemoryStore`]: super::MemoryStore
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    cluster: u64,
    revision: u64,
    /// Nothing older than this revision is kept.
    compacted: u64,
    /// The versions of each key, oldest first; never empty.
    keys: BTreeMap<Vec<u8>, VecDeque<Version>>,
    /// Which keys each kept revision changed.
    log: BTreeMap<u64, Vec<Vec<u8>>>,
}

#[derive(Clone, Debug)]
struct Version {
    revision: u64,
    /// `None`: deleted.
    value: Option<Vec<u8>>,
}

impl Shelf {
    /// So many revisions are kept before the oldest is compacted away.
    pub const KEPT: usize = 10_000;
    /// The most operations in one branch of a transaction, etcd's default.
    pub const MAX_OPERATIONS: usize = 128;

    /// An empty shelf with an id, which its replies bear: for tests that hold several apart.
    pub fn of_cluster(cluster: u64) -> Shelf {
        Shelf {
            cluster,
            ..Shelf::default()
        }
    }

    /// Carries out one transaction, whole or not at all.
    pub fn apply(&mut self, transaction: &Transaction) -> Result<Reply> {
        check_form(transaction)?;
        let succeeded = transaction
            .compares
            .iter()
            .all(|compare| self.holds(compare));
        let branch = if succeeded {
            &transaction.then
        } else {
            &transaction.otherwise
        };
        for operation in branch {
            if let Operation::Get(Get { at: Some(at), .. }) = operation {
                self.check_readable(*at)?;
            }
        }
        // From here on nothing can fail.
        let revision = self.revision + 1;
        let mut gets = Vec::new();
        for operation in branch {
            match operation {
                Operation::Put(key, value) => self.write(key, revision, Some(value.clone())),
                Operation::Delete(key) => self.write(key, revision, None),
                Operation::Get(get) => gets.push(self.get(get)),
            }
        }
        if self.log.contains_key(&revision) {
            self.revision = revision;
        }
        while self.log.len() > Shelf::KEPT {
            let oldest = *self.log.keys().next().expect("more than KEPT");
            self.compact(oldest + 1);
        }
        Ok(Reply {
            succeeded,
            revision: self.revision,
            cluster: self.cluster,
            gets,
        })
    }

    /// The changes of `range` from revision `from` through `to`.
    pub fn changes(&self, range: &KeyRange, from: u64, to: u64) -> Result<Vec<Change>> {
        self.check_kept(from)?;
        let changes = self.log.range(from..=to).map(|(&revision, keys)| Change {
            revision,
            keys: keys
                .iter()
                .filter(|key| range.contains(key))
                .map(|key| (key.clone(), self.entry_at(key, revision)))
                .collect(),
        });
        Ok(changes.filter(|change| !change.keys.is_empty()).collect())
    }

    /// [`ErrorKind::Compacted`] if something at `revision` or after it is no longer kept.
    pub fn check_kept(&self, revision: u64) -> Result<()> {
        if revision >= self.compacted {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Compacted,
            format!(
                "revision {revision} is no longer kept: the store was compacted before revision {}",
                self.compacted
            ),
        ))
    }

    /// Forgets what was overwritten or deleted before `revision`.
    pub fn compact(&mut self, revision: u64) {
        let revision = revision.min(self.revision);
        if revision <= self.compacted {
            return;
        }
        self.compacted = revision;
        // Oldest first and no more than goes: a full shelf forgets one revision for each that comes.
        let mut touched: HashSet<Vec<u8>> = HashSet::new();
        while let Some(oldest) = self.log.first_entry()
            && *oldest.key() < revision
        {
            touched.extend(oldest.remove());
        }
        // A version is superseded by the newest one at or before `revision`, so only keys changed
        // up to there can have something to forget.
        touched.extend(self.log.get(&revision).into_iter().flatten().cloned());
        for key in &touched {
            let Some(versions) = self.keys.get_mut(key) else {
                continue;
            };
            let until = versions.partition_point(|version| version.revision <= revision);
            let newest = until.checked_sub(1);
            if let Some(newest) = newest {
                let deleted =
                    versions[newest].value.is_none() && versions[newest].revision < revision;
                versions.drain(..newest + usize::from(deleted));
            }
            if versions.is_empty() {
                self.keys.remove(key);
            }
        }
    }

    /// The oldest revision that is still kept whole.
    pub fn kept_from(&self) -> u64 {
        self.compacted
    }

    /// The present revision.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn check_readable(&self, at: u64) -> Result<()> {
        if at > self.revision {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "revision {at} lies in the future: the store is at {}",
                    self.revision
                ),
            ));
        }
        self.check_kept(at)
    }

    fn holds(&self, compare: &Compare) -> bool {
        match compare {
            Compare::ModRevision(key, revision) => {
                self.entry(key).map_or(0, |entry| entry.mod_revision) == *revision
            }
            Compare::Value(key, value) => {
                self.entry(key).is_some_and(|entry| entry.value == *value)
            }
        }
    }

    fn get(&self, get: &Get) -> Vec<Entry> {
        let at = get.at.unwrap_or(u64::MAX);
        let mut entries: Vec<Entry> = self
            .keys
            .range(get.range.start.clone()..get.range.end.clone())
            .filter_map(|(key, _)| self.entry_at(key, at))
            .collect();
        entries.sort_by_key(|entry| entry.mod_revision);
        if get.limit > 0 {
            entries.truncate(get.limit as usize);
        }
        entries
    }

    fn entry(&self, key: &[u8]) -> Option<Entry> {
        self.entry_at(key, u64::MAX)
    }

    fn entry_at(&self, key: &[u8], revision: u64) -> Option<Entry> {
        let versions = self.keys.get(key)?;
        let version = versions
            .iter()
            .rfind(|version| version.revision <= revision)?;
        Some(Entry {
            key: key.to_vec(),
            value: version.value.clone()?,
            mod_revision: version.revision,
        })
    }

    fn write(&mut self, key: &[u8], revision: u64, value: Option<Vec<u8>>) {
        if value.is_none() && self.entry(key).is_none() {
            return;
        }
        let versions = self.keys.entry(key.to_vec()).or_default();
        versions.push_back(Version { revision, value });
        self.log.entry(revision).or_default().push(key.to_vec());
    }
}

fn check_form(transaction: &Transaction) -> Result<()> {
    for branch in [&transaction.then, &transaction.otherwise] {
        let mut written = HashSet::new();
        for operation in branch {
            if let Operation::Put(key, _) | Operation::Delete(key) = operation
                && !written.insert(key)
            {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!(
                        "a transaction writes {} twice",
                        String::from_utf8_lossy(key)
                    ),
                ));
            }
        }
        if branch.len() > Shelf::MAX_OPERATIONS {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "a transaction has {} operations, more than 128",
                    branch.len()
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(shelf: &mut Shelf, key: &[u8], value: &[u8]) -> u64 {
        let transaction = Transaction {
            then: vec![Operation::Put(key.to_vec(), value.to_vec())],
            ..Transaction::default()
        };
        shelf.apply(&transaction).unwrap().revision
    }

    #[test]
    fn history_is_bounded_and_live_keys_survive_it() {
        let mut shelf = Shelf::default();
        put(&mut shelf, b"once", b"x");
        for i in 0..Shelf::KEPT + 50 {
            put(&mut shelf, b"often", i.to_string().as_bytes());
        }
        assert_eq!(shelf.log.len(), Shelf::KEPT);
        assert!(shelf.keys[&b"often"[..]].len() <= Shelf::KEPT + 1);
        assert_eq!(shelf.entry(b"once").unwrap().value, b"x");
        assert_eq!(
            shelf.check_kept(1).unwrap_err().kind(),
            ErrorKind::Compacted
        );
    }

    #[test]
    fn compaction_forgets_deleted_keys() {
        let mut shelf = Shelf::default();
        put(&mut shelf, b"a", b"x");
        let transaction = Transaction {
            then: vec![Operation::Delete(b"a".to_vec())],
            ..Transaction::default()
        };
        shelf.apply(&transaction).unwrap();
        put(&mut shelf, b"b", b"x");
        shelf.compact(3);
        assert!(!shelf.keys.contains_key(&b"a"[..]));
        assert!(shelf.entry(b"b").is_some());
    }
}
