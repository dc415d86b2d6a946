//! An update by anyone, as the store shows it.

use std::ffi::{CString, c_char};

use lamport_clock::{Instance, Observed as CoreObserved};

use crate::border;

/// An update by anyone, as it was found in the store. Free what lamport_clock_read() gave you with
/// lamport_observed_free(); one that belongs to an event or to a history is freed with that.
#[derive(Debug)]
pub struct Observed {
    observed: CoreObserved,
    process: CString,
}

/// The last time that the update took, the one in the record.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_observed_value(observed: Option<&Observed>) -> u64 {
    border::look(observed, 0, |this| this.observed.value.get())
}

/// The first time that the update took: the value itself, unless it reserved several.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_observed_first(observed: Option<&Observed>) -> u64 {
    border::look(observed, 0, |this| this.observed.first.get())
}

/// Who took it, as its writer wrote it: UTF-8, of any length, for programs of other makes write
/// this too.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_observed_process(observed: Option<&Observed>) -> *const c_char {
    border::look(observed, c"".as_ptr(), |this| this.process.as_ptr())
}

/// Which instance of that process it was; 0 if its writer does not say.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_observed_instance(observed: Option<&Observed>) -> u64 {
    let instance = |this: &Observed| this.observed.instance.map_or(0, Instance::get);
    border::look(observed, 0, instance)
}

/// When, by the wall clock of its writer: Unix time in seconds, to look at and never to compare.
/// Not a number if its writer does not say.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_observed_real_timestamp(observed: Option<&Observed>) -> f64 {
    let when = |this: &Observed| this.observed.real_timestamp.unwrap_or(f64::NAN);
    border::look(observed, f64::NAN, when)
}

/// The store's revision of the update; updates that were served together share it.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_observed_revision(observed: Option<&Observed>) -> u64 {
    border::look(observed, 0, |this| this.observed.revision)
}

/// Frees what lamport_clock_read() gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_observed_free(observed: *mut Observed) {
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(observed, drop) }
}

impl Observed {
    pub(crate) fn new(observed: CoreObserved) -> Observed {
        Observed {
            process: border::owned_text(&observed.process),
            observed,
        }
    }
}
