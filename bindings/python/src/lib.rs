//! `lamport_clock._native`: the core as a Python module.
//!
//! It only translates and guards: arguments in ([`arguments`]), values out ([`values`]), errors as
//! exceptions ([`errors`]). The calls that use the store are in [`verbs`], each written once for threads
//! and event loops ([`completions`]). The core decides what a clock does.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

mod arguments;
mod background;
mod clock;
mod completions;
mod errors;
mod header;
mod interpreter;
mod local;
mod stamp;
mod values;
mod verbs;
mod watch;

/// Locks a mutex, whether poisoned or not. Its holders are brief, and leave its value valid if they panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The alignment, in bytes, that Python's allocators give to objects. A class with a field that needs
/// more would be undefined behaviour.
const ALIGNED: usize = 16;
const _: () = assert!(
    align_of::<clock::SharedClock>() <= ALIGNED
        && align_of::<local::LocalClock>() <= ALIGNED
        && align_of::<completions::Completions>() <= ALIGNED
        && align_of::<completions::Call>() <= ALIGNED
        && align_of::<header::Header>() <= ALIGNED
        && align_of::<stamp::Stamp>() <= ALIGNED
        && align_of::<values::Times>() <= ALIGNED
        && align_of::<watch::Watch>() <= ALIGNED
);

// No state of this module relies on the GIL: classes are frozen, and their fields that change are atomic
// or locked (tests/tidy.rs). So a free-threaded Python need not switch the GIL on for this module.
#[pymodule(name = "_native", gil_used = false)]
mod native {
    use std::borrow::Cow;
    use std::ffi::OsString;

    use pyo3::prelude::*;

    use crate::errors::OrRaise;

    #[pymodule_export]
    use crate::{
        background::log_with,
        clock::SharedClock,
        completions::{Call, Completions},
        header::Header,
        local::LocalClock,
        stamp::Stamp,
        values::Times,
        watch::Watch,
    };

    /// The version of the library.
    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// Runs the `lamport` command. `argv` begins with the name of the program; returns its exit
    /// status. The command handles SIGINT and SIGTERM itself.
    #[pyfunction]
    fn main(py: Python<'_>, argv: Vec<OsString>) -> u8 {
        py.detach(|| lamport_cli::run_main(argv))
    }

    /// The text as one line, with what can't be seen by its code. For what others wrote.
    #[pyfunction]
    fn escape(text: &str) -> Cow<'_, str> {
        lamport_clock::excerpt::escape(text)
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::interpreter::refuse_a_second(module.py())?;
        crate::errors::load(module.py())?;
        crate::values::load(module.py())?;
        lamport_clock_host::settle().or_raise()
    }
}
