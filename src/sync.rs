//! What threads share, where it is more than a lock around one value: `loom/` puts its own in place of
//! these and tries every order of the threads.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};
