//! The shared clock without async: the same verbs, for threads.
//!
//! A shell over the async clock: each call is spawned on the library's own runtime, and the calling
//! thread waits on a channel. It never drives a runtime on the caller's thread, so it may be used
//! inside any other runtime (where it blocks that thread, as the name says).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use once_cell::sync::OnceCell;

use crate::config::Config;
use crate::error::Result;
use crate::life::{Mortal, PerLife};
use crate::logic::stamp::{Instance, ProcessId, Stamp};
use crate::logic::time::Time;
use crate::shared::{self, Condition, History, Observed, Reservation, Server, Update};

mod call;
mod runtime;
mod watch;

pub use self::call::Call;
pub use self::runtime::{is_started, start};
pub use self::watch::Watch;

/// [`crate::SharedClock`] for threads. A clone is another handle on the same clock.
///
/// ```
/// use lamport_clock::blocking::SharedClock;
/// let clock = SharedClock::memory("api")?;
/// let values: Vec<_> = (0..3).map(|_| clock.update().map(|u| u.value.get())).collect::<Result<_, _>>()?;
/// assert_eq!(values, [2, 4, 6]);
/// # Ok::<(), lamport_clock::Error>(())
/// ```
///
/// In a forked child, if the library is told of forks ([`life::count_fork`](crate::life::count_fork)), every handle is one on the
/// child's own clock: made at its first use with the same configuration, a new
/// [`instance`](SharedClock::instance), its own connection, and the local clock where the parent's
/// stood at the fork, so that what the child does comes after what its parent had done. A clock that
/// was closed stays closed. Stores in memory are private to a process: the child's begins empty,
/// and its times above those of the clock it inherits.
#[derive(Clone)]
pub struct SharedClock {
    own: Mortal<shared::SharedClock>,
    lineage: Arc<Lineage>,
}

/// What a clock is made from again in forked children, and what was made.
struct Lineage {
    config: Config,
    closed: AtomicBool,
    heirs: PerLife<OnceCell<shared::SharedClock>>,
}

impl SharedClock {
    /// As [`crate::SharedClock::connect`].
    pub fn connect(config: Config) -> Result<SharedClock> {
        SharedClock::begin_connect(config)?.wait()
    }

    /// As [`crate::SharedClock::open`].
    pub fn open(config: &Config) -> Result<SharedClock> {
        shared::SharedClock::open(config).map(|clock| SharedClock::new(clock, config.clone()))
    }

    /// As [`crate::SharedClock::memory`].
    pub fn memory(process: &str) -> Result<SharedClock> {
        SharedClock::open(&Config::memory(process)?)
    }

    fn new(clock: shared::SharedClock, config: Config) -> SharedClock {
        SharedClock {
            own: Mortal::new(clock),
            lineage: Arc::new(Lineage {
                config,
                closed: AtomicBool::new(false),
                heirs: PerLife::new(),
            }),
        }
    }

    /// The clock of the life that runs now.
    #[inline]
    fn clock(&self) -> Result<&shared::SharedClock> {
        match self.own.get() {
            Some(clock) => Ok(clock),
            None => self.heir(),
        }
    }

    #[cold]
    fn heir(&self) -> Result<&shared::SharedClock> {
        let mut made = false;
        let heir = self.lineage.heirs.get().get_or_try_init(|| {
            let heir = shared::SharedClock::open(&self.lineage.config)?;
            heir.raise(self.stood());
            made = true;
            Ok(heir)
        })?;
        // Looked at once the heir can be found: whoever closes either finds it, or is seen here.
        if made && self.lineage.closed.load(Ordering::SeqCst) {
            heir.close();
        }
        Ok(heir)
    }

    /// Where the clocks of earlier lives stood when each ended in a fork.
    fn stood(&self) -> Time {
        let heirs = self.lineage.heirs.inherited().filter_map(OnceCell::get);
        let clocks = self.own.inherited().into_iter().chain(heirs);
        clocks
            .map(shared::SharedClock::now)
            .max()
            .unwrap_or_default()
    }

    /// As [`crate::SharedClock::tick`].
    #[inline]
    pub fn tick(&self) -> Result<Stamp> {
        self.clock()?.tick()
    }

    /// As [`crate::SharedClock::receive`].
    #[inline]
    pub fn receive(&self, message: impl Into<Time>) -> Result<Stamp> {
        self.clock()?.receive(message)
    }

    /// As [`crate::SharedClock::advance`].
    #[inline]
    pub fn advance(&self) -> Result<Time> {
        self.clock()?.advance()
    }

    /// As [`crate::SharedClock::advance_past`].
    #[inline]
    pub fn advance_past(&self, message: Time) -> Result<Time> {
        self.clock()?.advance_past(message)
    }

    /// As [`crate::SharedClock::now`].
    #[inline]
    pub fn now(&self) -> Time {
        match self.clock() {
            Ok(clock) => clock.now(),
            // Where the child's clock will begin.
            Err(_) => self.stood(),
        }
    }

    /// As [`crate::SharedClock::update`].
    pub fn update(&self) -> Result<Update> {
        self.begin_update()?.wait()
    }

    /// As [`crate::SharedClock::reserve`].
    pub fn reserve(&self, count: u64) -> Result<Reservation> {
        self.begin_reserve(count)?.wait()
    }

    /// As [`crate::SharedClock::read`].
    pub fn read(&self) -> Result<Option<Observed>> {
        self.begin_read()?.wait()
    }

    /// As [`crate::SharedClock::watch`].
    pub fn watch(&self) -> Result<Watch> {
        self.begin_watch()?.wait()
    }

    /// As [`crate::SharedClock::watch_from`].
    pub fn watch_from(&self, from: u64) -> Result<Watch> {
        self.begin_watch_from(from)?.wait()
    }

    /// As [`crate::SharedClock::history`].
    pub fn history(&self, limit: usize) -> Result<History> {
        self.begin_history(limit)?.wait()
    }

    /// As [`crate::SharedClock::server`].
    pub fn server(&self) -> Result<Option<Server>> {
        self.begin_server()?.wait()
    }

    /// As [`crate::SharedClock::condition`].
    pub fn condition(&self, at_least: Time) -> Result<Condition> {
        self.begin_condition(at_least)?.wait()
    }

    /// As [`crate::SharedClock::repair`].
    pub fn repair(&self, condition: Condition) -> Result<Observed> {
        self.begin_repair(condition)?.wait()
    }

    /// As [`crate::SharedClock::close`].
    pub fn close(&self) {
        self.lineage.closed.store(true, Ordering::SeqCst);
        let heir = || self.lineage.heirs.made().and_then(OnceCell::get);
        if let Some(clock) = self.own.get().or_else(heir) {
            clock.close();
        }
    }

    /// As [`crate::SharedClock::process`].
    pub fn process(&self) -> &ProcessId {
        // The same in every life, and never behind a lock.
        match self.own.inherited() {
            Some(clock) => clock.process(),
            None => &self.lineage.config.process,
        }
    }

    /// As [`crate::SharedClock::instance`].
    ///
    /// [`Instance::UNKNOWN`] in a forked child whose clock can't be made; other calls say why.
    pub fn instance(&self) -> Instance {
        self.clock()
            .map_or(Instance::UNKNOWN, shared::SharedClock::instance)
    }

    /// As [`crate::SharedClock::location`].
    pub fn location(&self) -> String {
        match self.clock() {
            Ok(clock) => clock.location(),
            Err(error) => format!("nowhere: {error}"),
        }
    }

    /// Begins to [`connect`](SharedClock::connect) without waiting.
    pub fn begin_connect(config: Config) -> Result<Call<SharedClock>> {
        Call::spawn(async move {
            let clock = shared::SharedClock::connect(config.clone()).await?;
            Ok(SharedClock::new(clock, config))
        })
    }

    /// Begins an [`update`](SharedClock::update) without waiting.
    pub fn begin_update(&self) -> Result<Call<Update>> {
        let clock = self.clock()?.clone();
        Call::spawn(async move { clock.update().await })
    }

    /// Begins a [`reserve`](SharedClock::reserve) without waiting.
    pub fn begin_reserve(&self, count: u64) -> Result<Call<Reservation>> {
        let clock = self.clock()?.clone();
        Call::spawn(async move { clock.reserve(count).await })
    }

    /// Begins a [`read`](SharedClock::read) without waiting.
    pub fn begin_read(&self) -> Result<Call<Option<Observed>>> {
        let clock = self.clock()?.clone();
        Call::spawn(async move { clock.read().await })
    }

    /// Begins a [`watch`](SharedClock::watch) without waiting.
    pub fn begin_watch(&self) -> Result<Call<Watch>> {
        let clock = self.clock()?.clone();
        Call::spawn(async move { clock.watch().await.map(Watch::new) })
    }

    /// Begins a [`watch_from`](SharedClock::watch_from) without waiting.
    pub fn begin_watch_from(&self, from: u64) -> Result<Call<Watch>> {
        let clock = self.clock()?.clone();
        Call::spawn(async move { clock.watch_from(from).await.map(Watch::new) })
    }

    /// Begins a [`history`](SharedClock::history) without waiting.
    pub fn begin_history(&self, limit: usize) -> Result<Call<History>> {
        let clock = self.clock()?.clone();
        Call::spawn(async move { clock.history(limit).await })
    }

    /// Begins to ask the [`server`](SharedClock::server) without waiting.
    pub fn begin_server(&self) -> Result<Call<Option<Server>>> {
        let clock = self.clock()?.clone();
        Call::spawn(async move { clock.server().await })
    }

    /// Begins to look at the [`condition`](SharedClock::condition) without waiting.
    pub fn begin_condition(&self, at_least: Time) -> Result<Call<Condition>> {
        let clock = self.clock()?.clone();
        Call::spawn(async move { clock.condition(at_least).await })
    }

    /// Begins a [`repair`](SharedClock::repair) without waiting.
    pub fn begin_repair(&self, condition: Condition) -> Result<Call<Observed>> {
        let clock = self.clock()?.clone();
        Call::spawn(async move { clock.repair(&condition).await })
    }
}

impl fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.clock() {
            Ok(clock) => clock.fmt(f),
            Err(error) => f.debug_tuple("SharedClock").field(&error).finish(),
        }
    }
}
