//! The shared clock over the memory store: the rule, the crowd, and a store that fails.

#![cfg(feature = "blocking")]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lamport_clock::protocol::{At, KeyRange, Operation, Reply, Transaction};
use lamport_clock::store::{Changes, Failure, MemoryStore, Store, StoreFuture};
use lamport_clock::{Config, Error, ErrorKind, SharedClock, Time, WatchEvent};
use tokio::runtime::Handle;

#[path = "shared/crowd.rs"]
mod crowd;
#[path = "shared/deadlines.rs"]
mod deadlines;
#[path = "shared/far_ahead.rs"]
mod far_ahead;
#[path = "shared/faulty.rs"]
mod faulty;
#[path = "shared/folds.rs"]
mod folds;
#[path = "shared/forgetful.rs"]
mod forgetful;
#[path = "shared/histories.rs"]
mod histories;
#[path = "shared/in_flight.rs"]
mod in_flight;
#[path = "shared/threads.rs"]
mod threads;
#[path = "shared/watches.rs"]
mod watches;

use faulty::{Fault, Faulty};

fn config(process: &str) -> Config {
    Config::memory(process).unwrap()
}

fn clock_on(store: &Arc<Faulty>, process: &str) -> SharedClock {
    let clock = SharedClock::with_store(store.clone(), &config(process)).unwrap();
    clock.carried_on(Handle::current())
}

async fn write(store: &dyn Store, value: &str) {
    carry_out(
        store,
        Operation::Put(Config::DEFAULT_KEY.into(), value.into()),
    )
    .await;
}

async fn delete_record(store: &dyn Store) {
    carry_out(store, Operation::Delete(Config::DEFAULT_KEY.into())).await;
}

async fn carry_out(store: &dyn Store, operation: Operation) {
    let transaction = Transaction {
        then: vec![operation],
        ..Transaction::default()
    };
    store
        .transact(&transaction, Duration::from_secs(1))
        .await
        .unwrap();
}

async fn updated(watch: &mut lamport_clock::Watch) -> lamport_clock::Observed {
    match watch.next().await.unwrap() {
        WatchEvent::Updated(observed) => observed,
        other => panic!("expected an update, got {other:?}"),
    }
}

/// The record's value in the store, and how many keys the clock has.
async fn recorded(store: &Faulty) -> (u64, usize) {
    let everything = KeyRange::new([0], [255]);
    let reply = store
        .memory
        .read(&everything, At::Now, Duration::ZERO)
        .await
        .unwrap();
    let record = reply
        .entries
        .iter()
        .find(|entry| entry.key == Config::DEFAULT_KEY.as_bytes());
    let record = lamport_clock::Record::parse(&record.unwrap().value).unwrap();
    (record.value.get(), reply.entries.len())
}

#[tokio::test]
async fn two_clocks_in_turn_follow_the_rule() {
    let store = Faulty::new(&[]);
    let (a, b) = (clock_on(&store, "a"), clock_on(&store, "b"));
    let mut values = Vec::new();
    for clock in [&a, &b, &a, &b] {
        values.push(clock.update().await.unwrap().value.get());
    }
    assert_eq!(values, [2, 3, 4, 5]);
    let update = a.update().await.unwrap();
    let previous = update.previous.unwrap();
    assert_eq!((previous.value.get(), &*previous.process), (5, "b"));
    assert_eq!(a.now(), update.value);
}

#[tokio::test]
async fn local_events_and_messages_count_for_the_rule() {
    let clock = SharedClock::memory("a").unwrap();
    clock.tick().unwrap();
    clock.receive(Time::new(10).unwrap()).unwrap();
    assert_eq!(clock.now().get(), 11);
    assert_eq!(clock.update().await.unwrap().value.get(), 13);
}

#[tokio::test(start_paused = true)]
async fn an_update_is_one_transaction_whoever_wrote_before_it() {
    let store = Faulty::new(&[]);
    let (a, b, c) = (
        clock_on(&store, "a"),
        clock_on(&store, "b"),
        clock_on(&store, "c"),
    );
    // The first update of the clock's life creates it, too.
    assert_eq!(a.update().await.unwrap().round_trips, 1);
    assert_eq!(store.count(), 1);
    let mut watch = c.watch().await.unwrap();
    let clocks = [&a, &b, &c, &c, &b, &a, &a, &c, &b, &b];
    for clock in clocks {
        assert_eq!(clock.update().await.unwrap().round_trips, 1);
        assert_eq!(store.count(), 1);
    }
    for _ in clocks {
        updated(&mut watch).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_local_clock_ahead_of_what_others_wrote_takes_two_transactions() {
    let store = Faulty::new(&[]);
    let (a, b) = (clock_on(&store, "a"), clock_on(&store, "b"));
    a.update().await.unwrap();
    b.update().await.unwrap();
    a.receive(Time::new(100).unwrap()).unwrap();
    let update = a.update().await.unwrap();
    assert_eq!((update.value.get(), update.round_trips), (103, 2));
    assert_eq!(update.previous.unwrap().value.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn times_that_were_given_up_leave_no_gap_where_nobody_wrote_since() {
    let store = Faulty::new(&[]);
    let clock = clock_on(&store, "a");
    clock.update().await.unwrap();
    delete_record(&*store).await;
    let times = clock.reserve(10).await.unwrap();
    assert_eq!((times.first.get(), times.last.get()), (4, 13));
    assert_eq!(times.previous.unwrap().value.get(), 2);
    assert_eq!(times.round_trips, 2);
    assert_eq!(recorded(&store).await, (13, 3));
}

#[tokio::test]
async fn callers_of_one_process_share_transactions() {
    const CALLERS: usize = 10_000;
    let store = Faulty::new(&[]);
    let clock = clock_on(&store, "a");
    let tasks: Vec<_> = (0..CALLERS)
        .map(|_| {
            let clock = clock.clone();
            tokio::spawn(async move { clock.update().await.unwrap().value })
        })
        .collect();
    let mut values = HashSet::new();
    for task in tasks {
        assert!(
            values.insert(task.await.unwrap()),
            "a value was given twice"
        );
    }
    assert_eq!(values.len(), CALLERS);
    assert!(store.count() < CALLERS as u64 / 10);
}

#[tokio::test]
async fn a_reservation_is_consecutive_and_bounded() {
    let clock = SharedClock::memory("a").unwrap();
    let times = clock.reserve(1_000).await.unwrap();
    assert_eq!(
        (times.first.get(), times.last.get(), times.len()),
        (2, 1_001, 1_000)
    );
    assert_eq!(times.times().count(), 1_000);
    for count in [0, (1 << 32) + 1, u64::MAX] {
        let error = clock.reserve(count).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    assert_eq!(clock.update().await.unwrap().value.get(), 1_003);
}

#[tokio::test]
async fn a_lost_reply_is_a_gap_and_the_update_still_succeeds() {
    let store = Faulty::new(&[Fault::ReplyLost]);
    let (a, b) = (clock_on(&store, "a"), clock_on(&store, "b"));
    let mut watch = a.watch_from(1).await.unwrap();
    // The clock is created, whoever hears of it.
    a.update().await.unwrap();
    let mut given = Vec::new();
    for clock in [&a, &b, &a] {
        let faults = [Fault::ReplyLost, Fault::Refused];
        store.plan.lock().unwrap().extend(faults);
        let update = clock.update().await.unwrap();
        // What was not carried out is no round trip.
        assert_eq!(update.round_trips, 2);
        given.push(update.value);
    }
    assert!(given.is_sorted_by(|a, b| a < b), "{given:?}");
    // Whatever the store holds beyond what was given is a gap, not somebody's.
    let mut last = Time::ZERO;
    while last < given[2] {
        let observed = updated(&mut watch).await;
        assert!(observed.value > last);
        last = observed.value;
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_took_who_is_gone_holds_nobody_up() {
    let store = Faulty::new(&[]);
    let short = config("a").with_timeout(Duration::from_millis(40)).unwrap();
    let clock = SharedClock::with_store(store.clone(), &short).unwrap();
    let clock = clock.carried_on(Handle::current());
    assert_eq!(clock.update().await.unwrap().value.get(), 2);
    // Nine times, by somebody who leaves no name and never folds.
    let key = |name: &str| format!("{}/{name}", Config::DEFAULT_KEY).into_bytes();
    let leave = Transaction {
        then: vec![
            Operation::Put(key("taken"), "somebody".into()),
            Operation::Put(key("taken/03"), Vec::new()),
        ],
        ..Transaction::default()
    };
    store
        .transact(&leave, Duration::from_secs(1))
        .await
        .unwrap();
    let update = clock.update().await.unwrap();
    assert_eq!((update.value.get(), update.round_trips), (12, 1));
    assert_eq!(update.previous.unwrap().value.get(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_takes_nothing_from_the_others() {
    let store = Faulty::new(&[Fault::BlackHole]);
    let clock = clock_on(&store, "a");
    let held_up = tokio::spawn({
        let clock = clock.clone();
        async move { clock.update().await }
    });
    tokio::task::yield_now().await;
    let (gives_up, waits) = (clock.clone(), clock.clone());
    let gives_up = tokio::spawn(async move { gives_up.update().await });
    let waits = tokio::spawn(async move { waits.reserve(3).await });
    tokio::task::yield_now().await;
    gives_up.abort();
    assert_eq!(
        held_up.await.unwrap().unwrap_err().kind(),
        ErrorKind::Timeout
    );
    // The one behind it may have run out of time with it; the clock itself goes on.
    let _ = waits.await.unwrap();
    assert_eq!(clock.reserve(3).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_closed_clock_says_so_and_still_ticks() {
    let clock = SharedClock::memory("a").unwrap();
    clock.update().await.unwrap();
    clock.close().await;
    for error in [
        clock.update().await.unwrap_err(),
        clock.read().await.unwrap_err(),
        clock.history(1).await.unwrap_err(),
        clock.watch().await.err().unwrap(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
    clock.tick().unwrap();
}

#[tokio::test(start_paused = true)]
async fn closing_answers_the_calls_that_are_under_way() {
    let store = Faulty::new(&[Fault::BlackHole]);
    let clock = clock_on(&store, "a");
    let spawn_update = || {
        let clock = clock.clone();
        tokio::spawn(async move { clock.update().await.map(|_| ()) })
    };
    let in_flight = spawn_update();
    tokio::task::yield_now().await;
    while store.transactions.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    store.reads.lock().unwrap().push(Fault::BlackHole);
    let behind_it = spawn_update();
    let reading = clock.clone();
    let reading = tokio::spawn(async move { reading.read().await.map(|_| ()) });
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    clock.close().await;
    for call in [in_flight, behind_it, reading] {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_costs_one_update_and_the_background_goes_on() {
    let store = Faulty::new(&[Fault::Panic]);
    let clock = clock_on(&store, "a");
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    clock.update().await.unwrap();

    *store.plan.lock().unwrap() = vec![Fault::Panic];
    clock.start(Duration::from_secs(1)).unwrap();
    while clock.stats().updates == 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let stats = clock.stats();
    assert!(stats.running);
    assert_eq!(
        (stats.failures, stats.failures_of(ErrorKind::Internal)),
        (1, 1)
    );
}

#[tokio::test]
async fn named_stores_are_shared_and_others_are_not() {
    let connect = |uri: &str, process: &str| {
        let config = config(process).with_store(uri.parse().unwrap());
        SharedClock::connect(config)
    };
    let a = connect("memory:classroom", "a").await.unwrap();
    let b = connect("memory:classroom", "b").await.unwrap();
    let c = connect("memory:", "c").await.unwrap();
    assert_eq!(a.update().await.unwrap().value.get(), 2);
    assert_eq!(b.update().await.unwrap().value.get(), 3);
    assert_eq!(c.update().await.unwrap().value.get(), 2);
}
