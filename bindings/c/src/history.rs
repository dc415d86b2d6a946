//! The updates that the store still keeps.

use std::ptr;

use crate::border::{self, Output};
use crate::clock::Clock;
use crate::error::ErrorObject;
use crate::observed::Observed;
use crate::status::Status;

/// The newest updates of the record, oldest first. Yours: free it with lamport_history_free(). It
/// never changes, holds no tie to the clock and may outlive it; any thread may read it.
#[derive(Debug)]
pub struct History {
    updates: Vec<Observed>,
    compacted_before: u64,
    unreadable: usize,
}

/// The newest updates that the store still keeps, at most `limit` of them. On success `*history` is
/// yours.
///
/// Blocks for a round trip for each transaction in the history, all of them together no longer than
/// the deadline. Any thread. Errors: NULL_POINTER (clock, history), UNAVAILABLE, TIMEOUT, DENIED,
/// CLOSED, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_history(
    clock: *const Clock,
    limit: usize,
    history: *mut *mut History,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (clock, output) = unsafe { (Clock::lent(clock)?, Output::new(history, "history")?) };
        let found = clock.history(limit)?;
        output.write(border::handed_over(History {
            updates: found.updates.into_iter().map(Observed::new).collect(),
            compacted_before: found.compacted_before.unwrap_or_default(),
            unreadable: found.unreadable,
        }));
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// How many updates there are; 0 if `history` is NULL.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_history_count(history: *const History) -> usize {
    // SAFETY: the header's contract.
    unsafe { border::look(history, 0, |this| this.updates.len()) }
}

/// The update at `index`, from 0, the oldest, up. NULL past the end, or if `history` is NULL.
///
/// It belongs to `history` and lives until that is freed. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_history_at(
    history: *const History,
    index: usize,
) -> *const Observed {
    // SAFETY: the header's contract.
    unsafe {
        border::look(history, ptr::null(), |this| {
            this.updates.get(index).map_or(ptr::null(), ptr::from_ref)
        })
    }
}

/// The store no longer keeps what came before this revision: the history was cut there. 0 if it was
/// not, but ends at `limit` or at the first update, or if `history` is NULL.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_history_compacted_before(history: *const History) -> u64 {
    // SAFETY: the header's contract.
    unsafe { border::look(history, 0, |this| this.compacted_before) }
}

/// How many revisions held a record that can't be read; they are left out. 0 if `history` is NULL.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_history_unreadable(history: *const History) -> usize {
    // SAFETY: the header's contract.
    unsafe { border::look(history, 0, |this| this.unreadable) }
}

/// Frees a history and the updates in it. NULL is allowed and does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_history_free(history: *mut History) {
    border::value_or((), || {
        // SAFETY: the header's contract: it came from us and is freed once.
        drop(unsafe { border::given_back(history) });
    });
}
