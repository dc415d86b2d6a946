//! The laws of the values, for any values: proptest looks for the smallest that break one.
//!
//! `PROPTEST_CASES=100000 cargo test --release --test laws` looks longer.

use std::cmp::Ordering;
use std::collections::HashSet;

use lamport_clock::logic::board::{Batch, Grant, Granted, Holder};
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
    "[^\\s\\p{Cc};]{1,12}".prop_map(|name| ProcessId::new(&name).unwrap())
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
    fn grants_are_kept_as_the_plain_list_keeps_them(
        batches in vec(vec((1..200_u64, 1..4_u64), 1..60), 1..12),
    ) {
        let mut granted = Granted::default();
        // Each grant with the one before it, newest last, and one for each instance.
        let mut plain: Vec<(Grant, Option<Holder>)> = Vec::new();
        let mut newest = None;
        for (seq, instances) in batches.iter().enumerate() {
            let batch = batch(seq as u64, instances, &newest);
            let mut previous = newest;
            for grant in &batch.grants {
                plain.retain(|(other, _)| other.instance != grant.instance);
                plain.push((grant.clone(), previous));
                previous = Some(holder(grant));
            }
            newest = previous;
            let size = batch.grants.len();
            granted.push(batch);

            let kept: usize = granted.batches.iter().map(|batch| batch.grants.len()).sum();
            prop_assert!(kept <= Granted::KEPT.max(size), "{kept} are kept");
            for (at, (grant, previous)) in plain.iter().rev().enumerate() {
                let Some(found) = granted.find(grant.instance, grant.seq) else {
                    // What is let go is older than the newest KEPT, less the batch it lies in.
                    prop_assert!(at + 60 > Granted::KEPT, "{grant:?}, the newest but {at}, is gone");
                    continue;
                };
                prop_assert_eq!(found.grant, grant);
                prop_assert_eq!(&found.previous, previous);
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

/// A batch for these instances, each of them once, with so many times each, after `previous`.
fn batch(seq: u64, instances: &[(u64, u64)], previous: &Option<Holder>) -> Batch {
    let mut next = previous.as_ref().map_or(1, |holder| holder.value.get() + 1);
    let mut grants: Vec<Grant> = Vec::new();
    for &(instance, count) in instances {
        let instance = Instance::new(instance);
        if grants.iter().any(|grant| grant.instance == instance) {
            continue;
        }
        grants.push(Grant {
            instance,
            seq,
            first: Time::new(next).unwrap(),
            count,
            process_id: format!("p{instance}"),
        });
        next += count;
    }
    Batch {
        revision: 0,
        previous: previous.clone(),
        served: 0,
        regressed: None,
        real_timestamp: 0.5,
        grants,
    }
}

fn holder(grant: &Grant) -> Holder {
    Holder {
        value: grant.last(),
        process_id: grant.process_id.clone(),
    }
}

#[cfg(feature = "shared")]
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
            let settings = Settings {
                store: Some("memory:".to_owned()),
                max_jump: argument.map(|number| number.to_string()),
                ..Settings::default()
            };
            let config = Config::resolve(&settings, &|name| {
                variable.filter(|_| name == "LAMPORT_MAX_JUMP").map(|number| number.to_string().into())
            });
            let wins = argument.or(variable).unwrap_or(lamport_clock::LocalClock::MAX_JUMP);
            prop_assert_eq!(config.unwrap().max_jump, wins);
        }
    }
}
