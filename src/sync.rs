//! The atomics and locks that threads share. `loom/` replaces them to try every order of the threads.

use std::sync::PoisonError;
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks `value`, even if a thread panicked while it held the lock: no thread leaves a value half changed.
pub(crate) fn lock<T: ?Sized>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
