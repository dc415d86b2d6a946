//! Watches of a server that lies.

use std::time::Duration;

use lamport_clock::protocol::KeyRange;
use lamport_clock::store::{Failure, Store};
use lamport_clock::{ErrorKind, SharedClock, WatchEvent};

use super::false_etcd::{
    FalseEtcd, Say, bytes, header, key_value, number, range_response, watch_confirmed, watch_events,
};
use super::{WITHIN, store_at};

/// What a watch of `/c` and what lies below from revision 5 on makes of these messages.
pub(crate) async fn watched(messages: Vec<Say>) -> (FalseEtcd, Result<Vec<(u64, usize)>, Failure>) {
    let messages = std::sync::Mutex::new(messages);
    let server = FalseEtcd::start(move |method, _| match method {
        "KV/Range" => vec![Say::Message(range_response(9, &[]))],
        _ => std::mem::take(&mut *messages.lock().unwrap()),
    })
    .await;
    let range = KeyRange {
        rest: b"/c/".to_vec(),
        ..KeyRange::new("/c", "/c0")
    };
    let store = store_at(&server);
    let told = async {
        let mut changes = store.watch(range, 5, WITHIN).await?;
        let mut told = Vec::new();
        while told.len() < 3 {
            let some = changes.next().await?;
            told.extend(
                some.iter()
                    .map(|change| (change.revision, change.keys.len())),
            );
        }
        Ok(told)
    };
    let told = told.await;
    (server, told)
}

fn put_at(key: &str, revision: i64) -> (i64, Vec<u8>) {
    (0, key_value(key, [1, revision, 1], "v"))
}

#[tokio::test]
async fn a_watch_puts_together_what_the_server_cut_and_leaves_neighbours_out() {
    let cut = |events: &[(i64, Vec<u8>)]| [watch_events(9, events), number(7, 1)].concat();
    let deleted = (1, [bytes(1, b"/c/taken/01"), number(3, 7)].concat());
    let (_server, told) = watched(vec![
        Say::Message(watch_confirmed(9)),
        Say::Message(cut(&[
            put_at("/c", 5),
            put_at("/c/base", 5),
            put_at("/c", 7),
        ])),
        Say::Message(cut(&[put_at("/c-x", 7)])),
        Say::Message(watch_events(9, &[put_at("/c/base", 7), deleted])),
        Say::Message(watch_events(9, &[put_at("/c-x", 8)])),
        Say::Message(watch_events(9, &[put_at("/c/taken", 9)])),
        Say::Silence,
    ])
    .await;
    assert_eq!(told.unwrap(), [(5, 2), (7, 3), (9, 1)]);
}

#[tokio::test]
async fn a_watch_that_makes_no_sense_is_broken_off() {
    let event = |events: &[(i64, Vec<u8>)]| Say::Message(watch_events(9, events));
    let twice = || event(&[put_at("/c", 6)]);
    let compacted =
        |revision| Say::Message([header(9), number(4, 1), number(5, revision)].concat());
    for (lie, messages) in [
        ("of an unknown type", vec![event(&[(7, put_at("/c", 6).1)])]),
        (
            "of a negative type",
            vec![event(&[(-1, put_at("/c", 6).1)])],
        ),
        (
            "without a key",
            vec![Say::Message([header(9), bytes(11, &[])].concat())],
        ),
        ("of another key", vec![event(&[put_at("/other", 6)])]),
        ("before the beginning", vec![event(&[put_at("/c", 4)])]),
        ("at -1", vec![event(&[put_at("/c", -1)])]),
        ("repeated", vec![twice(), twice()]),
        ("back", vec![event(&[put_at("/c", 7), put_at("/c", 6)])]),
        ("compacted to what was asked", vec![compacted(5)]),
        ("compacted backwards", vec![compacted(1)]),
        ("compacted below 0", vec![compacted(-3)]),
    ] {
        let confirmed = Say::Message(watch_confirmed(9));
        let all = std::iter::once(confirmed)
            .chain(messages)
            .chain([Say::Silence]);
        let (_server, told) = watched(all.collect()).await;
        let failure = told.expect_err(lie);
        assert_eq!(
            failure.error.kind(),
            ErrorKind::Unavailable,
            "{lie}: {failure:?}"
        );
        assert!(
            failure.error.to_string().contains("makes no sense"),
            "{lie}: {failure:?}"
        );
    }
    let (_server, told) = watched(vec![event(&[]), Say::Silence]).await;
    assert!(told.unwrap_err().error.to_string().contains("confirmation"));
}

/// Whatever a server says to a watch, it is asked ever more seldom, and what is wrong is said once.
#[tokio::test]
async fn a_watch_is_begun_anew_ever_more_seldom() {
    for answer in [
        // The end, the same a little later, an event of an unknown type, compaction backwards.
        vec![],
        vec![watch_confirmed(9)],
        vec![
            watch_confirmed(9),
            watch_events(9, &[(5, put_at("/lamport_clock", 9).1)]),
        ],
        vec![
            watch_confirmed(9),
            [header(9), number(4, 1), number(5, 1)].concat(),
        ],
    ] {
        let server = FalseEtcd::start(move |method, _| {
            let read = vec![range_response(9, &[])];
            let messages = if method == "KV/Range" { &read } else { &answer };
            messages.iter().cloned().map(Say::Message).collect()
        })
        .await;
        let clock = SharedClock::connect(server.config("2s")).await.unwrap();
        let mut watch = clock.watch_from(3).await.unwrap();
        match watch.next().await.unwrap() {
            WatchEvent::Interrupted(why) => assert_eq!(why.kind(), ErrorKind::Unavailable),
            other => panic!("{other:?}"),
        }
        let more = tokio::time::timeout(Duration::from_secs(2), watch.next());
        assert!(more.await.is_err());
        assert!(
            server.asked() < 60,
            "{} calls in two seconds",
            server.asked()
        );
    }
}
