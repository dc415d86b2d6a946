//! What the protocol asks of a store, and what a store answers: plain data.
//!
//! The words are etcd's (key, revision, version, compare, range), and any store that can do this can
//! carry the clock. The meaning of each is the contract that `store::mvcc` spells out and the
//! conformance suite checks.

use std::fmt;

/// One atomic step: if every compare holds the `then` operations run, else the `otherwise` ones.
///
/// Operations run in order, and a get sees the puts and deletes before it. All changes of one step
/// share one revision; a step that changes nothing has the store's current one.
///
/// ```
/// use std::time::Duration;
/// use lamport_clock::protocol::{Compare, KeyRange, Operation, Transaction};
/// use lamport_clock::store::{MemoryStore, Store};
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let first = Transaction {
///     compares: vec![Compare::ModRevision(b"/k".to_vec(), 0)],
///     then: vec![Operation::Put(b"/k".to_vec(), b"1".to_vec())],
///     otherwise: vec![Operation::Get(KeyRange::key(b"/k"))],
/// };
/// let store = MemoryStore::new();
/// let within = Duration::from_secs(1);
/// assert!(store.transact(&first, within).await.unwrap().succeeded);
/// let again = store.transact(&first, within).await.unwrap();
/// assert_eq!((again.succeeded, again.entries[0].version), (false, 1));
/// # Ok::<(), lamport_clock::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transaction {
    /// The conditions, which must all hold.
    pub compares: Vec<Compare>,
    /// The operations that run if they hold.
    pub then: Vec<Operation>,
    /// The operations that run otherwise.
    pub otherwise: Vec<Operation>,
}

impl Transaction {
    /// The operations that ran, given whether the transaction `succeeded`.
    pub fn branch(&self, succeeded: bool) -> &[Operation] {
        if succeeded {
            &self.then
        } else {
            &self.otherwise
        }
    }
}

/// A condition on the store as the transaction finds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Compare {
    /// The key was last written at this revision; 0: it does not exist.
    ModRevision(Vec<u8>, u64),
    /// The key was put at least this often since it was created; 0 is true of a key that is absent.
    VersionAtLeast(Vec<u8>, u64),
    /// The key exists and holds exactly these bytes.
    Value(Vec<u8>, Vec<u8>),
}

/// One operation of a transaction. No key may be written twice in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Writes a value under a key.
    Put(Vec<u8>, Vec<u8>),
    /// Deletes a key; nothing happens if it does not exist.
    Delete(Vec<u8>),
    /// Reads a range, in the order of its keys.
    Get(KeyRange),
}

/// At which moment a range is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Now: the read sees the writes of every transaction that returned before (linearizable).
    Now,
    /// As it was at this revision.
    Revision(u64),
    /// The state of any one server, which may be late. The cheapest read; conclude no loss from it.
    Anywhere,
}

/// The key `start`, and the keys from `rest` on, up to and without `end`.
///
/// ```
/// use lamport_clock::protocol::KeyRange;
/// let range = KeyRange::new("/a", "/c");
/// assert!(range.contains(b"/b") && !range.contains(b"/c"));
/// assert!(KeyRange::key(b"/a").contains(b"/a"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyRange {
    /// The first key.
    pub start: Vec<u8>,
    /// The range leaves out the keys after `start` and before `rest`. Mostly `rest` equals `start`: then the
    /// range has no gap.
    pub rest: Vec<u8>,
    /// The first key past the range.
    pub end: Vec<u8>,
}

impl KeyRange {
    /// The keys from `start` on, up to and without `end`.
    pub fn new(start: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> KeyRange {
        let start = start.into();
        KeyRange {
            rest: start.clone(),
            start,
            end: end.into(),
        }
    }

    /// One key alone.
    pub fn key(key: &[u8]) -> KeyRange {
        KeyRange::new(key, [key, &[0]].concat())
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        *key == *self.start || (*self.rest <= *key && *key < *self.end)
    }
}

/// What a store answers to a [`Transaction`], or to a read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// Whether every compare held.
    pub succeeded: bool,
    /// The store's revision after the transaction.
    pub revision: u64,
    /// The id of the store that answered, which no other store has; 0: the store does not tell.
    pub cluster: u64,
    /// The entries found by the gets of the branch that ran, in the order of the gets.
    pub entries: Vec<Entry>,
}

/// A key with its value and where it stands in the store's history.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// The value of the key.
    pub value: Vec<u8>,
    /// The revision that created it; a key that was deleted and written again is a new one.
    pub create_revision: u64,
    /// The revision that wrote it last.
    pub mod_revision: u64,
    /// How many times the key was put since it was created.
    pub version: u64,
}

/// On one line, for people.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} @{} (created @{}, version {}): {}",
            self.key.escape_ascii(),
            self.mod_revision,
            self.create_revision,
            self.version,
            self.value.escape_ascii()
        )
    }
}

/// All changes that one transaction made to the keys of a watch.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The transaction's revision.
    pub revision: u64,
    /// Each key changed: its new state, or `None` if it was deleted.
    pub keys: Vec<(Vec<u8>, Option<Entry>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_one_key_holds_that_key_alone() {
        let one = KeyRange::key(b"/c");
        assert!(one.contains(b"/c"));
        assert!(!one.contains(b"/c/base") && !one.contains(b"/b") && !one.contains(b"/c\0"));
    }

    #[test]
    fn a_gap_keeps_the_keys_of_neighbours_out() {
        let clock = KeyRange {
            rest: b"/c/".to_vec(),
            ..KeyRange::new("/c", "/c0")
        };
        for (key, belongs) in [("/c", true), ("/c-x", false), ("/c/", true), ("/c/b", true)] {
            assert_eq!(clock.contains(key.as_bytes()), belongs, "{key}");
        }
        assert!(!clock.contains(b"/c0"));
    }
}
