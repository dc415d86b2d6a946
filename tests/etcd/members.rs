//! Members that die, fall silent, or were never there.

use std::net::TcpListener;
use std::time::Duration;

use lamport_clock::protocol::{Operation, Transaction};
use lamport_clock::store::{EtcdStore, Store};
use lamport_clock::{Config, ErrorKind, SharedClock, WatchEvent};

use super::support::Etcd;
use super::{config_at, connect};

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
