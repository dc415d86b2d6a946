//! Updates in the background, and who logs them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lamport_clock::{ErrorKind, blocking};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::sync::critical_section::with_critical_section;

use crate::clock::SharedClock;
use crate::errors::OrRaise;

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
    lamport_clock::fork::look();
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

impl SharedClock {
    /// The clock, for whatever counts as its use.
    #[inline]
    pub(crate) fn used<'a>(this: &'a Bound<'_, SharedClock>) -> &'a blocking::SharedClock {
        let clock = &this.get().core;
        if clock.is_untouched() {
            go_on(this);
        }
        clock
    }
}

/// The first use in a forked child, or after the descriptors were closed: what went on in the
/// background goes on. For the core it has ended.
#[cold]
fn go_on(clock: &Bound<'_, SharedClock>) {
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
