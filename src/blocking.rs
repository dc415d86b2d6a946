//! The shared clock without async: the same verbs, for threads.
//!
//! A shell over the async clock: each call is spawned on the library's own runtime, and the calling
//! thread waits on a channel. It never drives a runtime on the caller's thread, so it may be used
//! inside any other runtime (where it blocks that thread, as the name says).

use std::future::Future;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::logic::stamp::{Instance, ProcessId, Stamp};
use crate::logic::time::Time;
use crate::shared::{self, Condition, History, Observed, Reservation, Server, Update, WatchEvent};

/// [`crate::SharedClock`] for threads. A clone is another handle on the same clock.
///
/// ```
/// use lamport_clock::blocking::SharedClock;
/// let clock = SharedClock::memory("api")?;
/// let values: Vec<_> = (0..3).map(|_| clock.update().map(|u| u.value.get())).collect::<Result<_, _>>()?;
/// assert_eq!(values, [2, 4, 6]);
/// # Ok::<(), lamport_clock::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SharedClock(shared::SharedClock);

impl SharedClock {
    /// As [`crate::SharedClock::connect`].
    pub fn connect(config: Config) -> Result<SharedClock> {
        SharedClock::begin_connect(config)?.wait()
    }

    /// As [`crate::SharedClock::open`].
    pub fn open(config: &Config) -> Result<SharedClock> {
        shared::SharedClock::open(config).map(SharedClock)
    }

    /// As [`crate::SharedClock::memory`].
    pub fn memory(process: &str) -> Result<SharedClock> {
        shared::SharedClock::memory(process).map(SharedClock)
    }

    /// As [`crate::SharedClock::tick`].
    #[inline]
    pub fn tick(&self) -> Result<Stamp> {
        self.0.tick()
    }

    /// As [`crate::SharedClock::receive`].
    #[inline]
    pub fn receive(&self, message: impl Into<Time>) -> Result<Stamp> {
        self.0.receive(message)
    }

    /// As [`crate::SharedClock::advance`].
    #[inline]
    pub fn advance(&self) -> Result<Time> {
        self.0.advance()
    }

    /// As [`crate::SharedClock::advance_past`].
    #[inline]
    pub fn advance_past(&self, message: Time) -> Result<Time> {
        self.0.advance_past(message)
    }

    /// As [`crate::SharedClock::now`].
    #[inline]
    pub fn now(&self) -> Time {
        self.0.now()
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
        self.0.close();
    }

    /// As [`crate::SharedClock::process`].
    pub fn process(&self) -> &ProcessId {
        self.0.process()
    }

    /// As [`crate::SharedClock::instance`].
    pub fn instance(&self) -> Instance {
        self.0.instance()
    }

    /// As [`crate::SharedClock::location`].
    pub fn location(&self) -> String {
        self.0.location()
    }

    /// Begins to [`connect`](SharedClock::connect) without waiting.
    pub fn begin_connect(config: Config) -> Result<Call<SharedClock>> {
        Call::spawn(async move { shared::SharedClock::connect(config).await.map(SharedClock) })
    }

    /// Begins an [`update`](SharedClock::update) without waiting.
    pub fn begin_update(&self) -> Result<Call<Update>> {
        let clock = self.0.clone();
        Call::spawn(async move { clock.update().await })
    }

    /// Begins a [`reserve`](SharedClock::reserve) without waiting.
    pub fn begin_reserve(&self, count: u64) -> Result<Call<Reservation>> {
        let clock = self.0.clone();
        Call::spawn(async move { clock.reserve(count).await })
    }

    /// Begins a [`read`](SharedClock::read) without waiting.
    pub fn begin_read(&self) -> Result<Call<Option<Observed>>> {
        let clock = self.0.clone();
        Call::spawn(async move { clock.read().await })
    }

    /// Begins a [`watch`](SharedClock::watch) without waiting.
    pub fn begin_watch(&self) -> Result<Call<Watch>> {
        let clock = self.0.clone();
        Call::spawn(async move { clock.watch().await.map(Watch::new) })
    }

    /// Begins a [`watch_from`](SharedClock::watch_from) without waiting.
    pub fn begin_watch_from(&self, from: u64) -> Result<Call<Watch>> {
        let clock = self.0.clone();
        Call::spawn(async move { clock.watch_from(from).await.map(Watch::new) })
    }

    /// Begins a [`history`](SharedClock::history) without waiting.
    pub fn begin_history(&self, limit: usize) -> Result<Call<History>> {
        let clock = self.0.clone();
        Call::spawn(async move { clock.history(limit).await })
    }

    /// Begins to ask the [`server`](SharedClock::server) without waiting.
    pub fn begin_server(&self) -> Result<Call<Option<Server>>> {
        let clock = self.0.clone();
        Call::spawn(async move { clock.server().await })
    }

    /// Begins to look at the [`condition`](SharedClock::condition) without waiting.
    pub fn begin_condition(&self, at_least: Time) -> Result<Call<Condition>> {
        let clock = self.0.clone();
        Call::spawn(async move { clock.condition(at_least).await })
    }

    /// Begins a [`repair`](SharedClock::repair) without waiting.
    pub fn begin_repair(&self, condition: Condition) -> Result<Call<Observed>> {
        let clock = self.0.clone();
        Call::spawn(async move { clock.repair(&condition).await })
    }
}

/// A call under way: for callers that must look up from waiting, for instance for signals.
///
/// Dropping it gives the call up; that takes nothing away from other callers.
#[derive(Debug)]
pub struct Call<T> {
    answer: mpsc::Receiver<Result<T>>,
    task: AbortHandle,
}

impl<T: Send + 'static> Call<T> {
    fn spawn(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<Call<T>> {
        let (sender, answer) = mpsc::sync_channel(1);
        let task = runtime()?.spawn(async move {
            // Nobody listens any more if the call was dropped.
            let _ = sender.send(work.await);
        });
        Ok(Call {
            answer,
            task: task.abort_handle(),
        })
    }

    /// Waits for the answer. Bounded, since the call itself is.
    pub fn wait(self) -> Result<T> {
        self.answer.recv().unwrap_or_else(|_| Err(ended()))
    }

    /// Waits at most `patience`; `None` if there is no answer yet. The answer is given once.
    pub fn wait_for(&mut self, patience: Duration) -> Option<Result<T>> {
        match self.answer.recv_timeout(patience) {
            Ok(result) => Some(result),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(ended())),
        }
    }
}

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// [`crate::Watch`] for threads; as an iterator it ends with the first error.
pub struct Watch {
    state: State,
    next_revision: u64,
}

enum State {
    Resting(Box<shared::Watch>),
    Waiting(Call<(Box<shared::Watch>, Result<WatchEvent>)>),
    Ended,
}

impl Watch {
    fn new(watch: shared::Watch) -> Watch {
        Watch {
            next_revision: watch.next_revision(),
            state: State::Resting(Box::new(watch)),
        }
    }

    /// Waits at most `patience` for the next event; `None` if there is none yet. Nothing is lost
    /// by giving up and asking again.
    pub fn next_within(&mut self, patience: Duration) -> Option<Result<WatchEvent>> {
        let mut call = match std::mem::replace(&mut self.state, State::Ended) {
            State::Waiting(call) => call,
            State::Resting(mut watch) => {
                let spawned = Call::spawn(async move {
                    let event = watch.next().await;
                    Ok((watch, event))
                });
                match spawned {
                    Ok(call) => call,
                    Err(error) => return Some(Err(error)),
                }
            }
            State::Ended => return Some(Err(ended())),
        };
        match call.wait_for(patience) {
            None => {
                self.state = State::Waiting(call);
                None
            }
            Some(Ok((watch, event))) => {
                self.next_revision = watch.next_revision();
                self.state = State::Resting(watch);
                Some(event)
            }
            Some(Err(error)) => Some(Err(error)),
        }
    }

    /// As [`crate::Watch::next_revision`].
    pub fn next_revision(&self) -> u64 {
        self.next_revision
    }
}

impl Iterator for Watch {
    type Item = Result<WatchEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.state, State::Ended) {
            return None;
        }
        let event = loop {
            if let Some(event) = self.next_within(Duration::from_secs(3600)) {
                break event;
            }
        };
        if event.is_err() {
            self.state = State::Ended;
        }
        Some(event)
    }
}

/// The library's own runtime: one worker, started at first use, never dropped.
///
/// A forked child has the memory of it but not its thread. The child is refused rather than left
/// waiting for nobody.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceCell<(u32, Runtime)> = OnceCell::new();
    let (process, runtime) = RUNTIME.get_or_try_init(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("lamport-clock")
            .enable_all()
            .build()
            .map(|runtime| (std::process::id(), runtime))
            .map_err(|error| {
                Error::with_source(
                    ErrorKind::Internal,
                    format!("the thread that carries the clock can't be started: {error}"),
                    error,
                )
            })
    })?;
    if *process != std::process::id() {
        return Err(Error::new(
            ErrorKind::Closed,
            "this process was forked from one that used a clock: use clocks in the child alone, or \
             start it with exec",
        ));
    }
    Ok(runtime)
}

fn ended() -> Error {
    Error::new(
        ErrorKind::Closed,
        "the call was cut off: its task has ended",
    )
}
