//! The library's own runtime: one thread, started at first use, never dropped.
//!
//! If the program closes its descriptors, the thread stays where it wakes next, before it does anything
//! with their numbers, and the next call starts another one. What is left open: it was at work in the
//! very moment in which they were closed.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use once_cell::race::OnceBox;
use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, ErrorKind, Result};
use crate::fork::{Generation, PerGeneration, Sentinel};

/// One runtime for each generation, with the id of the process that its thread belongs to. A forked
/// child skips its parent's runtime, because the parent's thread does not exist in the child.
static RUNTIMES: PerGeneration<OnceCell<(Arc<Runtime>, u32)>> = PerGeneration::new();

/// What a host does around the start of the library's thread.
static AROUND: OnceBox<Around> = OnceBox::new();

type Around = fn(&mut dyn FnMut());

/// Has the library's thread started inside of `around`, which calls what it is given once: for a host
/// that has to say what the thread inherits, its mask of signals. To be said before the first clock
/// is made, and once: a thread may be started by any call, and in a forked child by its first tick.
#[cfg(feature = "blocking")]
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

fn build() -> io::Result<Arc<Runtime>> {
    let mut built = Err(io::Error::other("the host did not let it start"));
    let mut build = || built = start();
    match AROUND.get() {
        Some(around) => around(&mut build),
        None => build(),
    }
    built
}

fn start() -> io::Result<Arc<Runtime>> {
    let generation = Generation::current();
    // Right before the runtime's own descriptors.
    let sentinel = Sentinel::posted()?;
    // Not the runtime with workers: that wakes and waits again, for timers that are far away, without
    // a word to these two.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .on_thread_park(stay_if_lost)
        .on_thread_unpark(stay_if_lost)
        .build()?;
    let runtime = Arc::new(runtime);
    let driven = runtime.clone();
    thread::Builder::new()
        .name("lamport-clock".to_owned())
        .spawn(move || {
            DRIVES.set(Some((sentinel, generation)));
            let _ = catch_unwind(AssertUnwindSafe(|| driven.block_on(pending::<()>())));
            // It panicked, and nothing is carried here any more.
            generation.end();
        })?;
    Ok(runtime)
}

thread_local! {
    /// What the library's thread drives.
    static DRIVES: Cell<Option<(&'static Sentinel, Generation)>> = const { Cell::new(None) };
}

/// Where the library's thread ends if its runtime has lost its descriptors. Everywhere else it does
/// nothing.
///
/// Asked whenever the thread has waited or is going to, and before it sets timers or sends something:
/// somebody who was just answered may have closed them while it goes on.
pub(super) fn stay_if_lost() {
    if let Some((sentinel, generation)) = DRIVES.get()
        && sentinel.is_lost()
    {
        generation.end();
        loop {
            thread::park();
        }
    }
}
