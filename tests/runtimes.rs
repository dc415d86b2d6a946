//! One clock used from several threads and several runtimes at once.

#![cfg(feature = "shared")]

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use lamport_clock::logic::transaction::{KeyRange, Reply, Transaction};
use lamport_clock::store::{Changes, MemoryStore, Store, StoreFuture};
use lamport_clock::{Config, SharedClock, Update};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

/// Whoever ends a driver must not end the next one: it was found that two drivers on one exchange
/// hand a time out twice. It takes several workers and a queue that runs empty all the time.
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

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A caller on a runtime of its own waits behind one whose transaction is under way. The first one
/// gets its answer, and `rest` says what becomes of its runtime then.
fn one_behind_the_other(rest: fn(Runtime) -> Option<Runtime>) {
    let (arrived, arrival) = mpsc::sync_channel(1);
    let gate = Arc::new(Gate {
        memory: MemoryStore::new(),
        arrived,
        passes: Semaphore::new(0),
    });
    let clock = SharedClock::with_store(gate.clone(), &Config::memory("a").unwrap()).unwrap();

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
