//! An update by this process, and what it found in the store.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use lamport_clock::{Reservation, Stamp as CoreStamp, Time};

use crate::border;
use crate::stamp::Stamp;

/// The times that one of your updates took, and what it found in the store. lamport_clock_update() and
/// lamport_clock_reserve() give it. Yours: free it with lamport_update_free().
#[derive(Debug)]
pub struct Update {
    taken: Reservation,
    stamp: Stamp,
    previous: Option<CString>,
}

/// The first time that was taken.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_update_first(update: Option<&Update>) -> u64 {
    border::look(update, 0, |this| this.taken.first.get())
}

/// The last time that was taken, which the record then held. If only one time was taken, it is that one.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_update_value(update: Option<&Update>) -> u64 {
    border::look(update, 0, |this| this.taken.last.get())
}

/// The stamp of the update, its point in the total order: the time in it is lamport_update_value(). It
/// belongs to `update`.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_update_stamp(update: Option<&Update>) -> Option<&Stamp> {
    border::look(update, None, |this| Some(&this.stamp))
}

/// The name of the process that held the record before, as it was written: UTF-8, of any length. NULL if
/// there was no record, and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_update_previous_process(update: Option<&Update>) -> *const c_char {
    let process = |this: &Update| this.previous.as_deref().map_or(ptr::null(), CStr::as_ptr);
    border::look(update, ptr::null(), process)
}

/// The value that the record held before; 0 if there was no record.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_update_previous_value(update: Option<&Update>) -> u64 {
    let value = |this: &Update| this.taken.previous.as_ref().map_or(0, |it| it.value.get());
    border::look(update, 0, value)
}

/// The store's revision of the update. Updates that were served by one transaction share a revision.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_update_revision(update: Option<&Update>) -> u64 {
    border::look(update, 0, |this| this.taken.revision)
}

/// Number of transactions that the update needed.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_update_round_trips(update: Option<&Update>) -> u32 {
    border::look(update, 0, |this| this.taken.round_trips)
}

/// The highest time known, if a writer that does not follow the rule had moved the record below it. The
/// update started above this time all the same. 0 if the record was not moved back.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_update_regressed(update: Option<&Update>) -> u64 {
    border::look(update, 0, |this| this.taken.regressed.map_or(0, Time::get))
}

/// The time by the wall clock of the process that wrote the record: Unix time in seconds, to look at and
/// never to compare.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_update_real_timestamp(update: Option<&Update>) -> f64 {
    border::look(update, f64::NAN, |this| this.taken.real_timestamp)
}

/// Frees an update; its times stay taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_update_free(update: *mut Update) {
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(update, drop) }
}

impl Update {
    pub(crate) fn of(taken: Reservation) -> Update {
        let previous = taken.previous.as_ref();
        Update {
            previous: previous.map(|holder| border::owned_text(&holder.process)),
            stamp: Stamp::new(CoreStamp {
                time: taken.last,
                process: taken.process.clone(),
                instance: taken.instance,
            }),
            taken,
        }
    }
}
