//! Updates in the background: what they came to, and what is to be logged of them.

use std::collections::BTreeMap;

use lamport_clock as core;
use lamport_clock::{ErrorKind, SyncNotice, blocking};
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use crate::arguments::{Text, TimeArgument};
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

/// What is to be logged of a clock's updates in the background. It keeps no clock alive.
#[pyclass(frozen, module = "lamport_clock._native")]
pub(crate) struct Notices(pub(crate) blocking::Notices);

#[pymethods]
impl Notices {
    /// What was noticed since it was asked last, the oldest first: ("failing", kind, reason) and
    /// ("recovered", failures, seconds). Never waits. None: this is over.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Vec<Bound<'py, PyTuple>>>> {
        // Never without the GIL: see lamport_clock/_background.py.
        let Some(notices) = self.0.take() else {
            return Ok(None);
        };
        let mut told = Vec::with_capacity(notices.len());
        for notice in notices {
            match notice {
                SyncNotice::Failing(error) => {
                    let failing = ("failing", error.kind().name(), error.to_string());
                    told.push(failing.into_pyobject(py)?);
                }
                SyncNotice::Recovered { failures, lasted } => {
                    let recovered = ("recovered", failures, lasted.as_secs_f64());
                    told.push(recovered.into_pyobject(py)?);
                }
                // Of a later version; stats() tells of it too.
                _ => {}
            }
        }
        Ok(Some(told))
    }
}
