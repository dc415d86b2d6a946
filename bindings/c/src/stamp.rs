//! Stamps: the process and the time of an event, in one total order.

use std::ffi::{CStr, c_char};
use std::sync::Arc;

use lamport_clock::{Instance, ProcessId, Stamp as CoreStamp, Time};

use crate::border;
use crate::error::ErrorObject;
use crate::status::Status;

/// A buffer of this many bytes holds the text of any stamp, in either form, its NUL included.
pub const LAMPORT_STAMP_SIZE: usize = 809;

/// A point in the total order of all events: time, then process, then instance. The order never
/// contradicts causality, but two stamps in order need not be cause and effect.
///
/// A clock gives one for each event (lamport_clock_tick(), lamport_clock_receive() and the same functions of
/// lamport_local_t): free it with lamport_stamp_free(). A stamp that belongs to an update is freed with that
/// update.
#[derive(Debug)]
pub struct Stamp {
    pub(crate) stamp: CoreStamp,
    process: Arc<CStr>,
}

/// Makes a stamp of any process from its parts. `instance` is 0 if it is not known. On success `*stamp` is
/// yours.
///
/// Errors: INVALID_UTF8, INVALID_ARGUMENT (`time` is past LAMPORT_TIME_MAX, or `process` can't be the
/// name of a process).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_new(
    time: u64,
    process: *const c_char,
    instance: u64,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe {
        border::made(stamp, error, || {
            Ok(Stamp::new(CoreStamp {
                process: ProcessId::new(border::text(process, "process")?)?,
                time: Time::new(time)?,
                instance: Instance::new(instance),
            }))
        })
    }
}

/// Makes a stamp from its text: "42@mx-nodel", which leaves the instance at 0, or
/// "42@mx-nodel;instance=00000000000000ff".
///
/// On success `*stamp` is yours. Errors: INVALID_UTF8, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_parse(
    text: *const c_char,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe {
        border::made(stamp, error, || {
            Ok(Stamp::new(border::text(text, "text")?.parse()?))
        })
    }
}

/// The logical time of the stamp.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stamp_time(stamp: Option<&Stamp>) -> u64 {
    border::look(stamp, 0, |this| this.stamp.time.get())
}

/// The name of its process.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stamp_process(stamp: Option<&Stamp>) -> *const c_char {
    border::look(stamp, c"".as_ptr(), |this| this.process.as_ptr())
}

/// The instance of that process; 0 if it is not known.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stamp_instance(stamp: Option<&Stamp>) -> u64 {
    border::look(stamp, 0, |this| this.stamp.instance.get())
}

/// The short text of a stamp, "42@mx-nodel", for people and logs. LAMPORT_STAMP_SIZE bytes are always
/// enough.
///
/// Errors: BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_text(
    stamp: Option<&Stamp>,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
    error: *mut *mut ErrorObject,
) -> Status {
    let text = |this: &Stamp| Ok(this.stamp.to_string());
    // SAFETY: the header's contract.
    unsafe { border::composed(stamp, buffer, size, needed, error, text) }
}

/// The long text of a stamp, "42@mx-nodel;instance=00000000000000ff", which contains all of its parts. It is
/// for messages (the value of the header `lamport`). LAMPORT_STAMP_SIZE bytes are always enough.
///
/// Errors: BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_long_text(
    stamp: Option<&Stamp>,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
    error: *mut *mut ErrorObject,
) -> Status {
    let text = |this: &Stamp| Ok(format!("{:#}", this.stamp));
    // SAFETY: the header's contract.
    unsafe { border::composed(stamp, buffer, size, needed, error, text) }
}

/// Compares two stamps by the total order: -1 if `a` comes before `b`, 0 if they are the same, 1 if `a` comes
/// after `b`. NULL comes before every stamp.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stamp_compare(a: Option<&Stamp>, b: Option<&Stamp>) -> i32 {
    border::value_or(0, || a.map(|a| &a.stamp).cmp(&b.map(|b| &b.stamp)) as i32)
}

/// Frees a stamp that is yours. Never free a stamp that an update lends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_free(stamp: *mut Stamp) {
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(stamp, drop) }
}

impl Stamp {
    pub(crate) fn new(stamp: CoreStamp) -> Stamp {
        let process = border::owned_text(stamp.process.as_str()).into();
        Stamp { stamp, process }
    }

    /// Makes the object for a stamp with the process name that its clock keeps.
    pub(crate) fn of(stamp: CoreStamp, process: &Arc<CStr>) -> Stamp {
        let process = Arc::clone(process);
        Stamp { stamp, process }
    }
}

// 16 digits, '@', the process with each byte as '%' and two digits, ";instance=", 16 digits, NUL.
const _: () = assert!(LAMPORT_STAMP_SIZE == 16 + 1 + 3 * ProcessId::MAX_BYTES + 10 + 16 + 1);
