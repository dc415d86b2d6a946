//! The parts of the library that threads share, with [loom](https://docs.rs/loom) in place of the
//! standard library's atomics and locks: it runs a model once for every order in which its threads can
//! meet, and for every value that a load may see.
//!
//! The sources are the library's own; `sync` alone is another. `cargo test --release models` in here.

// Only what the models use of them is used.
#![allow(dead_code)]

#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/excerpt.rs"]
mod excerpt;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
}

mod logic {
    #[path = "../../../src/logic/clock.rs"]
    pub(crate) mod clock;
    #[path = "../../../src/logic/stamp.rs"]
    pub(crate) mod stamp;
    #[path = "../../../src/logic/time.rs"]
    pub(crate) mod time;

    #[cfg(test)]
    mod models;
}

mod shared {
    #[path = "../../../src/shared/queue.rs"]
    mod queue;

    #[cfg(test)]
    mod models;
}
