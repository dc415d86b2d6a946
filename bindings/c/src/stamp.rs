//! Stamps: whose event, and when, in one total order.

use std::cmp::Ordering;
use std::ffi::{CString, c_char};

use lamport_clock::{Instance, ProcessId, Stamp as CoreStamp, Time};

use crate::border::{self, Buffer, Output};
use crate::clock::Clock;
use crate::error::ErrorObject;
use crate::local::Local;
use crate::status::Status;

/// A buffer of this many bytes holds the text of any stamp, in either form, its NUL included.
pub const LAMPORT_STAMP_SIZE: usize = 299;

/// A point in the total order of all events: time, then process, then instance. The order never
/// contradicts causality, but two stamps in order need not be cause and effect.
///
/// Yours: free it with lamport_stamp_free(). It never changes, holds no tie to a clock and may
/// outlive it; any thread may read it.
#[derive(Debug)]
pub struct Stamp {
    stamp: CoreStamp,
    process: CString,
}

/// The stamp of an event of this clock at logical time `time`, which one of its calls has given:
/// tick, receive, update, reserve.
///
/// In a forked child it is a stamp of the child's, so make those of the parent's times before you
/// fork. On success `*stamp` is yours.
///
/// Does not block. Any thread. Errors: NULL_POINTER (clock, stamp), INVALID_ARGUMENT (`time` is past
/// LAMPORT_TIME_MAX).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_stamp(
    clock: *const Clock,
    time: u64,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (clock, output) = unsafe { (Clock::lent(clock)?, Output::new(stamp, "stamp")?) };
        output.write(Stamp::handed_over(CoreStamp {
            time: Time::new(time)?,
            process: clock.process().clone(),
            instance: clock.instance(),
        }));
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// The stamp of an event of this local clock at logical time `time`: as lamport_clock_stamp().
///
/// Does not block. Any thread. Errors: NULL_POINTER (local, stamp), INVALID_ARGUMENT (`time` is past
/// LAMPORT_TIME_MAX), INTERNAL (in a forked child that gets no random number).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_stamp(
    local: *const Local,
    time: u64,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (local, output) = unsafe { (Local::lent(local)?, Output::new(stamp, "stamp")?) };
        output.write(Stamp::handed_over(CoreStamp {
            time: Time::new(time)?,
            process: local.process().clone(),
            instance: local.instance()?,
        }));
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// A stamp of anybody's, from its parts. `instance` is 0 where it is not known.
///
/// Does not block. Any thread. Errors: NULL_POINTER (process, stamp), INVALID_UTF8, INVALID_ARGUMENT
/// (`time` is past LAMPORT_TIME_MAX, or `process` can't be the name of a process).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_new(
    time: u64,
    process: *const c_char,
    instance: u64,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (process, output) = unsafe {
            (
                border::text(process, "process")?,
                Output::new(stamp, "stamp")?,
            )
        };
        output.write(Stamp::handed_over(CoreStamp {
            time: Time::new(time)?,
            process: ProcessId::new(process)?,
            instance: Instance::new(instance),
        }));
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// The stamp that a text stands for: "42@mx-nodel", which leaves the instance at 0, or
/// "42@mx-nodel;instance=00000000000000ff".
///
/// Does not block. Any thread. Errors: NULL_POINTER (text, stamp), INVALID_UTF8, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_parse(
    text: *const c_char,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (text, output) = unsafe { (border::text(text, "text")?, Output::new(stamp, "stamp")?) };
        output.write(Stamp::handed_over(text.parse()?));
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// When, in logical time; 0 if `stamp` is NULL.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_time(stamp: *const Stamp) -> u64 {
    // SAFETY: the header's contract.
    unsafe { border::look(stamp, 0, |this| this.stamp.time.get()) }
}

/// Which process; "" if `stamp` is NULL.
///
/// Never NULL. It belongs to `stamp` and lives until that is freed. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_process(stamp: *const Stamp) -> *const c_char {
    // SAFETY: the header's contract.
    unsafe { border::look(stamp, c"".as_ptr(), |this| this.process.as_ptr()) }
}

/// Which life of that process; 0 if it is not known, or if `stamp` is NULL.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_instance(stamp: *const Stamp) -> u64 {
    // SAFETY: the header's contract.
    unsafe { border::look(stamp, 0, |this| this.stamp.instance.get()) }
}

/// The short text of a stamp, "42@mx-nodel", for people and logs. Into `buffer` of `size` bytes, as
/// for lamport_clock_process(); LAMPORT_STAMP_SIZE bytes are always enough.
///
/// Does not block. Errors: NULL_POINTER (stamp), BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_text(
    stamp: *const Stamp,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (this, buffer) = unsafe {
            (
                border::lent(stamp, "stamp")?,
                Buffer::new(buffer, size, needed),
            )
        };
        buffer.write(&this.stamp.to_string())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// The long text of a stamp, "42@mx-nodel;instance=00000000000000ff", which says all of it: for
/// messages (the value of the header `lamport`). Buffer and errors as for lamport_stamp_text().
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_long_text(
    stamp: *const Stamp,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (this, buffer) = unsafe {
            (
                border::lent(stamp, "stamp")?,
                Buffer::new(buffer, size, needed),
            )
        };
        buffer.write(&format!("{:#}", this.stamp))
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// Compares two stamps by the total order: -1 if `a` comes before `b`, 0 if they are the same, 1 if
/// it comes after. NULL comes before every stamp.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_compare(a: *const Stamp, b: *const Stamp) -> i32 {
    border::value_or(0, || {
        // SAFETY: the header's contract.
        let (a, b) = unsafe { (a.as_ref(), b.as_ref()) };
        match a.map(|a| &a.stamp).cmp(&b.map(|b| &b.stamp)) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        }
    })
}

/// Frees a stamp. NULL is allowed and does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stamp_free(stamp: *mut Stamp) {
    border::value_or((), || {
        // SAFETY: the header's contract: it came from us and is freed once.
        drop(unsafe { border::given_back(stamp) });
    });
}

impl Stamp {
    fn handed_over(stamp: CoreStamp) -> *mut Stamp {
        border::handed_over(Stamp {
            process: border::owned_text(stamp.process.as_str()),
            stamp,
        })
    }
}

// 16 digits, '@', the process, ";instance=", 16 digits, NUL.
const _: () = assert!(LAMPORT_STAMP_SIZE == 16 + 1 + ProcessId::MAX_BYTES + 10 + 16 + 1);
