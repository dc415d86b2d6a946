//! What threads share: `loom/` puts its own in place of these and tries every order of the threads.

use std::sync::PoisonError;
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};

/// The value behind a lock, also where a thread has panicked with it: none leaves it half changed.
pub(crate) fn lock<T: ?Sized>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
