//! The shared clock: drives the protocol of `logic::exchange` over a store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{oneshot, watch as watch_channel};

use crate::config::{Config, StoreUri};
use crate::error::{Error, ErrorKind, Result};
use crate::logic::board::Keys;
use crate::logic::clock::LocalClock;
use crate::logic::exchange::{Exchange, View};
use crate::logic::stamp::{Instance, ProcessId, Stamp};
use crate::logic::time::Time;
use crate::logic::trace::Trace;
use crate::store::{MemoryStore, Store};

mod background;
mod driver;
mod grants;
mod history;
mod names;
pub(crate) mod pace;
mod queue;
mod repair;
mod watch;

pub use self::background::{Notices, SyncNotice, SyncStats};
pub use self::history::History;
pub use self::watch::{Watch, WatchEvent};
pub use crate::logic::board::Holder;
pub use crate::logic::exchange::Condition;
pub use crate::logic::trace::Observed;
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
/// of its [`Config`], with an answer or a typed error; after an error nothing was handed out.
///
/// A clone is another handle on the same clock. Calls need a tokio runtime with time; updates run
/// as a task on it, so a caller that is cancelled takes nothing away from the others.
#[derive(Clone)]
pub struct SharedClock {
    inner: Arc<Inner>,
}

struct Inner {
    local: LocalClock,
    store: Arc<dyn Store>,
    keys: Keys,
    timeout: Duration,
    /// Locked for a moment at a time, never across an await.
    exchange: Mutex<Exchange>,
    queue: queue::Queue<driver::Caller>,
    lately: Mutex<driver::Lately>,
    closed: watch_channel::Sender<bool>,
    grants: Arc<grants::Grants>,
    background: background::Background,
}

impl SharedClock {
    /// A clock on the store that `config` names, once that store has answered.
    ///
    /// [`ErrorKind::Unavailable`] at once if every endpoint refuses, with the cause for each;
    /// [`ErrorKind::Timeout`] at the deadline if they are silent.
    pub async fn connect(config: Config) -> Result<SharedClock> {
        let clock = SharedClock::open(&config)?;
        // This first look also makes the first update a single round trip. A record that can't be
        // read is reported by the calls that need it.
        let asked = clock.inner.exchange().known();
        let reply = driver::first_answer(&clock.inner).await?;
        let _ = clock.inner.exchange().handle_look(asked, &reply);
        Ok(clock)
    }

    /// A clock on the store that `config` names, without asking whether it is there: for programs
    /// that start before their store does.
    pub fn open(config: &Config) -> Result<SharedClock> {
        let store: Arc<dyn Store> = match &config.store {
            StoreUri::Memory { name: None } => Arc::new(MemoryStore::new()),
            StoreUri::Memory { name: Some(name) } => Arc::new(MemoryStore::named(name)),
            #[cfg(feature = "etcd")]
            StoreUri::Etcd { endpoints, .. } => {
                Arc::new(crate::store::EtcdStore::new(endpoints, config)?)
            }
            #[cfg(not(feature = "etcd"))]
            StoreUri::Etcd { .. } => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    "this build has no etcd store: switch on the feature 'etcd'",
                ));
            }
        };
        SharedClock::with_store(store, config)
    }

    /// A clock on a private store in memory: no network, nothing to install.
    pub fn memory(process: &str) -> Result<SharedClock> {
        SharedClock::with_store(Arc::new(MemoryStore::new()), &Config::memory(process)?)
    }

    /// A clock on a store of one's own. Of `config` it uses the process, the key, the deadline and
    /// the jump bound. A process name of more than 23 bytes stays in memory when the clock is gone,
    /// once for all clocks that bear it.
    pub fn with_store(store: Arc<dyn Store>, config: &Config) -> Result<SharedClock> {
        let instance = random_instance()?;
        Ok(SharedClock::with_instance(store, config, instance))
    }

    /// The same as a life that is not drawn at random, so that a simulation runs again just so. Two
    /// clocks of one instance would take each other's times.
    #[doc(hidden)]
    pub fn with_instance(
        store: Arc<dyn Store>,
        config: &Config,
        instance: Instance,
    ) -> SharedClock {
        let process = names::kept(&config.process);
        let keys = Keys::new(&config.key);
        let exchange = Exchange::new(keys.clone(), process.clone(), instance, config.max_jump);
        SharedClock {
            inner: Arc::new(Inner {
                local: LocalClock::new(process, instance).with_max_jump(config.max_jump),
                store,
                timeout: config.timeout,
                exchange: Mutex::new(exchange),
                queue: queue::Queue::new(),
                lately: Mutex::default(),
                closed: watch_channel::Sender::new(false),
                grants: grants::Grants::new(&keys.granted),
                background: background::Background::default(),
                keys,
            }),
        }
    }

    /// A local event or a send: see [`LocalClock::tick`]. No I/O.
    #[inline]
    pub fn tick(&self) -> Result<Stamp> {
        self.inner.local.tick()
    }

    /// A message arrived: see [`LocalClock::receive`]. No I/O.
    #[inline]
    pub fn receive(&self, message: impl Into<Time>) -> Result<Stamp> {
        self.inner.local.receive(message)
    }

    /// [`tick`](SharedClock::tick) for callers that need the time alone.
    #[inline]
    pub fn advance(&self) -> Result<Time> {
        self.inner.local.advance()
    }

    /// [`receive`](SharedClock::receive) for callers that need the time alone.
    #[inline]
    pub fn advance_past(&self, message: Time) -> Result<Time> {
        self.inner.local.advance_past(message)
    }

    /// Where the local clock stands. Changes nothing.
    #[inline]
    pub fn now(&self) -> Time {
        self.inner.local.now()
    }

    /// Takes the next time of the shared clock: one round trip if nobody else wrote since this
    /// process last saw the record.
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

    /// Takes `count` consecutive times in one update, from 1 to [`Exchange::MAX_COUNT`] (2^32).
    ///
    /// They are ordered as one event at the moment of the call: hand them out later, and they are
    /// still unique but no longer in real-time order with other updates.
    pub async fn reserve(&self, count: u64) -> Result<Reservation> {
        if count == 0 || count > Exchange::MAX_COUNT {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("{count} times can't be taken at once: the count goes from 1 to 2^32"),
            ));
        }
        let deadline = self.inner.deadline();
        for _ in 0..RUNTIMES {
            let (answer, answered) = oneshot::channel();
            driver::enqueue(
                &self.inner,
                driver::Caller {
                    count,
                    runtime: tokio::runtime::Handle::current(),
                    deadline,
                    answer,
                },
            )?;
            match tokio::time::timeout_at(deadline, answered).await {
                Ok(Ok(result)) => return result,
                // The runtime that carried the update has ended, and ours goes on: nothing was
                // handed out, so it is begun anew here.
                Ok(Err(_)) => {}
                Err(_) => return Err(driver::out_of_time(&self.inner)),
            }
        }
        Err(Error::new(
            ErrorKind::Closed,
            "the runtime that carries this clock's updates is shutting down",
        ))
    }

    /// The newest update of the record by anyone; `None` if there is no record yet.
    ///
    /// [`ErrorKind::Regressed`] if the store shows less than it has shown this clock before.
    pub async fn read(&self) -> Result<Option<Observed>> {
        self.refuse_if_closed()?;
        let (reply, view) = self.inner.look(self.inner.deadline()).await?;
        view?;
        let trace = Trace::of(&self.inner.keys, reply.gets.iter().flatten());
        Ok(trace.updates(&self.inner.keys)?.pop())
    }

    /// Follows every update by anyone that is committed after this call returned.
    ///
    /// A running watch that is read from also keeps this clock warm: its next update takes one
    /// round trip although others wrote in between.
    pub async fn watch(&self) -> Result<Watch> {
        self.refuse_if_closed()?;
        let (reply, view) = self.inner.look(self.inner.deadline()).await?;
        refuse_if_regressed(view)?;
        Ok(Watch::from_revision(self.clone(), reply.revision + 1))
    }

    /// Follows every update from revision `from` on, those included that the store still keeps.
    ///
    /// The watch ends with [`ErrorKind::Regressed`] if the store has not come so far: it has lost what
    /// `from` was noted from.
    pub async fn watch_from(&self, from: u64) -> Result<Watch> {
        self.refuse_if_closed()?;
        Ok(Watch::from_revision(self.clone(), from))
    }

    /// The newest updates that the store still keeps, at most `limit` of them, oldest first.
    ///
    /// One round trip for each transaction in the history.
    pub async fn history(&self, limit: usize) -> Result<History> {
        self.refuse_if_closed()?;
        history::walk_back(&self.inner, limit, self.inner.deadline()).await
    }

    /// What lies in the store, and what [`repair`](SharedClock::repair) would make of it. Changes
    /// nothing.
    ///
    /// `at_least` is the highest time that anybody is known to have been given ([`Time::ZERO`]: what
    /// is found is all there was); an [`ErrorKind::Regressed`] names it.
    pub async fn condition(&self, at_least: Time) -> Result<Condition> {
        self.refuse_if_closed()?;
        repair::condition(&self.inner, at_least).await
    }

    /// Moves the clock forward, to [`Condition::to`], after the store has lost times that were handed
    /// out. Processes that knew of them and refused with [`ErrorKind::Regressed`] go on from there.
    ///
    /// It only ever moves forward, it is written only if nobody wrote since `condition` was looked
    /// at ([`ErrorKind::Unavailable`] otherwise), and it stands in the history as an update by
    /// `repair:` and this process's name.
    pub async fn repair(&self, condition: &Condition) -> Result<Observed> {
        self.refuse_if_closed()?;
        repair::repair(&self.inner, condition).await
    }

    /// What the server in use tells of itself, and what is known against its version (SECURITY.md);
    /// `None` if the store is in this process.
    pub async fn server(&self) -> Result<Option<Server>> {
        self.refuse_if_closed()?;
        let answer = self.inner.store.server(self.inner.timeout).await;
        answer.map_err(|failure| failure.error)
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
    /// It runs as a task on this runtime, until [`stop`](SharedClock::stop) or
    /// [`close`](SharedClock::close), or until the last handle on the clock is dropped. Started again
    /// with the same interval it goes on as if nothing was said; with another one it begins anew.
    ///
    /// [`ErrorKind::InvalidArgument`] for an interval out of range, [`ErrorKind::Closed`].
    pub fn start(&self, interval: Duration) -> Result<()> {
        self.start_on(&tokio::runtime::Handle::current(), interval)
    }

    pub(crate) fn start_on(
        &self,
        runtime: &tokio::runtime::Handle,
        interval: Duration,
    ) -> Result<()> {
        background::start(&self.inner, runtime, interval)
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

    /// From now on the caller hears what is worth a line in a log about the updates in the background.
    /// One caller hears it: `None` if another one does, or if nothing runs. No I/O.
    pub fn listen(&self) -> Option<Notices> {
        background::listen(&self.inner)
    }

    #[cfg(feature = "blocking")]
    pub(crate) fn could_not_start(&self, error: Error) {
        self.inner.background.could_not_start(error);
    }

    /// Ends the clock: callers that wait, and later calls that need the store, get
    /// [`ErrorKind::Closed`]. Updates in the background end; the local clock goes on.
    pub fn close(&self) {
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
        self.inner.store.location()
    }

    /// Moves the local clock to `time` if it is behind: see [`LocalClock::raise`].
    #[cfg(feature = "blocking")]
    pub(crate) fn raise(&self, time: Time) {
        self.inner.local.raise(time);
    }

    fn refuse_if_closed(&self) -> Result<()> {
        driver::refuse_if_closed(&self.inner)
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

/// One time of the shared clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The time. Nobody else has it.
    pub value: Time,
    /// This process.
    pub process: ProcessId,
    /// This life of it.
    pub instance: Instance,
    /// Who held the record before, and at what value; `None` if there was no record.
    pub previous: Option<Holder>,
    /// When, by the wall clock of the process that wrote the record (Unix seconds). It is for
    /// looking at only.
    pub real_timestamp: f64,
    /// The store's revision of the update.
    pub revision: u64,
    /// How many transactions the update took.
    pub round_trips: u32,
    /// The highest time known, if the record stood below it: a writer that does not follow the
    /// rule had moved it back. The update started above it all the same.
    pub regressed: Option<Time>,
}

impl Update {
    /// The update as a point in the total order.
    pub fn stamp(&self) -> Stamp {
        Stamp {
            time: self.value,
            process: self.process.clone(),
            instance: self.instance,
        }
    }
}

/// Consecutive times of the shared clock, from `first` through `last`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    /// The first time.
    pub first: Time,
    /// The last time, the one in the record.
    pub last: Time,
    /// This process.
    pub process: ProcessId,
    /// This life of it.
    pub instance: Instance,
    /// As for [`Update::previous`].
    pub previous: Option<Holder>,
    /// As for [`Update::real_timestamp`].
    pub real_timestamp: f64,
    /// As for [`Update::revision`].
    pub revision: u64,
    /// As for [`Update::round_trips`].
    pub round_trips: u32,
    /// As for [`Update::regressed`].
    pub regressed: Option<Time>,
}

impl Reservation {
    /// How many times it holds.
    #[allow(clippy::len_without_is_empty, reason = "a reservation is never empty")]
    pub fn len(&self) -> u64 {
        self.last.ahead_of(self.first) + 1
    }

    /// The times, in order.
    pub fn times(&self) -> impl Iterator<Item = Time> + use<> {
        (self.first.get()..=self.last.get()).map(Time::saturating)
    }
}

impl From<Reservation> for Update {
    fn from(reservation: Reservation) -> Update {
        Update {
            value: reservation.last,
            process: reservation.process,
            instance: reservation.instance,
            previous: reservation.previous,
            real_timestamp: reservation.real_timestamp,
            revision: reservation.revision,
            round_trips: reservation.round_trips,
            regressed: reservation.regressed,
        }
    }
}

impl Inner {
    /// When a call that begins now must have ended.
    fn deadline(&self) -> tokio::time::Instant {
        tokio::time::Instant::now() + self.timeout
    }

    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A record that can't be read may be mended while somebody watches; a store that lost something is
/// no place to watch.
fn refuse_if_regressed(view: Result<View>) -> Result<()> {
    match view {
        Err(error) if error.kind() == ErrorKind::Regressed => Err(error),
        _ => Ok(()),
    }
}

/// An update that was dropped together with another caller's runtime begins anew at most so often.
const RUNTIMES: usize = 3;

/// The wall clock, Unix seconds: for people to look at, never compared.
fn real_timestamp() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// A new life: 64 bits from the operating system, never [`Instance::UNKNOWN`].
pub(crate) fn random_instance() -> Result<Instance> {
    loop {
        match getrandom::u64() {
            Ok(0) => {}
            Ok(bits) => return Ok(Instance::new(bits)),
            Err(error) => {
                return Err(Error::new(
                    ErrorKind::Internal,
                    format!("the operating system gives no random number: {error}"),
                ));
            }
        }
    }
}
