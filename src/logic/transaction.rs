//! What the protocol asks of a store: one atomic step, as plain data.
//!
//! The words are etcd's (key, revision, compare, range), and any store that can do this can carry
//! the clock. The meaning of each is the contract that `store::memory` spells out and the
//! conformance suite checks.

/// One atomic step: if every compare holds the `then` operations run, else the `otherwise` ones.
///
/// Operations run in order, and a get sees the puts and deletes before it. All changes of one step
/// share one revision; a step that changes nothing has the store's current one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transaction {
    /// What must hold, all of it.
    pub compares: Vec<Compare>,
    /// What happens then.
    pub then: Vec<Operation>,
    /// What happens otherwise.
    pub otherwise: Vec<Operation>,
}

/// A condition on the store as the transaction finds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Compare {
    /// The key was last written at this revision; 0: it does not exist.
    ModRevision(Vec<u8>, u64),
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
    /// Reads a range.
    Get(Get),
}

/// A read of a range: its entries, the one that was written longest ago in front.
#[derive(Clone, Debug, PartialEq)]
pub struct Get {
    /// What to read.
    pub range: KeyRange,
    /// At most so many entries, from the front; 0: all.
    pub limit: u32,
    /// The range as it was at this revision instead of now.
    pub at: Option<u64>,
}

impl Get {
    /// All of `range` as it is now.
    pub fn all(range: KeyRange) -> Get {
        Get {
            range,
            limit: 0,
            at: None,
        }
    }
}

/// The keys from `start` on, up to and without `end`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyRange {
    /// The first key.
    pub start: Vec<u8>,
    /// The first key past the range.
    pub end: Vec<u8>,
}

impl KeyRange {
    /// One key alone.
    pub fn key(key: &[u8]) -> KeyRange {
        KeyRange::through(key, key)
    }

    /// From `first` up to and with `last`.
    pub fn through(first: &[u8], last: &[u8]) -> KeyRange {
        let mut end = last.to_vec();
        end.push(0);
        KeyRange {
            start: first.to_vec(),
            end,
        }
    }

    /// Every key that begins with `prefix`, which must hold a byte below 255.
    pub fn prefix(prefix: &[u8]) -> KeyRange {
        let kept = prefix.iter().rposition(|&byte| byte < u8::MAX).unwrap_or(0);
        let mut end = prefix[..=kept].to_vec();
        end[kept] += 1;
        KeyRange {
            start: prefix.to_vec(),
            end,
        }
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        *self.start <= *key && *key < *self.end
    }
}

/// What a store answers to a [`Transaction`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// Whether every compare held.
    pub succeeded: bool,
    /// The store's revision after the transaction.
    pub revision: u64,
    /// Which store answered, by an id that another one does not have; 0: it does not tell.
    pub cluster: u64,
    /// One list of entries for each get of the branch that ran, in order.
    pub gets: Vec<Vec<Entry>>,
}

/// A key with its value and where it stands in the store's history.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// The revision that wrote it last.
    pub mod_revision: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_they_say() {
        let one = KeyRange::key(b"/c");
        assert!(one.contains(b"/c"));
        assert!(!one.contains(b"/c/waiting") && !one.contains(b"/b"));
        let prefix = KeyRange::prefix(b"/c/");
        assert!(prefix.contains(b"/c/") && prefix.contains(b"/c/\xff\xff"));
        assert!(!prefix.contains(b"/c") && !prefix.contains(b"/c0"));
        let carried = KeyRange::prefix(b"a\xff");
        assert!(carried.contains(b"a\xffz") && !carried.contains(b"b"));
    }
}
