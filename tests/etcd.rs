//! The shared clock on real etcd servers, on good days and bad ones.

#![cfg(feature = "etcd")]

use std::collections::HashSet;
use std::net::TcpListener;
use std::time::Duration;

use lamport_clock::protocol::{Operation, Transaction};
use lamport_clock::store::{EtcdStore, Store};
use lamport_clock::{Config, ErrorKind, Settings, SharedClock, WatchEvent};

mod support;

use support::{Etcd, Setup};

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

/// A read-only transaction of etcd does: before 3.5.5 the member crashes if its client goes away in
/// the midst of it. So none is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_while_it_reads_harms_no_member() {
    let etcd = Etcd::start(1);
    let clock = connect(etcd.config("a")).await;
    clock.update().await.unwrap();
    // Keys of others lie in the range of a look, so that it takes long enough to be cut short.
    let store = EtcdStore::new(etcd.endpoints().as_slice(), &etcd.config("a")).unwrap();
    let within = Duration::from_secs(5);
    for hundred in 0..30 {
        let foreign = |i| {
            let key = format!("{}/other/{:016x}", Config::DEFAULT_KEY, hundred * 100 + i);
            Operation::Put(key.into_bytes(), vec![b'x'; 100])
        };
        let many = Transaction {
            then: (0..100).map(foreign).collect(),
            ..Transaction::default()
        };
        store.transact(&many, within).await.unwrap();
    }
    for i in 0..300_u64 {
        let reading = tokio::spawn({
            let clock = clock.clone();
            async move { clock.read().await }
        });
        tokio::time::sleep(Duration::from_micros(200 + i * 37 % 5_000)).await;
        reading.abort();
    }
    assert_eq!(clock.read().await.unwrap().unwrap().process, "a");
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
async fn the_death_of_any_member_is_survived() {
    let mut etcd = Etcd::start(3);
    let clock = connect(etcd.config("a")).await;
    let mut watch = clock.watch().await.unwrap();
    let mut last = clock.update().await.unwrap().value;
    let leader = etcd.leader();
    for victim in [leader, (leader + 1) % 3, (leader + 2) % 3] {
        etcd.kill(victim);
        for _ in 0..3 {
            let value = clock.update().await.unwrap().value;
            assert!(value > last);
            last = value;
        }
        etcd.restart(victim);
    }
    // The watch went through all of it and missed nothing.
    loop {
        match watch.next().await.unwrap() {
            WatchEvent::Updated(seen) if seen.value == last => break,
            WatchEvent::Updated(_) | WatchEvent::Interrupted(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_member_that_falls_silent_is_left_for_another() {
    let etcd = Etcd::start(3);
    let follower = (etcd.leader() + 1) % 3;
    let clock = connect(etcd.config_from(follower, "a")).await;
    let own = clock.location();
    let mut watch = clock.watch().await.unwrap();
    etcd.pause(follower);
    let update = clock.update().await.unwrap();
    assert_ne!(clock.location(), own);
    loop {
        match watch.next().await.unwrap() {
            WatchEvent::Updated(seen) if seen.value == update.value => break,
            _ => {}
        }
    }
    etcd.resume(follower);
    // Its own member is used again once a probe has found it well. Each update looks after it.
    while clock.location() != own {
        clock.update().await.unwrap();
    }
}

#[tokio::test]
async fn without_a_quorum_there_is_an_error_in_time_and_no_value() {
    let mut etcd = Etcd::start(3);
    let clock = connect(etcd.config("a")).await;
    let before = clock.update().await.unwrap().value;
    etcd.kill(1);
    etcd.kill(2);
    let error = clock.update().await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout),
        "{error:?}"
    );
    for endpoint in etcd.endpoints() {
        assert!(error.to_string().contains(&endpoint.to_string()), "{error}");
    }
    etcd.restart(1);
    // Back with two of three, above everything seen.
    let value = loop {
        match clock.update().await {
            Ok(update) => break update.value,
            Err(error) => assert_ne!(error.kind(), ErrorKind::Closed),
        }
    };
    assert!(value > before);
}

#[tokio::test]
async fn nobody_listening_is_told_at_once_for_each_endpoint() {
    let free = |_| {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    };
    let [a, b] = [0, 1].map(free);
    // A deadline far beyond any patience: the refusals themselves end it.
    let error = SharedClock::connect(config_at(&format!("etcd://{a},{b}"), "1m"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let message = error.to_string();
    for part in [a.to_string(), b.to_string(), "refused".to_owned()] {
        assert!(message.contains(&part), "{message}");
    }
}

#[tokio::test]
async fn a_listener_that_never_answers_is_an_error_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let error = SharedClock::connect(config_at(&format!("etcd://{address}"), "1500ms"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let message = error.to_string();
    assert!(
        message.contains(&address.to_string()) && message.contains("1.5s"),
        "{message}"
    );
}

#[tokio::test]
async fn a_clock_may_be_opened_before_its_store_is_there() {
    let mut etcd = Etcd::start(1);
    let config = etcd
        .config("a")
        .with_timeout(Duration::from_millis(500))
        .unwrap();
    etcd.kill(0);
    let clock = SharedClock::open(&config).unwrap();
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    etcd.restart(0);
    let value = loop {
        if let Ok(update) = clock.update().await {
            break update.value;
        }
    };
    // Each attempt was a local event of its own.
    assert!(value.get() >= 3);
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
async fn a_watch_takes_however_much_there_is_to_catch_up() {
    // etcd would send what a watch missed in messages of a thousand revisions.
    let etcd = Etcd::start(1);
    let clock = connect(etcd.config("a")).await;
    let long = "x".repeat(100_000);
    for value in 1..=60 {
        let record = format!(r#"{{"value": {value}, "process_id": "{long}"}}"#);
        etcd.control(&["put", "/lamport_clock", "--", &record]);
    }
    let mut watch = clock.watch_from(1).await.unwrap();
    for value in 1..=60 {
        match watch.next().await.unwrap() {
            WatchEvent::Updated(seen) => assert_eq!(seen.value.get(), value),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_limit_that_the_server_was_given_is_named_with_what_to_set_it_to() {
    let limits = ["--max-txn-ops=8", "--max-request-bytes=4096"];
    let setup = Setup {
        arguments: limits.map(str::to_owned).into(),
        ..Setup::default()
    };
    let etcd = Etcd::start_with(1, setup);
    let clock = connect(etcd.config("a")).await;
    clock.update().await.unwrap();
    // Twenty weights, should others have written.
    let error = clock.reserve(1 << 20).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(
        error.to_string().contains("--max-txn-ops of at least 64"),
        "{error}"
    );
    let before = clock.update().await.unwrap().value;

    // An update by one who has just seen it compares the whole record.
    let long = "x".repeat(3_800);
    let record = format!(r#"{{"value": 7, "process_id": "{long}"}}"#);
    etcd.control(&["put", "/lamport_clock", "--", &record]);
    let newcomer = connect(etcd.config("b")).await;
    let error = newcomer.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("--max-request-bytes"), "{error}");
    etcd.control(&[
        "put",
        "/lamport_clock",
        "--",
        r#"{"value": 7, "process_id": "x"}"#,
    ]);
    for clock in [newcomer, clock] {
        assert!(clock.update().await.unwrap().value > before);
    }
}

#[tokio::test]
async fn a_store_that_fills_up_in_the_middle_hands_nothing_out_twice() {
    let setup = Setup {
        arguments: vec!["--quota-backend-bytes=200000".to_owned()],
        ..Setup::default()
    };
    let etcd = Etcd::start_with(1, setup);
    let clock = connect(etcd.config(&"a".repeat(200))).await;
    let mut last = 0;
    let error = loop {
        match clock.update().await {
            Ok(update) => {
                assert!(update.value.get() > last);
                last = update.value.get();
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    etcd.control(&["compaction", "--physical", &etcd.revision(0).to_string()]);
    etcd.control(&["defrag"]);
    etcd.control(&["alarm", "disarm"]);
    for _ in 0..3 {
        let value = clock.update().await.unwrap().value.get();
        assert!(value > last);
        last = value;
    }
}

/// Others may have keys that begin with ours, and be let write nothing else.
#[tokio::test]
async fn whatever_neighbours_write_nobody_who_reads_or_watches_is_kept_from_it() {
    let etcd = Etcd::start(1);
    let clock = connect(etcd.config("a")).await;
    let store = EtcdStore::new(etcd.endpoints().as_slice(), &etcd.config("a")).unwrap();
    let first = clock.update().await.unwrap();
    for i in 0..20 {
        let key = format!("{}-{i}", Config::DEFAULT_KEY);
        let large = Transaction {
            then: vec![Operation::Put(key.into_bytes(), vec![b'x'; 1_400_000])],
            ..Transaction::default()
        };
        // One attempt at so much may take a busy machine too long.
        while let Err(failure) = store.transact(&large, Duration::from_secs(5)).await {
            assert_eq!(failure.error.kind(), ErrorKind::Timeout, "{failure:?}");
        }
    }
    let newcomer = connect(etcd.config("b")).await;
    assert_eq!(newcomer.read().await.unwrap().unwrap().value, first.value);
    let second = newcomer.update().await.unwrap();
    let history = newcomer.history(10).await.unwrap();
    assert_eq!(history.updates.len(), 2);
    let mut watch = newcomer.watch_from(first.revision).await.unwrap();
    for value in [first.value, second.value] {
        match watch.next().await.unwrap() {
            WatchEvent::Updated(seen) => assert_eq!(seen.value, value),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_watch_comes_forward_however_short_its_slices_are() {
    let etcd = Etcd::start(1);
    let clock = connect(etcd.config("a")).await;
    let update = clock.update().await.unwrap();
    // It begins with three round trips.
    let mut watch = clock.watch_from(update.revision).await.unwrap();
    let seen = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let slice = tokio::time::timeout(Duration::from_micros(100), watch.next());
            if let Ok(event) = slice.await {
                return event;
            }
        }
    });
    let WatchEvent::Updated(seen) = seen.await.unwrap().unwrap() else {
        panic!("an update");
    };
    assert_eq!(seen.value, update.value);
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
