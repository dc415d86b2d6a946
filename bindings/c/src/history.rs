//! The updates that the store still keeps.

use std::ptr;

use crate::border;
use crate::clock::Clock;
use crate::error::ErrorObject;
use crate::observed::Observed;
use crate::status::Status;

/// The newest updates of the record, oldest first. Yours: free it with lamport_history_free().
#[derive(Debug)]
pub struct History {
    updates: Vec<Observed>,
    compacted_before: u64,
    unreadable: usize,
    unread_from: u64,
}

/// The newest updates that the store still keeps, at most `limit` of them. On success `*history` is
/// yours.
///
/// Blocks for a round trip for each transaction in the history, all of them together no longer than
/// the deadline. Errors: UNAVAILABLE, TIMEOUT, DENIED, CLOSED, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_history(
    clock: *const Clock,
    limit: usize,
    history: *mut *mut History,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe {
        border::made(history, error, || {
            let found = border::lent(clock)?.shared.history(limit)?;
            Ok(History {
                updates: found.updates.into_iter().map(Observed::new).collect(),
                compacted_before: found.compacted_before.unwrap_or_default(),
                unreadable: found.unreadable,
                unread_from: found.unread_from.unwrap_or_default(),
            })
        })
    }
}

/// How many updates there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_history_count(history: *const History) -> usize {
    // SAFETY: the header's contract.
    unsafe { border::look(history, 0, |this| this.updates.len()) }
}

/// The update at `index`, from 0, the oldest, up; NULL past the end. It belongs to `history`.
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
/// not, but ends at `limit` or at the first update.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_history_compacted_before(history: *const History) -> u64 {
    // SAFETY: the header's contract.
    unsafe { border::look(history, 0, |this| this.compacted_before) }
}

/// How many revisions held a record that can't be read; they are left out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_history_unreadable(history: *const History) -> usize {
    // SAFETY: the header's contract.
    unsafe { border::look(history, 0, |this| this.unreadable) }
}

/// The deadline came before `limit`: what was written at this revision and before it was not read. 0 if
/// all was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_history_unread_from(history: *const History) -> u64 {
    // SAFETY: the header's contract.
    unsafe { border::look(history, 0, |this| this.unread_from) }
}

/// Frees a history and the updates in it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_history_free(history: *mut History) {
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(history, drop) }
}

impl border::Object for History {
    const NAME: &'static str = "history";
}
