//! What a subscriber of `tracing` is told, in paused time; and that it may use the clock while it is.

#![cfg(all(feature = "tracing", feature = "etcd"))]

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lamport_clock::protocol::{At, KeyRange, Reply, Transaction};
use lamport_clock::store::{Changes, Failure, MemoryStore, Store, StoreFuture};
use lamport_clock::{Config, Error, ErrorKind, SharedClock, StoreUri, Time, WatchEvent};
use tokio::runtime::Handle;
use tokio::time::sleep;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Metadata, Subscriber};

const INTERVAL: Duration = SharedClock::DEFAULT_INTERVAL;

/// Keeps what it is told of the library, as lines.
#[derive(Clone, Default)]
struct Told {
    lines: Arc<Mutex<Vec<String>>>,
    /// Asked for its counts by each event, as a program's subscriber may.
    clock: Arc<Mutex<Option<SharedClock>>>,
}

impl Told {
    fn listen() -> (Told, DefaultGuard) {
        let told = Told::default();
        let guard = tracing::subscriber::set_default(told.clone());
        (told, guard)
    }

    fn asks(&self, clock: &SharedClock) {
        *self.clock.lock().unwrap() = Some(clock.clone());
    }

    fn take(&self) -> Vec<String> {
        mem::take(&mut self.lines.lock().unwrap())
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("lamport_clock")
    }

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);
        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                self.0 += &format!(" {}={value:?}", field.name());
            }
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
        if let Some(clock) = &*self.clock.lock().unwrap() {
            clock.stats();
            clock.tick().unwrap();
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// A store in memory that can be exchanged for another one, and that refuses for a while.
#[derive(Default)]
struct Shaky(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    memory: Arc<MemoryStore>,
    refuses: Option<ErrorKind>,
}

impl Shaky {
    fn refuses(&self, kind: Option<ErrorKind>) {
        self.inside().refuses = kind;
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    fn memory(&self) -> Result<Arc<MemoryStore>, Failure> {
        let inside = self.inside();
        match inside.refuses {
            Some(kind) => Err(Failure::not_sent(Error::new(kind, "a bad mood"))),
            None => Ok(inside.memory.clone()),
        }
    }

    fn clock(self: &Arc<Shaky>) -> SharedClock {
        let config = Config::memory("api").unwrap();
        let clock = SharedClock::with_store(self.clone(), &config).unwrap();
        clock.carried_on(Handle::current())
    }
}

impl Store for Shaky {
    fn transact<'a>(
        &'a self,
        transaction: &'a Transaction,
        within: Duration,
    ) -> StoreFuture<'a, Reply> {
        Box::pin(async move { self.memory()?.transact(transaction, within).await })
    }

    fn read<'a>(&'a self, range: &'a KeyRange, at: At, within: Duration) -> StoreFuture<'a, Reply> {
        Box::pin(async move { self.memory()?.read(range, at, within).await })
    }

    fn watch(
        &self,
        range: KeyRange,
        from: u64,
        within: Duration,
    ) -> StoreFuture<'_, Box<dyn Changes>> {
        Box::pin(async move { self.memory()?.watch(range, from, within).await })
    }

    fn location(&self) -> String {
        "a shaky store".to_owned()
    }
}

/// Which of `lines` begin so, and that there are no others.
#[track_caller]
fn are(lines: &[String], beginnings: &[&str]) {
    let begin_so = lines.len() == beginnings.len()
        && lines
            .iter()
            .zip(beginnings)
            .all(|(line, beginning)| line.starts_with(beginning));
    assert!(begin_so, "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_background_is_told_once_for_each_kind_and_its_end_with_the_count() {
    let (told, _guard) = Told::listen();
    let store = Arc::new(Shaky::default());
    let clock = store.clock();
    told.asks(&clock);
    clock.start(INTERVAL).unwrap();
    sleep(INTERVAL * 5).await;
    assert_eq!(told.take(), [""; 0]);
    for kind in [
        ErrorKind::Unavailable,
        ErrorKind::NoSpace,
        ErrorKind::Unavailable,
    ] {
        store.refuses(Some(kind));
        sleep(INTERVAL * 20).await;
    }
    let failures = clock.stats().failures;
    store.refuses(None);
    sleep(INTERVAL * 5).await;
    let lines = told.take();
    let fail = "WARN message=updates in the background fail, and go on process=api";
    are(
        &lines,
        &[
            &format!("{fail} kind=\"unavailable\" error="),
            &format!("{fail} kind=\"no_space\" error="),
            &format!(
                "WARN message=updates in the background succeed again process=api \
                 failures={failures} lasted="
            ),
        ],
    );
    // What an outage was told of is told of the next one as well; one that is ended by a stop is over.
    store.refuses(Some(ErrorKind::NoSpace));
    sleep(INTERVAL * 20).await;
    clock.stop();
    store.refuses(None);
    clock.start(INTERVAL).unwrap();
    sleep(INTERVAL * 5).await;
    are(&told.take(), &[fail]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_lost_and_goes_on_is_told_once_each() {
    let (told, _guard) = Told::listen();
    let store = Arc::new(Shaky::default());
    let clock = store.clock();
    clock.update().await.unwrap();
    store.refuses(Some(ErrorKind::Unavailable));
    let mut watch = clock.watch_from(1).await.unwrap();
    assert!(matches!(watch.next().await, Ok(WatchEvent::Interrupted(_))));
    let waits = tokio::time::timeout(INTERVAL * 10, watch.next()).await;
    assert!(waits.is_err());
    store.refuses(None);
    assert!(matches!(watch.next().await, Ok(WatchEvent::Updated(_))));
    clock.update().await.unwrap();
    assert!(matches!(watch.next().await, Ok(WatchEvent::Updated(_))));
    are(
        &told.take(),
        &[
            "WARN message=a watch lost its connection, and goes on trying process=api \
             kind=\"unavailable\" error=",
            "INFO message=a watch goes on process=api next_revision=",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_regression_is_told_when_it_is_found_and_not_again_while_it_lasts() {
    let (told, _guard) = Told::listen();
    let store = Arc::new(Shaky::default());
    let clock = store.clock();
    told.asks(&clock);
    clock.reserve(100).await.unwrap();
    store.inside().memory = Arc::default();
    for _ in 0..3 {
        let error = clock.update().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Regressed);
        clock.read().await.unwrap_err();
    }
    are(
        &told.take(),
        &["WARN message=the store has lost times that were handed out process=api error="],
    );
}

#[tokio::test]
async fn a_refused_message_is_told() {
    let (told, _guard) = Told::listen();
    let clock = SharedClock::memory("api").unwrap();
    told.asks(&clock);
    clock.receive(Time::new(5).unwrap()).unwrap();
    assert_eq!(told.take(), [""; 0]);
    clock.receive(Time::MAX).unwrap_err();
    clock.advance_past(Time::MAX).unwrap_err();
    let refused = "DEBUG message=a message was refused process=api error=";
    are(&told.take(), &[refused, refused]);
}

#[tokio::test]
async fn another_member_is_told_when_it_is_chosen() {
    let (told, _guard) = Told::listen();
    // Nobody listens at either.
    let config = Config::memory("api").unwrap();
    let store: StoreUri = "etcd://127.0.0.1:1,127.0.0.1:2".parse().unwrap();
    let refused = SharedClock::connect(config.with_store(store)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
    let lines = told.take();
    let [first, ..] = &lines[..] else { panic!() };
    assert_eq!(
        first,
        "INFO message=transactions go to another member member=127.0.0.1:2 from=127.0.0.1:1"
    );
}
