//! An update by any process, as the store shows it.

use std::ffi::{CString, c_char};

use lamport_clock::{Instance, Observed as CoreObserved};

use crate::border;

/// An update by any process, as it was found in the store. Free an update that lamport_clock_read() gave with
/// lamport_observed_free(). An update that belongs to an event or to a history is freed with its owner.
#[derive(Debug)]
pub struct Observed {
    observed: CoreObserved,
    process: CString,
}

/// The last time that the update took, which is the one in the record.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_observed_value(observed: Option<&Observed>) -> u64 {
    border::look(observed, 0, |this| this.observed.value.get())
}

/// The first time that the update took: the value itself, unless it reserved several.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_observed_first(observed: Option<&Observed>) -> u64 {
    border::look(observed, 0, |this| this.observed.first.get())
}

/// The name of the process that made the update, as it was written: UTF-8, of any length, since other
/// programs write records too.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_observed_process(observed: Option<&Observed>) -> *const c_char {
    border::look(observed, c"".as_ptr(), |this| this.process.as_ptr())
}

/// The instance of that process; 0 if the writer did not say.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_observed_instance(observed: Option<&Observed>) -> u64 {
    let instance = |this: &Observed| this.observed.instance.map_or(0, Instance::get);
    border::look(observed, 0, instance)
}

/// The time by the wall clock of the writer: Unix time in seconds, to look at and never to compare. NAN if
/// the writer did not say.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_observed_real_timestamp(observed: Option<&Observed>) -> f64 {
    let when = |this: &Observed| this.observed.real_timestamp.unwrap_or(f64::NAN);
    border::look(observed, f64::NAN, when)
}

/// The store's revision of the update. Updates that were served by one transaction share a revision.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_observed_revision(observed: Option<&Observed>) -> u64 {
    border::look(observed, 0, |this| this.observed.revision)
}

/// Frees an update that lamport_clock_read() gave.
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
