//! One clock used from several threads and several runtimes at once.

#![cfg(feature = "shared")]

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use lamport_clock::protocol::{At, KeyRange, Reply, Transaction};
use lamport_clock::store::{Changes, MemoryStore, Store, StoreFuture};
use lamport_clock::{Config, ErrorKind, SharedClock, Update, WatchEvent};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

/// Whoever ends a driver must not end the next one. It takes several workers and a queue that runs empty all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_time_is_given_twice_however_often_the_queue_runs_empty() {
    let clock = SharedClock::memory("a").unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let clock = clock.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                for round in 0..4_000_u64 {
                    let times = clock.reserve(1 + (round + task) % 3).await.unwrap();
                    mine.extend(times.times());
                }
                mine
            })
        })
        .collect();
    let mut given = HashSet::new();
    for task in tasks {
        for time in task.await.unwrap() {
            assert!(given.insert(time), "{time} was given twice");
        }
    }
}

/// Memory behind a gate: it says when a transaction has come, and lets it pass when told.
struct Gate {
    memory: MemoryStore,
    arrived: mpsc::SyncSender<()>,
    passes: Semaphore,
}

impl Store for Gate {
    fn transact<'a>(
        &'a self,
        transaction: &'a Transaction,
        within: Duration,
    ) -> StoreFuture<'a, Reply> {
        Box::pin(async move {
            let _ = self.arrived.try_send(());
            let _pass = self.passes.acquire().await;
            self.memory.transact(transaction, within).await
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
        "a gate".to_owned()
    }
}

/// The gate and a clock behind it, and where it says that a transaction has come.
fn gated() -> (Arc<Gate>, SharedClock, mpsc::Receiver<()>) {
    let (arrived, arrival) = mpsc::sync_channel(1);
    let gate = Arc::new(Gate {
        memory: MemoryStore::new(),
        arrived,
        passes: Semaphore::new(0),
    });
    let clock = SharedClock::with_store(gate.clone(), &Config::memory("a").unwrap());
    (gate, clock.unwrap(), arrival)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A caller on a runtime of its own waits behind one whose transaction is under way. The first one
/// gets its answer, and `rest` says what becomes of its runtime then.
fn one_behind_the_other(rest: fn(Runtime) -> Option<Runtime>) {
    let (gate, clock, arrival) = gated();
    let first: JoinHandle<(Update, Option<Runtime>)> = std::thread::spawn({
        let clock = clock.clone();
        move || {
            let runtime = runtime();
            let update = runtime.block_on(clock.update()).unwrap();
            (update, rest(runtime))
        }
    });
    arrival.recv().unwrap();

    let (queued, in_the_queue) = mpsc::channel();
    let second = std::thread::spawn(move || {
        runtime().block_on(async {
            let mut update = pin!(clock.update());
            poll_fn(|context| {
                assert!(update.as_mut().poll(context).is_pending());
                queued.send(()).unwrap();
                Poll::Ready(())
            })
            .await;
            let update = update.await.unwrap();
            [update, clock.update().await.unwrap()]
        })
    });
    in_the_queue.recv().unwrap();
    gate.passes.add_permits(1);

    let (earlier, _resting) = first.join().unwrap();
    let [later, last] = second.join().unwrap();
    assert!(earlier.value < later.value && later.value < last.value);
}

#[test]
fn a_runtime_that_rests_holds_up_nobody_on_another() {
    one_behind_the_other(Some);
}

#[test]
fn the_end_of_one_runtime_is_not_the_end_of_a_call_on_another() {
    one_behind_the_other(|runtime| {
        drop(runtime);
        None
    });
}

#[test]
fn a_runtime_that_falls_asleep_with_a_call_under_way_holds_up_nobody() {
    let (gate, clock, arrival) = gated();
    let asleep = runtime();
    let given_up = asleep
        .block_on(async { tokio::time::timeout(Duration::from_millis(1), clock.update()).await });
    assert!(given_up.is_err());
    arrival.recv().unwrap();
    // Nobody drives that runtime any more, and it is not dropped either.
    let others: Vec<_> = (0..4)
        .map(|_| {
            let clock = clock.clone();
            std::thread::spawn(move || runtime().block_on(clock.update()).unwrap().value)
        })
        .collect();
    // The one that is asleep keeps the first pass.
    gate.passes.add_permits(2);
    let values: HashSet<_> = others
        .into_iter()
        .map(|other| other.join().unwrap())
        .collect();
    assert_eq!(values.len(), 4);
    drop(asleep);
}

/// An executor at its plainest: this thread sleeps until it is woken.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn updates_need_no_runtime_of_the_callers() {
    let clock = block_on(SharedClock::connect(Config::memory("a").unwrap())).unwrap();
    assert_eq!(block_on(clock.update()).unwrap().value.get(), 2);
    assert_eq!(block_on(clock.reserve(3)).unwrap().last.get(), 6);
    assert_eq!(block_on(clock.read()).unwrap().unwrap().value.get(), 6);
    assert_eq!(block_on(clock.history(9)).unwrap().updates.len(), 2);
    block_on(clock.close());
    let error = block_on(clock.update()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[test]
fn the_deadline_holds_without_a_runtime_of_the_callers() {
    let (gate, _, _arrival) = gated();
    let config = Config::memory("a")
        .unwrap()
        .with_timeout(Duration::from_millis(10))
        .unwrap();
    let clock = SharedClock::with_store(gate, &config).unwrap();
    assert_eq!(
        block_on(clock.update()).unwrap_err().kind(),
        ErrorKind::Timeout
    );
}

/// The value in the record.
fn recorded(store: &MemoryStore, runtime: &Runtime) -> u64 {
    let key = KeyRange::key(Config::DEFAULT_KEY.as_bytes());
    let read = store.read(&key, At::Now, Duration::from_secs(1));
    let reply = runtime.block_on(read).unwrap();
    let record = reply.entries.first().map(|entry| &*entry.value);
    record.map_or(0, |bytes| {
        lamport_clock::Record::parse(bytes).unwrap().value.get()
    })
}

#[test]
fn a_runtime_that_ends_before_the_rest_takes_no_later_fold_along() {
    let store = Arc::new(MemoryStore::new());
    let clock = |process| {
        SharedClock::with_store(store.clone(), &Config::memory(process).unwrap()).unwrap()
    };
    let (a, b) = (clock("a"), clock("b"));
    let two_threads = || {
        Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
    };
    let first = two_threads().unwrap();
    first.block_on(async {
        a.update().await.unwrap();
        b.update().await.unwrap();
        // A take, which is to be folded after a rest.
        assert_eq!(a.update().await.unwrap().round_trips, 1);
    });
    first.shutdown_background();

    let second = two_threads().unwrap();
    let last = second.block_on(async {
        b.update().await.unwrap();
        a.update().await.unwrap().value.get()
    });
    for _ in 0..1_000 {
        if recorded(&store, &second) == last {
            return;
        }
        second.block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
    }
    panic!("the record never showed {last}");
}

#[test]
fn a_watch_goes_on_where_the_runtime_that_polled_it_has_ended() {
    let clock = SharedClock::memory("a").unwrap();
    let one_thread = || Builder::new_current_thread().enable_all().build().unwrap();
    let first = one_thread();
    let mut watch = first.block_on(async {
        let mut watch = clock.watch().await.unwrap();
        let nothing = tokio::time::timeout(Duration::from_millis(1), watch.next()).await;
        assert!(nothing.is_err());
        watch
    });
    drop(first);
    one_thread().block_on(async {
        let update = clock.update().await.unwrap();
        let event = tokio::time::timeout(Duration::from_secs(20), watch.next()).await;
        let WatchEvent::Updated(seen) = event.unwrap().unwrap() else {
            panic!("an update");
        };
        assert_eq!(seen.value, update.value);
    });
}
