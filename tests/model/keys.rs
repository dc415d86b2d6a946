//! What lies in the store, read without the library: the model judges by this.

use lamport_clock::protocol::{At, Entry, KeyRange};
use lamport_clock::store::mvcc::Mvcc;
use serde_json::Value;

pub(crate) const RECORD: &str = "/c";
pub(crate) const BASE: &str = "/c/base";
pub(crate) const TAKEN: &str = "/c/taken";
/// The weights that the model's small counts can need.
pub(crate) const WEIGHTS: [&str; 4] = ["/c/taken/00", "/c/taken/01", "/c/taken/02", "/c/taken/03"];

/// The clock, as anybody can see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Clock {
    Empty,
    Lost,
    At(u64),
}

pub(crate) fn entry(store: &Mvcc, key: &str) -> Option<Entry> {
    let reply = store.read(&KeyRange::key(key.as_bytes()), At::Now).unwrap();
    reply.entries.into_iter().next()
}

pub(crate) fn json(entry: &Entry) -> Value {
    serde_json::from_slice(&entry.value).unwrap()
}

pub(crate) fn number(entry: &Entry, field: &str) -> u64 {
    json(entry)[field].as_u64().unwrap()
}

pub(crate) fn record(store: &Mvcc) -> u64 {
    entry(store, RECORD).map_or(0, |entry| number(&entry, "value"))
}

pub(crate) fn clock(store: &Mvcc) -> Clock {
    let (base, taken) = (entry(store, BASE), entry(store, TAKEN));
    let (base, taken) = match (base, taken) {
        (None, None) => return Clock::Empty,
        (Some(base), Some(taken)) => (base, taken),
        _ => return Clock::Lost,
    };
    let created = match number(&base, "created") {
        0 => base.create_revision,
        created => created,
    };
    if taken.create_revision != created || taken.version < number(&base, "taken") {
        return Clock::Lost;
    }
    let mut clock = number(&base, "value") + taken.version - number(&base, "taken");
    for (bit, key) in WEIGHTS.iter().enumerate() {
        clock += entry(store, key).map_or(0, |weight| weight.version << bit);
    }
    Clock::At(clock)
}
