//! The shared clock without async: the same methods, for threads.
//!
//! A shell over the async clock: calls run on the library's own runtime, and the calling thread only
//! waits for the answer. No runtime is driven on the caller's thread. So these clocks may be used inside
//! any other runtime, where they block the calling thread.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::{Instance, Line, Message, ProcessId, Stamp, Time};
use crate::config::{Config, check_timeout};
use crate::error::Result;
use crate::fork::{self, OfGeneration, PerGeneration};
use crate::header::Header;
use crate::shared::{self, History, Observed, RepairPlan, Reservation, Server, SyncStats, Update};

mod call;
mod child;
mod local;
mod watch;

use self::child::PerProcess;

pub use self::call::Call;
pub use self::local::LocalClock;
pub use self::watch::{Closer, Watch};
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
/// In a forked child, if the library is [told of forks](crate::fork::count_fork), every handle refers to
/// the child's own clock. That clock is made at its first use, with the same configuration, a new
/// [`instance`](SharedClock::instance) and its own connection. Its local clock goes on from the parent's
/// time at the fork, so the child's events come after the parent's earlier ones. A closed clock stays
/// closed. Stores in memory are private to a process: the child's begins empty, and its times are above
/// those of the inherited clock.
///
/// The same happens in a process that closes the library's descriptors, as daemons do: its next call
/// makes a new clock. Such a process keeps its stores in memory. Its calls under way end with
/// [`ErrorKind::Closed`](crate::ErrorKind).
#[derive(Clone)]
pub struct SharedClock {
    origin: Arc<Origin>,
    /// The deadline of calls by this handle, if it has one of its own.
    timeout: Option<Duration>,
}

/// The configuration from which a forked child makes its own clock, and the clocks made so far.
struct Origin {
    config: Config,
    closed: AtomicBool,
    clocks: PerProcess<shared::SharedClock>,
}

impl SharedClock {
    /// As [`crate::SharedClock::connect`].
    pub fn connect(config: Config) -> Result<SharedClock> {
        let clock = SharedClock::open(&config)?;
        clock.call(async |clock| clock.first_look().await)?;
        Ok(clock)
    }

    /// As [`crate::SharedClock::open`].
    pub fn open(config: &Config) -> Result<SharedClock> {
        let clock = shared::SharedClock::open(config)?;
        Ok(SharedClock {
            timeout: None,
            origin: Arc::new(Origin {
                config: config.clone(),
                closed: AtomicBool::new(false),
                clocks: PerProcess {
                    own: OfGeneration::new(clock.on_the_librarys()),
                    children: PerGeneration::new(),
                    local: shared::SharedClock::local_clock,
                },
            }),
        })
    }

    /// As [`crate::SharedClock::memory`].
    pub fn memory(process: &str) -> Result<SharedClock> {
        SharedClock::open(&Config::memory(process)?)
    }

    /// The clock of the process that runs now.
    #[inline]
    fn clock(&self) -> Result<&shared::SharedClock> {
        let origin = &*self.origin;
        let mut made = false;
        let clock = origin.clocks.get(|| {
            made = true;
            let child = match origin.clocks.lost() {
                Some(clock) => clock.again(&origin.config),
                None => shared::SharedClock::open(&origin.config),
            };
            Ok(child?.on_the_librarys())
        })?;
        // Checked once the clock can be found: a concurrent close either finds the clock, or its flag is
        // seen here.
        if made && origin.closed.load(Ordering::SeqCst) {
            clock.end();
        }
        Ok(clock)
    }

    fn for_a_call(&self) -> Result<shared::SharedClock> {
        fork::look();
        let clock = self.clock()?;
        match self.timeout {
            Some(timeout) => clock.within(timeout),
            None => Ok(clock.clone()),
        }
    }

    /// Whether this is a forked child that has not used the clock. Calls that only end something don't
    /// count as use.
    #[doc(hidden)]
    #[inline]
    pub fn is_untouched(&self) -> bool {
        self.origin.clocks.made().is_none()
    }

    /// As [`crate::SharedClock::tick`].
    #[inline]
    pub fn tick(&self) -> Result<Stamp> {
        self.clock()?.tick()
    }

    /// As [`crate::SharedClock::receive`].
    #[inline]
    pub fn receive<'a>(&self, message: impl Into<Message<'a>>) -> Result<Stamp> {
        self.clock()?.receive(message)
    }

    /// As [`crate::SharedClock::log`]. The first line of a forked child comes after the stamp of its
    /// parent's clock at the fork.
    pub fn log(&self) -> Result<Line> {
        self.clock()?.log()
    }

    /// As [`shared::SharedClock::header`].
    pub fn header(&self) -> &Header {
        self.origin.config.header()
    }

    /// As [`shared::SharedClock::inject`].
    pub fn inject(&self) -> Result<String> {
        self.clock()?.inject()
    }

    /// As [`shared::SharedClock::extract`].
    pub fn extract(&self, header: &str) -> Result<Stamp> {
        self.clock()?.extract(header)
    }

    /// As [`crate::SharedClock::advance`].
    #[inline]
    pub fn advance(&self) -> Result<Time> {
        self.clock()?.advance()
    }

    /// As [`crate::SharedClock::advance_past`].
    #[inline]
    pub fn advance_past<'a>(&self, message: impl Into<Message<'a>>) -> Result<Time> {
        self.clock()?.advance_past(message)
    }

    /// As [`crate::SharedClock::now`].
    #[inline]
    pub fn now(&self) -> Time {
        match self.clock() {
            Ok(clock) => clock.now(),
            // The time at which the child's clock will begin.
            Err(_) => {
                let stood = self.origin.clocks.stood();
                stood.map_or(Time::ZERO, |stood| stood.time)
            }
        }
    }

    /// As [`crate::SharedClock::within`].
    pub fn within(&self, timeout: Duration) -> Result<SharedClock> {
        Ok(SharedClock {
            timeout: Some(check_timeout(timeout)?),
            ..self.clone()
        })
    }

    /// Begins a call of the clock without waiting for it, for callers that have other work meanwhile:
    /// `clock.begin(async |clock| clock.update().await)`. Methods such as `update` begin such a call and
    /// wait for it.
    #[doc(hidden)]
    pub fn begin<T, W>(&self, call: impl FnOnce(shared::SharedClock) -> W) -> Result<Call<T>>
    where
        T: Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        Ok(Call::begin(call(self.for_a_call()?)))
    }

    fn call<T, W>(&self, call: impl FnOnce(shared::SharedClock) -> W) -> Result<T>
    where
        T: Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        self.begin(call)?.wait()
    }

    /// As [`crate::SharedClock::update`].
    pub fn update(&self) -> Result<Update> {
        self.call(async |clock| clock.update().await)
    }

    /// As [`crate::SharedClock::reserve`].
    pub fn reserve(&self, count: u64) -> Result<Reservation> {
        self.call(async move |clock| clock.reserve(count).await)
    }

    /// As [`crate::SharedClock::read`].
    pub fn read(&self) -> Result<Option<Observed>> {
        self.call(async |clock| clock.read().await)
    }

    /// As [`crate::SharedClock::watch`].
    ///
    /// ```
    /// # use lamport_clock::{WatchEvent, blocking::SharedClock};
    /// let clock = SharedClock::memory("api")?;
    /// let mut watch = clock.watch()?;
    /// clock.update()?;
    /// assert!(matches!(watch.next(), Some(Ok(WatchEvent::Updated(_)))));
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn watch(&self) -> Result<Watch> {
        self.call(async |clock| clock.watch().await.map(Watch::from))
    }

    /// As [`crate::SharedClock::watch_from`].
    pub fn watch_from(&self, from: u64) -> Result<Watch> {
        self.call(async move |clock| clock.watch_from(from).await.map(Watch::from))
    }

    /// As [`crate::SharedClock::history`].
    pub fn history(&self, limit: usize) -> Result<History> {
        self.call(async move |clock| clock.history(limit).await)
    }

    /// As [`crate::SharedClock::history_from`].
    pub fn history_from(&self, revision: u64, limit: usize) -> Result<History> {
        self.call(async move |clock| clock.history_from(revision, limit).await)
    }

    /// As [`crate::SharedClock::server`].
    pub fn server(&self) -> Result<Option<Server>> {
        self.call(async |clock| clock.server().await)
    }

    /// As [`crate::SharedClock::plan_repair`].
    pub fn plan_repair(&self, at_least: Time) -> Result<RepairPlan> {
        self.call(async move |clock| clock.plan_repair(at_least).await)
    }

    /// As [`crate::SharedClock::repair`].
    pub fn repair(&self, plan: RepairPlan) -> Result<Observed> {
        self.call(async move |clock| clock.repair(&plan).await)
    }

    /// As [`crate::SharedClock::close`].
    pub fn close(&self) {
        // An error is ignored: it only means that waiting was impossible, and nothing is lost by that.
        let _ = self.begin_close().wait();
    }

    /// Ends the clock at once. The last fold (see docs/PROTOCOL.md) is left to the library's thread, so
    /// that destructors need not wait.
    ///
    /// ```
    /// # use lamport_clock::{ErrorKind, blocking::SharedClock};
    /// let clock = SharedClock::memory("api")?;
    /// clock.end();
    /// assert_eq!(clock.update().unwrap_err().kind(), ErrorKind::Closed);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn end(&self) {
        drop(self.begin_close());
    }

    /// Ends the clock at once. The call lasts until the clock's takes are folded; the fold goes on if the
    /// call is dropped. A forked child that has not used the clock makes none for this.
    #[doc(hidden)]
    pub fn begin_close(&self) -> Call<()> {
        fork::look();
        self.origin.closed.store(true, Ordering::SeqCst);
        let clock = self.origin.clocks.made().cloned();
        Call::begin(async move {
            if let Some(clock) = clock {
                clock.close().await;
            }
            Ok(())
        })
    }

    /// As [`crate::SharedClock::start`], on the library's own runtime. In a forked child, updates in the
    /// background begin only when the child itself calls `start`.
    pub fn start(&self, interval: Duration) -> Result<()> {
        fork::look();
        self.clock()?.start(interval)
    }

    /// As [`crate::SharedClock::stop`].
    pub fn stop(&self) {
        fork::look();
        if let Some(clock) = self.origin.clocks.made() {
            clock.stop();
        }
    }

    /// As [`crate::SharedClock::stats`]. The counts of a forked child begin at 0.
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

    /// As [`crate::SharedClock::process`].
    pub fn process(&self) -> &ProcessId {
        &self.origin.config.process
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
}

impl fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.clock() {
            Ok(clock) => clock.fmt(f),
            Err(error) => f.debug_tuple("SharedClock").field(&error).finish(),
        }
    }
}
