//! Following the record, as an iterator.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, TryLockError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use lamport_clock::fork::Generation;
use lamport_clock::{Error, ErrorKind, WatchEvent, blocking};
use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration};
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use crate::arguments::{Seconds, Text, Whole};
use crate::errors::{OrRaise, exception, raise};
use crate::html;
use crate::values::{Fields, Observed, value};
use crate::waiting::SLICE;

/// Every update by anyone, in order: an iterator that waits for the next one.
///
/// It resumes by itself where the connection broke, without losing or repeating an update. Taken
/// with `notices=False` (the default) it gives Observed values alone, and raises where it can't give
/// an update: CompactedError if some were missed for good, CorruptError if a record can't be read.
/// Both times it goes on with the next call of next(). Taken with `notices=True` it gives these two
/// as values too (Missed, Unreadable), and tells when the record was deleted (Deleted) and when the
/// connection broke (Interrupted).
///
/// Any other error ends it. It is for one reader at a time; close() may be called by any thread. A
/// child of os.fork() gets ClosedError from a watch that it inherits, and begins one of its own.
///
/// >>> from lamport_clock import SharedClock
/// >>> clock = SharedClock.memory("api")
/// >>> watch = clock.watch()
/// >>> for _ in range(2):
/// ...     _ = clock.update()
/// >>> print(next(watch), next(watch))
/// 2@api 4@api
#[pyclass(frozen, generic, module = "lamport_clock")]
pub(crate) struct Watch {
    /// `None` once it has ended. Locked for a slice of waiting while detached, and waited for by
    /// nobody.
    inner: Mutex<Option<blocking::Watch>>,
    closed: AtomicBool,
    notices: bool,
    generation: Generation,
}

/// What a slice of waiting brought.
enum Turn {
    Event(WatchEvent),
    Failed(Error),
    Nothing,
    Ended,
    Busy,
}

impl Watch {
    pub(crate) fn new(inner: blocking::Watch, notices: bool) -> Watch {
        Watch {
            inner: Mutex::new(Some(inner)),
            closed: AtomicBool::new(false),
            notices,
            generation: Generation::current(),
        }
    }

    /// The next event that this watch tells; `None` if it has ended or the deadline has passed.
    fn next<'py>(
        &self,
        py: Python<'py>,
        deadline: Option<Instant>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        // Before the lock: the thread that held it may have stayed in the parent.
        self.generation.check("this watch").or_raise()?;
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let patience = left.map_or(SLICE, |left| left.min(SLICE));
            match py.detach(|| self.turn(patience)) {
                Turn::Event(event) => {
                    if let Some(told) = tell(py, event, self.notices)? {
                        return Ok(Some(told));
                    }
                }
                Turn::Failed(error) => return Err(exception(&error)),
                Turn::Ended => return Ok(None),
                Turn::Busy => return Err(busy()),
                Turn::Nothing if left.is_some_and(|left| left <= SLICE) => return Ok(None),
                Turn::Nothing => {}
            }
            py.check_signals()?;
        }
    }

    /// Ready once [`look`](Watch::look) has something to say. Waits for nobody, so it may be attached.
    pub(crate) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        if !self.generation.is_current() || self.closed.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        match self.inner.try_lock() {
            Ok(mut inner) => match inner.as_mut() {
                Some(watch) => watch.poll_ready(context),
                None => Poll::Ready(()),
            },
            Err(_) => Poll::Ready(()),
        }
    }

    /// What this watch tells now, without waiting: None if it is nothing, and StopAsyncIteration if
    /// it has ended.
    pub(crate) fn look(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.generation.check("this watch").or_raise()?;
        match self.turn(Duration::ZERO) {
            Turn::Event(event) => {
                let told = tell(py, event, self.notices)?;
                Ok(told.map_or_else(|| py.None(), Bound::unbind))
            }
            Turn::Failed(error) => Err(exception(&error)),
            Turn::Nothing => Ok(py.None()),
            Turn::Ended => Err(PyStopAsyncIteration::new_err(())),
            Turn::Busy => Err(busy()),
        }
    }

    fn turn(&self, patience: Duration) -> Turn {
        let mut inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            // Who holds it may be the one that closes it, and no reader.
            Err(TryLockError::WouldBlock) if self.closed.load(Ordering::Acquire) => {
                return Turn::Ended;
            }
            Err(TryLockError::WouldBlock) => return Turn::Busy,
            // Whoever panicked left the watch in an unknown state.
            Err(TryLockError::Poisoned(_)) => return Turn::Ended,
        };
        if self.closed.load(Ordering::Acquire) {
            *inner = None;
        }
        let Some(watch) = inner.as_mut() else {
            return Turn::Ended;
        };
        let turn = match watch.next_within(patience) {
            Some(Ok(event)) => Turn::Event(event),
            Some(Err(error)) => Turn::Failed(error),
            None => Turn::Nothing,
        };
        if matches!(turn, Turn::Failed(_)) {
            *inner = None;
        }
        turn
    }
}

#[pymethods]
impl Watch {
    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.next(py, None)
    }

    /// The next event, if it comes within `timeout` (seconds, or a text like "500ms"); else None.
    /// Nothing is lost by giving up and asking again. None also once the watch has ended. Raises what
    /// next() raises.
    ///
    /// >>> watch = SharedClock.memory("api").watch()
    /// >>> watch.next_within("5ms") is None
    /// True
    fn next_within<'py>(
        &self,
        py: Python<'py>,
        timeout: Seconds,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.next(py, Some(Instant::now() + timeout.0))
    }

    /// Ends the watch: a thread that waits for the next update sees the end of the iteration. Closing
    /// twice is no error.
    ///
    /// >>> watch = SharedClock.memory("api").watch()
    /// >>> watch.close()
    /// >>> list(watch)
    /// []
    fn close(&self, py: Python<'_>) {
        self.closed.store(true, Ordering::Release);
        py.detach(|| {
            // Who holds the lock looks at `closed` after this slice.
            if let Ok(mut inner) = self.inner.try_lock() {
                *inner = None;
            }
        });
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
    }
}

fn busy() -> PyErr {
    PyRuntimeError::new_err(
        "another thread reads from this watch at the moment: give each reader a watch of its own",
    )
}

/// The event as a value, or as an exception; `None` if a watch without notices passes over it.
fn tell(py: Python<'_>, event: WatchEvent, notices: bool) -> PyResult<Option<Bound<'_, PyAny>>> {
    let told = match event {
        WatchEvent::Updated(observed) => Bound::new(py, Observed(observed))?.into_any(),
        WatchEvent::Missed { from, until } if notices => Bound::new(
            py,
            Missed {
                from_revision: from,
                until_revision: until,
            },
        )?
        .into_any(),
        WatchEvent::Missed { from, until } => {
            return Err(raise(
                ErrorKind::Compacted,
                format!(
                    "the updates from revision {from} to before {until} were missed: the store had \
                     compacted them before this watch came to them. The watch goes on from there; \
                     with watch(notices=True) this is a value and not an exception"
                ),
            ));
        }
        WatchEvent::Unreadable { revision, error } if notices => Bound::new(
            py,
            Unreadable {
                revision,
                kind: error.kind().name().to_owned(),
                reason: error.to_string(),
            },
        )?
        .into_any(),
        WatchEvent::Unreadable { error, .. } => return Err(exception(&error)),
        WatchEvent::Deleted { revision } if notices => {
            Bound::new(py, Deleted { revision })?.into_any()
        }
        WatchEvent::Interrupted(error) if notices => Bound::new(
            py,
            Interrupted {
                kind: error.kind().name().to_owned(),
                reason: error.to_string(),
            },
        )?
        .into_any(),
        // No update is lost by either, nor by what a later version may add.
        _ => return Ok(None),
    };
    Ok(Some(told))
}

/// A notice: updates that this watch will never show. The store compacted its history faster than
/// the watch followed.
///
/// >>> from lamport_clock import Missed
/// >>> print(Missed(3, 9))
/// missed what came from revision 3 to before 9
#[pyclass(frozen, eq, get_all, module = "lamport_clock")]
#[derive(PartialEq)]
pub(crate) struct Missed {
    /// The first revision missed.
    from_revision: u64,
    /// Where the watch goes on.
    until_revision: u64,
}

impl Fields for Missed {
    const NAMES: &'static [&'static str] = &["from_revision", "until_revision"];

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (self.from_revision, self.until_revision).into_pyobject(py)
    }

    fn text(&self) -> String {
        format!(
            "missed what came from revision {} to before {}",
            self.from_revision, self.until_revision
        )
    }
}

value!(Missed, {
    #[new]
    fn new(from_revision: Whole, until_revision: Whole) -> Missed {
        Missed {
            from_revision: from_revision.0,
            until_revision: until_revision.0,
        }
    }
});

/// A notice: a record was written that can't be read.
///
/// >>> from lamport_clock import Unreadable
/// >>> print(Unreadable(4, "corrupt", "no value"))
/// unreadable at revision 4 (corrupt): no value
#[pyclass(frozen, eq, get_all, module = "lamport_clock")]
#[derive(PartialEq)]
pub(crate) struct Unreadable {
    /// Its revision.
    revision: u64,
    /// What kind of error it is, as LamportError.kind.
    kind: String,
    /// What was found, for people.
    reason: String,
}

impl Fields for Unreadable {
    const NAMES: &'static [&'static str] = &["revision", "kind", "reason"];

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (self.revision, &self.kind, &self.reason).into_pyobject(py)
    }

    fn text(&self) -> String {
        let (kind, reason) = (html::plain(&self.kind), html::plain(&self.reason));
        format!(
            "unreadable at revision {} ({kind}): {reason}",
            self.revision
        )
    }
}

value!(Unreadable, {
    #[new]
    fn new(revision: Whole, kind: Text, reason: Text) -> Unreadable {
        Unreadable {
            revision: revision.0,
            kind: kind.0,
            reason: reason.0,
        }
    }
});

/// A notice: the record was deleted, which no clock does.
///
/// >>> from lamport_clock import Deleted
/// >>> print(Deleted(5))
/// the record was deleted at revision 5
#[pyclass(frozen, eq, get_all, module = "lamport_clock")]
#[derive(PartialEq)]
pub(crate) struct Deleted {
    /// The revision of the deletion.
    revision: u64,
}

impl Fields for Deleted {
    const NAMES: &'static [&'static str] = &["revision"];

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (self.revision,).into_pyobject(py)
    }

    fn text(&self) -> String {
        format!("the record was deleted at revision {}", self.revision)
    }
}

value!(Deleted, {
    #[new]
    fn new(revision: Whole) -> Deleted {
        Deleted {
            revision: revision.0,
        }
    }
});

/// A notice: the connection broke; the watch goes on trying. Nothing is missed by that.
///
/// >>> from lamport_clock import Interrupted
/// >>> print(Interrupted("unavailable", "connection refused"))
/// interrupted (unavailable), and goes on: connection refused
#[pyclass(frozen, eq, get_all, module = "lamport_clock")]
#[derive(PartialEq)]
pub(crate) struct Interrupted {
    /// What kind of error it was, as LamportError.kind.
    kind: String,
    /// What happened, for people.
    reason: String,
}

impl Fields for Interrupted {
    const NAMES: &'static [&'static str] = &["kind", "reason"];

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (&self.kind, &self.reason).into_pyobject(py)
    }

    fn text(&self) -> String {
        let (kind, reason) = (html::plain(&self.kind), html::plain(&self.reason));
        format!("interrupted ({kind}), and goes on: {reason}")
    }
}

value!(Interrupted, {
    #[new]
    fn new(kind: Text, reason: Text) -> Interrupted {
        Interrupted {
            kind: kind.0,
            reason: reason.0,
        }
    }
});
