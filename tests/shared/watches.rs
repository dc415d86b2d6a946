//! Watches: what they tell, what they missed, and how they end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lamport_clock::{ErrorKind, SharedClock, Time, WatchEvent};

use super::faulty::Faulty;
use super::{clock_on, delete_record, updated, write};

#[tokio::test]
async fn closing_ends_a_watch_that_waits() {
    let clock = SharedClock::memory("a").unwrap();
    let mut watch = clock.watch().await.unwrap();
    let waiting = tokio::spawn(async move { watch.next().await });
    tokio::task::yield_now().await;
    clock.close().await;
    assert_eq!(
        waiting.await.unwrap().unwrap_err().kind(),
        ErrorKind::Closed
    );
}

#[tokio::test]
async fn a_watch_tells_every_update_of_everyone() {
    let store = Faulty::new(&[]);
    let mut watch = clock_on(&store, "observer").watch().await.unwrap();
    let mut tasks = Vec::new();
    for i in 0..8 {
        let clock = clock_on(&store, &format!("p{i}"));
        tasks.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            for round in 0..50 {
                let times = clock.reserve(1 + round % 3).await.unwrap();
                mine.push((
                    times.first,
                    times.last,
                    times.process.to_string(),
                    times.revision,
                ));
            }
            mine
        }));
    }
    let mut given = Vec::new();
    for task in tasks {
        given.extend(task.await.unwrap());
    }
    given.sort();
    for expected in given {
        let seen = updated(&mut watch).await;
        assert_eq!(
            (seen.first, seen.value, seen.process, seen.revision),
            expected
        );
        assert!(seen.instance.is_some());
    }
}

#[tokio::test]
async fn whoever_goes_on_where_a_watch_stood_hears_what_it_had_not_told() {
    let clock = SharedClock::memory("a").unwrap();
    clock.update().await.unwrap();
    let mut watch = clock.watch().await.unwrap();
    let mut given = Vec::new();
    for _ in 0..5 {
        given.push(clock.update().await.unwrap());
    }
    // The store tells of all of them at once.
    for expected in given {
        assert_eq!(watch.next_revision(), expected.revision);
        assert_eq!(updated(&mut watch).await.value, expected.value);
    }
}

#[tokio::test]
async fn a_watch_says_what_it_missed_and_what_it_could_not_read() {
    let store = Faulty::new(&[]);
    let clock = clock_on(&store, "a");
    let mut watch = clock.watch().await.unwrap();
    for _ in 0..5 {
        clock.update().await.unwrap();
    }
    store.memory.compact(5);
    assert!(matches!(
        watch.next().await.unwrap(),
        WatchEvent::Missed { from: 2, until: 5 }
    ));
    for (revision, value) in [(5, 8), (6, 10)] {
        let observed = updated(&mut watch).await;
        assert_eq!((observed.revision, observed.value.get()), (revision, value));
    }
    write(&*store, "rubbish").await;
    assert!(matches!(
        watch.next().await.unwrap(),
        WatchEvent::Unreadable { revision: 7, .. }
    ));
    delete_record(&*store).await;
    assert!(matches!(
        watch.next().await.unwrap(),
        WatchEvent::Deleted { revision: 8 }
    ));
    // A blind writer is seen as what it is: somebody without an instance.
    write(&*store, r#"{"value": 3, "process_id": "old"}"#).await;
    let seen = updated(&mut watch).await;
    assert_eq!((seen.value.get(), seen.instance), (3, None));
    // And what the watch could not see in full does not lead the next update astray.
    let update = clock.update().await.unwrap();
    assert_eq!(update.value.get(), 12);
    assert_eq!(update.regressed.map(Time::get), Some(10));
}

#[tokio::test(start_paused = true)]
async fn a_watch_resumes_although_its_caller_looks_up_from_waiting() {
    let store = Faulty::new(&[]);
    let clock = clock_on(&store, "a");
    let mut watch = clock.watch_from(1).await.unwrap();
    clock.update().await.unwrap();
    let last = clock.update().await.unwrap().value;
    store.watches_to_fail.store(10, Ordering::Relaxed);
    let mut interruptions = 0;
    for _ in 0..60 {
        match tokio::time::timeout(Duration::from_secs(1), watch.next()).await {
            Err(_) => {}
            Ok(Ok(WatchEvent::Interrupted(_))) => interruptions += 1,
            Ok(Ok(WatchEvent::Updated(seen))) if seen.value < last => {}
            Ok(Ok(WatchEvent::Updated(_))) => {
                assert_eq!(interruptions, 1, "one break is told once");
                return;
            }
            Ok(other) => panic!("{other:?}"),
        }
    }
    panic!("no update in a minute");
}
