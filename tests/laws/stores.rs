//! Of the reference store, and of what is followed in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use lamport_clock::ErrorKind;
use lamport_clock::protocol::{At, Entry, KeyRange, Keys, Operation, Snapshot, Transaction};
use lamport_clock::store::mvcc::Mvcc;
use proptest::collection::vec;
use proptest::prelude::*;

/// What one transaction writes: `None` deletes.
type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn everything() -> KeyRange {
    KeyRange::new("/", "0")
}

fn writes(value: impl Strategy<Value = Vec<u8>> + 'static) -> impl Strategy<Value = Writes> {
    let key = prop_oneof![
        Just("/c"),
        Just("/c/base"),
        Just("/c/taken"),
        Just("/c/taken/00"),
        Just("/c/taken/03")
    ];
    let value = proptest::option::weighted(0.8, value);
    let key = key.prop_map(|key| key.as_bytes().to_vec());
    proptest::collection::btree_map(key, value, 0..4)
}

fn apply(map: &mut Mvcc, writes: &Writes) -> u64 {
    let then = writes.iter().map(|(key, value)| match value {
        Some(value) => Operation::Put(key.clone(), value.clone()),
        None => Operation::Delete(key.clone()),
    });
    let transaction = Transaction {
        then: then.collect(),
        ..Transaction::default()
    };
    map.apply(&transaction).unwrap().revision
}

/// A state after one, as the contract says it.
fn plainly_after(
    before: &BTreeMap<Vec<u8>, Entry>,
    writes: &Writes,
    revision: u64,
) -> BTreeMap<Vec<u8>, Entry> {
    let mut after = before.clone();
    for (key, value) in writes {
        let Some(value) = value else {
            after.remove(key);
            continue;
        };
        let new = Entry {
            key: key.clone(),
            value: Vec::new(),
            create_revision: revision,
            mod_revision: 0,
            version: 0,
        };
        let entry = after.entry(key.clone()).or_insert(new);
        entry.value.clone_from(value);
        entry.mod_revision = revision;
        entry.version += 1;
    }
    after
}

proptest! {
    #[test]
    fn the_map_is_what_a_list_of_its_states_says(
        transactions in vec(writes(vec(any::<u8>(), 0..3)), 0..30),
        compacted in any::<prop::sample::Index>(),
    ) {
        let mut map = Mvcc::default();
        // The first revision is 1, that of the empty map.
        let mut states = vec![BTreeMap::new(); 2];
        for writes in &transactions {
            let newest = &states[states.len() - 1];
            let changes = writes.iter().any(|(key, value)| value.is_some() || newest.contains_key(key));
            let revision = states.len() as u64;
            let after = plainly_after(newest, writes, revision);
            let changed = apply(&mut map, writes) == revision;
            prop_assert_eq!(changed, changes);
            if changed {
                states.push(after);
            }
        }
        let compacted = compacted.index(states.len()) as u64;
        map.compact(compacted);
        for (revision, state) in states.iter().enumerate() {
            let at = At::Revision(revision as u64);
            match map.read(&everything(), at) {
                Ok(reply) => {
                    prop_assert!(revision as u64 >= compacted);
                    prop_assert!(reply.entries.iter().eq(state.values()));
                    prop_assert_eq!(reply.revision, states.len() as u64 - 1);
                }
                Err(error) => {
                    prop_assert!((revision as u64) < compacted);
                    prop_assert_eq!(error.kind(), ErrorKind::Compacted);
                }
            }
        }
    }

    #[test]
    fn a_snapshot_that_follows_a_watch_is_the_one_that_is_read(
        transactions in vec(writes(meaningful()), 1..20),
    ) {
        let keys = Arc::new(Keys::new("/c"));
        let mut map = Mvcc::default();
        let mut followed = Snapshot::empty(&keys);
        for writes in &transactions {
            apply(&mut map, writes);
        }
        for change in map.changes(&keys.all(), 0, u64::MAX).unwrap() {
            followed.advance(&change);
            let reply = map.read(&keys.all(), At::Revision(change.revision)).unwrap();
            let read = Snapshot::of(&keys, &reply).as_of(change.revision);
            let kind = |error: lamport_clock::Error| (error.kind(), error.to_string());
            prop_assert_eq!(followed.revision, read.revision);
            prop_assert_eq!(followed.clock().map_err(kind), read.clock().map_err(kind));
            prop_assert_eq!(followed.record().map_err(kind), read.record().map_err(kind));
            prop_assert_eq!(followed.base(), read.base());
            prop_assert_eq!(followed.newest(), read.newest());
            prop_assert_eq!(followed.update().map_err(kind), read.update().map_err(kind));
            prop_assert_eq!(followed.written_at(), read.written_at());
        }
    }
}

/// What may lie under a key of the clock, or under another one of its keys.
fn meaningful() -> impl Strategy<Value = Vec<u8>> {
    let base = (0..9_u64, 0..4_u64, 0..3_u64, 0..3_u64).prop_map(|(value, taken, created, count)| {
        format!(
            r#"{{"format":1,"value":{value},"taken":{taken},"created":{created},"process":"a","instance":"0000000000000001","first":{value},"count":{count},"real_timestamp":1.5}}"#
        )
    });
    let taken = (0..3_u64, 0..9_u64, 1..3_u8).prop_map(|(count, local, attempt)| {
        format!(
            r#"{{"process":"b","instance":"0000000000000002","count":{count},"local":{local},"try":{attempt},"real_timestamp":2.5}}"#
        )
    });
    let record = (0..20_u64).prop_map(|value| {
        format!(r#"{{"value":{value},"process_id":"old","real_timestamp":3.5}}"#)
    });
    let rubbish = Just("rubbish".to_owned());
    prop_oneof![3 => base, 3 => taken, 3 => record, 1 => rubbish].prop_map(String::into_bytes)
}
