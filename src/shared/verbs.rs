//! The methods of a shared clock that use its store, and those that control its background updates.
//! `history` and `repair` have files of their own.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep_until;

use super::{
    Observed, Reservation, Server, SharedClock, SyncStats, Update, Watch, background, cut_off,
    driver, fold, nanos,
};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::Protocol;

impl SharedClock {
    /// Takes the next time of the shared clock. It costs one round trip, whether or not other processes
    /// update at the same time. A second one is needed if the local clock ran ahead while others wrote,
    /// after a legacy writer's write, if the record was brought up to date in between, or if a crowd has
    /// just gone.
    ///
    /// Errors: [`ErrorKind::Timeout`], [`ErrorKind::Unavailable`], [`ErrorKind::Corrupt`],
    /// [`ErrorKind::Exhausted`], [`ErrorKind::TooFarAhead`], [`ErrorKind::Regressed`],
    /// [`ErrorKind::Overloaded`], [`ErrorKind::Closed`] and the store's own refusals. Whether a failed
    /// update moved the record is unknown; no time was handed out.
    ///
    /// A [`tick`](SharedClock::tick) of this process while its update is under way is concurrent with the
    /// update, and may show the same time. Two updates never show the same time, nor do two ticks of one
    /// clock.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// let first = clock.update().await?;
    /// let second = clock.update().await?;
    /// assert_eq!((first.value.get(), second.value.get()), (2, 4));
    /// assert!(first.stamp() < second.stamp());
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn update(&self) -> Result<Update> {
        self.reserve(1).await.map(Update::from)
    }

    /// Takes `count` consecutive times in one update, from 1 to [`Protocol::MAX_COUNT`] (2^32).
    ///
    /// They are ordered as one event at the moment of the call: hand them out later, and they are
    /// still unique but no longer in real-time order with other updates.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// let taken = clock.reserve(1_000).await?;
    /// assert_eq!((taken.first.get(), taken.last.get()), (2, 1_001));
    /// assert!(clock.update().await?.value > taken.last);
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn reserve(&self, count: u64) -> Result<Reservation> {
        if count == 0 || count > Protocol::MAX_COUNT {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("{count} times can't be taken at once: the count goes from 1 to 2^32"),
            ));
        }
        let (carrier, deadline) = self.begin()?;
        // A driver enforces the deadlines only of callers that it carries. This call may still be in the
        // queue behind callers with longer deadlines.
        let is_shorter = nanos(self.timeout) < self.inner.longest.load(Ordering::Relaxed);
        let overdue = is_shorter.then(|| {
            let _inside = carrier.runtime.enter();
            sleep_until(deadline)
        });
        let (answer, answered) = oneshot::channel();
        let caller = driver::Caller {
            deadline,
            timeout: self.timeout,
            count,
            answer,
        };
        driver::enqueue(&self.inner, carrier, caller)?;
        let answer = async { answered.await.unwrap_or_else(|_| Err(cut_off())) };
        match overdue {
            None => answer.await,
            Some(overdue) => tokio::select! {
                biased;
                answer = answer => answer,
                () = overdue => Err(self.inner.out_of_time(self.timeout)),
            },
        }
    }

    /// The newest update by anyone; `None` if there is none yet.
    ///
    /// [`ErrorKind::Regressed`] if the store shows less than it has shown this clock before.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// assert!(clock.read().await?.is_none());
    /// let update = clock.update().await?;
    /// let newest = clock.read().await?.expect("there is an update");
    /// assert_eq!((newest.value, newest.process.as_str()), (update.value, "api"));
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn read(&self) -> Result<Option<Observed>> {
        self.carry(|session| async move {
            let snapshot = session.look().await?;
            snapshot.record()?;
            snapshot.clock()?;
            Ok(snapshot.newest())
        })
        .await
    }

    /// Follows every update by anyone that is committed after this call returned.
    ///
    /// ```
    /// use lamport_clock::{SharedClock, WatchEvent};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// let mut watch = clock.watch().await?;
    /// clock.update().await?;
    /// let event = watch.next().await?;
    /// assert!(matches!(event, WatchEvent::Updated(update) if update.value.get() == 2));
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn watch(&self) -> Result<Watch> {
        let clock = self.clone();
        self.carry(|session| async move {
            let snapshot = session.look().await?;
            Ok(Watch::from_revision(clock, snapshot.revision + 1))
        })
        .await
    }

    /// Follows every update from revision `from` on, including past ones that the store still keeps.
    ///
    /// The watch ends with [`ErrorKind::Regressed`] if the store has not come as far as `from`: then it
    /// has lost the state in which `from` was noted.
    ///
    /// ```
    /// # use lamport_clock::{SharedClock, WatchEvent};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// let update = clock.update().await?;
    /// let mut watch = clock.watch_from(update.revision).await?;
    /// let WatchEvent::Updated(again) = watch.next().await? else { panic!() };
    /// assert_eq!(again.value, update.value);
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn watch_from(&self, from: u64) -> Result<Watch> {
        self.inner.refuse_if_closed()?;
        Ok(Watch::from_revision(self.clone(), from))
    }

    /// What the server in use says about itself; `None` if the store is in this process.
    ///
    /// # Errors
    /// `Denied` by versions of etcd that tell it only to root (3.5.28 to 3.5.31 among them). Everything
    /// else that a clock does works there with the role of SECURITY.md.
    ///
    /// ```no_run
    /// # use lamport_clock::{Config, SharedClock};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::connect(Config::from_env()?).await?;
    /// match clock.server().await? {
    ///     Some(server) => println!("etcd {} at {}", server.version, clock.location()),
    ///     None => println!("the store is in this process"),
    /// }
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn server(&self) -> Result<Option<Server>> {
        self.carry(|session| async move {
            let store = &session.carrier.store;
            let answer = store.server(session.timeout).await;
            answer.map_err(|failure| failure.error)
        })
        .await
    }

    /// The default pause between two updates in the background. The deployed script, `logical_count.py`,
    /// pauses as long.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(2);

    /// Starts updates in the background: the first at once, then one after each pause. It is for programs
    /// that want to stay near the shared clock without calling [`update`](SharedClock::update). Each
    /// update moves the local clock, so later ticks lie past all that was shared before.
    ///
    /// `interval`, from 10 ms to 24 h, is the average pause from the end of an update to the beginning of
    /// the next. Each pause is drawn evenly from half of it to one and a half, so that processes that
    /// start together do not go on together. There is never more than one update at a time. An update
    /// that fails is counted, see [`stats`](SharedClock::stats). The next one follows after the same
    /// pause or, if the interval is short, after a rest that grows from 250 ms to 2 s.
    ///
    /// The updates run until [`stop`](SharedClock::stop) or [`close`](SharedClock::close), or until the
    /// last handle on the clock is dropped. Another `start` with the same interval changes nothing; with
    /// another interval it begins anew.
    ///
    /// [`ErrorKind::InvalidArgument`] for an interval out of range, [`ErrorKind::Closed`] if the clock is
    /// closed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use lamport_clock::SharedClock;
    /// let clock = SharedClock::memory("api")?;
    /// clock.start(Duration::from_millis(500))?;
    /// assert!(clock.stats().running);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn start(&self, interval: Duration) -> Result<()> {
        background::start(&self.inner, interval)
    }

    /// Ends the updates in the background, if there are any. No update begins after this returned, and
    /// none is counted. An update that was under way is given up, and may still move the record. Any
    /// thread may call this, also outside of a runtime.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// let clock = SharedClock::memory("api")?;
    /// clock.start(SharedClock::DEFAULT_INTERVAL)?;
    /// clock.stop();
    /// assert!(!clock.stats().running);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn stop(&self) {
        self.inner.background.stop();
    }

    /// Results so far of the updates in the background, and other counts of the clock. No I/O.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// let clock = SharedClock::memory("api")?;
    /// clock.start(SharedClock::DEFAULT_INTERVAL)?;
    /// let stats = clock.stats();
    /// if stats.failing > 0 {
    ///     eprintln!("the newest {} failed: {:?}", stats.failing, stats.last_error);
    /// }
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn stats(&self) -> SyncStats {
        let mut stats = self.inner.background.stats();
        stats.refused = self.inner.local.refused();
        stats.folds = self.inner.protocol().folds();
        stats
    }

    /// Ends the clock: callers that wait, and later calls that need the store, get
    /// [`ErrorKind::Closed`]. Updates in the background end; the local clock goes on.
    ///
    /// Then, within the deadline of a call, the record is brought up to the newest time that was taken
    /// (a fold: see docs/PROTOCOL.md), so that people and legacy writers see it.
    ///
    /// ```
    /// # use lamport_clock::{ErrorKind, SharedClock};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// clock.close().await;
    /// assert_eq!(clock.update().await.unwrap_err().kind(), ErrorKind::Closed);
    /// assert!(clock.tick().is_ok());
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn close(&self) {
        self.end();
        let Ok(session) = self.session() else {
            return;
        };
        // A caller who stops waiting does not stop the fold: it is a task of its own.
        let runtime = session.carrier.runtime.clone();
        let folded = runtime.spawn(async move { fold::at_the_end(&session).await });
        let _ = folded.await;
    }

    /// The first half of [`close`](SharedClock::close): the part that needs no store.
    pub(crate) fn end(&self) {
        driver::close(&self.inner);
        self.inner.background.stop();
    }
}
