//! One key of the clock: its entry in the store, and the parsed value.

use std::sync::Arc;

use super::Snapshot;
use crate::error::Result;
use crate::protocol::keys::{Base, Keys, to_json};
use crate::protocol::record::Record;
use crate::protocol::transaction::{Entry, Operation};

/// A key's entry in the store and its parsed value, parsed once because most updates leave it unchanged.
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

    /// The record and the base, with the fields of the base before that every writer copies.
    pub(in crate::protocol) fn with(record: Record, base: Base, seen: &Snapshot) -> Written {
        Written {
            record: Arc::new(record),
            base: Arc::new(base.after(seen.base())),
        }
    }

    pub(in crate::protocol) fn puts(&self, keys: &Keys) -> Vec<Operation> {
        let (record, base) = (self.record.to_json(), to_json(&*self.base));
        // This process goes on from its own values, so the bytes that others read must mean the same.
        debug_assert!(Record::parse(&record).is_ok_and(|read| read == *self.record));
        debug_assert!(Base::parse(&base, keys).is_ok_and(|read| read == *self.base));
        vec![
            Operation::Put(keys.record.clone(), record),
            Operation::Put(keys.base.clone(), base),
        ]
    }
}

/// The entry of an absent key, with the numbers that a store compares it by.
pub(super) static ABSENT: Entry = Entry {
    key: Vec::new(),
    value: Vec::new(),
    create_revision: 0,
    mod_revision: 0,
    version: 0,
};
