//! The header that carries a stamp in a message.

use std::ffi::c_char;

use crate::border;
use crate::clock::Clock;
use crate::error::ErrorObject;
use crate::local::Local;
use crate::stamp::{LAMPORT_STAMP_SIZE, Stamp};
use crate::status::Status;

/// A buffer of this many bytes holds the value of any header, its signature and its NUL included.
pub const LAMPORT_HEADER_SIZE: usize = 878;

/// For a message that is about to leave: ticks, and writes the value of its header `lamport` into the `size`
/// bytes at `buffer`. The value is the stamp's long text, signed if LAMPORT_HEADER_KEY_FILE names a key. It
/// is visible ASCII. To pass the stamp to a child process, make it the value of the variable LAMPORT_STAMP.
///
/// LAMPORT_HEADER_SIZE bytes are always enough. A call with a buffer that is too small ticks all the same.
/// Errors: BUFFER_TOO_SMALL, and those of lamport_clock_tick().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_inject(
    clock: Option<&Clock>,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
    error: *mut *mut ErrorObject,
) -> Status {
    let written = |this: &Clock| Ok(this.shared.inject()?);
    // SAFETY: the header's contract.
    unsafe { border::composed(clock, buffer, size, needed, error, written) }
}

/// For a message that arrived with this value of the header `lamport`: moves the local clock past the stamp
/// in it, and gives the stamp of the arrival. If the value holds several stamps, separated by commas, each
/// one that the clock accepts moves it, the newest last. On success `*stamp` is yours.
///
/// A header comes from outside: an error is worth counting, but no reason to refuse the message. Errors:
/// INVALID_UTF8, INVALID_ARGUMENT (the value is no stamp), UNTRUSTED (the clock has a key, and the value is
/// not signed with it), and those of lamport_clock_receive(). After an error the clock is unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_extract(
    clock: Option<&Clock>,
    header: *const c_char,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    let header = || unsafe { border::text(header, "header") };
    let arrived = |this: &Clock| this.stamp(this.shared.extract(header()?));
    // SAFETY: the header's contract.
    unsafe { border::made_by(clock, stamp, error, arrived) }
}

/// Like lamport_clock_inject(), for a clock without a store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_inject(
    local: Option<&Local>,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
    error: *mut *mut ErrorObject,
) -> Status {
    let written = |this: &Local| Ok(this.clock.inject()?);
    // SAFETY: the header's contract.
    unsafe { border::composed(local, buffer, size, needed, error, written) }
}

/// Like lamport_clock_extract(), for a clock without a store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_extract(
    local: Option<&Local>,
    header: *const c_char,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    let header = || unsafe { border::text(header, "header") };
    let arrived = |this: &Local| this.stamp(this.clock.extract(header()?));
    // SAFETY: the header's contract.
    unsafe { border::made_by(local, stamp, error, arrived) }
}

// A signature is ";mac=" and 64 digits.
const _: () = assert!(LAMPORT_HEADER_SIZE == LAMPORT_STAMP_SIZE + 5 + 64);
