//! A store that is exchanged for another behind the clocks' backs, as a restored one is, and what its
//! watches and repairs tell.

use std::sync::atomic::AtomicBool;

use lamport_clock::protocol::Change;
use lamport_clock::{ErrorKind, Watch};
use tokio::sync::watch;

use super::*;

struct Forgetful {
    now: watch::Sender<MemoryStore>,
    /// A legacy writer comes right after the next repair, whose answer is lost or not.
    overwrite: AtomicBool,
    lose: AtomicBool,
}

impl Forgetful {
    fn new() -> Arc<Forgetful> {
        Arc::new(Forgetful {
            now: watch::Sender::new(MemoryStore::new()),
            overwrite: AtomicBool::new(false),
            lose: AtomicBool::new(false),
        })
    }

    /// From now on this one answers, and every connection breaks.
    fn exchange(&self, store: MemoryStore) {
        self.now.send_replace(store);
    }

    fn clock(self: &Arc<Forgetful>, process: &str) -> SharedClock {
        let clock = SharedClock::with_store(self.clone(), &config(process)).unwrap();
        clock.carried_on(Handle::current())
    }
}

fn is_repair(transaction: &Transaction) -> bool {
    transaction.then.iter().any(|operation| match operation {
        Operation::Put(_, value) => String::from_utf8_lossy(value).contains("repair:"),
        _ => false,
    })
}

impl Store for Forgetful {
    fn transact<'a>(
        &'a self,
        transaction: &'a Transaction,
        within: Duration,
    ) -> StoreFuture<'a, Reply> {
        let store = self.now.borrow().clone();
        Box::pin(async move {
            let reply = store.transact(transaction, within).await?;
            if is_repair(transaction) && self.overwrite.swap(false, Ordering::Relaxed) {
                write(&store, r#"{"value": 1, "process_id": "old"}"#).await;
            }
            if is_repair(transaction) && self.lose.swap(false, Ordering::Relaxed) {
                let error = Error::new(ErrorKind::Unavailable, "a lost answer");
                return Err(Failure::unknown(error));
            }
            Ok(reply)
        })
    }

    fn read<'a>(&'a self, range: &'a KeyRange, at: At, within: Duration) -> StoreFuture<'a, Reply> {
        let store = self.now.borrow().clone();
        Box::pin(async move { store.read(range, at, within).await })
    }

    fn watch(
        &self,
        range: KeyRange,
        from: u64,
        within: Duration,
    ) -> StoreFuture<'_, Box<dyn Changes>> {
        let mut now = self.now.subscribe();
        let store = now.borrow_and_update().clone();
        Box::pin(async move {
            let changes = store.watch(range, from, within).await?;
            Ok(Box::new(Following { changes, now }) as Box<dyn Changes>)
        })
    }

    fn location(&self) -> String {
        "a forgetful store".to_owned()
    }
}

struct Following {
    changes: Box<dyn Changes>,
    now: watch::Receiver<MemoryStore>,
}

impl Changes for Following {
    fn next(&mut self) -> StoreFuture<'_, Vec<Change>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                _ = self.now.changed() => {
                    Err(Failure::unknown(Error::new(ErrorKind::Unavailable, "it broke")))
                }
                changes = self.changes.next() => changes,
            }
        })
    }
}

/// The next update that it tells of, or how it ends; not for ever.
async fn next_update(watch: &mut Watch) -> Result<u64, ErrorKind> {
    let next = async {
        loop {
            match watch.next().await {
                Ok(WatchEvent::Updated(observed)) => return Ok(observed.value.get()),
                Ok(WatchEvent::Interrupted(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(error) => return Err(error.kind()),
            }
        }
    };
    let patience = tokio::time::timeout(Duration::from_secs(600), next);
    patience.await.expect("the watch hangs")
}

async fn repair(store: &Arc<Forgetful>, at_least: Time) -> lamport_clock::Observed {
    let operator = store.clock("operator");
    let plan = operator.plan_repair(at_least).await.unwrap();
    operator.repair(&plan).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_where_the_store_lost_the_place_at_which_it_stood() {
    for caught_up in [false, true] {
        let store = Forgetful::new();
        let clock = store.clock("a");
        let mut watch = clock.watch().await.unwrap();
        let mut last = Time::ZERO;
        for _ in 0..5 {
            last = clock.update().await.unwrap().value;
            assert_eq!(next_update(&mut watch).await, Ok(last.get()));
        }
        // Repaired before anybody comes, and the clock goes on; the watch comes back later.
        store.exchange(MemoryStore::new());
        repair(&store, last).await;
        let updates = if caught_up { 10 } else { 1 };
        for _ in 0..updates {
            clock.update().await.unwrap();
        }
        assert_eq!(next_update(&mut watch).await, Err(ErrorKind::Regressed));
        // A new one is as good as any.
        let mut watch = clock.watch().await.unwrap();
        let value = clock.update().await.unwrap().value.get();
        assert_eq!(next_update(&mut watch).await, Ok(value));
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_was_broken_tells_that_the_record_was_deleted_meanwhile() {
    let store = Forgetful::new();
    let clock = store.clock("a");
    let mut watch = clock.watch().await.unwrap();
    let last = clock.update().await.unwrap();
    assert_eq!(next_update(&mut watch).await, Ok(last.value.get()));
    delete_record(&*store).await;
    let same = store.now.borrow().clone();
    store.exchange(same);
    assert!(matches!(watch.next().await, Ok(WatchEvent::Interrupted(_))));
    let revision = last.revision + 1;
    let event = watch.next().await.unwrap();
    assert!(
        matches!(event, WatchEvent::Deleted { revision: at } if at == revision),
        "{event:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_where_the_store_went_back_and_came_past_it_again() {
    for later in [0, 5] {
        let store = Forgetful::new();
        let (a, b) = (store.clock("a"), store.clock("b"));
        a.update().await.unwrap();
        let mut watch = b.watch().await.unwrap();
        let lost = a.update().await.unwrap();
        assert_eq!(next_update(&mut watch).await, Ok(lost.value.get()));
        // By its revisions and its times alone this one could be the same.
        let other = MemoryStore::new();
        let c = SharedClock::with_store(Arc::new(other.clone()), &config("c")).unwrap();
        c.update().await.unwrap();
        let many = c.reserve(100).await.unwrap();
        assert_eq!(many.revision, lost.revision);
        for _ in 0..later {
            c.update().await.unwrap();
        }
        store.exchange(other);
        assert_eq!(next_update(&mut watch).await, Err(ErrorKind::Regressed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_revision_that_the_store_has_not_reached_says_so() {
    let store = Forgetful::new();
    let clock = store.clock("a");
    clock.update().await.unwrap();
    // As kept by a process that has ended since.
    let mut watch = clock.watch_from(1_000).await.unwrap();
    assert_eq!(next_update(&mut watch).await, Err(ErrorKind::Regressed));
    let mut watch = clock.watch_from(3).await.unwrap();
    let value = clock.update().await.unwrap().value.get();
    assert_eq!(next_update(&mut watch).await, Ok(value));
}

#[tokio::test(start_paused = true)]
async fn a_watch_outlasts_a_repair_that_loses_nothing() {
    let store = Forgetful::new();
    let clock = store.clock("a");
    let mut watch = clock.watch().await.unwrap();
    let last = clock.update().await.unwrap().value;
    let repaired = repair(&store, last).await.value.get();
    let after = clock.update().await.unwrap().value.get();
    // The same store, but the connection broke.
    let same = store.now.borrow().clone();
    store.exchange(same);
    let newest = clock.update().await.unwrap().value.get();
    for expected in [last.get(), repaired, after, newest] {
        assert_eq!(next_update(&mut watch).await, Ok(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_is_answered_with_itself_whatever_is_written_right_after_it() {
    for lost in [false, true] {
        let store = Forgetful::new();
        let last = store.clock("a").update().await.unwrap().value;
        store.overwrite.store(true, Ordering::Relaxed);
        store.lose.store(lost, Ordering::Relaxed);
        let repaired = repair(&store, last).await;
        assert_eq!(repaired.value.get(), last.get() + 1);
        assert_eq!(repaired.process, "repair:operator");
        assert_eq!(repaired.revision, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_finds_its_store_exchanged_and_repaired_goes_on_there() {
    let store = Forgetful::new();
    let (a, b) = (store.clock("a"), store.clock("b"));
    for _ in 0..20 {
        a.update().await.unwrap();
    }
    // The other one's revisions are lower, and stay so for a while.
    store.exchange(MemoryStore::new());
    let repaired = repair(&store, a.now()).await.value;
    let other = b.update().await.unwrap().value;
    let mine = a.update().await.unwrap();
    assert!(mine.value > other && other > repaired);
    assert!(mine.revision < 20);
    // Its take is folded, as any.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let now = store.now.borrow().clone();
    let record = KeyRange::key(Config::DEFAULT_KEY.as_bytes());
    let record = now.read(&record, At::Now, Duration::ZERO).await.unwrap();
    let record = lamport_clock::Record::parse(&record.entries[0].value).unwrap();
    assert_eq!(record.value, mine.value);
}
