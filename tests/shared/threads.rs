//! The clock for threads.

use std::collections::HashSet;
use std::time::Duration;

use lamport_clock::{ErrorKind, WatchEvent, blocking};

#[test]
fn the_blocking_clock_works_inside_another_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    #[allow(clippy::disallowed_methods, reason = "the test is that other runtime")]
    local.block_on(&runtime, async {
        let clock = blocking::SharedClock::memory("a").unwrap();
        assert_eq!(clock.update().unwrap().value.get(), 2);
        let mut watch = clock.watch().unwrap();
        assert!(watch.next_within(Duration::ZERO).is_none());
        clock.update().unwrap();
        assert!(matches!(watch.next(), Some(Ok(WatchEvent::Updated(_)))));
        clock.close();
        assert_eq!(watch.next().unwrap().unwrap_err().kind(), ErrorKind::Closed);
        assert!(watch.next().is_none());
    });
}

#[test]
fn a_blocking_watch_is_closed_while_another_thread_waits_in_it() {
    let clock = blocking::SharedClock::memory("a").unwrap();
    let mut watch = clock.watch().unwrap();
    let closer = watch.closer();
    assert!(!closer.is_closed());
    let end = std::thread::scope(|scope| {
        let waits = scope.spawn(|| watch.next_within(Duration::from_secs(3600)));
        closer.close();
        waits.join().unwrap().unwrap().unwrap_err()
    });
    assert_eq!(end.kind(), ErrorKind::Closed);
    assert!(closer.is_closed());
    // An event that came meanwhile is not told any more, and the clock goes on.
    clock.update().unwrap();
    let later = watch.next_within(Duration::from_secs(3600)).unwrap();
    assert_eq!(later.unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_blocking_watch_that_was_closed_tells_nothing_that_came_before() {
    let clock = blocking::SharedClock::memory("a").unwrap();
    for _ in 0..100 {
        let (mut watch, mut other) = (clock.watch().unwrap(), clock.watch().unwrap());
        assert!(watch.next_within(Duration::ZERO).is_none());
        clock.update().unwrap();
        // What this one has heard the first one has mostly heard as well, while nobody asked.
        other.next().unwrap().unwrap();
        watch.closer().close();
        let end = watch.next_within(Duration::ZERO).unwrap();
        assert_eq!(end.unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[test]
fn threads_share_a_blocking_clock() {
    let clock = blocking::SharedClock::memory("a").unwrap();
    let values: HashSet<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    (0..100)
                        .map(|_| clock.update().unwrap().value)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(values.len(), 1_600);
}
