//! The library's own runtime: one worker, started at first use, never dropped.

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, ErrorKind, Result};
use crate::life::PerLife;

/// A forked child passes its parent's by, whose thread it does not have.
static RUNTIMES: PerLife<OnceCell<Carrier>> = PerLife::new();

struct Carrier {
    runtime: Runtime,
    process: u32,
}

/// Whether this life's runtime was started: what its thread inherits was settled then.
pub fn is_started() -> bool {
    RUNTIMES.made().is_some_and(|cell| cell.get().is_some())
}

/// Starts the library's thread, if it does not run yet: for a host that has to say what the thread
/// inherits (its mask of signals). Otherwise it is started by the first call that needs it.
pub fn start() -> Result<()> {
    runtime().map(|_| ())
}

pub(super) fn runtime() -> Result<&'static Runtime> {
    let carrier = RUNTIMES.get().get_or_try_init(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("lamport-clock")
            .enable_all()
            .build()
            .map(|runtime| Carrier {
                runtime,
                process: std::process::id(),
            })
            .map_err(|error| {
                Error::with_source(
                    ErrorKind::Internal,
                    format!("the thread that carries the clock can't be started: {error}"),
                    error,
                )
            })
    })?;
    if carrier.process != std::process::id() {
        return Err(Error::new(
            ErrorKind::Closed,
            "this process was forked from one that used a clock, and nobody told the library: \
             register lamport_clock::life::count_fork as a fork hook, use clocks in the child \
             alone, or start it with exec",
        ));
    }
    Ok(&carrier.runtime)
}
