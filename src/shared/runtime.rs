//! The library's own runtime: one worker, started at first use, never dropped.

use std::io;
use std::panic::catch_unwind;
use std::thread;

use once_cell::race::OnceBox;
use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, ErrorKind, Result};
use crate::fork::PerGeneration;

/// Each with the id of the process whose thread it is. A forked child passes its parent's by, whose
/// thread it does not have.
static RUNTIMES: PerGeneration<OnceCell<(Runtime, u32)>> = PerGeneration::new();

/// What a host does around the start of the library's thread.
static AROUND: OnceBox<Around> = OnceBox::new();

type Around = fn(&mut dyn FnMut());

/// Has the library's thread started inside of `around`, which calls what it is given once: for a host
/// that has to say what the thread inherits, its mask of signals. To be said before the first clock
/// is made, and once: a thread may be started by any call, and in a forked child by its first tick.
#[cfg_attr(
    not(feature = "blocking"),
    allow(
        dead_code,
        unreachable_pub,
        reason = "it is for clocks that cross a fork"
    )
)]
pub fn start_threads_inside(around: fn(&mut dyn FnMut())) {
    let _ = AROUND.set(Box::new(around));
}

pub(crate) fn runtime() -> Result<&'static Runtime> {
    let (runtime, process) = RUNTIMES.get().get_or_try_init(|| match build() {
        Ok(runtime) => Ok((runtime, std::process::id())),
        Err(error) => Err(Error::with_source(
            ErrorKind::Internal,
            format!("the thread that carries the clock can't be started: {error}"),
            error,
        )),
    })?;
    if *process != std::process::id() {
        return Err(Error::new(
            ErrorKind::Closed,
            "this process was forked from one that used a clock, and nobody told the library: \
             register lamport_clock::fork::count_fork as a fork hook, use clocks in the child \
             alone, or start it with exec",
        ));
    }
    Ok(runtime)
}

fn build() -> io::Result<Runtime> {
    let mut built = Err(io::Error::other("the host did not let it start"));
    let mut build = || {
        // The builder panics where the machine has no thread to give; this one only says so.
        let thread = thread::Builder::new()
            .spawn(|| {})
            .map(thread::JoinHandle::join);
        built = thread.and_then(|_| {
            let build = || {
                Builder::new_multi_thread()
                    .worker_threads(1)
                    .thread_name("lamport-clock")
                    .enable_all()
                    .build()
            };
            // It may be gone by now.
            catch_unwind(build).unwrap_or_else(|_| Err(io::Error::other("it panicked")))
        });
    };
    match AROUND.get() {
        Some(around) => around(&mut build),
        None => build(),
    }
    built
}
