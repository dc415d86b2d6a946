//! An update with all that is known of it.

use std::ffi::{CString, c_char};
use std::ptr;

use lamport_clock::Reservation;

use crate::border::{self, Output};
use crate::clock::Clock;
use crate::error::ErrorObject;
use crate::status::Status;

/// Times that one of your updates took, and what it found. Yours: free it with
/// lamport_update_free(). It never changes, holds no tie to the clock and may outlive it; any thread
/// may read it.
#[derive(Debug)]
pub struct Update {
    taken: Reservation,
    previous: Option<CString>,
}

/// Takes `count` times as lamport_clock_reserve() does, 1 for a plain update, and tells all about
/// it. On success `*update` is yours.
///
/// Blocking, threads and errors as for lamport_clock_update(), and NULL_POINTER (clock, update),
/// INVALID_ARGUMENT (count).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_take(
    clock: *const Clock,
    count: u64,
    update: *mut *mut Update,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (clock, output) = unsafe { (Clock::lent(clock)?, Output::new(update, "update")?) };
        let taken = clock.reserve(count)?;
        let previous = taken.previous.as_ref();
        output.write(border::handed_over(Update {
            previous: previous.map(|holder| border::owned_text(&holder.process)),
            taken,
        }));
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// The first time that was taken; 0 if `update` is NULL.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_update_first(update: *const Update) -> u64 {
    // SAFETY: the header's contract.
    unsafe { border::look(update, 0, |this| this.taken.first.get()) }
}

/// The last time that was taken, which the record then held: the only one where one was taken. 0 if
/// `update` is NULL.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_update_value(update: *const Update) -> u64 {
    // SAFETY: the header's contract.
    unsafe { border::look(update, 0, |this| this.taken.last.get()) }
}

/// Who held the record before, as its writer wrote it: UTF-8, of any length. NULL if there was no
/// record, or if `update` is NULL.
///
/// It belongs to `update` and lives until that is freed. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_update_previous_process(update: *const Update) -> *const c_char {
    // SAFETY: the header's contract.
    unsafe {
        border::look(update, ptr::null(), |this| {
            this.previous
                .as_ref()
                .map_or(ptr::null(), |text| text.as_ptr())
        })
    }
}

/// At what value; 0 if there was no record, or if `update` is NULL.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_update_previous_value(update: *const Update) -> u64 {
    // SAFETY: the header's contract.
    unsafe {
        border::look(update, 0, |this| {
            this.taken
                .previous
                .as_ref()
                .map_or(0, |holder| holder.value.get())
        })
    }
}

/// The store's revision of the update; updates that were served together share it. 0 if `update` is
/// NULL.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_update_revision(update: *const Update) -> u64 {
    // SAFETY: the header's contract.
    unsafe { border::look(update, 0, |this| this.taken.revision) }
}

/// How many transactions it took; 0 if `update` is NULL.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_update_round_trips(update: *const Update) -> u32 {
    // SAFETY: the header's contract.
    unsafe { border::look(update, 0, |this| this.taken.round_trips) }
}

/// The highest time known, if the record stood below it: a writer that does not follow the rule had
/// moved it back, and the update started above it all the same. 0 if nobody had, or if `update` is
/// NULL.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_update_regressed(update: *const Update) -> u64 {
    // SAFETY: the header's contract.
    unsafe {
        border::look(update, 0, |this| {
            this.taken.regressed.unwrap_or_default().get()
        })
    }
}

/// When, by the wall clock of the process that wrote the record: Unix time in seconds, to look at
/// and never to compare. Not a number if `update` is NULL.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_update_real_timestamp(update: *const Update) -> f64 {
    // SAFETY: the header's contract.
    unsafe { border::look(update, f64::NAN, |this| this.taken.real_timestamp) }
}

/// Frees what lamport_clock_take() gave; the times stay taken. NULL is allowed and does nothing. Does
/// not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_update_free(update: *mut Update) {
    border::value_or((), || {
        // SAFETY: the header's contract: it came from us and is freed once.
        drop(unsafe { border::given_back(update) });
    });
}
