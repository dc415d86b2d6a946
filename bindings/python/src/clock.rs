//! The shared clock: its class. The methods are in a file of their own.

use std::sync::atomic::AtomicU64;

use lamport_clock::{Config, blocking};
use pyo3::prelude::*;

use crate::errors::OrRaise;

mod methods;

/// A local clock and one record that many processes share.
///
/// Make one with SharedClock.connect() or SharedClock.memory("name"). No value that update() and
/// reserve() give is given twice, by any process, whatever fails; and if an update returned before
/// another was called, anywhere, it has the smaller value. Times are int, 0 through 2^53 - 1.
///
/// All methods may be called by any number of threads at once. Those that go to the store release
/// the GIL, return within the deadline of the clock (LAMPORT_TIMEOUT), and can be ended with Ctrl-C.
/// Errors are subclasses of LamportError; after an error nothing was handed out.
///
/// A child of os.fork() goes on with the clocks it inherits, each as a clock of its own: a new
/// instance with its own connection, made at its first use, whose local clock begins where the
/// parent's stood, and whose updates in the background go on if the parent's did. Stores in memory
/// are private to a process. A Watch and a Reservation stay with the parent.
///
/// >>> from lamport_clock import SharedClock
/// >>> with SharedClock.memory("api") as clock:
/// ...     sent = clock.tick()
/// ...     update = clock.update()
/// >>> sent < update.stamp
/// True
#[pyclass(frozen, weakref, module = "lamport_clock")]
pub(crate) struct SharedClock {
    /// Used directly only by calls that don't count as a use; see `used` in background.rs.
    pub(crate) core: blocking::SharedClock,
    /// The interval of the updates in the background, in nanoseconds; 0 if there are none.
    pub(crate) interval: AtomicU64,
}

impl SharedClock {
    fn on(config: &Config) -> PyResult<SharedClock> {
        let core = blocking::SharedClock::open(config).or_raise()?;
        let interval = AtomicU64::new(0);
        Ok(SharedClock { core, interval })
    }
}
