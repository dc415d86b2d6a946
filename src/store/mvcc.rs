//! Keys with their history: the contract of a store's transactions, without sharing or waiting.

use std::collections::{BTreeMap, HashSet, VecDeque};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{At, Change, Compare, Entry, KeyRange, Operation, Reply, Transaction};

/// A multi-version map as etcd keeps one: every transaction that changes something is a revision.
///
/// It does no I/O and takes no lock: a model checker can step through it, and a [`MemoryStore`] share it.
///
/// [`MemoryStore`]: super::MemoryStore
#[derive(Clone, Debug, Default)]
pub struct Mvcc {
    cluster: u64,
    /// Number of revisions that changed something. As in etcd, the first revision is 1, and empty.
    changed: u64,
    /// Nothing older than this revision is kept.
    compacted: u64,
    /// The versions of each key, oldest first and never empty, each with its revision. `None`: a deletion.
    keys: BTreeMap<Vec<u8>, VecDeque<(u64, Option<Entry>)>>,
    /// Which keys each kept revision changed.
    log: BTreeMap<u64, Vec<Vec<u8>>>,
}

impl Mvcc {
    /// Number of revisions that are kept; beyond it the oldest is compacted away.
    pub const KEPT: usize = 10_000;
    /// The most operations in one branch of a transaction, etcd's default.
    pub const MAX_OPERATIONS: usize = 128;

    /// An empty map whose replies bear the id `cluster`: for tests with several maps.
    pub fn of_cluster(cluster: u64) -> Mvcc {
        Mvcc {
            cluster,
            ..Mvcc::default()
        }
    }

    /// Carries out one transaction, whole or not at all.
    pub fn apply(&mut self, transaction: &Transaction) -> Result<Reply> {
        check_form(transaction)?;
        let succeeded = transaction.compares.iter().all(|it| self.holds(it));
        let revision = self.revision() + 1;
        let mut entries = Vec::new();
        for operation in transaction.branch(succeeded) {
            match operation {
                Operation::Put(key, value) => self.write(key, revision, Some(value.clone())),
                Operation::Delete(key) => self.write(key, revision, None),
                Operation::Get(range) => entries.extend(self.entries(range, u64::MAX)),
            }
        }
        if self.log.contains_key(&revision) {
            self.changed += 1;
        }
        while self.log.len() > Mvcc::KEPT {
            let oldest = *self.log.keys().next().expect("more than KEPT");
            self.compact(oldest + 1);
        }
        Ok(self.reply(succeeded, entries))
    }

    /// Reads a range at one revision.
    pub fn read(&self, range: &KeyRange, at: At) -> Result<Reply> {
        let revision = match at {
            At::Revision(revision) if revision > self.revision() => {
                return Err(Error::invalid(format!(
                    "revision {revision} lies in the future: the store is at {}",
                    self.revision()
                )));
            }
            At::Revision(revision) => {
                self.check_kept(revision)?;
                revision
            }
            At::Now | At::Anywhere => u64::MAX,
        };
        Ok(self.reply(true, self.entries(range, revision).collect()))
    }

    fn reply(&self, succeeded: bool, entries: Vec<Entry>) -> Reply {
        Reply {
            succeeded,
            revision: self.revision(),
            cluster: self.cluster,
            entries,
        }
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
        let compacted = self.compacted;
        if revision >= compacted {
            return Ok(());
        }
        let why = format!(
            "revision {revision} is no longer kept: the store was compacted before revision {compacted}"
        );
        Err(Error::new(ErrorKind::Compacted, why))
    }

    /// Forgets what was overwritten or deleted before `revision`.
    pub fn compact(&mut self, revision: u64) {
        let revision = revision.min(self.revision());
        if revision <= self.compacted {
            return;
        }
        self.compacted = revision;
        // Walks only the revisions to remove: a full map compacts one revision at each new one.
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
            let until = versions.partition_point(|(written, _)| *written <= revision);
            if let Some(newest) = until.checked_sub(1) {
                let (written, entry) = &versions[newest];
                let deleted = entry.is_none() && *written < revision;
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
        self.changed + 1
    }

    fn holds(&self, compare: &Compare) -> bool {
        match compare {
            Compare::ModRevision(key, revision) => {
                self.entry(key).map_or(0, |entry| entry.mod_revision) == *revision
            }
            Compare::VersionAtLeast(key, version) => {
                self.entry(key).map_or(0, |entry| entry.version) >= *version
            }
            Compare::Value(key, value) => {
                self.entry(key).is_some_and(|entry| entry.value == *value)
            }
        }
    }

    fn entries(&self, range: &KeyRange, at: u64) -> impl Iterator<Item = Entry> {
        self.keys
            .range(range.start.clone()..range.end.clone())
            .filter(|(key, _)| range.contains(key))
            .filter_map(move |(key, _)| self.entry_at(key, at))
    }

    fn entry(&self, key: &[u8]) -> Option<Entry> {
        self.entry_at(key, u64::MAX)
    }

    fn entry_at(&self, key: &[u8], revision: u64) -> Option<Entry> {
        let mut versions = self.keys.get(key)?.iter();
        let (_, entry) = versions.rfind(|(written, _)| *written <= revision)?;
        entry.clone()
    }

    fn write(&mut self, key: &[u8], revision: u64, value: Option<Vec<u8>>) {
        let before = self.entry(key);
        if value.is_none() && before.is_none() {
            return;
        }
        let (create_revision, version) = match before {
            Some(entry) => (entry.create_revision, entry.version + 1),
            None => (revision, 1),
        };
        let entry = value.map(|value| Entry {
            key: key.to_vec(),
            value,
            create_revision,
            mod_revision: revision,
            version,
        });
        let versions = self.keys.entry(key.to_vec()).or_default();
        versions.push_back((revision, entry));
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
                let key = String::from_utf8_lossy(key);
                return Err(Error::invalid(format!("a transaction writes {key} twice")));
            }
        }
        if branch.len() > Mvcc::MAX_OPERATIONS {
            let count = branch.len();
            let why = format!("a transaction has {count} operations, more than 128");
            return Err(Error::new(ErrorKind::Unavailable, why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carry_out(map: &mut Mvcc, then: Vec<Operation>) -> Reply {
        let transaction = Transaction {
            then,
            ..Transaction::default()
        };
        map.apply(&transaction).unwrap()
    }

    fn put(map: &mut Mvcc, key: &[u8], value: &[u8]) -> u64 {
        let put = Operation::Put(key.to_vec(), value.to_vec());
        carry_out(map, vec![put]).revision
    }

    fn delete(map: &mut Mvcc, key: &[u8]) -> u64 {
        carry_out(map, vec![Operation::Delete(key.to_vec())]).revision
    }

    /// The revision that created a key, the one that last wrote it, and its version.
    fn counted(entry: &Entry) -> (u64, u64, u64) {
        (entry.create_revision, entry.mod_revision, entry.version)
    }

    #[test]
    fn history_is_bounded_and_live_keys_survive_it() {
        let mut map = Mvcc::default();
        put(&mut map, b"once", b"x");
        for i in 0..Mvcc::KEPT + 50 {
            put(&mut map, b"often", i.to_string().as_bytes());
        }
        assert_eq!(map.log.len(), Mvcc::KEPT);
        assert!(map.keys[&b"often"[..]].len() <= Mvcc::KEPT + 1);
        assert_eq!(map.entry(b"once").unwrap().value, b"x");
        // Compaction does not change the version or the create revision of a key.
        let often = map.entry(b"often").unwrap();
        assert_eq!(often.version, Mvcc::KEPT as u64 + 50);
        assert_eq!(often.create_revision, 3);
        assert_eq!(map.check_kept(1).unwrap_err().kind(), ErrorKind::Compacted);
    }

    #[test]
    fn a_put_is_counted_within_its_own_transaction() {
        let mut map = Mvcc::default();
        let get = || Operation::Get(KeyRange::key(b"a"));
        let put = Operation::Put(b"a".to_vec(), b"x".to_vec());
        for version in 1..=3 {
            let around = vec![get(), put.clone(), get()];
            let reply = carry_out(&mut map, around);
            let found: Vec<_> = reply.entries.iter().map(|entry| entry.version).collect();
            let expected = if version == 1 {
                vec![1]
            } else {
                vec![version - 1, version]
            };
            assert_eq!(found, expected);
        }
        let away = vec![get(), Operation::Delete(b"a".to_vec()), get()];
        assert_eq!(carry_out(&mut map, away).entries.len(), 1);
    }

    #[test]
    fn a_key_written_again_after_its_deletion_counts_anew() {
        let mut map = Mvcc::default();
        put(&mut map, b"a", b"1");
        put(&mut map, b"a", b"2");
        let deleted = delete(&mut map, b"a");
        assert_eq!(delete(&mut map, b"a"), deleted, "nothing was there");
        let anew = put(&mut map, b"a", b"3");
        assert_eq!(counted(&map.entry(b"a").unwrap()), (anew, anew, 1));
        // The versions from before the deletion are unchanged, and end at the deletion.
        assert_eq!(
            counted(&map.entry_at(b"a", deleted - 1).unwrap()),
            (2, 3, 2)
        );
        assert_eq!(map.entry_at(b"a", deleted), None);
        map.compact(anew);
        assert_eq!(counted(&map.entry(b"a").unwrap()), (anew, anew, 1));
        assert_eq!(map.keys[&b"a"[..]].len(), 1, "nothing older is kept");
    }

    #[test]
    fn an_absent_key_has_version_0() {
        let mut map = Mvcc::default();
        put(&mut map, b"gone", b"x");
        delete(&mut map, b"gone");
        put(&mut map, b"twice", b"x");
        put(&mut map, b"twice", b"x");
        for (key, version) in [(&b"never"[..], 0), (b"gone", 0), (b"twice", 2)] {
            for least in 0..4 {
                let compare = Compare::VersionAtLeast(key.to_vec(), least);
                assert_eq!(map.holds(&compare), least <= version, "{compare:?}");
            }
        }
    }

    #[test]
    fn a_watch_is_told_each_revision_s_own_version() {
        let mut map = Mvcc::default();
        let revisions = [put(&mut map, b"a", b"1"), put(&mut map, b"a", b"2")];
        delete(&mut map, b"a");
        let changes = map.changes(&KeyRange::key(b"a"), 0, u64::MAX).unwrap();
        let told: Vec<_> = changes
            .iter()
            .map(|change| change.keys[0].1.as_ref().map(counted))
            .collect();
        assert_eq!(
            told,
            [Some((2, revisions[0], 1)), Some((2, revisions[1], 2)), None]
        );
    }

    #[test]
    fn compaction_forgets_deleted_keys() {
        let mut map = Mvcc::default();
        put(&mut map, b"a", b"x");
        delete(&mut map, b"a");
        put(&mut map, b"b", b"x");
        map.compact(4);
        assert!(!map.keys.contains_key(&b"a"[..]));
        assert!(map.entry(b"b").is_some());
    }
}
