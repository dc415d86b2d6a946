//! Where the server has limits, and where others write up to them.

use std::time::Duration;

use lamport_clock::protocol::{Operation, Transaction};
use lamport_clock::store::{EtcdStore, Store};
use lamport_clock::{Config, ErrorKind, WatchEvent};

use super::connect;
use super::support::{Etcd, Setup};

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
