//! Updates in the background, in paused time: their pace, their counts, and every way in which they
//! end. What a forked child has of them is in `tests/fork.rs` and `tests/python/test_background.py`, what is
//! told of them in `tests/events.rs`.

#![cfg(feature = "blocking")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lamport_clock::protocol::{At, KeyRange, Reply, Transaction};
use lamport_clock::store::{Changes, Failure, MemoryStore, Store, StoreFuture};
use lamport_clock::{Config, Error, ErrorKind, SharedClock, blocking};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

#[path = "background/counts.rs"]
mod counts;

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: Duration = SharedClock::DEFAULT_INTERVAL;

/// The memory store, with a note of every transaction, and a mood.
struct Moody {
    memory: MemoryStore,
    mood: Mutex<Mood>,
    begun: Mutex<Vec<Instant>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

#[derive(Clone, Copy)]
enum Mood {
    Well,
    /// Refuses, for good reason.
    Refuses(ErrorKind),
    /// Answers after so long.
    Slow(Duration),
}

impl Moody {
    fn new() -> Arc<Moody> {
        Arc::new(Moody {
            memory: MemoryStore::new(),
            mood: Mutex::new(Mood::Well),
            begun: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        })
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// When transactions began since it was asked last.
    fn begun(&self) -> Vec<Instant> {
        std::mem::take(&mut self.begun.lock().unwrap())
    }

    fn clock(self: &Arc<Moody>, process: &str) -> SharedClock {
        let config = Config::memory(process).unwrap();
        let clock = SharedClock::with_store(self.clone(), &config).unwrap();
        clock.carried_on(Handle::current())
    }
}

/// A clock that has looked at what another one has created: each of its updates is one transaction.
async fn settled(store: &Arc<Moody>) -> SharedClock {
    store.clock("other").update().await.unwrap();
    let clock = store.clock("a");
    clock.read().await.unwrap();
    store.begun();
    clock
}

impl Store for Moody {
    fn transact<'a>(
        &'a self,
        transaction: &'a Transaction,
        within: Duration,
    ) -> StoreFuture<'a, Reply> {
        Box::pin(async move {
            self.begun.lock().unwrap().push(Instant::now());
            let under_way = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
            self.most_under_way.fetch_max(under_way, Ordering::Relaxed);
            let mood = *self.mood.lock().unwrap();
            if let Mood::Slow(latency) = mood {
                sleep(latency).await;
            }
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            match mood {
                Mood::Refuses(kind) => Err(Failure::answered(Error::new(kind, "a bad mood"))),
                _ => self.memory.transact(transaction, within).await,
            }
        })
    }

    fn read<'a>(&'a self, range: &'a KeyRange, at: At, within: Duration) -> StoreFuture<'a, Reply> {
        self.memory.read(range, at, within)
    }

    fn watch(
        &self,
        range: KeyRange,
        from: u64,
        within: Duration,
    ) -> StoreFuture<'_, Box<dyn Changes>> {
        self.memory.watch(range, from, within)
    }

    fn location(&self) -> String {
        "a moody store".to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_update_comes_at_once_and_the_others_after_pauses_around_the_interval() {
    let store = Moody::new();
    let clock = settled(&store).await;
    let started = Instant::now();
    clock.start(INTERVAL).unwrap();
    sleep(INTERVAL * 200).await;
    let begun = store.begun();
    assert_eq!(begun[0], started);
    let pauses: Vec<Duration> = begun.windows(2).map(|two| two[1] - two[0]).collect();
    for pause in &pauses {
        // The timer's own grain is a millisecond.
        assert!(*pause >= INTERVAL / 2 && *pause <= INTERVAL * 3 / 2 + SECOND / 500);
    }
    assert!((170..=230).contains(&begun.len()), "{}", begun.len());
    let stats = clock.stats();
    assert_eq!(stats.updates, begun.len() as u64);
    // The other one had 2.
    assert_eq!(stats.last_value.unwrap().get(), 2 * stats.updates + 1);
    assert_eq!(stats.last_value, Some(clock.now()));
    assert_eq!(stats.running_for, Some(INTERVAL * 200));
    assert!(stats.since_update.unwrap() <= INTERVAL * 3 / 2);
    assert_eq!((stats.interval, stats.running), (Some(INTERVAL), true));
    assert_eq!((stats.failures, stats.failing), (0, 0));
    assert!(stats.last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_ticked_afterwards_lies_past_all_that_was_shared_before() {
    let store = Moody::new();
    let (follows, writes) = (store.clock("follows"), store.clock("writes"));
    follows.start(INTERVAL).unwrap();
    let shared = writes.reserve(1_000).await.unwrap().last;
    sleep(INTERVAL * 3 / 2 + SECOND).await;
    assert!(follows.tick().unwrap().time > shared);
}

#[tokio::test(start_paused = true)]
async fn there_is_never_more_than_one_at_a_time() {
    let store = Moody::new();
    store.is(Mood::Slow(SECOND));
    let clock = store.clock("a");
    clock.start(Duration::from_millis(10)).unwrap();
    sleep(SECOND * 60).await;
    assert_eq!(store.most_under_way.load(Ordering::Relaxed), 1);
    assert!(clock.stats().updates >= 58);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_at_once_is_not_asked_at_once_again() {
    let store = Moody::new();
    store.is(Mood::Refuses(ErrorKind::Denied));
    let clock = store.clock("a");
    clock.start(Duration::from_millis(10)).unwrap();
    sleep(SECOND * 60).await;
    assert!((20..=70).contains(&clock.stats().failures));
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_and_nothing_is_counted_after_a_stop() {
    let store = Moody::new();
    let clock = store.clock("a");
    clock.start(INTERVAL).unwrap();
    sleep(INTERVAL * 10).await;
    clock.stop();
    clock.stop();
    store.begun();
    let stopped = clock.stats();
    assert!(!stopped.running && stopped.running_for.is_none());
    assert_eq!(stopped.interval, Some(INTERVAL));
    sleep(INTERVAL * 100).await;
    assert_eq!(store.begun(), []);
    assert_eq!(clock.stats().updates, stopped.updates);

    // Stopped before it ran at all, and in the middle of an update.
    clock.start(INTERVAL).unwrap();
    clock.stop();
    sleep(INTERVAL * 10).await;
    assert_eq!(store.begun(), []);
    store.is(Mood::Slow(SECOND));
    clock.start(INTERVAL).unwrap();
    sleep(SECOND / 2).await;
    clock.stop();
    sleep(INTERVAL * 10).await;
    assert_eq!(store.begun().len(), 1);
    assert_eq!(clock.stats().updates, stopped.updates);
    // It goes on counting where it was.
    store.is(Mood::Well);
    clock.start(INTERVAL).unwrap();
    sleep(SECOND / 2).await;
    assert_eq!(clock.stats().updates, stopped.updates + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stopped_counts_nothing_more_whatever_its_task_was_at() {
    let clock = Moody::new().clock("a");
    for round in 0..4_000 {
        clock.start(INTERVAL).unwrap();
        // Its task runs on another thread meanwhile, and is stopped a little further each time.
        for _ in 0..round {
            std::hint::spin_loop();
        }
        clock.stop();
        let stopped = clock.stats().updates;
        // These come after whatever it had begun.
        clock.update().await.unwrap();
        clock.update().await.unwrap();
        assert_eq!(clock.stats().updates, stopped);
    }
}

#[tokio::test(start_paused = true)]
async fn started_again_it_goes_on_and_with_another_interval_it_begins_anew() {
    let store = Moody::new();
    let clock = settled(&store).await;
    for _ in 0..100 {
        clock.start(INTERVAL).unwrap();
        tokio::task::yield_now().await;
    }
    sleep(INTERVAL / 4).await;
    assert_eq!(store.begun().len(), 1);
    clock.start(INTERVAL * 100).unwrap();
    sleep(INTERVAL * 40).await;
    assert_eq!(store.begun().len(), 1);
    let stats = clock.stats();
    assert_eq!((stats.interval, stats.updates), (Some(INTERVAL * 100), 2));
    assert_eq!(stats.running_for, Some(INTERVAL * 40));
}

#[tokio::test(start_paused = true)]
async fn an_interval_out_of_range_is_refused_and_changes_nothing() {
    let clock = Moody::new().clock("a");
    clock.start(INTERVAL).unwrap();
    for wrong in [0, 9, 24 * 60 * 60 * 1_000 + 1, u64::MAX] {
        let error = clock.start(Duration::from_millis(wrong)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("10ms") && error.to_string().contains("24h"));
    }
    assert_eq!(clock.stats().interval, Some(INTERVAL));
    assert!(clock.stats().running);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_it_for_good() {
    let store = Moody::new();
    let clock = store.clock("a");
    clock.start(INTERVAL).unwrap();
    sleep(INTERVAL).await;
    store.is(Mood::Slow(SECOND * 3));
    sleep(INTERVAL).await;
    clock.close().await;
    store.begun();
    assert!(!clock.stats().running);
    assert_eq!(clock.start(INTERVAL).unwrap_err().kind(), ErrorKind::Closed);
    sleep(INTERVAL * 10).await;
    assert_eq!(store.begun(), []);
    assert_eq!(clock.stats().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn it_keeps_no_clock_alive_that_was_dropped() {
    let store = Moody::new();
    let clock = store.clock("a");
    let other = clock.clone();
    clock.start(INTERVAL).unwrap();
    sleep(INTERVAL * 5).await;
    drop(clock);
    sleep(INTERVAL * 5).await;
    assert!(other.stats().running);
    assert!(Arc::strong_count(&store) > 1);
    drop(other);
    // In the middle of a pause: nothing is waited for.
    assert_eq!(Arc::strong_count(&store), 1);
    store.begun();
    sleep(INTERVAL * 10).await;
    assert_eq!(store.begun(), []);

    // In the middle of an update that nobody answers: its deadline is the end.
    store.is(Mood::Slow(SECOND * 1_000));
    let clock = store.clock("b");
    clock.start(INTERVAL).unwrap();
    sleep(SECOND).await;
    drop(clock);
    sleep(Config::DEFAULT_TIMEOUT).await;
    assert_eq!(Arc::strong_count(&store), 1);
    assert_eq!(store.begun().len(), 1);
}

#[test]
fn a_runtime_that_ends_does_not_end_it() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let clock = SharedClock::memory("a").unwrap();
    let updates = async |updates: u64| {
        let mut watch = clock.watch().await.unwrap();
        while clock.stats().updates < updates {
            watch.next().await.unwrap();
        }
    };
    let first = runtime();
    first.block_on(async {
        clock.start(Duration::from_millis(10)).unwrap();
        updates(1).await;
    });
    drop(first);
    let before = clock.stats();
    assert!(before.running);
    runtime().block_on(updates(before.updates + 3));
    assert_eq!(clock.stats().failures, 0);
}

#[test]
fn threads_may_start_and_stop_a_blocking_clock_as_they_like() {
    let clock = blocking::SharedClock::memory("a").unwrap();
    let mut watch = clock.watch().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let clock = &clock;
            scope.spawn(move || {
                for turn in 0..50 {
                    clock
                        .start(Duration::from_millis(10 + (thread + turn) % 3))
                        .unwrap();
                    clock.stats();
                    clock.stop();
                }
            });
        }
    });
    assert!(!clock.stats().running);
    clock.start(Duration::from_millis(10)).unwrap();
    let before = clock.stats().updates;
    while clock.stats().updates < before + 3 {
        watch.next().unwrap().unwrap();
    }
    let stats = clock.stats();
    assert!(stats.last_value.unwrap() <= clock.now() && stats.failures == 0);
    clock.close();
    assert_eq!(clock.start(INTERVAL).unwrap_err().kind(), ErrorKind::Closed);
}
