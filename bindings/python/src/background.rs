//! Updates in the background, and their logging.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lamport_clock::{ErrorKind, blocking};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::sync::critical_section::with_critical_section;

use crate::clock::SharedClock;
use crate::errors::OrRaise;

/// Sets the logger of updates in the background. `logger` is called with a clock right before its updates
/// begin, and the function that it returns is called right afterwards. The Python package sets it when it
/// is imported, since native code imports nothing.
#[pyfunction]
pub(crate) fn log_with(py: Python<'_>, logger: Py<PyAny>) {
    let _ = LOGGER.set(py, logger);
}

static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Implements `SharedClock.start`. It stays attached, as do the other functions here, so that they run
/// one at a time.
pub(crate) fn start(clock: &Bound<'_, SharedClock>, interval: Duration) -> PyResult<()> {
    lamport_clock::fork::look();
    let core = SharedClock::used(clock);
    logged(clock, || {
        core.start(interval)?;
        let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        clock.get().interval.store(nanos, Ordering::Relaxed);
        Ok(())
    })
}

/// Implements `SharedClock.stop`.
pub(crate) fn stop(clock: &Bound<'_, SharedClock>) {
    with_critical_section(clock, || {
        clock.get().interval.store(0, Ordering::Relaxed);
        clock.get().core.stop();
    });
}

impl SharedClock {
    /// The core's clock, for a call that counts as a use. The first use in a forked child restarts
    /// background updates.
    #[inline]
    pub(crate) fn used<'a>(this: &'a Bound<'_, SharedClock>) -> &'a blocking::SharedClock {
        let clock = &this.get().core;
        if clock.is_untouched() {
            go_on(this);
        }
        clock
    }
}

/// Restarts background updates at the first use in a forked child, or after the runtime lost its
/// descriptors. For the core they ended then.
#[cold]
fn go_on(clock: &Bound<'_, SharedClock>) {
    let interval = &clock.get().interval;
    if interval.load(Ordering::Relaxed) == 0 {
        return;
    }
    let core = &clock.get().core;
    // This makes the clock, so that the logger's use of it doesn't come here again. If the clock can't be
    // made, the call that is the first use reports the error.
    core.stats();
    if core.is_untouched() {
        return;
    }
    let gone_on = logged(clock, || match interval.load(Ordering::Relaxed) {
        // The updates were stopped meanwhile.
        0 => Ok(()),
        nanos => match core.start(Duration::from_nanos(nanos)) {
            Err(error) if error.kind() == ErrorKind::Closed => Ok(()),
            started => started,
        },
    });
    if let Err(error) = gone_on {
        // Not raised: the call that came first may be a tick, and has not failed.
        error.write_unraisable(clock.py(), Some(clock));
    }
}

/// Begins background updates by calling `begin`, and has them logged.
fn logged(
    clock: &Bound<'_, SharedClock>,
    begin: impl FnOnce() -> lamport_clock::Result<()>,
) -> PyResult<()> {
    let py = clock.py();
    // The logger is loaded before the updates begin. If a process forked in the middle of that import, a
    // child that restarts its updates would wait for ever for the import to end.
    let logger = LOGGER.get(py);
    let follow = logger
        .map(|logger| logger.call1(py, (clock,)))
        .transpose()?;
    with_critical_section(clock, begin).or_raise()?;
    let followed = follow.map_or(Ok(()), |follow| follow.call0(py).map(drop));
    followed.inspect_err(|_| stop(clock))
}
