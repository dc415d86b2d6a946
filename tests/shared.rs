//! The shared clock over the memory store: the rule, the crowd, and a store that fails.

#![cfg(feature = "blocking")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lamport_clock::protocol::{At, KeyRange, Operation, Reply, Transaction};
use lamport_clock::store::{Changes, Failure, MemoryStore, Store, StoreFuture};
use lamport_clock::{Config, Error, ErrorKind, SharedClock, Time, WatchEvent, blocking};
use tokio::runtime::Handle;

#[path = "shared/far_ahead.rs"]
mod far_ahead;
#[path = "shared/forgetful.rs"]
mod forgetful;
#[path = "shared/in_flight.rs"]
mod in_flight;

fn config(process: &str) -> Config {
    Config::memory(process).unwrap()
}

fn clock_on(store: &Arc<Faulty>, process: &str) -> SharedClock {
    let clock = SharedClock::with_store(store.clone(), &config(process)).unwrap();
    clock.carried_on(Handle::current())
}

/// The memory store behind a switch: what happens to the next transactions.
struct Faulty {
    memory: MemoryStore,
    plan: Mutex<Vec<Fault>>,
    /// The same for reads.
    reads: Mutex<Vec<Fault>>,
    transactions: AtomicU64,
    /// So many attempts to open a watch fail.
    watches_to_fail: AtomicU64,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// Carried out, but the answer is lost.
    ReplyLost,
    /// Not carried out, and the caller knows.
    Refused,
    /// Never answers, and is never carried out.
    BlackHole,
    /// Carried out and answered after a second.
    Slow,
    /// A defect of the store.
    Panic,
}

impl Faulty {
    fn new(plan: &[Fault]) -> Arc<Faulty> {
        let mut plan = plan.to_vec();
        plan.reverse();
        Arc::new(Faulty {
            memory: MemoryStore::new(),
            plan: Mutex::new(plan),
            reads: Mutex::default(),
            transactions: AtomicU64::new(0),
            watches_to_fail: AtomicU64::new(0),
        })
    }

    fn count(&self) -> u64 {
        self.transactions.swap(0, Ordering::Relaxed)
    }

    async fn meet<'a>(
        &self,
        fault: Option<Fault>,
        work: StoreFuture<'a, Reply>,
    ) -> Result<Reply, Failure> {
        let error = || Error::new(ErrorKind::Unavailable, "a planted fault");
        match fault {
            None => work.await,
            Some(Fault::Refused) => Err(Failure::not_sent(error())),
            Some(Fault::ReplyLost) => {
                work.await?;
                Err(Failure::unknown(error()))
            }
            Some(Fault::BlackHole) => std::future::pending().await,
            Some(Fault::Panic) => panic!("planted: the task that carries the call ends here"),
            Some(Fault::Slow) => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                work.await
            }
        }
    }
}

impl Store for Faulty {
    fn transact<'a>(
        &'a self,
        transaction: &'a Transaction,
        within: Duration,
    ) -> StoreFuture<'a, Reply> {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        let fault = self.plan.lock().unwrap().pop();
        Box::pin(self.meet(fault, self.memory.transact(transaction, within)))
    }

    fn read<'a>(&'a self, range: &'a KeyRange, at: At, within: Duration) -> StoreFuture<'a, Reply> {
        let fault = self.reads.lock().unwrap().pop();
        Box::pin(self.meet(fault, self.memory.read(range, at, within)))
    }

    fn watch(
        &self,
        range: KeyRange,
        from: u64,
        within: Duration,
    ) -> StoreFuture<'_, Box<dyn Changes>> {
        let left = self.watches_to_fail.load(Ordering::Relaxed);
        if left > 0 {
            self.watches_to_fail.store(left - 1, Ordering::Relaxed);
            let error = Error::new(ErrorKind::Unavailable, "a planted fault");
            return Box::pin(async { Err(Failure::unknown(error)) });
        }
        self.memory.watch(range, from, within)
    }

    fn location(&self) -> String {
        "a faulty store".to_owned()
    }
}

async fn write(store: &dyn Store, value: &str) {
    let transaction = Transaction {
        then: vec![Operation::Put(Config::DEFAULT_KEY.into(), value.into())],
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
    let delete = Transaction {
        then: vec![Operation::Delete(Config::DEFAULT_KEY.into())],
        ..Transaction::default()
    };
    store
        .transact(&delete, Duration::from_secs(1))
        .await
        .unwrap();
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
async fn a_store_that_never_answers_is_an_error_at_the_deadline() {
    let store = Faulty::new(&[Fault::BlackHole]);
    let clock = clock_on(&store, "a");
    let began = tokio::time::Instant::now();
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("5s"), "{error}");
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    // The clock is none the worse for it.
    clock.update().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_is_tried_until_the_deadline() {
    let store = Faulty::new(&[Fault::Refused; 1_000]);
    let clock = clock_on(&store, "a");
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("a planted fault"), "{error}");
    let attempts = store.count();
    assert!((10..100).contains(&attempts), "{attempts} attempts in 5 s");
}

#[tokio::test(start_paused = true)]
async fn a_call_may_have_a_deadline_of_its_own() {
    let store = Faulty::new(&[Fault::BlackHole, Fault::BlackHole]);
    let clock = clock_on(&store, "a");
    let hasty = clock.within(Duration::from_millis(40)).unwrap();
    // Behind one that waits much longer.
    let patient = tokio::spawn({
        let clock = clock.clone();
        async move { clock.update().await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let began = tokio::time::Instant::now();
    let error = hasty.update().await.unwrap_err();
    // In virtual time, to its millisecond.
    assert!(
        began.elapsed() < Duration::from_millis(42),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("40ms"), "{error}");
    let result = patient.await.unwrap();
    assert!(
        result.is_ok() || began.elapsed() >= Duration::from_millis(50),
        "{result:?}"
    );
    for absurd in [Duration::ZERO, Duration::MAX] {
        let error = clock.within(absurd).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let error = config("a").with_timeout(absurd).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
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
    store.memory.compact(4);
    assert!(matches!(
        watch.next().await.unwrap(),
        WatchEvent::Missed { from: 1, until: 4 }
    ));
    for (revision, value) in [(4, 8), (5, 10)] {
        let observed = updated(&mut watch).await;
        assert_eq!((observed.revision, observed.value.get()), (revision, value));
    }
    write(&*store, "rubbish").await;
    assert!(matches!(
        watch.next().await.unwrap(),
        WatchEvent::Unreadable { revision: 6, .. }
    ));
    let delete = Transaction {
        then: vec![Operation::Delete(Config::DEFAULT_KEY.into())],
        ..Transaction::default()
    };
    store
        .transact(&delete, Duration::from_secs(1))
        .await
        .unwrap();
    assert!(matches!(
        watch.next().await.unwrap(),
        WatchEvent::Deleted { revision: 7 }
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

#[tokio::test(start_paused = true)]
async fn a_history_that_the_deadline_cuts_is_marked_and_goes_on_from_there() {
    let store = Faulty::new(&[]);
    let clock = clock_on(&store, "a");
    for _ in 0..150 {
        clock.update().await.unwrap();
    }
    let slow = || *store.reads.lock().unwrap() = vec![Fault::Slow; 1_000];
    slow();
    let began = tokio::time::Instant::now();
    let mut cut = clock.history(200).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    let from = cut.unread_from.unwrap();
    store.reads.lock().unwrap().clear();
    let mut all = clock.history_from(from, 200).await.unwrap();
    assert_eq!(all.unread_from, None);
    assert!(!cut.updates.is_empty() && !all.updates.is_empty());
    all.updates.append(&mut cut.updates);
    assert!(
        all.updates
            .iter()
            .map(|update| update.value.get())
            .eq((2..=300).step_by(2))
    );

    // Nothing at all in time is an error.
    *store.reads.lock().unwrap() = vec![Fault::BlackHole; 20];
    let error = clock.history(100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);

    // Where the store holds little else, many reads are under way at once.
    slow();
    let began = tokio::time::Instant::now();
    let patient = clock.within(Duration::from_secs(300)).unwrap();
    assert_eq!(patient.history(200).await.unwrap().updates, all.updates);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_history_reads_one_after_the_other_where_others_write_more() {
    let store = Faulty::new(&[]);
    let clock = clock_on(&store, "a");
    for _ in 0..5 {
        clock.update().await.unwrap();
        for _ in 0..100 {
            let others = Transaction {
                then: vec![Operation::Put(b"/other".into(), b"".into())],
                ..Transaction::default()
            };
            store
                .memory
                .transact(&others, Duration::ZERO)
                .await
                .unwrap();
        }
    }
    *store.reads.lock().unwrap() = vec![Fault::Slow; 7];
    let patient = clock.within(Duration::from_secs(60)).unwrap();
    assert_eq!(patient.history(10).await.unwrap().updates.len(), 5);
    assert_eq!(store.reads.lock().unwrap().len(), 2, "five reads");
}

#[tokio::test(start_paused = true)]
async fn history_walks_back_and_knows_where_it_ends() {
    let store = Faulty::new(&[]);
    let (a, b) = (clock_on(&store, "a"), clock_on(&store, "b"));
    assert!(a.history(10).await.unwrap().updates.is_empty());
    for _ in 0..3 {
        a.update().await.unwrap();
        b.reserve(2).await.unwrap();
        // Folds are none of it.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let values = |history: &lamport_clock::History| -> Vec<u64> {
        history
            .updates
            .iter()
            .map(|update| update.value.get())
            .collect()
    };
    let all = a.history(100).await.unwrap();
    assert_eq!(values(&all), [2, 4, 5, 7, 8, 10]);
    assert_eq!(all.updates[1].first.get(), 3);
    assert_eq!(values(&a.history(2).await.unwrap()), [8, 10]);
    assert_eq!(all.compacted_before, None);

    write(&*store, "rubbish").await;
    let latest = all.updates.last().unwrap().revision;
    store.memory.compact(latest);
    let rest = a.history(100).await.unwrap();
    assert_eq!((values(&rest), rest.unreadable), (vec![10], 1));
    assert_eq!(rest.compacted_before, Some(latest));
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

/// Two clocks of which the first one's newest update is a take that is not folded yet.
async fn late_record(store: &Arc<Faulty>) -> (SharedClock, u64) {
    let (a, b) = (clock_on(store, "a"), clock_on(store, "b"));
    a.update().await.unwrap();
    b.update().await.unwrap();
    let taken = a.reserve(10).await.unwrap().last.get();
    let (record, keys) = recorded(store).await;
    // Two weights: nine is one and eight.
    assert!(
        record < taken && keys == 5,
        "{record} of {taken}, {keys} keys"
    );
    (a, taken)
}

#[tokio::test(start_paused = true)]
async fn at_rest_the_record_shows_the_newest_value_without_a_further_call() {
    let store = Faulty::new(&[]);
    let (clock, taken) = late_record(&store).await;
    store.count();
    tokio::time::sleep(Duration::from_millis(6)).await;
    assert_eq!(recorded(&store).await, (taken, 3));
    assert_eq!(store.count(), 1);
    // Once, and for good.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(store.count(), 0);
    assert_eq!(clock.read().await.unwrap().unwrap().value.get(), taken);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_closed_leaves_the_newest_value_in_the_record() {
    let store = Faulty::new(&[]);
    let (clock, taken) = late_record(&store).await;
    let began = tokio::time::Instant::now();
    clock.close().await;
    assert_eq!(recorded(&store).await, (taken, 3));
    assert_eq!(began.elapsed(), Duration::ZERO);
    // And nothing comes after it.
    store.count();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(store.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_at_the_deadline_where_the_store_is_silent() {
    let store = Faulty::new(&[]);
    let (clock, _) = late_record(&store).await;
    store.plan.lock().unwrap().push(Fault::BlackHole);
    let began = tokio::time::Instant::now();
    clock.close().await;
    assert_eq!(began.elapsed(), Config::DEFAULT_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_fold_shows_who_took_last_and_a_legacy_writers_record_above_it() {
    let store = Faulty::new(&[]);
    let (clock, _) = late_record(&store).await;
    write(&*store, r#"{"value": 500, "process_id": "old"}"#).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(recorded(&store).await, (500, 3));
    let newest = clock.read().await.unwrap().unwrap();
    assert_eq!(
        (newest.value.get(), &*newest.process, newest.instance),
        (500, "old", None)
    );
    let update = clock.update().await.unwrap();
    let previous = update.previous.unwrap();
    assert_eq!((update.value.get(), previous.value.get()), (501, 500));
    assert_eq!(previous.process, "old");
}

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
