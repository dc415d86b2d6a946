//! The local clock alone, without any store.

use std::ffi::c_char;

use lamport_clock::blocking::LocalClock;
use lamport_clock::{Settings, Time};

use crate::border::{self, Failure, Output};
use crate::config;
use crate::error::ErrorObject;
use crate::status::Status;

/// A local clock alone: Lamport's clock in memory, for programs that order their events by the
/// messages between them and share no record.
///
/// Any number of threads may use one at once. lamport_local_open() gives it, and
/// lamport_local_free() takes it back.
pub struct Local(LocalClock);

/// Makes a local clock, which starts at 0. It needs no store, no connection and no thread.
///
/// `process` names this process, as for lamport_clock_connect(). NULL: NODE_NAME, or else "pid-" and
/// the process's number. How far ahead a message may lie is LAMPORT_MAX_JUMP's to say. Each open is
/// a new instance of that process.
///
/// On success `*local` is yours: give it back with lamport_local_free().
///
/// Does not block. Any thread, while none changes the environment. Errors: NULL_POINTER (local),
/// INVALID_UTF8, INVALID_ARGUMENT, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_open(
    process: *const c_char,
    local: *mut *mut Local,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (output, process) = unsafe {
            (
                Output::new(local, "local")?,
                border::optional_text(process, "process")?,
            )
        };
        // Whatever LAMPORT_STORE says: nothing is stored.
        let mut settings = Settings::from([("store", "memory:")]);
        if let Some(process) = process {
            settings.set("node", process);
        }
        let config = config::load(&settings)?;
        output.write(border::handed_over(Local(LocalClock::new(&config)?)));
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// A local event, or a message that is sent: moves the clock on by one and gives the new time.
///
/// Does not block. Any thread. Errors: NULL_POINTER (local, time), EXHAUSTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_tick(
    local: *const Local,
    time: *mut u64,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (local, time) = unsafe { (Local::lent(local)?, Output::new(time, "time")?) };
        time.write(local.advance()?.get());
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// A message arrived that was sent at logical time `message`: as lamport_clock_receive().
///
/// Does not block. Any thread. Errors: NULL_POINTER (local, time), INVALID_ARGUMENT, TOO_FAR_AHEAD,
/// EXHAUSTED. After an error the clock is unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_receive(
    local: *const Local,
    message: u64,
    time: *mut u64,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (local, time) = unsafe { (Local::lent(local)?, Output::new(time, "time")?) };
        time.write(local.advance_past(Time::new(message)?)?.get());
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// Where the clock stands. Changes nothing, and names no event.
///
/// Does not block. Any thread. Errors: NULL_POINTER (local, time).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_now(
    local: *const Local,
    time: *mut u64,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (local, time) = unsafe { (Local::lent(local)?, Output::new(time, "time")?) };
        time.write(local.now().get());
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// Frees a local clock. NULL is allowed and does nothing. No other call on it may be under way, and
/// none may follow. Does not block. Any thread, and a forked child too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_free(local: *mut Local) {
    border::value_or((), || {
        // SAFETY: the header's contract: it came from us and is freed once.
        drop(unsafe { border::given_back(local) });
    });
}

impl Local {
    /// # Safety
    /// `local` follows the header's contract.
    pub(crate) unsafe fn lent<'a>(local: *const Local) -> Result<&'a LocalClock, Failure> {
        // SAFETY: the contract of this function.
        let local = unsafe { border::lent(local, "local")? };
        Ok(&local.0)
    }
}
