//! A forked child has its parent's memory but not its threads, and is a new instance: it must not
//! hand out what its parent may hand out too, and it must not wait for a thread that isn't there.

use std::sync::atomic::{AtomicU32, Ordering};

use lamport_clock::ErrorKind;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};

use crate::errors::raise;

/// How many forks lie between this process and the one that loaded the module.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// In which life the library's thread was started: [`FORKS`] then, plus one; 0: not yet.
static THREAD: AtomicU32 = AtomicU32::new(0);

/// Counts forks from now on. Silent, and nothing is touched in the child but a number.
pub(crate) fn follow(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    // Windows knows no fork.
    if !os.hasattr("register_at_fork")? {
        return Ok(());
    }
    let count = PyCFunction::new_closure(py, None, None, |_, _| {
        FORKS.fetch_add(1, Ordering::Relaxed);
    })?;
    let hooks = PyDict::new(py);
    hooks.set_item("after_in_child", count)?;
    os.call_method("register_at_fork", (), Some(&hooks))?;
    Ok(())
}

/// The life that something was made in.
#[derive(Clone, Copy)]
pub(crate) struct Life(u32);

impl Life {
    /// The life that runs now.
    pub(crate) fn current() -> Life {
        Life(FORKS.load(Ordering::Relaxed))
    }

    /// Refuses what was made before a fork.
    #[inline]
    pub(crate) fn check(self) -> PyResult<()> {
        if self.0 == Life::current().0 {
            return Ok(());
        }
        Err(raise(
            ErrorKind::Closed,
            "this clock was made before os.fork(): a child is a new instance and can't go on with \
             the times of its parent. Make a clock of its own in the child"
                .to_owned(),
        ))
    }

    /// Refuses to wait for the library's thread where it can't be: in a child whose parent had
    /// started it.
    pub(crate) fn check_thread() -> PyResult<()> {
        let here = Life::current().0 + 1;
        match THREAD.compare_exchange(0, here, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(started) if started == here => Ok(()),
            Err(_) => Err(raise(
                ErrorKind::Closed,
                "the thread that carries the library's calls did not survive os.fork(). Fork \
                 before the first clock is used, or start children with multiprocessing's 'spawn'"
                    .to_owned(),
            )),
        }
    }
}
