//! The shared clock on real etcd servers, on good days and bad ones.

#![cfg(feature = "etcd")]

use std::collections::HashSet;
use std::time::Duration;

use lamport_clock::{Config, ErrorKind, Settings, SharedClock, WatchEvent};

#[path = "etcd/limits.rs"]
mod limits;
#[path = "etcd/members.rs"]
mod members;
mod support;

use support::Etcd;

async fn connect(config: Config) -> SharedClock {
    SharedClock::connect(config).await.unwrap()
}

fn config_at(store: &str, timeout: &str) -> Config {
    Config::load(&Settings::from([
        ("node", "test"),
        ("store", store),
        ("timeout", timeout),
    ]))
    .unwrap()
}

#[tokio::test]
async fn in_turn_they_follow_the_rule_and_the_record_is_the_deployed_one() {
    let etcd = Etcd::start(1);
    let (a, b) = (
        connect(etcd.config("a")).await,
        connect(etcd.config("b")).await,
    );
    let mut values = Vec::new();
    for clock in [&a, &b, &a, &b] {
        values.push(clock.update().await.unwrap().value.get());
    }
    assert_eq!(values, [2, 3, 4, 5]);
    // Whatever was taken is in the record when a clock is closed.
    b.close().await;
    let record = etcd.control(&["get", "--print-value-only", "/lamport_clock"]);
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let fields: Vec<_> = record.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["process_id", "real_timestamp", "value"]);
    assert_eq!(
        (&record["value"], &record["process_id"]),
        (&5.into(), &"b".into())
    );
}

#[tokio::test]
async fn an_update_is_one_transaction_alone_and_after_others() {
    let transactions = ["grpc_method=\"Txn\""];
    let etcd = Etcd::start(1);
    let (a, b) = (
        connect(etcd.config("a")).await,
        connect(etcd.config("b")).await,
    );
    let before = etcd.requests(&transactions);
    // The first one of all creates the clock as well.
    for updates in 1..4 {
        assert_eq!(a.update().await.unwrap().round_trips, 1);
        assert_eq!(etcd.requests(&transactions) - before, updates);
    }
    // What it saw when it connected was an empty store.
    b.update().await.unwrap();
    for _ in 0..5 {
        for clock in [&a, &b] {
            assert_eq!(clock.update().await.unwrap().round_trips, 1);
        }
    }
}

#[tokio::test]
async fn at_rest_there_are_three_keys_and_the_record_shows_the_newest_value() {
    let etcd = Etcd::start(1);
    let (a, b) = (
        connect(etcd.config("a")).await,
        connect(etcd.config("b")).await,
    );
    let mut watch = SharedClock::open(&etcd.config("observer"))
        .unwrap()
        .watch()
        .await
        .unwrap();
    a.update().await.unwrap();
    let last = b.reserve(1_000).await.unwrap().last;
    // The fold comes by itself; a legacy writer would read the record.
    let keys = loop {
        let record = etcd.control(&["get", "--print-value-only", "/lamport_clock"]);
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        if record["value"] == last.get() {
            assert_eq!(record["process_id"], "b");
            break etcd.control(&["get", "--prefix", "--keys-only", "/lamport_clock"]);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let keys: Vec<&str> = keys.split_whitespace().collect();
    assert_eq!(
        keys,
        [
            "/lamport_clock",
            "/lamport_clock/base",
            "/lamport_clock/taken"
        ]
    );
    // A watch tells of the updates and not of the fold.
    for (first, value) in [(2, 2), (3, 1_002)] {
        let WatchEvent::Updated(seen) = watch.next().await.unwrap() else {
            panic!("an update");
        };
        assert_eq!((seen.first.get(), seen.value.get()), (first, value));
    }
    assert_eq!(a.update().await.unwrap().value.get(), 1_003);
}

#[tokio::test]
async fn base_or_taken_alone_deleted_is_noticed_by_a_newcomer_and_repaired() {
    let etcd = Etcd::start(1);
    for lost in ["base", "taken"] {
        let clock = connect(etcd.config("a")).await;
        let last = clock.update().await.unwrap().value;
        etcd.control(&["del", &format!("/lamport_clock/{lost}")]);
        let before = etcd.control(&["get", "--prefix", "/lamport_clock"]);
        let newcomer = connect(etcd.config("b")).await;
        for _ in 0..2 {
            let error = newcomer.update().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Regressed, "{lost}: {error}");
        }
        let after = etcd.control(&["get", "--prefix", "/lamport_clock"]);
        assert_eq!(
            before, after,
            "nothing is written into a store that lost something"
        );
        let plan = newcomer.plan_repair(last).await.unwrap();
        assert_eq!(plan.problems.len(), 1, "{:?}", plan.problems);
        let repaired = newcomer.repair(&plan).await.unwrap();
        assert!(repaired.value > last);
        for clock in [&newcomer, &clock] {
            assert!(
                clock.update().await.unwrap().value > repaired.value,
                "{lost}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_takes_one_round_trip_each_and_a_watch_hears_everyone() {
    const PROCESSES: usize = 30;
    const EACH: usize = 20;
    let etcd = Etcd::start(3);
    let mut watch = connect(etcd.config("observer"))
        .await
        .watch()
        .await
        .unwrap();
    let mut tasks = Vec::new();
    for i in 0..PROCESSES {
        let clock = connect(etcd.config_from(i % 3, &format!("p{i}"))).await;
        tasks.push(tokio::spawn(async move {
            let mut values = Vec::new();
            for _ in 0..EACH {
                let update = clock.update().await.unwrap();
                // More where a fold slipped in between, or an attempt ran out of time.
                values.push((update.value, update.round_trips));
            }
            values
        }));
    }
    let mut given = Vec::new();
    for task in tasks {
        let values = task.await.unwrap();
        assert!(values.is_sorted_by(|a, b| a.0 < b.0));
        given.extend(values);
    }
    let distinct: HashSet<_> = given.iter().map(|(value, _)| value).collect();
    assert_eq!(distinct.len(), PROCESSES * EACH);
    let quick = given
        .iter()
        .filter(|(_, round_trips)| *round_trips == 1)
        .count();
    assert!(
        quick * 100 >= given.len() * 95,
        "{quick} of {} took one",
        given.len()
    );

    given.sort();
    let mut missing: HashSet<_> = given.iter().map(|(value, _)| *value).collect();
    let mut last = None;
    while !missing.is_empty() {
        if let WatchEvent::Updated(seen) = watch.next().await.unwrap() {
            assert!(Some(seen.value) > last);
            last = Some(seen.value);
            missing.remove(&seen.value);
        }
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_stays_as_it_is() {
    let etcd = Etcd::start(1);
    let clock = connect(etcd.config("a")).await;
    clock.update().await.unwrap();
    for (record, quoted) in [
        ("hello", "hello"),
        ("[7]", "[7]"),
        (r#"{"value": "x"}"#, "x"),
        (r#"{"value": -1}"#, "-1"),
        (r#"{"value": 1.5}"#, "1.5"),
        (r#"{"value": 9007199254740992}"#, "9007199254740992"),
        (
            r#"{"value": 1180591620717411303424}"#,
            "1180591620717411303424",
        ),
    ] {
        etcd.control(&["put", "/lamport_clock", "--", record]);
        for error in [
            clock.update().await.unwrap_err(),
            clock.read().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{record}");
            assert!(error.to_string().contains(quoted), "{record}: {error}");
        }
        let found = etcd.control(&["get", "--print-value-only", "/lamport_clock"]);
        assert_eq!(found.trim_end(), record);
    }
}

#[tokio::test]
async fn old_blind_writers_on_the_same_key_move_nobody_back() {
    let etcd = Etcd::start(1);
    let clock = connect(etcd.config("new")).await;
    let mut last = 0;
    let mut regressions = 0;
    for round in 0..20 {
        let update = clock.update().await.unwrap();
        assert!(update.value.get() > last);
        regressions += usize::from(update.regressed.is_some());
        last = update.value.get();
        // The deployed script: what it read long ago, plus one.
        let stale = format!(
            r#"{{"value": {}, "process_id": "old", "real_timestamp": 1.5}}"#,
            round + 1
        );
        etcd.control(&["put", "/lamport_clock", "--", &stale]);
    }
    assert!(regressions > 10, "{regressions}");
    // What is read is the clock, not the record that was moved back.
    let seen = clock.read().await.unwrap().unwrap();
    assert_eq!((seen.value.get(), &*seen.process), (last, "new"));
}

#[tokio::test]
async fn history_is_what_etcd_still_keeps() {
    let etcd = Etcd::start(1);
    let clock = connect(etcd.config("a")).await;
    let mut updates = Vec::new();
    for _ in 0..10 {
        updates.push(clock.update().await.unwrap());
    }
    let history = clock.history(4).await.unwrap();
    let values: Vec<_> = history
        .updates
        .iter()
        .map(|update| update.value.get())
        .collect();
    assert_eq!(values, [14, 16, 18, 20]);
    let revision = updates[7].revision;
    etcd.control(&["compaction", "--physical", &revision.to_string()]);
    let history = clock.history(100).await.unwrap();
    assert_eq!(history.updates.len(), 3);
    assert_eq!(history.compacted_before, Some(revision));
    let mut watch = clock.watch_from(1).await.unwrap();
    let WatchEvent::Missed { from: 1, until } = watch.next().await.unwrap() else {
        panic!("a notice that updates were missed");
    };
    assert_eq!(until, revision);
    let WatchEvent::Updated(seen) = watch.next().await.unwrap() else {
        panic!("an update");
    };
    assert_eq!(seen.revision, revision);
}
