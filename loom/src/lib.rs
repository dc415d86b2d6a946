//! The parts of the library that threads share, with [loom](https://docs.rs/loom) in place of the standard
//! library's atomics and locks. Loom runs a model once for every order in which its threads can meet, and for
//! every value that a load may see.
//!
//! The sources are the library's own; only `sync` is replaced. Run `cargo test --release models` in this
//! folder.

// The models use only a part of these sources.
#![allow(dead_code, unused_imports)]

#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/excerpt.rs"]
mod excerpt;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
    pub(crate) use loom::sync::{Mutex, MutexGuard};

    pub(crate) fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
        value.lock().unwrap()
    }
}

mod clock {
    #[path = "../../../src/clock/line.rs"]
    mod line;
    #[path = "../../../src/clock/local.rs"]
    mod local;
    #[path = "../../../src/clock/stamp.rs"]
    mod stamp;
    #[path = "../../../src/clock/time.rs"]
    mod time;

    pub(crate) use self::local::LocalClock;
    pub(crate) use self::stamp::{Instance, ProcessId, Stamp};
    pub(crate) use self::time::Time;

    #[cfg(test)]
    mod models;
}

mod shared {
    #[path = "../../../src/shared/queue.rs"]
    mod queue;

    #[cfg(test)]
    mod models;
}
