//! Updates in the background: the deployed script's loop, beside the program instead of in its place.
//!
//! A task updates, pauses, and updates again, until it is stopped or its clock is gone. Between two
//! updates it holds no handle on the clock, so it does not keep the clock alive. One lock decides which
//! run is the current one.

use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::task::{self, AbortHandle};
use tokio::time::{Instant, sleep};

use super::backoff::{Backoff, Jitter};
use super::runtime::stay_if_lost;
use super::{Inner, SharedClock, Update};
use crate::clock::Time;
use crate::config::DAY;
use crate::error::{Error, ErrorKind, Result};
use crate::events::Event;
use crate::sync::{Mutex, lock};

/// Results of the updates in the background, and other counts of the clock: see [`SharedClock::stats`].
///
/// The counts cover the whole life of the clock, however often its updates were started and stopped.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SyncStats {
    /// Whether updates run in the background.
    pub running: bool,
    /// The interval that [`SharedClock::start`] was given last; `None` if it was never called.
    pub interval: Option<Duration>,
    /// How long the updates have been running, by the monotonic clock; `None` unless `running`.
    pub running_for: Option<Duration>,
    /// Number of updates that succeeded.
    pub updates: u64,
    /// Number of updates that failed.
    pub failures: u64,
    /// Number of failures since the last success: 0 while all is well.
    pub failing: u64,
    /// The newest logical time that a background update took; `None` before the first.
    pub last_value: Option<Time>,
    /// How long ago the newest update succeeded, by the monotonic clock.
    pub since_update: Option<Duration>,
    /// The error of the newest update that failed. It stays after later updates succeed.
    pub last_error: Option<Error>,
    /// Number of messages that the clock refused because they lay too far ahead
    /// ([`ErrorKind::TooFarAhead`]), whether or not anything runs in the background.
    pub refused: u64,
    /// Number of folds that this clock carried out (see docs/PROTOCOL.md), after any of its updates.
    pub folds: u64,
    /// Number of transactions that the successful updates needed.
    pub round_trips: u64,
    /// How far the shared clock was ahead of the local one when the newest update reached it, in logical
    /// time; `None` before the first.
    pub distance: Option<u64>,
    /// Total duration of the successful updates, by the monotonic clock.
    pub update_time: Duration,
    within: [u64; SyncStats::BOUNDS.len()],
    by_kind: [u64; ErrorKind::all().len()],
}

impl SyncStats {
    /// Number of updates that failed with an error of this kind.
    ///
    /// ```
    /// use lamport_clock::{ErrorKind, SharedClock};
    /// let clock = SharedClock::memory("api")?;
    /// assert_eq!(clock.stats().failures_of(ErrorKind::Timeout), 0);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn failures_of(&self, kind: ErrorKind) -> u64 {
        self.by_kind[kind as usize]
    }

    /// The durations up to which updates are counted: from a store beside the process to the default
    /// deadline.
    pub const BOUNDS: [Duration; 12] = [
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_micros(2_500),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_secs(5),
    ];

    /// Number of successful updates that took no longer than the longest of the
    /// [`BOUNDS`](SyncStats::BOUNDS) up to `length`; 0 if `length` is below all of them.
    ///
    /// ```
    /// use lamport_clock::{SharedClock, SyncStats};
    /// let clock = SharedClock::memory("api")?;
    /// let stats = clock.stats();
    /// assert!(SyncStats::BOUNDS.iter().all(|bound| stats.updates_within(*bound) == 0));
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn updates_within(&self, length: Duration) -> u64 {
        let reached = SyncStats::BOUNDS.partition_point(|bound| *bound <= length);
        self.within[..reached].last().copied().unwrap_or(0)
    }
}

/// The background updates of a clock. None run unless they were started.
#[derive(Default)]
pub(super) struct Background(Mutex<Progress>);

#[derive(Default)]
struct Progress {
    /// The current run; results of earlier runs are dropped.
    run: Option<Run>,
    /// Results of all runs, without the fields that depend on the moment of the query.
    stats: SyncStats,
    /// When the newest update succeeded.
    updated_at: Option<Instant>,
    outage: Option<Outage>,
}

struct Run {
    since: Instant,
    task: AbortHandle,
}

/// Failures in a row.
struct Outage {
    since: Instant,
    /// The kinds reported so far. A store that is down often alternates between silent and unreachable:
    /// each is reported once.
    told: Vec<ErrorKind>,
}

/// The rest after a first failure; each further failure lengthens it. Some calls fail at once: without
/// a rest, the loop would fill our log and the server's.
const FIRST_REST: Duration = Duration::from_millis(250);
const LONGEST_REST: Duration = Duration::from_secs(2);
/// The shortest interval. The longest is a day.
const SHORTEST: Duration = Duration::from_millis(10);

/// As [`SharedClock::start`].
pub(super) fn start(inner: &Arc<Inner>, interval: Duration) -> Result<()> {
    if interval < SHORTEST || interval > DAY {
        return Err(Error::invalid(format!(
            "an interval of {interval:?} is out of range: the background updates every 10ms to \
             every 24h; call update() for one at a moment of your own"
        )));
    }
    let carrier = inner.carriers.own()?;
    let mut state = lock(&inner.background.0);
    // Checked under the lock: if the clock is closed meanwhile, the close ends this run afterwards.
    inner.refuse_if_closed()?;
    if state.run().is_some() && state.stats.interval == Some(interval) {
        return Ok(());
    }
    state.end();
    state.stats.interval = Some(interval);
    let jitter = Jitter::of(inner.local.instance());
    let work = keep_updating(Arc::downgrade(inner), interval, jitter);
    state.run = Some(Run {
        since: Instant::now(),
        task: carrier.runtime.spawn(work).abort_handle(),
    });
    Ok(())
}

impl Background {
    pub(super) fn stop(&self) {
        lock(&self.0).end();
    }

    /// The part of a clock's stats that is counted here.
    pub(super) fn stats(&self) -> SyncStats {
        let state = lock(&self.0);
        let run = state.run();
        SyncStats {
            running: run.is_some(),
            running_for: run.map(|run| run.since.elapsed()),
            since_update: state.updated_at.map(|at| at.elapsed()),
            ..state.stats.clone()
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn keep_updating(clock: Weak<Inner>, interval: Duration, mut jitter: Jitter) {
    let mut rest = Backoff::new(FIRST_REST, LONGEST_REST);
    while let Some(well) = update(&clock).await {
        let pause = if well {
            rest.reset();
            interval
        } else {
            interval.max(rest.pause())
        };
        stay_if_lost();
        sleep(jitter.around(pause)).await;
    }
}

/// Runs one update. Returns whether it succeeded; `None` if this run is over.
async fn update(clock: &Weak<Inner>) -> Option<bool> {
    let inner = clock.upgrade()?;
    let clock = SharedClock {
        timeout: inner.timeout,
        on_the_librarys: true,
        inner,
    };
    let background = &clock.inner.background;
    let (local, began) = (clock.now(), Instant::now());
    let mut update = pin!(clock.update());
    // The first poll holds the lock under which a run is ended, so no update begins after the end.
    let begun = poll_fn(|context| {
        let state = lock(&background.0);
        let begun = state.is_run_here().then(|| update.as_mut().poll(context));
        Poll::Ready(begun)
    });
    let result = match begun.await? {
        Poll::Ready(result) => result,
        Poll::Pending => update.await,
    };
    let event = lock(&background.0).note(&result, local, began)?;
    // Told outside the lock, because the code that receives the event may ask for the stats.
    if let Some(event) = event {
        event.tell(clock.process());
    }
    Some(result.is_ok())
}

impl Progress {
    /// The current run, unless its task has ended. The task may end with its runtime.
    fn run(&self) -> Option<&Run> {
        self.run.as_ref().filter(|run| !run.task.is_finished())
    }

    /// Whether the calling task is the current run.
    fn is_run_here(&self) -> bool {
        let run = self.run.as_ref();
        run.is_some_and(|run| run.task.id() == task::id())
    }

    /// Ends the current run, and gives up its update if one is under way.
    fn end(&mut self) {
        self.outage = None;
        self.stats.failing = 0;
        if let Some(run) = self.run.take() {
            run.task.abort();
        }
    }

    /// Counts an update that began with the local clock at `local`. Returns the event to log, if there is
    /// one; the outer `None`: this run is over.
    fn note<'a>(
        &mut self,
        result: &'a Result<Update>,
        local: Time,
        began: Instant,
    ) -> Option<Option<Event<'a>>> {
        if !self.is_run_here() {
            return None;
        }
        match result {
            Ok(update) => Some(self.succeed(update, local, began)),
            Err(error) if error.kind() == ErrorKind::Closed => {
                self.run = None;
                None
            }
            Err(error) => Some(self.fail(error)),
        }
    }

    fn succeed(&mut self, update: &Update, local: Time, began: Instant) -> Option<Event<'static>> {
        let now = Instant::now();
        let took = now - began;
        let shared = update.previous.as_ref().map(|previous| previous.value);
        let stats = &mut self.stats;
        stats.updates += 1;
        stats.round_trips += u64::from(update.round_trips);
        stats.distance = Some(shared.unwrap_or_default().ahead_of(local));
        stats.update_time += took;
        for (within, bound) in stats.within.iter_mut().zip(SyncStats::BOUNDS) {
            *within += u64::from(took <= bound);
        }
        stats.last_value = Some(update.value);
        self.updated_at = Some(now);
        let failures = mem::take(&mut stats.failing);
        let lasted = now - self.outage.take()?.since;
        Some(Event::BackgroundRecovered { failures, lasted })
    }

    fn fail<'a>(&mut self, error: &'a Error) -> Option<Event<'a>> {
        let kind = error.kind();
        let stats = &mut self.stats;
        stats.failures += 1;
        stats.failing += 1;
        stats.by_kind[kind as usize] += 1;
        stats.last_error = Some(error.clone());
        let outage = self.outage.get_or_insert_with(|| Outage {
            since: Instant::now(),
            told: Vec::new(),
        });
        if outage.told.contains(&kind) {
            return None;
        }
        outage.told.push(kind);
        Some(Event::BackgroundFails(error))
    }
}
