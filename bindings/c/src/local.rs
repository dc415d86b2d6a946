//! A local clock without a store.

use std::ffi::{CStr, c_char};
use std::sync::Arc;

use lamport_clock::blocking::LocalClock;
use lamport_clock::{Error, Instance, Settings, Stamp as CoreStamp, Time};

use crate::border;
use crate::config;
use crate::error::ErrorObject;
use crate::stamp::Stamp;
use crate::status::Status;

/// A local clock without a store: Lamport's clock in memory. It is for programs that order their events by
/// the messages between them and share no record.
///
/// Any number of threads may use one at once. lamport_local_open() gives it, and
/// lamport_local_free() takes it back.
pub struct Local {
    pub(crate) clock: LocalClock,
    process: Arc<CStr>,
}

/// Makes a local clock, which starts at 0. It needs no store, no connection and no thread.
///
/// `process` is the name of this process, by the rules of lamport_clock_connect(). If it is NULL, the name is
/// NODE_NAME, or else the name of the host. LAMPORT_MAX_JUMP limits how far ahead a message may lie. Each
/// call makes a new instance of that process. No other thread may change the environment during the call.
///
/// On success `*local` is yours: give it back with lamport_local_free().
///
/// Errors: INVALID_UTF8, INVALID_ARGUMENT, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_open(
    process: *const c_char,
    local: *mut *mut Local,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe {
        border::made(local, error, || {
            // Overrides LAMPORT_STORE: this clock stores nothing.
            let mut settings = Settings::from([("store", "memory:")]);
            if let Some(process) = border::optional_text(process, "process")? {
                settings.set("node", process);
            }
            let clock = LocalClock::new(&config::load(&settings)?)?;
            Ok(Local {
                process: border::owned_text(clock.process().as_str()).into(),
                clock,
            })
        })
    }
}

/// For a local event, or a message that is sent: advances the clock by one and gives the stamp of that event.
/// On success `*stamp` is yours.
///
/// Errors: EXHAUSTED, INTERNAL (in a forked child that gets no random number for its instance).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_tick(
    local: Option<&Local>,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe { border::made_by(local, stamp, error, |this| this.stamp(this.clock.tick())) }
}

/// For a message that arrived and was sent at logical time `message`: works like lamport_clock_receive().
///
/// Errors: INVALID_ARGUMENT, TOO_FAR_AHEAD, EXHAUSTED, INTERNAL (in a forked child that gets no random number
/// for its instance). After an error the clock is unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_receive(
    local: Option<&Local>,
    message: u64,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    let arrived = |this: &Local| this.stamp(this.clock.receive(Time::new(message)?));
    // SAFETY: the header's contract.
    unsafe { border::made_by(local, stamp, error, arrived) }
}

/// Like lamport_local_tick(), but gives only the time: allocates nothing, and takes some nanoseconds.
///
/// Errors: EXHAUSTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_advance(
    local: Option<&Local>,
    time: *mut u64,
    error: *mut *mut ErrorObject,
) -> Status {
    let advanced = || Ok(border::lent(local)?.clock.advance()?.get());
    // SAFETY: the header's contract.
    unsafe { border::given(time, "time", error, advanced) }
}

/// Like lamport_local_receive(), but gives only the time.
///
/// Errors: INVALID_ARGUMENT, TOO_FAR_AHEAD, EXHAUSTED. After an error the clock is unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_advance_past(
    local: Option<&Local>,
    message: u64,
    time: *mut u64,
    error: *mut *mut ErrorObject,
) -> Status {
    let advanced = || {
        let clock = &border::lent(local)?.clock;
        Ok(clock.advance_past(Time::new(message)?)?.get())
    };
    // SAFETY: the header's contract.
    unsafe { border::given(time, "time", error, advanced) }
}

/// The current time of the clock. Does not change it, and is no event.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_local_now(local: Option<&Local>) -> u64 {
    border::look(local, 0, |this| this.clock.now().get())
}

/// The name of the process that the clock belongs to. A forked child keeps the name of its parent.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_local_process(local: Option<&Local>) -> *const c_char {
    border::look(local, c"".as_ptr(), |this| this.process.as_ptr())
}

/// The instance of that process, as for lamport_clock_instance(). It is 0 only in a forked child that gets no
/// random number.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_local_instance(local: Option<&Local>) -> u64 {
    let instance = |this: &Local| this.clock.instance().map_or(0, Instance::get);
    border::look(local, 0, instance)
}

/// Frees a local clock. A forked child frees its own copies of the handles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_free(local: *mut Local) {
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(local, drop) }
}

impl Local {
    /// Makes the object for a stamp of this clock, with the process name that the clock keeps.
    pub(crate) fn stamp(&self, stamp: Result<CoreStamp, Error>) -> Result<Stamp, ErrorObject> {
        Ok(Stamp::of(stamp?, &self.process))
    }
}
