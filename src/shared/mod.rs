//! The shared clock: drives the protocol over a store.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch as watch_channel};
use tokio::task::JoinSet;

use self::session::Session;
use crate::clock::{Instance, LocalClock, ProcessId, Stamp, Time};
use crate::error::{Error, ErrorKind, Result};
use crate::events::Event;
use crate::header::Header;
use crate::protocol::{At, Protocol};

mod background;
pub(crate) mod backoff;
mod carrier;
mod driver;
mod fold;
mod history;
mod names;
mod open;
mod queue;
mod repair;
pub(crate) mod runtime;
mod session;
mod watch;

pub use self::background::SyncStats;
pub use self::history::History;
#[cfg(feature = "blocking")]
pub(crate) use self::open::random_instance;
pub use self::watch::{Watch, WatchEvent};
pub use crate::protocol::{Holder, Observed, RepairPlan, Reservation, Update};
pub use crate::store::Server;

/// A local clock and one record that many processes share.
///
/// The record changes by one rule, atomically or not at all:
///
/// ```text
/// local  <- local + 1
/// new    <- max(local, global) + 1
/// record <- {value: new, process_id, real_timestamp}
/// local  <- new
/// ```
///
/// No value is handed out twice, by any process, whatever fails. If an update returned before
/// another was called, anywhere, it has the smaller value. Every call returns within the deadline
/// of its [`Config`](crate::Config), with an answer or a typed error; after an error nothing was handed out.
///
/// A clone is another handle on the same clock. Calls on a tokio runtime (with I/O and time) are carried
/// there, others on a runtime of the library's own. So a caller that is cancelled, or whose runtime falls
/// asleep or ends, takes nothing away from those elsewhere. A [`Watch`] is read on a tokio runtime.
#[derive(Clone)]
pub struct SharedClock {
    inner: Arc<Inner>,
    /// How long a call by this handle may take.
    timeout: Duration,
    /// Its calls are carried on the library's own runtime, whatever their caller runs on.
    on_the_librarys: bool,
}

struct Inner {
    local: LocalClock,
    header: Header,
    carriers: carrier::Carriers,
    timeout: Duration,
    /// The longest deadline that any handle has, in nanoseconds.
    longest: AtomicU64,
    /// Locked for a moment at a time, never across an await.
    protocol: Mutex<Protocol>,
    /// Why the newest attempt failed, for callers whose time runs out.
    last_failure: Mutex<Option<Error>>,
    /// A task waits for a rest in which to fold.
    resting: Arc<tokio::sync::Mutex<()>>,
    closed: watch_channel::Sender<bool>,
    background: background::Background,
}

impl SharedClock {
    /// A local event or a send: see [`LocalClock::tick`]. No I/O.
    #[inline]
    pub fn tick(&self) -> Result<Stamp> {
        self.inner.local.tick()
    }

    /// A message arrived: see [`LocalClock::receive`]. No I/O.
    #[inline]
    pub fn receive(&self, message: impl Into<Time>) -> Result<Stamp> {
        let received = self.inner.local.receive(message);
        received.inspect_err(|error| self.refused(error))
    }

    /// [`tick`](SharedClock::tick) for callers that need the time alone.
    #[inline]
    pub fn advance(&self) -> Result<Time> {
        self.inner.local.advance()
    }

    /// [`receive`](SharedClock::receive) for callers that need the time alone.
    #[inline]
    pub fn advance_past(&self, message: Time) -> Result<Time> {
        let advanced = self.inner.local.advance_past(message);
        advanced.inspect_err(|error| self.refused(error))
    }

    #[cold]
    fn refused(&self, error: &Error) {
        if error.kind() == ErrorKind::TooFarAhead {
            Event::Refused(error).tell(self.process());
        }
    }

    /// A message is about to leave: [`tick`](SharedClock::tick), as the value of the header `lamport`
    /// ([`Header::NAME`]), signed where the clock has a key.
    ///
    /// ```
    /// use lamport_clock::SharedClock;
    /// let (api, billing) = (SharedClock::memory("api")?, SharedClock::memory("billing")?);
    /// let header = api.inject()?;
    /// assert_eq!(billing.extract(&header)?.time.get(), 2);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn inject(&self) -> Result<String> {
        Ok(self.inner.header.write(&self.tick()?))
    }

    /// A message arrived with this value of the header `lamport`: [`receive`](SharedClock::receive).
    /// Where several stand in it, with commas between them, the newest that counts.
    ///
    /// As `receive`; and [`ErrorKind::InvalidArgument`] for a text that is no stamp,
    /// [`ErrorKind::Untrusted`] where the clock has a key and it is not signed with that. A header comes
    /// from outside: an error is worth counting, and no reason to refuse the message.
    pub fn extract(&self, header: &str) -> Result<Stamp> {
        self.inner
            .header
            .receive(header, |stamp| self.receive(stamp))
    }

    /// How this clock writes stamps into messages, and which ones it believes.
    pub fn header(&self) -> &Header {
        &self.inner.header
    }

    /// Where the local clock stands. Changes nothing.
    #[inline]
    pub fn now(&self) -> Time {
        self.inner.local.now()
    }

    /// Takes the next time of the shared clock: one round trip, alone and in any crowd. A second one is
    /// needed where the local clock ran ahead while others wrote, after a legacy writer's write, where
    /// the record was brought up to date in between, or where a crowd has just gone.
    ///
    /// Errors: [`ErrorKind::Timeout`], [`ErrorKind::Unavailable`], [`ErrorKind::Corrupt`],
    /// [`ErrorKind::Exhausted`], [`ErrorKind::TooFarAhead`], [`ErrorKind::Overloaded`],
    /// [`ErrorKind::Closed`] and what the store refuses with. Whether a failed update moved the
    /// record is unknown; no time was handed out.
    ///
    /// A [`tick`](SharedClock::tick) of this process while its update is under way is concurrent
    /// with it: it may show the same time. Updates among themselves, and ticks among themselves,
    /// never do.
    pub async fn update(&self) -> Result<Update> {
        self.reserve(1).await.map(Update::from)
    }

    /// Takes `count` consecutive times in one update, from 1 to [`Protocol::MAX_COUNT`] (2^32).
    ///
    /// They are ordered as one event at the moment of the call: hand them out later, and they are
    /// still unique but no longer in real-time order with other updates.
    pub async fn reserve(&self, count: u64) -> Result<Reservation> {
        if count == 0 || count > Protocol::MAX_COUNT {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("{count} times can't be taken at once: the count goes from 1 to 2^32"),
            ));
        }
        let session = self.session()?;
        // A driver keeps the deadlines of those whom it carries. Behind callers who have longer ones this
        // call may still stand in the queue.
        let overdue = session.overdue();
        let (answer, answered) = oneshot::channel();
        let caller = driver::Caller {
            session,
            count,
            answer,
        };
        driver::enqueue(&self.inner, caller)?;
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
    pub async fn watch(&self) -> Result<Watch> {
        let clock = self.clone();
        self.carry(|session| async move {
            let snapshot = session.look().await?;
            Ok(Watch::from_revision(clock, snapshot.revision + 1))
        })
        .await
    }

    /// Follows every update from revision `from` on, those included that the store still keeps.
    ///
    /// The watch ends with [`ErrorKind::Regressed`] if the store has not come so far: it has lost what
    /// `from` was noted from.
    pub async fn watch_from(&self, from: u64) -> Result<Watch> {
        self.inner.refuse_if_closed()?;
        Ok(Watch::from_revision(self.clone(), from))
    }

    /// The newest updates that the store still keeps, at most `limit` of them, oldest first.
    ///
    /// A round trip for each transaction in the history, many at once where the store holds little else.
    /// What was read by the deadline is given, and marked ([`History::unread_from`]).
    pub async fn history(&self, limit: usize) -> Result<History> {
        self.walk_back(At::Now, limit).await
    }

    /// The same from a revision back: of the updates up to this one, the newest. It goes on where a
    /// history was cut.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// let first = clock.update().await?;
    /// clock.update().await?;
    /// let history = clock.history_from(first.revision, 10).await?;
    /// assert_eq!(history.updates.len(), 1);
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn history_from(&self, revision: u64, limit: usize) -> Result<History> {
        self.walk_back(At::Revision(revision.max(1)), limit).await
    }

    async fn walk_back(&self, at: At, limit: usize) -> Result<History> {
        self.carry(async move |session| history::walk_back(&session, at, limit).await)
            .await
    }

    /// What lies in the store, and what [`repair`](SharedClock::repair) would make of it. Changes
    /// nothing.
    ///
    /// `at_least` is the highest time that anybody is known to have been given ([`Time::ZERO`]: what
    /// is found is all there was); an [`ErrorKind::Regressed`] names it.
    pub async fn plan_repair(&self, at_least: Time) -> Result<RepairPlan> {
        self.carry(move |session| async move { repair::plan(&session, at_least).await })
            .await
    }

    /// Moves the clock forward, to [`RepairPlan::to`], after the store has lost times that were handed
    /// out. Processes that knew of them and refused with [`ErrorKind::Regressed`] go on from there.
    ///
    /// It only ever moves forward, it is written only if nobody wrote since the plan was made
    /// ([`ErrorKind::Unavailable`] otherwise), and it stands in the history as an update by
    /// `repair:` and this process's name.
    pub async fn repair(&self, plan: &RepairPlan) -> Result<Observed> {
        let plan = plan.clone();
        self.carry(move |session| async move { repair::repair(&session, &plan).await })
            .await
    }

    /// What the server in use tells of itself; `None` if the store is in this process.
    pub async fn server(&self) -> Result<Option<Server>> {
        self.carry(|session| async move {
            let store = &session.carrier.store;
            let answer = store.server(session.timeout).await;
            answer.map_err(|failure| failure.error)
        })
        .await
    }

    /// The pause between two updates in the background, unless told otherwise: the deployed one.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(2);

    /// Updates in the background from now on, at once and then again and again, for programs that
    /// want to stay near the shared clock without calling [`update`](SharedClock::update): the local
    /// clock moves with each, so what is ticked afterwards lies past all that was shared before.
    ///
    /// `interval`, from 10 ms to 24 h, is the pause from the end of an update to the beginning of the
    /// next, on average: each pause is drawn evenly from half of it to one and a half, so that
    /// processes that start together do not go on together. There is never more than one at a time.
    /// An update that fails is counted, see [`stats`](SharedClock::stats), and the next one follows
    /// after the same pause or, if the interval is short, after a rest that grows from 250 ms to 2 s.
    ///
    /// It runs until [`stop`](SharedClock::stop) or
    /// [`close`](SharedClock::close), or until the last handle on the clock is dropped. Started again
    /// with the same interval it goes on as if nothing was said; with another one it begins anew.
    ///
    /// [`ErrorKind::InvalidArgument`] for an interval out of range, [`ErrorKind::Closed`].
    pub fn start(&self, interval: Duration) -> Result<()> {
        background::start(&self.inner, interval)
    }

    /// Ends the updates in the background, if there are any. None begins after this returned, and
    /// none is counted; one that was under way is given up, and may still move the record. Any thread
    /// may call it, also outside of a runtime.
    pub fn stop(&self) {
        self.inner.background.stop();
    }

    /// What the updates in the background have come to by now. No I/O.
    pub fn stats(&self) -> SyncStats {
        self.inner.background.stats()
    }

    /// Ends the clock: callers that wait, and later calls that need the store, get
    /// [`ErrorKind::Closed`]. Updates in the background end; the local clock goes on.
    ///
    /// Then, within the deadline of a call, the record is brought up to the newest time that was taken
    /// (a fold: see docs/PROTOCOL.md), so that people and legacy writers see it.
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

    /// The first half of [`close`](SharedClock::close): what needs no store.
    pub(crate) fn end(&self) {
        driver::close(&self.inner);
        self.inner.background.stop();
    }

    /// The process that this clock belongs to.
    pub fn process(&self) -> &ProcessId {
        self.inner.local.process()
    }

    /// The life of the process that this clock belongs to.
    pub fn instance(&self) -> Instance {
        self.inner.local.instance()
    }

    /// Where transactions go at present, for people: `memory:` or the endpoint in use.
    pub fn location(&self) -> String {
        self.inner.carriers.location()
    }

    /// Moves the local clock to `time` if it is behind: see [`LocalClock::raise`].
    #[cfg(feature = "blocking")]
    pub(crate) fn raise(&self, time: Time) {
        self.inner.local.raise(time);
    }

    /// A call that begins now, on the runtime that this is called on.
    fn session(&self) -> Result<Session> {
        let carrier = match self.on_the_librarys {
            true => self.inner.carriers.own()?,
            false => self.inner.carriers.here()?,
        };
        Ok(Session::begin(&self.inner, carrier, self.timeout))
    }

    /// Does something with the store, unless the clock is closed, on the runtime that carries it.
    async fn carry<T, W>(&self, work: impl FnOnce(Session) -> W) -> Result<T>
    where
        T: Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let session = self.session()?;
        let runtime = session.carrier.runtime.clone();
        let inner = self.inner.clone();
        let work = work(session);
        let work = async move { inner.unless_closed(work).await };
        if !self.on_the_librarys && Handle::try_current().is_ok() {
            return work.await;
        }
        // A set, because it ends its task where the caller gives up.
        let mut task = JoinSet::new();
        task.spawn_on(work, &runtime);
        match task.join_next().await {
            Some(Ok(result)) => result,
            _ => Err(cut_off()),
        }
    }
}

impl std::fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedClock")
            .field("process", self.process())
            .field("instance", &self.instance())
            .field("now", &self.now())
            .field("location", &self.location())
            .finish()
    }
}

impl Inner {
    fn protocol(&self) -> MutexGuard<'_, Protocol> {
        self.protocol.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the protocol judge an answer. A loss that is found by it is told of.
    fn judge<T>(&self, judge: impl FnOnce(&mut Protocol) -> T) -> T {
        let mut protocol = self.protocol();
        let knew = protocol.loss().is_some();
        let judged = judge(&mut protocol);
        let found = protocol.loss().filter(|_| !knew).cloned();
        self.local.learn(protocol.known().time());
        drop(protocol);
        if let Some(error) = found {
            Event::Regressed(&error).tell(self.local.process());
        }
        judged
    }

    fn last_failure(&self) -> MutexGuard<'_, Option<Error>> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that carried a call has ended without an answer: it panicked, or its runtime is gone.
pub(crate) fn cut_off() -> Error {
    Error::new(
        ErrorKind::Internal,
        "the task that carried this call has ended before it had an answer",
    )
}

/// A length of time as a number that can be atomic: more than five hundred years are these.
pub(crate) fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// The wall clock, Unix seconds: for people to look at, never compared.
fn real_timestamp() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
