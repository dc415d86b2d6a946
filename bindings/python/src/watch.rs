//! An iterator over the updates of the record.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, TryLockError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use lamport_clock::fork::Generation;
use lamport_clock::{Error, ErrorKind, WatchEvent, blocking};
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arguments::Seconds;
use crate::errors::{OrRaise, exception, raise};
use crate::locked;
use crate::values;
use crate::verbs::SLICE;

/// Every update by anyone, in order: an iterator that waits for the next Observed.
///
/// It resumes by itself where the connection broke, without losing or repeating an update;
/// `interrupted` tells of that. Where it can't give an update it raises, once, and goes on with the
/// next call of next(), or with another loop over it: CompactedError if the store had forgotten some,
/// which are missed for good; CorruptError if another program wrote there what can't be read, or
/// deleted a key of the clock. `revision` of the error says where that lies, and `next_revision` where
/// the watch goes on.
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
#[pyclass(frozen, module = "lamport_clock")]
pub(crate) struct Watch {
    /// `None` once the watch has ended. A detached thread holds the lock for up to a slice, so nobody
    /// waits for it.
    inner: Mutex<Option<blocking::Watch>>,
    closed: AtomicBool,
    /// Wakes the event loop that waits for the next event. Locked only briefly.
    reader: Mutex<Option<Waker>>,
    next_revision: AtomicU64,
    /// Why the connection broke, if no event has come since. Locked only briefly, by attached threads.
    interrupted: Mutex<Option<Error>>,
    generation: Generation,
}

impl Watch {
    pub(crate) fn new(inner: blocking::Watch) -> Watch {
        Watch {
            next_revision: AtomicU64::new(inner.next_revision()),
            inner: Mutex::new(Some(inner)),
            closed: AtomicBool::new(false),
            reader: Mutex::default(),
            interrupted: Mutex::default(),
            generation: Generation::current(),
        }
    }

    /// The next update; `None` if the deadline has passed, and StopIteration if the watch has ended.
    fn next(&self, py: Python<'_>, deadline: Option<Instant>) -> PyResult<Option<Py<PyAny>>> {
        loop {
            let left = deadline.map_or(SLICE, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            let told = self.look(py, left.min(SLICE), PyStopIteration::new_err)?;
            if told.is_some() || left.is_zero() {
                return Ok(told);
            }
            py.check_signals()?;
        }
    }

    /// Ready once [`look`](Watch::look) has a result. It never waits, so the thread may be attached.
    pub(crate) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        // Stored first, so that a later `close` finds the waker.
        *locked(&self.reader) = Some(context.waker().clone());
        match self.inner.try_lock().as_deref_mut() {
            Ok(Some(watch)) if !self.closed.load(Ordering::Acquire) => watch.poll_ready(context),
            _ => Poll::Ready(()),
        }
    }

    /// The next update within `patience`; `None` if there is none to show. If the watch has ended, the
    /// exception that `ended` makes. With a `patience` of zero it never waits, so the thread stays attached.
    pub(crate) fn look(
        &self,
        py: Python<'_>,
        patience: Duration,
        ended: fn(()) -> PyErr,
    ) -> PyResult<Option<Py<PyAny>>> {
        // Checked before the lock is tried: in a forked child, its holder may exist only in the parent.
        self.generation.check("this watch").or_raise()?;
        *locked(&self.reader) = None;
        let event = {
            let mut inner = match self.inner.try_lock() {
                Ok(inner) => inner,
                // If the watch is closed, the holder may be the thread that closes it, not a reader.
                Err(TryLockError::WouldBlock) if !self.closed.load(Ordering::Acquire) => {
                    return Err(PyRuntimeError::new_err(
                        "another thread reads from this watch at the moment: give each reader a \
                         watch of its own",
                    ));
                }
                // Closed, or poisoned: a holder that panicked left the watch in an unknown state.
                Err(_) => return Err(ended(())),
            };
            if self.closed.load(Ordering::Acquire) {
                *inner = None;
            }
            let Some(watch) = inner.as_mut() else {
                return Err(ended(()));
            };
            let event = match patience {
                Duration::ZERO => watch.next_within(patience),
                _ => py.detach(|| watch.next_within(patience)),
            };
            self.next_revision
                .store(watch.next_revision(), Ordering::Relaxed);
            if matches!(event, Some(Err(_))) {
                *inner = None;
            }
            event
        };
        match event {
            Some(event) => self.tell(py, event.or_raise()?),
            None => Ok(None),
        }
    }

    /// The update that an event holds; the exception if updates were missed or can't be read, or if a key
    /// was deleted; `None` for an event that loses no update.
    fn tell(&self, py: Python<'_>, event: WatchEvent) -> PyResult<Option<Py<PyAny>>> {
        let broke = match &event {
            WatchEvent::Interrupted(error) => Some(error.clone()),
            _ => None,
        };
        *locked(&self.interrupted) = broke;
        let (revision, error) = match event {
            WatchEvent::Updated(update) => return values::observed(py, update).map(Some),
            WatchEvent::Missed { from, until } => {
                let missed = format!(
                    "the updates from revision {from} to before {until} were missed: the store had \
                     compacted them before this watch came to them. It goes on from there"
                );
                (from, raise(ErrorKind::Compacted, missed))
            }
            WatchEvent::Unreadable { revision, error } => (revision, exception(&error)),
            WatchEvent::Deleted { revision } => {
                let deleted = format!(
                    "a key of the clock was deleted at revision {revision}, which no clock does: \
                     another program writes there. The watch goes on"
                );
                (revision, raise(ErrorKind::Corrupt, deleted))
            }
            // An interruption loses no update, nor will any event that a later version may add.
            _ => return Ok(None),
        };
        error.value(py).setattr("revision", revision)?;
        Err(error)
    }
}

#[pymethods]
impl Watch {
    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.next(py, None)
    }

    /// The next update if it comes within `timeout` (seconds, or a text like "500ms"); None if it has
    /// not come yet, and nothing is lost by asking again. Once the watch has ended it raises
    /// StopIteration, as next() does; it raises what else next() raises.
    ///
    /// >>> watch = SharedClock.memory("api").watch()
    /// >>> watch.next_within("5ms") is None
    /// True
    fn next_within(&self, py: Python<'_>, timeout: Seconds) -> PyResult<Option<Py<PyAny>>> {
        self.next(py, Some(Instant::now() + timeout.0))
    }

    /// Where a new watch would go on, by `from_revision`: it gives all that this one has not given
    /// yet. For programs that note how far they have come.
    ///
    /// >>> clock = SharedClock.memory("api")
    /// >>> with clock.watch() as watch:
    /// ...     update = clock.update()
    /// ...     seen = next(watch)
    /// >>> watch.next_revision == seen.revision + 1
    /// True
    #[getter]
    fn next_revision(&self) -> u64 {
        self.next_revision.load(Ordering::Relaxed)
    }

    /// Why the connection broke, a LamportError, if nothing has come since; else None. Nothing is
    /// missed by that: the watch goes on trying by itself.
    ///
    /// >>> print(SharedClock.memory("api").watch().interrupted)
    /// None
    #[getter]
    fn interrupted<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.generation.check("this watch").or_raise()?;
        let broke = locked(&self.interrupted).clone();
        Ok(broke.map(|error| exception(&error).into_value(py).into_bound(py).into_any()))
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
            // The thread that holds the lock checks `closed` after its slice of waiting.
            if let Ok(mut inner) = self.inner.try_lock() {
                *inner = None;
            }
        });
        // In a child of a fork the reader is the parent's.
        if self.generation.is_current()
            && let Some(reader) = locked(&self.reader).take()
        {
            reader.wake();
        }
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
    }
}
