//! The laws of the values, for any values: proptest looks for the smallest that break one.
//!
//! `PROPTEST_CASES=100000 cargo test --release --test laws` looks longer.
#![cfg(feature = "shared")]

use std::cmp::Ordering;
use std::collections::HashSet;

use lamport_clock::{ErrorKind, Instance, LocalClock, ProcessId, Record, Stamp, Time};
use proptest::collection::vec;
use proptest::prelude::*;

#[path = "laws/settings.rs"]
mod settings;
#[path = "laws/snapshots.rs"]
mod snapshots;
#[path = "laws/stores.rs"]
mod stores;

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

fn wall_clock() -> impl Strategy<Value = f64> {
    proptest::num::f64::NORMAL | proptest::num::f64::ZERO
}

fn instance() -> impl Strategy<Value = Instance> {
    any::<u64>().prop_map(Instance::new)
}

/// A JSON number that serde_json writes as it stands.
fn json_number() -> impl Strategy<Value = String> {
    any::<i64>().prop_map(|number| number.to_string())
}
