//! The updates that the store still keeps.

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
/// Blocks for one round trip for each transaction in the history, in total no longer than the deadline. If
/// the deadline comes first, the history holds what was read until then, and lamport_history_unread_from()
/// says where to go on. Errors: UNAVAILABLE, TIMEOUT, DENIED, CLOSED, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_history(
    clock: Option<&Clock>,
    limit: usize,
    history: *mut *mut History,
    error: *mut *mut ErrorObject,
) -> Status {
    let newest = |this: &Clock| Ok(History::of(this.shared.history(limit)?));
    // SAFETY: the header's contract.
    unsafe { border::made_by(clock, history, error, newest) }
}

/// Like lamport_clock_history(), but for the newest updates up to and including `revision`: goes on where a
/// history was cut. Revision 0 counts as 1.
///
/// Blocks as lamport_clock_history() does. Errors: those of lamport_clock_history(), and INVALID_ARGUMENT
/// (the store has not come as far as `revision`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_history_from(
    clock: Option<&Clock>,
    revision: u64,
    limit: usize,
    history: *mut *mut History,
    error: *mut *mut ErrorObject,
) -> Status {
    let older = |this: &Clock| Ok(History::of(this.shared.history_from(revision, limit)?));
    // SAFETY: the header's contract.
    unsafe { border::made_by(clock, history, error, older) }
}

/// Number of updates in the history.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_history_count(history: Option<&History>) -> usize {
    border::look(history, 0, |this| this.updates.len())
}

/// The update at `index`: the oldest one is at 0. NULL past the end. It belongs to `history`.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_history_at(history: Option<&History>, index: usize) -> Option<&Observed> {
    border::look(history, None, |this| this.updates.get(index))
}

/// The revision before which the store no longer keeps any update: the history was cut there. 0 if it was not
/// cut, so that it ends at `limit` or at the first update.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_history_compacted_before(history: Option<&History>) -> u64 {
    border::look(history, 0, |this| this.compacted_before)
}

/// Number of revisions whose record can't be read. The history leaves them out.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_history_unreadable(history: Option<&History>) -> usize {
    border::look(history, 0, |this| this.unreadable)
}

/// If the deadline passed before `limit` was reached: updates at this revision and before it were not read.
/// lamport_clock_history_from() goes on there. 0 if all were read.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_history_unread_from(history: Option<&History>) -> u64 {
    border::look(history, 0, |this| this.unread_from)
}

/// Frees a history and the updates in it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_history_free(history: *mut History) {
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(history, drop) }
}

impl History {
    fn of(found: lamport_clock::History) -> History {
        History {
            updates: found.updates.into_iter().map(Observed::new).collect(),
            compacted_before: found.compacted_before.unwrap_or_default(),
            unreadable: found.unreadable,
            unread_from: found.unread_from.unwrap_or_default(),
        }
    }
}
