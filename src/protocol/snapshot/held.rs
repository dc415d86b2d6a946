//! A key of the clock as the store has it, and what it says.

use std::sync::Arc;

use super::Snapshot;
use crate::error::Result;
use crate::protocol::keys::{Base, Keys, to_json};
use crate::protocol::record::Record;
use crate::protocol::transaction::{Entry, Operation};

/// A key as the store has it, and what it says: read once, since most updates leave it as it is.
#[derive(Clone)]
pub(super) struct Held<T> {
    pub(super) entry: Option<Arc<Entry>>,
    pub(super) says: Result<Option<Arc<T>>>,
}

impl<T> Held<T> {
    pub(super) fn absent() -> Held<T> {
        Held {
            entry: None,
            says: Ok(None),
        }
    }

    pub(super) fn read(entry: Option<Arc<Entry>>, read: impl Fn(&[u8]) -> Result<T>) -> Held<T> {
        let value = entry.as_ref().map(|entry| &*entry.value);
        Held {
            says: value.map(|value| read(value).map(Arc::new)).transpose(),
            entry,
        }
    }

    pub(super) fn of(entry: Entry, says: &Arc<T>) -> Held<T> {
        Held {
            entry: Some(Arc::new(entry)),
            says: Ok(Some(says.clone())),
        }
    }

    pub(super) fn entry(&self) -> &Entry {
        self.entry.as_deref().unwrap_or(&ABSENT)
    }
}

/// A record and a base that one transaction writes.
#[derive(Clone, Debug)]
pub(in crate::protocol) struct Written {
    pub(super) record: Arc<Record>,
    pub(super) base: Arc<Base>,
}

impl Written {
    /// A base that hands times out, and the record with it.
    pub(in crate::protocol) fn by(base: Base, seen: &Snapshot) -> Written {
        let record = Record {
            value: base.value,
            process_id: base.process.clone(),
            real_timestamp: Some(base.real_timestamp),
        };
        Written::with(record, base, seen)
    }

    /// A base hands on what the one before it did.
    pub(in crate::protocol) fn with(record: Record, base: Base, seen: &Snapshot) -> Written {
        Written {
            record: Arc::new(record),
            base: Arc::new(base.after(seen.base())),
        }
    }

    pub(in crate::protocol) fn puts(&self, keys: &Keys) -> Vec<Operation> {
        let (record, base) = (self.record.to_json(), to_json(&*self.base));
        // What others read is what this process goes on from.
        debug_assert!(Record::parse(&record).is_ok_and(|read| read == *self.record));
        debug_assert!(Base::parse(&base, keys).is_ok_and(|read| read == *self.base));
        vec![
            Operation::Put(keys.record.clone(), record),
            Operation::Put(keys.base.clone(), base),
        ]
    }
}

/// A key that there is not, as a store compares it.
pub(super) static ABSENT: Entry = Entry {
    key: Vec::new(),
    value: Vec::new(),
    create_revision: 0,
    mod_revision: 0,
    version: 0,
};
