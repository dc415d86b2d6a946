//! The library's own runtime: one thread, started at first use, never dropped.
//!
//! If the program closes the runtime's descriptors, the thread stops for ever when it wakes next, before
//! it uses their numbers. The next call starts another thread. One gap remains: the thread may be at work
//! at the very moment in which the descriptors are closed.

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

/// A function of the program or binding, inside which the library's thread is started.
static AROUND: OnceBox<Around> = OnceBox::new();

type Around = fn(&mut dyn FnMut());

/// Has the library's thread started inside `around`, which calls its argument once. It is for a host that
/// has to set what the thread inherits: its signal mask. Call it once, before the first clock is made:
/// any call may start a thread, and in a forked child even the first tick.
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
    // Opened right before the runtime's own descriptors, so that it is lost when they are.
    let sentinel = Sentinel::posted()?;
    // Not a multi-thread runtime: for distant timers, it wakes and waits again without calling these two
    // hooks.
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
            // The thread panicked, and carries nothing any more.
            generation.end();
        })?;
    Ok(runtime)
}

thread_local! {
    /// The sentinel and the generation of the runtime that this thread drives; `None` on other threads.
    static DRIVES: Cell<Option<(&'static Sentinel, Generation)>> = const { Cell::new(None) };
}

/// Stops the library's thread for ever if its runtime has lost its descriptors. On other threads it does
/// nothing.
///
/// Called whenever the thread has waited or is going to wait, and before it sets timers or sends
/// something. A caller that was just answered may have closed the descriptors while the thread goes on.
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
