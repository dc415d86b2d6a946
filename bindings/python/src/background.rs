//! Updates in the background: what they came to, and who logs them.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lamport_clock as core;
use lamport_clock::ErrorKind;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::sync::critical_section::with_critical_section;
use pyo3::types::{PyTuple, PyType};

use crate::arguments::{Text, TimeArgument};
use crate::clock::SharedClock;
use crate::errors::OrRaise;
use crate::html;
use crate::values::{Fields, value};

/// What the updates in the background have come to: SharedClock.stats().
///
/// The counts are of the whole life of the clock in this process, however often it was started and
/// stopped; a child of os.fork() counts its own, from 0. Lengths of time are float, in seconds, by the
/// monotonic clock, as of the call of stats().
///
/// >>> from lamport_clock import SharedClock
/// >>> stats = SharedClock.memory("api").stats()
/// >>> stats.running, stats.updates, stats.failures, stats.failures_by_kind
/// (False, 0, 0, {})
#[pyclass(frozen, eq, get_all, module = "lamport_clock")]
#[derive(PartialEq)]
pub(crate) struct SyncStats {
    /// Whether updates go on.
    running: bool,
    /// The interval that was asked for last, in seconds; None if it never was.
    interval: Option<f64>,
    /// For how long they have gone on, in seconds; None unless `running`.
    running_for: Option<f64>,
    /// So many updates succeeded.
    updates: u64,
    /// So many failed.
    failures: u64,
    /// So many failed since one succeeded last: 0 while all is well.
    failing: u64,
    /// So many failed with each kind of error: a dict from LamportError.kind.
    failures_by_kind: BTreeMap<String, u64>,
    /// The newest time that an update of the background took; None before the first.
    last_value: Option<u64>,
    /// How long ago that was, in seconds.
    since_update: Option<f64>,
    /// What kind of error the newest failure was, as LamportError.kind. It stays when all is well
    /// again; None if there was none.
    last_error_kind: Option<String>,
    /// What it said, for people.
    last_error: Option<String>,
}

impl From<core::SyncStats> for SyncStats {
    fn from(stats: core::SyncStats) -> SyncStats {
        let failed = |kind: &ErrorKind| (kind.name().to_owned(), stats.failures_of(*kind));
        let by_kind = ErrorKind::all().iter().map(failed);
        SyncStats {
            running: stats.running,
            interval: stats.interval.map(|interval| interval.as_secs_f64()),
            running_for: stats.running_for.map(|time| time.as_secs_f64()),
            updates: stats.updates,
            failures: stats.failures,
            failing: stats.failing,
            failures_by_kind: by_kind.filter(|(_, count)| *count > 0).collect(),
            last_value: stats.last_value.map(core::Time::get),
            since_update: stats.since_update.map(|time| time.as_secs_f64()),
            last_error_kind: stats
                .last_error
                .as_ref()
                .map(|error| error.kind().name().to_owned()),
            last_error: stats.last_error.map(|error| error.to_string()),
        }
    }
}

impl Fields for SyncStats {
    const NAMES: &'static [&'static str] = &[
        "running",
        "interval",
        "running_for",
        "updates",
        "failures",
        "failing",
        "failures_by_kind",
        "last_value",
        "since_update",
        "last_error_kind",
        "last_error",
    ];

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (
            self.running,
            self.interval,
            self.running_for,
            self.updates,
            self.failures,
            self.failing,
            &self.failures_by_kind,
            self.last_value,
            self.since_update,
            &self.last_error_kind,
            &self.last_error,
        )
            .into_pyobject(py)
    }

    fn text(&self) -> String {
        let mut text = match (self.running, self.interval) {
            (true, Some(interval)) => format!("running every {interval} s"),
            _ => "not running".to_owned(),
        };
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        let (updates, failures) = (self.updates, self.failures);
        text += &format!(": {updates} update{}", plural(updates));
        text += &format!(", {failures} failure{}", plural(failures));
        if let Some(value) = self.last_value {
            text += &format!(", last value {value}");
        }
        if let (Some(kind), Some(error)) = (&self.last_error_kind, &self.last_error) {
            text += &html::plain(&format!("; last error ({kind}): {error}"));
        }
        text
    }
}

value!(SyncStats, {
    #[new]
    #[allow(clippy::too_many_arguments, reason = "one for each field; for pickle")]
    fn new(
        running: bool,
        interval: Option<f64>,
        running_for: Option<f64>,
        updates: u64,
        failures: u64,
        failing: u64,
        failures_by_kind: BTreeMap<String, u64>,
        last_value: Option<TimeArgument>,
        since_update: Option<f64>,
        last_error_kind: Option<Text>,
        last_error: Option<Text>,
    ) -> SyncStats {
        SyncStats {
            running,
            interval,
            running_for,
            updates,
            failures,
            failing,
            failures_by_kind,
            last_value: last_value.map(|time| time.0.get()),
            since_update,
            last_error_kind: last_error_kind.map(|kind| kind.0),
            last_error: last_error.map(|error| error.0),
        }
    }
});

/// Has `logger` called with each clock right before its updates in the background begin; what that
/// returns is called right afterwards. The package says so where it is imported, since native code
/// imports nothing.
#[pyfunction]
pub(crate) fn log_with(py: Python<'_>, logger: Py<PyAny>) {
    let _ = LOGGER.set(py, logger);
}

static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// As the method says. It stays attached, as the others here do, so that they come one after another.
pub(crate) fn start(clock: &Bound<'_, SharedClock>, interval: Duration) -> PyResult<()> {
    let core = SharedClock::used(clock);
    logged(clock, || {
        core.start(interval)?;
        let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        clock.get().interval.store(nanos, Ordering::Relaxed);
        Ok(())
    })
}

/// As the method says.
pub(crate) fn stop(clock: &Bound<'_, SharedClock>) {
    with_critical_section(clock, || {
        clock.get().interval.store(0, Ordering::Relaxed);
        clock.get().core.stop();
    });
}

/// The first use in a forked child: what went on in the background goes on. For the core it is the
/// parent's alone.
#[cold]
pub(crate) fn go_on(clock: &Bound<'_, SharedClock>) {
    let interval = &clock.get().interval;
    if interval.load(Ordering::Relaxed) == 0 {
        return;
    }
    let core = &clock.get().core;
    // Makes the clock, which is then no longer untouched to those who log. If it can't be made, the
    // call that is the first use says why.
    core.stats();
    if core.is_untouched() {
        return;
    }
    let gone_on = logged(clock, || match interval.load(Ordering::Relaxed) {
        // Stopped meanwhile.
        0 => Ok(()),
        nanos => match core.start(Duration::from_nanos(nanos)) {
            Err(error) if error.kind() == ErrorKind::Closed => Ok(()),
            started => started,
        },
    });
    if let Err(error) = gone_on {
        // Not the fault of the call, perhaps a tick.
        error.write_unraisable(clock.py(), Some(clock));
    }
}

/// Begins updates in the background by `begin`, and sees to it that they are logged.
fn logged(
    clock: &Bound<'_, SharedClock>,
    begin: impl FnOnce() -> lamport_clock::Result<()>,
) -> PyResult<()> {
    let py = clock.py();
    // Loaded before there is anything to log: forked in the middle of an import, a child in which the
    // clock goes on would wait for its end.
    let logger = LOGGER.get(py);
    let follow = logger
        .map(|logger| logger.call1(py, (clock,)))
        .transpose()?;
    with_critical_section(clock, begin).or_raise()?;
    let followed = follow.map_or(Ok(()), |follow| follow.call0(py).map(drop));
    followed.inspect_err(|_| stop(clock))
}
