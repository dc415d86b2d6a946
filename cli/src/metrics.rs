//! What a run reports to its operators: metrics in Prometheus' text format, and whether updates succeed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use lamport_clock::blocking::SharedClock;
use lamport_clock::{Error, ErrorKind, SyncStats, Time, Update};

/// A run is ready while an update has succeeded within this many intervals and one call's deadline.
const INTERVALS: u32 = 3;

/// The counts of one run. `lamport_clock/prometheus.py` has the same names for the same things.
pub(super) struct Metrics {
    registry: Registry,
    updates: IntCounter,
    failures: IntCounterVec,
    seconds: Histogram,
    round_trips: IntCounter,
    folds: IntCounter,
    refused: IntCounter,
    /// The clock, which counts `folds` and `refused`.
    clock: OnceLock<SharedClock>,
    shared_time: IntGauge,
    distance: IntGauge,
    since_update: Gauge,
    member: IntGaugeVec,
    progress: Mutex<Progress>,
    /// A run is ready only if its newest success is at most this long ago.
    patience: Duration,
}

struct Progress {
    /// When the newest update succeeded, or when the run began if none has.
    since: Instant,
    succeeded: bool,
    /// The newest error since then.
    error: Option<Error>,
}

impl Metrics {
    /// The metrics for the run of `process`, which updates once in each `interval`.
    pub(super) fn new(
        process: &str,
        interval: Duration,
        timeout: Duration,
    ) -> Result<Metrics, Error> {
        Metrics::registered(process, interval, timeout).map_err(|error| {
            Error::with_source(
                ErrorKind::Internal,
                format!("the metrics can't be set up: {error}"),
                error,
            )
        })
    }

    fn registered(
        process: &str,
        interval: Duration,
        timeout: Duration,
    ) -> prometheus::Result<Metrics> {
        let process = HashMap::from([("process".to_owned(), process.to_owned())]);
        let registry = Registry::new_custom(Some("lamport".to_owned()), Some(process))?;
        let metrics = Metrics {
            updates: IntCounter::new("updates_total", "Updates that succeeded.")?,
            failures: IntCounterVec::new(
                Opts::new(
                    "failures_total",
                    "Updates that failed, by the kind of error.",
                ),
                &["kind"],
            )?,
            seconds: Histogram::with_opts(
                HistogramOpts::new("update_seconds", "How long updates took that succeeded.")
                    .buckets(SyncStats::BOUNDS.map(|bound| bound.as_secs_f64()).to_vec()),
            )?,
            round_trips: IntCounter::new(
                "round_trips_total",
                "Transactions that the updates took: one each, but for the cases in docs/PROTOCOL.md.",
            )?,
            folds: IntCounter::new(
                "folds_total",
                "Folds that this process carried out: see docs/PROTOCOL.md.",
            )?,
            refused: IntCounter::new(
                "refused_total",
                "Messages that were refused for lying too far ahead.",
            )?,
            clock: OnceLock::new(),
            shared_time: IntGauge::new(
                "shared_time",
                "The newest time that this process took from the shared clock.",
            )?,
            distance: IntGauge::new(
                "distance",
                "How far the shared clock was ahead of this process when the newest update reached it.",
            )?,
            since_update: Gauge::new(
                "since_update_seconds",
                "How long ago an update succeeded last; since the start, if none has.",
            )?,
            member: IntGaugeVec::new(
                Opts::new(
                    "member",
                    "1 for the member of the store that updates go to.",
                ),
                &["member"],
            )?,
            registry,
            progress: Mutex::new(Progress {
                since: Instant::now(),
                succeeded: false,
                error: None,
            }),
            patience: interval * INTERVALS + timeout,
        };
        let all: [Box<dyn Collector>; 10] = [
            Box::new(metrics.updates.clone()),
            Box::new(metrics.failures.clone()),
            Box::new(metrics.seconds.clone()),
            Box::new(metrics.round_trips.clone()),
            Box::new(metrics.folds.clone()),
            Box::new(metrics.refused.clone()),
            Box::new(metrics.shared_time.clone()),
            Box::new(metrics.distance.clone()),
            Box::new(metrics.since_update.clone()),
            Box::new(metrics.member.clone()),
        ];
        for one in all {
            metrics.registry.register(one)?;
        }
        // Each kind is exported from the start, so that Prometheus sees its first failure as an increase.
        for kind in ErrorKind::all() {
            metrics.failures.with_label_values(&[kind.name()]);
        }
        Ok(metrics)
    }

    /// Sets the run's clock, whose counts are exported from now on.
    pub(super) fn count(&self, clock: &SharedClock) {
        let _ = self.clock.set(clock.clone());
    }

    /// An update succeeded; the local clock stood at `local` before it.
    pub(super) fn succeed(&self, update: &Update, local: Time, took: Duration) {
        self.updates.inc();
        self.round_trips.inc_by(update.round_trips.into());
        self.seconds.observe(took.as_secs_f64());
        self.shared_time.set(signed(update.value.get()));
        let shared = update.previous.as_ref().map_or(0, |it| it.value.get());
        self.distance
            .set(signed(shared.saturating_sub(local.get())));
        *self.progress() = Progress {
            since: Instant::now(),
            succeeded: true,
            error: None,
        };
    }

    pub(super) fn fail(&self, error: &Error) {
        self.failures
            .with_label_values(&[error.kind().name()])
            .inc();
        self.progress().error = Some(error.clone());
    }

    /// Sets the member that updates go to from now on.
    pub(super) fn connect(&self, member: &str) {
        self.member.reset();
        self.member.with_label_values(&[member]).set(1);
    }

    /// All metrics in Prometheus' text format.
    pub(super) fn text(&self) -> prometheus::Result<String> {
        // The lock is held to the end, so that two simultaneous scrapes add no count twice.
        let progress = self.progress();
        self.since_update
            .set(progress.since.elapsed().as_secs_f64());
        if let Some(clock) = self.clock.get() {
            let stats = clock.stats();
            // A clock that is made anew counts from 0, so its counts may be below the exported ones.
            let [folds, refused] = [(stats.folds, &self.folds), (stats.refused, &self.refused)]
                .map(|(now, told)| now.saturating_sub(told.get()));
            self.folds.inc_by(folds);
            self.refused.inc_by(refused);
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// `Ok` with a line of text if updates succeed. The text of `Err` says since when they don't, and why.
    pub(super) fn readiness(&self) -> Result<String, String> {
        let progress = self.progress();
        let silence = progress.since.elapsed();
        let last = match progress.succeeded {
            true => format!(
                "the newest update succeeded {:.1} s ago",
                silence.as_secs_f64()
            ),
            false => format!("no update has succeeded in {:.1} s", silence.as_secs_f64()),
        };
        if progress.succeeded && silence <= self.patience {
            return Ok(last);
        }
        Err(match &progress.error {
            Some(error) => format!("{last}: {error}"),
            None => last,
        })
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes no time, since times end at 2^53 - 1.
fn signed(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(interval: Duration, timeout: Duration) -> Metrics {
        Metrics::new("a \"quoted\\ name", interval, timeout).unwrap()
    }

    fn update() -> (Update, Time) {
        let clock = lamport_clock::blocking::SharedClock::memory("api").unwrap();
        let local = clock.now();
        (clock.update().unwrap(), local)
    }

    #[test]
    fn a_run_is_ready_from_its_first_success_until_it_is_silent_for_too_long() {
        let metrics = metrics(Duration::ZERO, Duration::from_secs(60));
        let none = metrics.readiness().unwrap_err();
        assert!(none.starts_with("no update has succeeded in 0."), "{none}");
        let (update, local) = update();
        metrics.succeed(&update, local, Duration::ZERO);
        // A failure does not end readiness before the time for a success is over.
        metrics.fail(&Error::new(ErrorKind::Timeout, "etcd is away"));
        let ready = metrics.readiness().unwrap();
        assert!(
            ready.starts_with("the newest update succeeded 0."),
            "{ready}"
        );
        metrics.progress().since -= Duration::from_secs(61);
        let silent = metrics.readiness().unwrap_err();
        let expected = "the newest update succeeded 61.";
        assert!(silent.starts_with(expected), "{silent}");
        assert!(silent.ends_with(" s ago: etcd is away"), "{silent}");
    }

    #[test]
    fn three_intervals_and_a_deadline_are_waited_for() {
        let metrics = metrics(Duration::from_secs(2), Duration::from_secs(5));
        assert_eq!(metrics.patience, Duration::from_secs(11));
    }

    #[test]
    fn names_are_quoted_and_every_kind_is_there_from_the_start() {
        let text = metrics(Duration::ZERO, Duration::ZERO).text().unwrap();
        assert!(
            text.contains(r#"lamport_updates_total{process="a \"quoted\\ name"} 0"#),
            "{text}"
        );
        let kinds = text.matches("lamport_failures_total{").count();
        assert_eq!(kinds, ErrorKind::all().len(), "{text}");
    }

    #[test]
    fn one_member_is_in_use() {
        let metrics = metrics(Duration::ZERO, Duration::ZERO);
        metrics.connect("10.0.0.1:2379");
        metrics.connect("10.0.0.2:2379");
        let text = metrics.text().unwrap();
        assert!(!text.contains("10.0.0.1"), "{text}");
        assert!(text.contains(r#"member="10.0.0.2:2379""#), "{text}");
    }
}
