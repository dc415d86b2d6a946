//! Servers that are no etcd, or a broken one: each is told of in words, in time, and harms nobody.

#![cfg(feature = "etcd")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use lamport_clock::protocol::{At, KeyRange, Operation, Transaction};
use lamport_clock::store::{EtcdStore, Failure, Outcome, Store};
use lamport_clock::{ErrorKind, SharedClock, WatchEvent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[path = "support/false_etcd.rs"]
mod false_etcd;
#[path = "false_etcd/handshakes.rs"]
mod handshakes;
#[path = "false_etcd/watches.rs"]
mod watches;

use false_etcd::{
    FalseEtcd, Say, bytes, config_at, header, key_value, number, range_response, txn_response,
    watch_confirmed, watch_events,
};
use watches::watched;

const WITHIN: Duration = Duration::from_secs(10);

fn store_at(server: &FalseEtcd) -> EtcdStore {
    let address = server.address().parse().unwrap();
    EtcdStore::new(&[address], &server.config("5s")).unwrap()
}

/// What a store makes of one answer to a transaction that writes `/c`, deletes `/d` and reads `/c`.
async fn transact(answer: Vec<u8>) -> Result<lamport_clock::protocol::Reply, Failure> {
    let server = FalseEtcd::start(move |_, _| vec![Say::Message(answer.clone())]).await;
    let transaction = Transaction {
        then: vec![
            Operation::Put(b"/c".to_vec(), b"1".to_vec()),
            Operation::Delete(b"/d".to_vec()),
            Operation::Get(KeyRange::key(b"/c")),
        ],
        ..Transaction::default()
    };
    store_at(&server).transact(&transaction, WITHIN).await
}

fn put() -> Vec<u8> {
    bytes(2, &[])
}

fn deleted() -> Vec<u8> {
    bytes(3, &[])
}

fn got(keys: &[Vec<u8>]) -> Vec<u8> {
    bytes(1, &range_response(5, keys))
}

#[tokio::test]
async fn an_answer_to_a_transaction_that_makes_no_sense_is_none() {
    let found = || got(&[key_value("/c", [5, 5, 1], "1")]);
    let truth = txn_response(5, true, &[put(), deleted(), found()]);
    let reply = transact(truth).await.unwrap();
    assert_eq!((reply.revision, reply.cluster), (5, 7));
    assert_eq!(reply.entries[0].value, b"1");

    let with = |found: Vec<u8>| txn_response(5, true, &[put(), deleted(), found]);
    let one = |key: &str, numbers| with(got(&[key_value(key, numbers, "1")]));
    let headless = &txn_response(5, true, &[put(), deleted(), found()])[header(5).len()..];
    let miscounted = [range_response(5, &[]), number(4, 9)].concat();
    let more = [range_response(5, &[]), number(3, 1)].concat();
    let twice = vec![key_value("/c", [5, 5, 1], "1"); 2];
    for (lie, answer) in [
        ("nothing", Vec::new()),
        ("no header", headless.to_vec()),
        (
            "revision 0",
            txn_response(0, true, &[put(), deleted(), found()]),
        ),
        (
            "revision -1",
            txn_response(-1, true, &[put(), deleted(), found()]),
        ),
        (
            "an empty operation",
            txn_response(5, true, &[put(), Vec::new(), found()]),
        ),
        (
            "an unknown operation",
            txn_response(5, true, &[put(), bytes(9, &[]), found()]),
        ),
        ("too few", txn_response(5, true, &[put(), deleted()])),
        (
            "too many",
            txn_response(5, true, &[put(), deleted(), found(), put()]),
        ),
        (
            "another order",
            txn_response(5, true, &[deleted(), put(), found()]),
        ),
        (
            "the other branch",
            txn_response(5, false, &[put(), deleted(), found()]),
        ),
        ("another key", one("/other", [5, 5, 1])),
        ("no key", one("", [5, 5, 1])),
        ("created at -1", one("/c", [-1, 5, 1])),
        ("created later", one("/c", [6, 5, 1])),
        ("written in the future", one("/c", [5, 6, 1])),
        ("written never", one("/c", [0, 0, 1])),
        ("version 0", one("/c", [5, 5, 0])),
        ("version -3", one("/c", [5, 5, -3])),
        ("more puts than revisions", one("/c", [4, 5, 3])),
        ("a key twice", with(got(&twice))),
        ("a count that does not fit", with(bytes(1, &miscounted))),
        ("more to come", with(bytes(1, &more))),
    ] {
        let failure = transact(answer).await.expect_err(lie);
        assert_eq!(
            failure.error.kind(),
            ErrorKind::Unavailable,
            "{lie}: {failure:?}"
        );
        assert_eq!(failure.outcome, Outcome::Unknown, "{lie}");
        let message = failure.error.to_string();
        assert!(message.contains("makes no sense"), "{lie}: {message}");
    }
}

#[tokio::test]
async fn what_is_read_is_of_the_range_and_of_its_time() {
    let read = async |keys: Vec<Vec<u8>>| {
        let answer = range_response(9, &keys);
        let server = FalseEtcd::start(move |_, _| vec![Say::Message(answer.clone())]).await;
        let range = KeyRange {
            rest: b"/c/".to_vec(),
            ..KeyRange::new("/c", "/c/taken0")
        };
        store_at(&server)
            .read(&range, At::Revision(5), WITHIN)
            .await
    };
    let key = |name, written| key_value(name, [1, written, 1], "");
    // What lies in the gap comes along, and is left out.
    let reply = read(vec![key("/c", 5), key("/c-x", 3), key("/c/base", 2)]).await;
    let keys: Vec<_> = reply.unwrap().entries.into_iter().map(|e| e.key).collect();
    assert_eq!(keys, [b"/c".to_vec(), b"/c/base".to_vec()]);
    for lie in [
        vec![key("/c", 6)],
        vec![key("/c/base", 2), key("/c", 5)],
        vec![key("/c/zz", 2)],
        vec![key("/b", 2)],
    ] {
        let failure = read(lie).await.unwrap_err();
        assert!(
            failure.error.to_string().contains("makes no sense"),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn a_message_is_not_believed_about_its_own_size() {
    // Its length is said to be 4 GiB. Nobody reserves that, and nobody waits for it.
    let huge = || Say::Raw(vec![0, 0xff, 0xff, 0xff, 0xff]);
    let (_server, told) = watched(vec![Say::Message(watch_confirmed(9)), huge()]).await;
    let failure = told.unwrap_err();
    assert!(
        failure.error.to_string().contains("too large"),
        "{failure:?}"
    );

    // Nor of one revision that is told piece by piece and never ends.
    let value = "x".repeat(1 << 20);
    let piece = |i: usize| {
        let key = key_value(&format!("/c/{i}"), [7, 7, 1], &value);
        Say::Message([watch_events(9, &[(0, key)]), number(7, 1)].concat())
    };
    let pieces = [Say::Message(watch_confirmed(9))]
        .into_iter()
        .chain((0..20).map(piece));
    let (_server, told) = watched(pieces.chain([Say::Silence]).collect()).await;
    let failure = told.unwrap_err();
    assert!(
        failure.error.to_string().contains("too large"),
        "{failure:?}"
    );

    let server = FalseEtcd::start(move |_, _| vec![huge()]).await;
    let store = store_at(&server);
    let read = store.read(&KeyRange::key(b"/c"), At::Now, WITHIN).await;
    let written = store.transact(&Transaction::default(), WITHIN).await;
    for failure in [read.unwrap_err(), written.unwrap_err()] {
        assert_eq!(failure.error.kind(), ErrorKind::Unavailable, "{failure:?}");
        assert!(!failure.retry && failure.error.to_string().contains("too large"));
    }
}

#[tokio::test]
async fn answers_that_lead_nowhere_are_asked_for_ever_more_seldom() {
    // It never lets the clock be created, and always shows that it is not.
    let server = FalseEtcd::start(|method, _| {
        let nothing = || bytes(1, &range_response(9, &[]));
        vec![Say::Message(match method {
            "KV/Range" => range_response(9, &[]),
            _ => txn_response(9, false, &[nothing(), nothing(), nothing()]),
        })]
    })
    .await;
    let clock = SharedClock::open(&server.config("2s")).unwrap();
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(
        error.to_string().contains("make no sense together"),
        "{error}"
    );
    assert!(
        server.asked() < 50,
        "{} calls in two seconds",
        server.asked()
    );
}

/// As etcd 3.5.28 to 3.5.31 do with users that are not root.
#[tokio::test]
async fn a_member_that_refuses_its_status_is_found_well_again_and_the_refusal_is_explained() {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = down.clone();
    let first = FalseEtcd::start(move |method, _| match method {
        "Maintenance/Status" => vec![Say::Status(7, "etcdserver: permission denied")],
        _ if is_down.load(Ordering::SeqCst) => vec![Say::Status(14, "etcdserver: no leader")],
        _ => vec![Say::Message(range_response(9, &[]))],
    })
    .await;
    let second = FalseEtcd::start(|_, _| vec![Say::Message(range_response(9, &[]))]).await;
    let members = [&first, &second].map(|server| server.address().parse().unwrap());
    let store = EtcdStore::new(&members, &first.config("5s")).unwrap();
    let range = KeyRange::key(b"/c");
    store.read(&range, At::Now, WITHIN).await.unwrap_err();
    store.read(&range, At::Now, WITHIN).await.unwrap();
    assert_eq!(store.location(), second.address());
    down.store(false, Ordering::SeqCst);
    let returned = async {
        while store.location() != first.address() {
            store.read(&range, At::Now, WITHIN).await.unwrap();
        }
    };
    tokio::time::timeout(WITHIN, returned).await.unwrap();
    let error = store.server(WITHIN).await.unwrap_err().error;
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    let message = error.to_string();
    assert!(message.contains("to root alone"), "{message}");
    assert_eq!(store.location(), first.address());
}

#[tokio::test]
async fn a_clock_whose_revisions_go_back_has_lost_something() {
    let revision = Arc::new(AtomicI64::new(100));
    let server = FalseEtcd::start(move |_, _| {
        let now = revision.fetch_sub(1, Ordering::SeqCst);
        vec![Say::Message(range_response(now, &[]))]
    })
    .await;
    let clock = SharedClock::connect(server.config("2s")).await.unwrap();
    let error = clock.read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regressed, "{error}");
    assert!(server.asked() < 10, "{}", server.asked());
}

#[tokio::test]
async fn a_history_that_is_compacted_again_and_again_is_not_raced_after() {
    let kept_from = AtomicI64::new(10);
    let server = FalseEtcd::start(move |method, _| {
        if method == "KV/Range" {
            return vec![Say::Message(range_response(1_000_000, &[]))];
        }
        let kept_from = kept_from.fetch_add(10, Ordering::SeqCst);
        let compacted = [header(9), number(4, 1), number(5, kept_from)].concat();
        vec![Say::Message(watch_confirmed(9)), Say::Message(compacted)]
    })
    .await;
    let clock = SharedClock::connect(server.config("2s")).await.unwrap();
    let mut watch = clock.watch_from(3).await.unwrap();
    let all = async {
        let mut next = 3;
        loop {
            let WatchEvent::Missed { from, until } = watch.next().await.unwrap() else {
                panic!("nothing but that it missed something");
            };
            assert!(from >= next && until > from);
            next = until;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(2), all)
            .await
            .is_err()
    );
    assert!(
        server.asked() < 60,
        "{} calls in two seconds",
        server.asked()
    );
}

/// What `connect` says of something that answers each connection with these bytes, and then closes it or
/// keeps it open.
async fn said_of(bytes: &'static [u8], closes: bool) -> lamport_clock::Error {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 16];
            if !bytes.is_empty() {
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(bytes).await;
            }
            if !closes {
                open.push(stream);
            }
        }
    });
    let connecting = SharedClock::connect(config_at(&address, "3s"));
    let error = connecting.await.unwrap_err();
    serving.abort();
    error
}

#[tokio::test]
async fn what_is_no_etcd_is_told_in_words() {
    const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n";
    for (name, bytes, closes, said) in [
        ("an HTTP/1 server", BAD_REQUEST, true, "does not speak gRPC"),
        (
            "one that keeps it open",
            BAD_REQUEST,
            false,
            "does not speak gRPC",
        ),
        (
            "a mail server",
            b"220 mx ESMTP ready\r\n",
            false,
            "does not speak gRPC",
        ),
        (
            "one that hangs up",
            b"",
            true,
            "is it etcd that listens there?",
        ),
        ("one that is silent", b"", false, "nothing is said on them"),
    ] {
        let error = said_of(bytes, closes).await;
        let message = error.to_string();
        assert!(message.contains(said), "{name}: {message}");
        assert!(!message.contains("TLS:"), "{name}: {message}");
        let kinds = [ErrorKind::Unavailable, ErrorKind::Timeout];
        assert!(kinds.contains(&error.kind()), "{name}: {error:?}");
    }
    // gRPC or HTTP/2 of another kind.
    for (answer, said) in [
        (
            Say::Status(12, "unknown service etcdserverpb.KV"),
            "it is no etcd",
        ),
        (
            Say::Raw(b"<html>hello, this is the shop</html>".to_vec()),
            "does not speak gRPC",
        ),
        (Say::Message(b"\xff\xff\xff".to_vec()), "etcd"),
    ] {
        let answer = std::sync::Mutex::new(Some(answer));
        let server = FalseEtcd::start(move |_, _| match answer.lock().unwrap().take() {
            Some(answer) => vec![answer],
            None => vec![Say::Silence],
        })
        .await;
        let read = store_at(&server)
            .read(&KeyRange::key(b"/c"), At::Now, WITHIN)
            .await;
        let failure = read.unwrap_err();
        assert!(
            failure.error.to_string().contains(said),
            "{said}: {failure:?}"
        );
    }
}
