//! What lies under the clock's keys, read once more and without any code of the protocol: the judge's
//! log of updates is made of it.

use std::collections::BTreeMap;

use lamport_clock::protocol::{Change, Compare, Entry, Reply, Transaction};
use serde_json::{Value, json};

pub(crate) const RECORD: &[u8] = b"/lamport_clock";

pub(super) const BASE: &[u8] = b"/lamport_clock/base";

pub(super) const TAKEN: &[u8] = b"/lamport_clock/taken";

pub(super) const WEIGHTS: &[u8] = b"/lamport_clock/taken/";

/// Whether a fold came between what an update had seen and the update itself, by its compares and what
/// its reply shows.
pub(crate) fn was_folded(transaction: &Transaction, reply: &Reply) -> bool {
    let seen = transaction
        .compares
        .iter()
        .find_map(|compare| match compare {
            Compare::ModRevision(key, revision) if key == BASE => Some(*revision),
            _ => None,
        });
    let base = reply.entries.iter().find(|entry| entry.key == BASE);
    base.is_some_and(|base| {
        let content: Value = serde_json::from_slice(&base.value).unwrap();
        Some(base.mod_revision) != seen && content["count"] == 0
    })
}

/// The keys of the clock at one revision.
#[derive(Clone, Default)]
pub(super) struct Found(pub(super) BTreeMap<Vec<u8>, Entry>);

impl Found {
    pub(super) fn json(&self, key: &[u8]) -> Option<Value> {
        serde_json::from_slice(&self.0.get(key)?.value).ok()
    }

    /// Where the clock stands; `None` if there is none, or if it has visibly lost something.
    pub(super) fn clock(&self) -> Option<u64> {
        let (base, taken) = (self.0.get(BASE)?, self.0.get(TAKEN)?);
        let counted = self.json(BASE)?;
        let created = match counted["created"].as_u64()? {
            0 => base.create_revision,
            created => created,
        };
        if taken.create_revision != created {
            return None;
        }
        let takes = taken.version.checked_sub(counted["taken"].as_u64()?)?;
        let mut clock = counted["value"].as_u64()? + takes;
        for (key, weight) in &self.0 {
            if let Some(bit) = key.strip_prefix(WEIGHTS) {
                let bit: u32 = std::str::from_utf8(bit).unwrap().parse().unwrap();
                clock += weight.version << bit;
            }
        }
        Some(clock)
    }

    /// The record's value: 0 if there is none, `None` if it can't be read.
    pub(super) fn record(&self) -> Option<u64> {
        match self.0.contains_key(RECORD) {
            true => self.json(RECORD)?["value"].as_u64(),
            false => Some(0),
        }
    }

    pub(super) fn wrote(&self, key: &[u8], revision: u64) -> bool {
        self.0
            .get(key)
            .is_some_and(|entry| entry.mod_revision == revision)
    }
}

/// What a revision did to the clock.
pub(super) enum Did {
    Updated(Value),
    /// It created the clock, folded, or took times that it gave up.
    Nothing,
    Deleted,
    Unreadable,
}

/// What a revision did, by the keys before and after it.
pub(super) fn did(before: &Found, after: &Found, change: &Change) -> Did {
    let revision = change.revision;
    let based = after.wrote(BASE, revision);
    let deleted = change.keys.iter().filter(|(_, entry)| entry.is_none());
    if deleted
        .into_iter()
        .any(|(key, _)| !(based && key.starts_with(WEIGHTS)))
    {
        return Did::Deleted;
    }
    let line = |wrote: &Value, first: u64, last: u64| {
        Did::Updated(json!({
            "value": last,
            "first": first,
            "process_id": wrote["process"],
            "instance": wrote["instance"],
            "revision": revision,
        }))
    };
    if based {
        let base = after.json(BASE).unwrap();
        let number = |name: &str| base[name].as_u64().unwrap();
        return match number("count") {
            0 => Did::Nothing,
            count => {
                assert_eq!(number("first") + count - 1, number("value"), "{base}");
                line(&base, number("first"), number("value"))
            }
        };
    }
    if after.wrote(TAKEN, revision) {
        let taken = after.json(TAKEN).unwrap();
        let number = |name: &str| taken[name].as_u64().unwrap();
        let (Some(last), count) = (after.clock(), number("count")) else {
            return Did::Nothing;
        };
        let first = (last + 1).saturating_sub(count);
        // A record that can't be read is above everything.
        let record = before.record().unwrap_or(u64::MAX);
        let void = first <= number("local") || (number("try") == 1 && first <= record);
        return match void || count == 0 {
            true => Did::Nothing,
            false => line(&taken, first, last),
        };
    }
    let Some(record) = after
        .0
        .get(RECORD)
        .filter(|entry| entry.mod_revision == revision)
    else {
        return Did::Nothing;
    };
    match lamport_clock::Record::parse(&record.value) {
        Ok(record) => Did::Updated(json!({
            "value": record.value.get(),
            "process_id": record.process_id,
            "revision": revision,
        })),
        Err(_) => Did::Unreadable,
    }
}
