//! The laws of the values, for any values: proptest looks for the smallest that break one.
//!
//! `PROPTEST_CASES=100000 cargo test --release --test laws` looks longer.
#![cfg(feature = "shared")]

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use lamport_clock::protocol::{Base, Entry, Keys, Repaired, Reply, Snapshot, Taken};
use lamport_clock::{ErrorKind, Instance, LocalClock, ProcessId, Record, Stamp, Time};
use proptest::collection::vec;
use proptest::prelude::*;

/// Any time, and often one near the ends.
fn time() -> impl Strategy<Value = Time> {
    prop_oneof![
        4 => 0..=50_u64,
        2 => 0..=Time::MAX.get(),
        1 => Time::MAX.get() - 5..=Time::MAX.get(),
    ]
    .prop_map(|time| Time::new(time).unwrap())
}

fn name() -> impl Strategy<Value = ProcessId> {
    "[^\\s\\p{Cc};]{1,12}".prop_filter_map("no name", |name| ProcessId::new(&name).ok())
}

fn stamp() -> impl Strategy<Value = Stamp> {
    // Few of each, so that ties are common.
    let time = prop_oneof![(0..3_u64).prop_map(|t| Time::new(t).unwrap()), time()];
    let name = prop_oneof![
        "[ab]".prop_map(|name| ProcessId::new(&name).unwrap()),
        name()
    ];
    let instance = prop_oneof![0..3_u64, any::<u64>()].prop_map(Instance::new);
    (time, name, instance).prop_map(|(time, process, instance)| Stamp {
        time,
        process,
        instance,
    })
}

fn clock_at(time: Time) -> LocalClock {
    let clock = LocalClock::new(ProcessId::new("a").unwrap(), Instance::new(1));
    clock.raise(time);
    clock
}

/// What may happen to a clock.
#[derive(Clone, Debug)]
enum Event {
    Tick,
    Receive(Time),
    Raise(Time),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Tick),
        time().prop_map(Event::Receive),
        time().prop_map(Event::Raise),
    ]
}

proptest! {
    #[test]
    fn a_clock_only_ever_goes_forward(
        events in vec(event(), 0..40),
        max_jump in prop_oneof![0..100_u64, Just(LocalClock::MAX_JUMP), Just(u64::MAX)],
    ) {
        let clock = clock_at(Time::ZERO).with_max_jump(max_jump);
        for event in events {
            let before = clock.now();
            let result = match &event {
                Event::Tick => clock.tick(),
                Event::Receive(message) => clock.receive(*message),
                Event::Raise(to) => {
                    clock.raise(*to);
                    prop_assert_eq!(clock.now(), before.max(*to));
                    continue;
                }
            };
            let message = match event {
                Event::Receive(message) => message,
                _ => Time::ZERO,
            };
            match result {
                Ok(stamp) => {
                    prop_assert!(stamp.time > before && stamp.time > message);
                    prop_assert_eq!(stamp.time.get(), before.max(message).get() + 1);
                    prop_assert_eq!(clock.now(), stamp.time);
                    prop_assert!(message.ahead_of(before) <= max_jump);
                }
                Err(error) => {
                    prop_assert_eq!(clock.now(), before, "a refusal moved the clock");
                    let expected = if message.ahead_of(before) > max_jump {
                        ErrorKind::TooFarAhead
                    } else {
                        prop_assert_eq!(before.max(message), Time::MAX);
                        ErrorKind::Exhausted
                    };
                    prop_assert_eq!(error.kind(), expected);
                }
            }
        }
    }

    #[test]
    fn raising_is_a_maximum(start in time(), a in time(), b in time(), c in time()) {
        let raised = |times: &[Time]| {
            let clock = clock_at(start);
            times.iter().for_each(|time| clock.raise(*time));
            clock.now()
        };
        prop_assert_eq!(raised(&[a, b]), raised(&[b, a]));
        prop_assert_eq!(raised(&[a, a]), raised(&[a]));
        // Of three it does not matter which two are joined first.
        prop_assert_eq!(raised(&[a, b, c]), raised(&[clock_at(a).now(), b.max(c)]));
        prop_assert_eq!(raised(&[a, b, c]), start.max(a).max(b).max(c));
    }

    #[test]
    fn stamps_are_in_one_order(a in stamp(), b in stamp(), c in stamp()) {
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
        prop_assert_eq!(a.partial_cmp(&b), Some(a.cmp(&b)));
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
        let parts = |stamp: &Stamp| {
            let name = stamp.process.as_str().to_owned();
            (stamp.time, name, stamp.instance)
        };
        prop_assert_eq!(a.cmp(&b), parts(&a).cmp(&parts(&b)));
    }

    #[test]
    fn a_stamp_comes_back_from_its_text(stamp in stamp()) {
        prop_assert_eq!(format!("{stamp:#}").parse::<Stamp>().unwrap(), stamp.clone());
        let short: Stamp = stamp.to_string().parse().unwrap();
        prop_assert_eq!(short, Stamp { instance: Instance::UNKNOWN, ..stamp });
    }

    #[test]
    fn a_record_comes_back_from_its_text(
        value in time(),
        process_id in any::<String>(),
        real_timestamp in proptest::option::of(proptest::num::f64::NORMAL | proptest::num::f64::ZERO),
    ) {
        let record = Record { value, process_id, real_timestamp };
        prop_assert_eq!(Record::parse(&record.to_json()).unwrap(), record);
    }

    #[test]
    fn a_record_is_read_whatever_stands_beside_it(
        value in time(),
        process in any::<String>(),
        others in vec(("[a-z ]{0,8}", json()), 0..5),
        at in 0..6_usize,
    ) {
        let known = ["value", "process_id", "real_timestamp"];
        let mut members: Vec<String> = others
            .into_iter()
            .filter(|(name, _)| !known.contains(&name.as_str()))
            .map(|(name, value)| format!("{name:?}: {value}"))
            .collect();
        let ours = format!("\"value\":{value},\"process_id\":{}", serde_json::json!(process));
        members.insert(at.min(members.len()), ours);
        let record = Record::parse(format!(" {{{}}} ", members.join(" ,\n")).as_bytes()).unwrap();
        prop_assert_eq!(record, Record { value, process_id: process, real_timestamp: None });
    }

    #[test]
    fn causes_come_before_their_effects(
        steps in vec((0..5_usize, 0..3_u8, any::<prop::sample::Index>()), 1..120),
    ) {
        let events = run(&steps);
        let mut stamps = HashSet::new();
        for event in &events {
            prop_assert!(stamps.insert(event.stamp.clone()), "{} twice", event.stamp);
        }
        for a in &events {
            for b in &events {
                if happened_before(&a.vector, &b.vector) {
                    prop_assert!(a.stamp.time < b.stamp.time, "{} caused {}", a.stamp, b.stamp);
                    prop_assert!(a.stamp < b.stamp);
                }
            }
        }
    }

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

/// Any JSON, not too deep.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        Just("1e999".to_owned()),
        any::<String>().prop_map(|text| serde_json::json!(text).to_string()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            vec(inner, 0..3).prop_map(|items| {
                let members = items.iter().map(|item| format!("\"value\" :{item}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

/// An event with both kinds of time.
struct Stamped {
    stamp: Stamp,
    vector: Vec<u64>,
}

/// Five processes that tick, send, and receive any message that was ever sent. Beside each one's clock
/// stands a vector clock (Fidge 1988, Mattern 1989), which knows exactly what caused what.
fn run(steps: &[(usize, u8, prop::sample::Index)]) -> Vec<Stamped> {
    let clocks: Vec<LocalClock> = (0..5)
        .map(|i| {
            let name = ProcessId::new(&format!("p{}", i / 2)).unwrap();
            LocalClock::new(name, Instance::new(i))
        })
        .collect();
    let mut vectors = vec![vec![0_u64; clocks.len()]; clocks.len()];
    let mut events: Vec<Stamped> = Vec::new();
    let mut sent: Vec<usize> = Vec::new();
    for &(who, what, which) in steps {
        let stamp = if what == 2 && !sent.is_empty() {
            let message = &events[sent[which.index(sent.len())]];
            for (own, theirs) in vectors[who].iter_mut().zip(&message.vector) {
                *own = (*own).max(*theirs);
            }
            clocks[who].receive(&message.stamp).unwrap()
        } else {
            clocks[who].tick().unwrap()
        };
        vectors[who][who] += 1;
        if what == 1 {
            sent.push(events.len());
        }
        events.push(Stamped {
            stamp,
            vector: vectors[who].clone(),
        });
    }
    events
}

fn happened_before(a: &[u64], b: &[u64]) -> bool {
    a != b && a.iter().zip(b).all(|(a, b)| a <= b)
}

/// A number of puts, and often one near the ends.
fn count() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..40_u64,
        1 => any::<u64>(),
        1 => u64::MAX - 5..=u64::MAX,
    ]
}

fn wall_clock() -> impl Strategy<Value = f64> {
    proptest::num::f64::NORMAL | proptest::num::f64::ZERO
}

fn instance() -> impl Strategy<Value = Instance> {
    any::<u64>().prop_map(Instance::new)
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

/// A JSON number that serde_json writes as it stands.
fn json_number() -> impl Strategy<Value = String> {
    any::<i64>().prop_map(|number| number.to_string())
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

/// Of the reference store, and of what is followed in it.
mod stores {
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
            let mut states = vec![BTreeMap::new()];
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
}

mod settings {
    use std::time::Duration;

    use lamport_clock::{Config, ErrorKind, Nodes, Settings, parse_duration};
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_duration_means_what_it_says(millis in 0..=86_400_000_u64) {
            let wanted = Duration::from_millis(millis);
            let texts = [
                format!("{millis}ms"),
                format!("{}.{:03}s", millis / 1_000, millis % 1_000),
                format!("{}.{:03}", millis / 1_000, millis % 1_000),
                format!("{}m", millis as f64 / 60_000.0),
            ];
            for text in texts {
                let parsed = parse_duration(&text).unwrap();
                // A float holds a day to far less than a nanosecond, and three factors add up.
                let off = parsed.abs_diff(wanted);
                prop_assert!(off < Duration::from_nanos(100), "{text} is {parsed:?}");
            }
        }

        #[test]
        fn a_duration_is_refused_or_at_most_a_day(text in "[0-9.]{0,6}(s|ms|m|h|)") {
            match parse_duration(&text) {
                Ok(duration) => prop_assert!(duration <= Duration::from_secs(86_400)),
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::InvalidArgument),
            }
        }

        #[test]
        fn one_s_own_node_comes_first_and_none_is_lost(
            hosts in vec(("[a-z][a-z0-9.-]{0,9}", 1..=u16::MAX), 1..8),
            own in any::<prop::sample::Index>(),
        ) {
            let named = |i: usize| format!("node-{i}");
            let map: Vec<String> = hosts
                .iter()
                .enumerate()
                .map(|(i, (host, port))| format!("{}={host}:{port}", named(i)))
                .collect();
            let nodes: Nodes = map.join(" , ").parse().unwrap();
            prop_assert_eq!(nodes.to_string().parse::<Nodes>().unwrap(), nodes.clone());

            let own = own.index(hosts.len());
            let addresses = nodes.own_first(&named(own)).unwrap();
            let mut order: Vec<usize> = (0..hosts.len()).filter(|i| *i != own).collect();
            order.insert(0, own);
            let expected: Vec<_> = order.into_iter().map(|i| hosts[i].clone()).collect();
            let found: Vec<_> = addresses
                .iter()
                .map(|address| (address.host().to_owned(), address.port()))
                .collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn an_argument_wins_over_a_variable(
            argument in proptest::option::of(1..1_000_u64),
            variable in proptest::option::of(1..1_000_u64),
        ) {
            let mut settings = Settings::from([("store", "memory:")]);
            if let Some(argument) = argument {
                settings.set("max_jump", argument);
            }
            let config = Config::resolve(&settings, &|name| {
                variable.filter(|_| name == "LAMPORT_MAX_JUMP").map(|number| number.to_string().into())
            });
            let wins = argument.or(variable).unwrap_or(lamport_clock::LocalClock::MAX_JUMP);
            prop_assert_eq!(config.unwrap().max_jump(), wins);
        }
    }
}
