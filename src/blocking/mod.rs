//! The shared clock without async: the same verbs, for threads.
//!
//! A shell over the async clock: each call is spawned on the library's own runtime, and the calling
//! thread waits on a channel. It never drives a runtime on the caller's thread, so it may be used
//! inside any other runtime (where it blocks that thread, as the name says).

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use once_cell::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::clock::{Instance, ProcessId, Stamp, Time};
use crate::config::{Config, check_timeout};
use crate::error::{ErrorKind, Result};
use crate::fork::{OfGeneration, PerGeneration};
use crate::shared::{
    self, History, Observed, RepairPlan, Reservation, Server, SyncNotice, SyncStats, Update,
};

mod call;
mod local;
mod watch;

pub use self::call::Call;
pub use self::local::LocalClock;
pub use self::watch::{Closer, Watch};
use crate::shared::runtime::runtime;
pub use crate::shared::runtime::start_threads_inside;

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
/// In a forked child, if the library is told of forks ([`fork::count_fork`](crate::fork::count_fork)), every handle is one on the
/// child's own clock: made at its first use with the same configuration, a new
/// [`instance`](SharedClock::instance), its own connection, and the local clock where the parent's
/// stood at the fork, so that what the child does comes after what its parent had done. A clock that
/// was closed stays closed. Stores in memory are private to a process: the child's begins empty,
/// and its times above those of the clock it inherits.
#[derive(Clone)]
pub struct SharedClock {
    own: OfGeneration<shared::SharedClock>,
    origin: Arc<Origin>,
    /// The deadline of calls by this handle, if it has one of its own.
    timeout: Option<Duration>,
}

/// What a clock is made from again in forked children, and what was made.
struct Origin {
    config: Config,
    closed: AtomicBool,
    /// Of the updates in the background, in nanoseconds; 0 if there are none.
    interval: AtomicU64,
    /// Held while `interval` and what runs are brought together.
    switch: PerGeneration<Mutex<()>>,
    children: PerGeneration<OnceCell<shared::SharedClock>>,
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
            own: OfGeneration::new(clock),
            timeout: None,
            origin: Arc::new(Origin {
                config,
                closed: AtomicBool::new(false),
                interval: AtomicU64::new(0),
                switch: PerGeneration::new(),
                children: PerGeneration::new(),
            }),
        }
    }

    /// The clock of the process that runs now.
    #[inline]
    fn clock(&self) -> Result<&shared::SharedClock> {
        match self.own.get() {
            Some(clock) => Ok(clock),
            None => self.childs_clock(),
        }
    }

    fn for_a_call(&self) -> Result<shared::SharedClock> {
        let clock = self.clock()?;
        match self.timeout {
            Some(timeout) => clock.within(timeout),
            None => Ok(clock.clone()),
        }
    }

    #[cold]
    fn childs_clock(&self) -> Result<&shared::SharedClock> {
        let mut made = false;
        let child = self.origin.children.get().get_or_try_init(|| {
            let child = shared::SharedClock::open(&self.origin.config)?;
            child.raise(self.stood());
            made = true;
            Ok(child)
        })?;
        // Once the child's clock can be found: whoever closes, starts or stops either finds it, or is seen here.
        if made {
            self.settle(child);
        }
        Ok(child)
    }

    /// What the clock was told before the fork holds in the child.
    fn settle(&self, child: &shared::SharedClock) {
        if self.origin.closed.load(Ordering::SeqCst) {
            child.end();
            return;
        }
        let _switch = self.origin.switch();
        let Some(interval) = self.origin.interval() else {
            return;
        };
        match child.start(interval) {
            // Not the fault of the call that made the child's clock, perhaps a tick.
            Err(error) if error.kind() != ErrorKind::Closed => child.could_not_start(error),
            // Or somebody has closed it meanwhile.
            _ => {}
        }
    }

    /// The clock of this process, if there is one already.
    fn made(&self) -> Option<&shared::SharedClock> {
        let child = || self.origin.children.made().and_then(OnceCell::get);
        self.own.get().or_else(child)
    }

    /// Where the clocks of the processes stood that this one was forked from.
    fn stood(&self) -> Time {
        let children = self.origin.children.inherited().filter_map(OnceCell::get);
        let clocks = self.own.inherited().into_iter().chain(children);
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

    /// As [`crate::SharedClock::within`].
    pub fn within(&self, timeout: Duration) -> Result<SharedClock> {
        Ok(SharedClock {
            timeout: Some(check_timeout(timeout)?),
            ..self.clone()
        })
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

    /// As [`crate::SharedClock::history_from`].
    pub fn history_from(&self, revision: u64, limit: usize) -> Result<History> {
        self.begin_history_from(revision, limit)?.wait()
    }

    /// As [`crate::SharedClock::server`].
    pub fn server(&self) -> Result<Option<Server>> {
        self.begin_server()?.wait()
    }

    /// As [`crate::SharedClock::plan_repair`].
    pub fn plan_repair(&self, at_least: Time) -> Result<RepairPlan> {
        self.begin_plan_repair(at_least)?.wait()
    }

    /// As [`crate::SharedClock::repair`].
    pub fn repair(&self, plan: RepairPlan) -> Result<Observed> {
        self.begin_repair(plan)?.wait()
    }

    /// As [`crate::SharedClock::close`].
    pub fn close(&self) {
        if let Some(closing) = self.closing() {
            let waiting = Call::spawn(async move {
                let _ = closing.await;
                Ok(())
            });
            // Nothing is lost if nobody could be found to wait.
            let _ = waiting.and_then(Call::wait);
        }
    }

    /// Ends the clock at once, and leaves what is to be folded to the library's thread: for destructors.
    pub fn end(&self) {
        self.closing();
    }

    /// Ends the clock, and folds on the library's thread; `None` if nothing was begun in this process.
    fn closing(&self) -> Option<JoinHandle<()>> {
        self.origin.closed.store(true, Ordering::SeqCst);
        let clock = self.made()?.clone();
        clock.end();
        let runtime = runtime().ok()?;
        Some(runtime.spawn(async move { clock.close().await }))
    }

    /// As [`crate::SharedClock::start`], on the library's own runtime. In a forked child the updates
    /// go on from its first use of the clock, whatever that is.
    pub fn start(&self, interval: Duration) -> Result<()> {
        let clock = self.clock()?;
        let _switch = self.origin.switch();
        clock.start(interval)?;
        let nanos = shared::nanos(interval);
        self.origin.interval.store(nanos, Ordering::SeqCst);
        Ok(())
    }

    /// As [`crate::SharedClock::stop`]. In a forked child that has not used the clock yet, none begins.
    pub fn stop(&self) {
        let _switch = self.origin.switch();
        self.origin.interval.store(0, Ordering::SeqCst);
        if let Some(clock) = self.made() {
            clock.stop();
        }
    }

    /// As [`crate::SharedClock::stats`]. A forked child counts its own, from 0.
    pub fn stats(&self) -> SyncStats {
        match self.clock() {
            Ok(clock) => clock.stats(),
            Err(error) => {
                let mut stats = SyncStats::default();
                stats.last_error = Some(error);
                stats
            }
        }
    }

    /// As [`crate::SharedClock::listen`].
    pub fn listen(&self) -> Option<Notices> {
        let notices = self.clock().ok()?.listen()?;
        Some(Notices(OfGeneration::new(notices)))
    }

    /// As [`crate::SharedClock::process`].
    pub fn process(&self) -> &ProcessId {
        // The same after each fork, and never behind a lock.
        match self.own.inherited() {
            Some(clock) => clock.process(),
            None => &self.origin.config.process,
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
        let clock = self.for_a_call()?;
        Call::spawn(async move { clock.update().await })
    }

    /// Begins a [`reserve`](SharedClock::reserve) without waiting.
    pub fn begin_reserve(&self, count: u64) -> Result<Call<Reservation>> {
        let clock = self.for_a_call()?;
        Call::spawn(async move { clock.reserve(count).await })
    }

    /// Begins a [`read`](SharedClock::read) without waiting.
    pub fn begin_read(&self) -> Result<Call<Option<Observed>>> {
        let clock = self.for_a_call()?;
        Call::spawn(async move { clock.read().await })
    }

    /// Begins a [`watch`](SharedClock::watch) without waiting.
    pub fn begin_watch(&self) -> Result<Call<Watch>> {
        let clock = self.for_a_call()?;
        Call::spawn(async move { clock.watch().await.map(Watch::new) })
    }

    /// Begins a [`watch_from`](SharedClock::watch_from) without waiting.
    pub fn begin_watch_from(&self, from: u64) -> Result<Call<Watch>> {
        let clock = self.for_a_call()?;
        Call::spawn(async move { clock.watch_from(from).await.map(Watch::new) })
    }

    /// Begins a [`history`](SharedClock::history) without waiting.
    pub fn begin_history(&self, limit: usize) -> Result<Call<History>> {
        let clock = self.for_a_call()?;
        Call::spawn(async move { clock.history(limit).await })
    }

    /// Begins a [`history_from`](crate::SharedClock::history_from) without waiting.
    pub fn begin_history_from(&self, revision: u64, limit: usize) -> Result<Call<History>> {
        let clock = self.for_a_call()?;
        Call::spawn(async move { clock.history_from(revision, limit).await })
    }

    /// Begins to ask the [`server`](SharedClock::server) without waiting.
    pub fn begin_server(&self) -> Result<Call<Option<Server>>> {
        let clock = self.for_a_call()?;
        Call::spawn(async move { clock.server().await })
    }

    /// Ends the clock at once; the call lasts until what it took is folded.
    pub fn begin_close(&self) -> Result<Call<()>> {
        let closing = self.closing();
        Call::spawn(async move {
            if let Some(closing) = closing {
                let _ = closing.await;
            }
            Ok(())
        })
    }

    /// Begins to [`plan a repair`](SharedClock::plan_repair) without waiting.
    pub fn begin_plan_repair(&self, at_least: Time) -> Result<Call<RepairPlan>> {
        let clock = self.for_a_call()?;
        Call::spawn(async move { clock.plan_repair(at_least).await })
    }

    /// Begins a [`repair`](SharedClock::repair) without waiting.
    pub fn begin_repair(&self, plan: RepairPlan) -> Result<Call<Observed>> {
        let clock = self.for_a_call()?;
        Call::spawn(async move { clock.repair(&plan).await })
    }
}

impl Origin {
    fn switch(&self) -> MutexGuard<'_, ()> {
        let switch = self.switch.get();
        switch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interval(&self) -> Option<Duration> {
        match self.interval.load(Ordering::SeqCst) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }
}

/// [`crate::Notices`] for threads. In a forked child those that it inherits are over.
#[derive(Debug)]
pub struct Notices(OfGeneration<shared::Notices>);

impl Notices {
    /// As [`crate::Notices::take`].
    pub fn take(&self) -> Option<Vec<SyncNotice>> {
        self.0.get()?.take()
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
