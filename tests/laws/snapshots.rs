//! Of what lies in the store, and of the clock that a snapshot of it shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use lamport_clock::protocol::{Base, Entry, Keys, Repaired, Reply, Snapshot, Taken};
use lamport_clock::{ErrorKind, Instance, Time};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{instance, json, json_number, time, wall_clock};

proptest! {
    #[test]
    fn a_base_comes_back_from_its_text(base in base(), other in "[a-z]{6,9}", kept in json_number()) {
        let keys = Keys::new("/c");
        let text = serde_json::to_string(&base).unwrap();
        prop_assert_eq!(Base::parse(text.as_bytes(), &keys).unwrap(), base.clone());
        // So do the fields of a later version, and every writer hands them on, as the newest repair.
        prop_assume!(!text.contains(&format!("{other:?}:")));
        let field = format!("{other:?}:{kept}");
        let later = text.replacen('{', &format!("{{{field},"), 1);
        let later = Base::parse(later.as_bytes(), &keys).unwrap();
        prop_assert!(serde_json::to_string(&later).unwrap().contains(&field));
        let next = Base::counted(Time::ZERO, "b", Instance::new(2), 2.5).after(Some(&later));
        prop_assert_eq!(next.repaired, base.repaired);
        prop_assert!(serde_json::to_string(&next).unwrap().contains(&field));
    }

    #[test]
    fn a_take_comes_back_from_its_text(taken in taken()) {
        let text = serde_json::to_vec(&taken).unwrap();
        prop_assert_eq!(Taken::parse(&text), Some(taken));
    }

    #[test]
    fn what_is_no_take_is_somebody_unknown(bytes in vec(any::<u8>(), 0..60), json in json()) {
        for bytes in [&bytes[..], json.as_bytes()] {
            // A text that happens to be one comes back; nothing panics.
            if let Some(taken) = Taken::parse(bytes) {
                prop_assert_eq!(Taken::parse(&serde_json::to_vec(&taken).unwrap()), Some(taken));
            }
        }
    }

    #[test]
    fn the_clock_is_a_plain_sum(
        base in proptest::option::weighted(0.9, (base(), 1..5_u64)),
        taken in proptest::option::weighted(0.9, (1..5_u64, count())),
        weights in proptest::collection::btree_map(0..Keys::WEIGHTS, count(), 0..4),
        fits in any::<bool>(),
    ) {
        let keys = Arc::new(Keys::new("/c"));
        let mut base = base;
        if let (Some((base, _)), Some((created, version)), true) = (&mut base, taken, fits) {
            // As they are written, and not as they fall: else most are losses.
            base.created = created;
            base.taken = base.taken.min(version);
        }
        let mut entries = Vec::new();
        if let Some((base, created)) = &base {
            let json = serde_json::to_vec(base).unwrap();
            entries.push(entry(&keys.base, json, *created, 1));
        }
        if let Some((created, version)) = taken {
            entries.push(entry(&keys.taken, b"somebody".to_vec(), created, version));
        }
        for (bit, version) in &weights {
            entries.push(entry(&keys.weight(*bit), Vec::new(), 3, *version));
        }
        let snapshot = snapshot(&keys, entries);
        let found = snapshot.clock().map_err(|error| error.kind());
        prop_assert_eq!(found, plain_clock(&base, taken, &weights));
    }

    #[test]
    fn the_clock_passes_over_the_keys_of_others(
        base in base(),
        others in vec(("[a-z0-9/+-]{0,6}", vec(any::<u8>(), 0..9), any::<u64>()), 0..6),
    ) {
        let keys = Arc::new(Keys::new("/c"));
        let (created, version) = (base.created.max(1), base.taken.max(1));
        let ours = [
            entry(&keys.base, serde_json::to_vec(&base).unwrap(), created, 1),
            entry(&keys.taken, Vec::new(), created, version),
        ];
        let others = others.into_iter().filter_map(|(ending, value, version)| {
            let key = [&keys.record[..], ending.as_bytes()].concat();
            let is_ours = [&keys.record, &keys.base, &keys.taken].contains(&&key);
            let is_weight = (0..Keys::WEIGHTS).any(|bit| keys.weight(bit) == key);
            (!is_ours && !is_weight).then(|| entry(&key, value, 1, version))
        });
        let alone = snapshot(&keys, ours.to_vec());
        let beside = snapshot(&keys, ours.into_iter().chain(others).collect());
        let clock = |snapshot: &Snapshot| snapshot.clock().map_err(|error| error.kind());
        prop_assert_eq!(clock(&alone), clock(&beside));
        prop_assert_eq!(alone.newest(), beside.newest());
    }

    #[test]
    fn a_clock_s_keys_lie_in_its_ranges_and_are_no_other_clock_s(a in key(), b in key()) {
        let (ours, theirs) = (Keys::new(&a), Keys::new(&b));
        let keys = |keys: &Keys| {
            let mut all = vec![keys.record.clone(), keys.base.clone(), keys.taken.clone()];
            all.extend((0..Keys::WEIGHTS).map(|bit| keys.weight(bit)));
            all
        };
        let (all, takes) = (ours.all(), ours.takes());
        for key in keys(&ours) {
            prop_assert!(all.contains(&key));
            prop_assert_eq!(takes.contains(&key), key.starts_with(&ours.taken));
        }
        for bit in 0..Keys::WEIGHTS {
            prop_assert_eq!(ours.bit_of(&ours.weight(bit)), Some(bit));
        }
        prop_assert_eq!(ours.bit_of(&ours.weight(Keys::WEIGHTS)), None);
        // Of one key's clock all keys are its own; of two clocks none is the other's.
        let apart = keys(&ours).iter().all(|key| !keys(&theirs).contains(key));
        prop_assert_eq!(apart, a != b);
        for key in keys(&theirs) {
            prop_assert_eq!(ours.bit_of(&key).is_some(), a == b && theirs.bit_of(&key).is_some());
        }
    }

    #[test]
    fn a_weight_s_key_is_what_it_is_to_the_byte(
        ending in prop_oneof!["/[0-9+ ]{0,3}", any::<String>()],
    ) {
        let keys = Keys::new("/c");
        let key = [&keys.taken[..], ending.as_bytes()].concat();
        let same = (0..Keys::WEIGHTS).find(|bit| keys.weight(*bit) == key);
        prop_assert_eq!(keys.bit_of(&key), same);
    }
}

/// A number of puts, and often one near the ends.
fn count() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..40_u64,
        1 => any::<u64>(),
        1 => u64::MAX - 5..=u64::MAX,
    ]
}

fn base() -> impl Strategy<Value = Base> {
    let repaired = (instance(), time()).prop_map(|(by, to)| Repaired { by, to });
    (
        (time(), time(), any::<String>(), instance(), wall_clock()),
        (count(), 0..5_u64, count()),
        proptest::option::of(repaired),
    )
        .prop_map(
            |((value, first, process, instance, at), counts, repaired)| {
                let mut base = Base::counted(value, &process, instance, at);
                (base.taken, base.created, base.count) = counts;
                base.first = first;
                base.repaired = repaired;
                base
            },
        )
}

fn taken() -> impl Strategy<Value = Taken> {
    (
        any::<String>(),
        instance(),
        count(),
        time(),
        any::<u8>(),
        wall_clock(),
    )
        .prop_map(
            |(process, instance, count, local, attempt, real_timestamp)| Taken {
                process,
                instance,
                count,
                local,
                attempt,
                real_timestamp,
            },
        )
}

/// A clock's key, as the settings allow it: no segment is `base` or `taken`.
fn key() -> impl Strategy<Value = String> {
    vec("[ab]|taken0|base-|tak", 1..3).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn entry(key: &[u8], value: Vec<u8>, created: u64, version: u64) -> Entry {
    Entry {
        key: key.to_vec(),
        value,
        create_revision: created,
        mod_revision: created,
        version,
    }
}

fn snapshot(keys: &Arc<Keys>, entries: Vec<Entry>) -> Snapshot {
    let reply = Reply {
        succeeded: true,
        revision: 9,
        cluster: 1,
        entries,
    };
    Snapshot::of(keys, &reply)
}

/// The clock, from a base with its create_revision, the create_revision and version of `taken`, and
/// the versions of the weights: doubled as often as each says.
fn plain_clock(
    base: &Option<(Base, u64)>,
    taken: Option<(u64, u64)>,
    weights: &BTreeMap<u32, u64>,
) -> Result<Option<Time>, ErrorKind> {
    let (base, created, taken) = match (base, taken) {
        (None, None) => return Ok(None),
        (Some((base, created)), Some(taken)) => (base, *created, taken),
        // Nothing says that it is a clock's.
        (None, Some(_)) => return Err(ErrorKind::Corrupt),
        (Some(_), None) => return Err(ErrorKind::Regressed),
    };
    let with = if base.created == 0 {
        created
    } else {
        base.created
    };
    if taken.0 != with || taken.1 < base.taken {
        return Err(ErrorKind::Regressed);
    }
    let mut sum = i128::from(base.value.get()) + i128::from(taken.1) - i128::from(base.taken);
    for (bit, version) in weights {
        let mut counts = i128::from(*version);
        for _ in 0..*bit {
            counts += counts;
        }
        sum += counts;
    }
    match u64::try_from(sum).ok().and_then(|sum| Time::new(sum).ok()) {
        Some(time) => Ok(Some(time)),
        None => Err(ErrorKind::Exhausted),
    }
}
