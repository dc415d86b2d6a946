//! The clock: its handle, and the functions that have no file of their own (history, watch, follower, sync,
//! header and log do).

use std::ffi::{CStr, c_char};
use std::sync::Arc;

use lamport_clock::blocking::SharedClock;
use lamport_clock::{Config, Error, Stamp as CoreStamp, Time};
use lamport_clock_host::uncancelled;

use crate::border;
use crate::config::{self, Settings};
use crate::error::ErrorObject;
use crate::observed::Observed;
use crate::stamp::Stamp;
use crate::status::Status;
use crate::update::Update;

/// The last logical time there is, 2^53 - 1: the largest integer that every JSON reader takes exactly.
pub const LAMPORT_TIME_MAX: u64 = 9007199254740991;

/// A local clock, and one record that many processes share.
///
/// Any number of threads may use one handle at once. lamport_clock_connect() gives it, and
/// lamport_clock_free() takes it back.
#[derive(Debug)]
pub struct Clock {
    pub(crate) shared: SharedClock,
    process: Arc<CStr>,
}

/// Makes a clock on a store, once that store has answered.
///
/// `store` says where the record lives: "memory:" (in this process, for this clock alone), "memory:name" (in
/// this process, shared by the clocks that use the name) or "etcd://host:port,host:port/key" (in etcd; port
/// 2379 and key /lamport_clock if not given). If it is NULL, LAMPORT_STORE says where, or else the node map
/// with NODE_NAME.
///
/// `process` is the name of this process: 1 to 255 bytes of UTF-8 without white space, control characters and
/// ';'. If it is NULL, the name is NODE_NAME, or else, if a store is given, the name of the host. Each call
/// makes a new instance of that process, so that no two clocks ever make the same stamp.
///
/// `timeout_ms` is the deadline of each call on this clock, this one included: milliseconds, from 1 to
/// 86400000 (a day). 0 means LAMPORT_TIMEOUT, or else 5 seconds.
///
/// The other settings (LAMPORT_KEY, LAMPORT_MAX_JUMP, LAMPORT_TLS_CA, LAMPORT_CONFIG, ...) come from the
/// environment, so no other thread may change the environment during the call. To give these settings in the
/// program, make a lamport_config_t and use lamport_clock_connect_with().
///
/// On success `*clock` is yours: give it back with lamport_clock_free().
///
/// Blocks until the store has answered, at most for the deadline. Errors: INVALID_UTF8,
/// INVALID_ARGUMENT, UNKNOWN_NODE, UNAVAILABLE, TIMEOUT, DENIED, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_connect(
    store: *const c_char,
    process: *const c_char,
    timeout_ms: u32,
    clock: *mut *mut Clock,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    let config = || unsafe { config::of(store, process, timeout_ms) };
    // SAFETY: the header's contract.
    unsafe { border::made(clock, error, || Clock::connect(config()?)) }
}

/// Makes a clock as lamport_clock_connect() does, but does not ask whether the store can be reached: for
/// programs that start before their store. The first call that needs the store finds out.
///
/// The parameters, and the ownership of `*clock`, are those of lamport_clock_connect().
///
/// Errors: INVALID_UTF8, INVALID_ARGUMENT, UNKNOWN_NODE, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_open(
    store: *const c_char,
    process: *const c_char,
    timeout_ms: u32,
    clock: *mut *mut Clock,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    let config = || unsafe { config::of(store, process, timeout_ms) };
    // SAFETY: the header's contract.
    unsafe { border::made(clock, error, || Clock::open(config()?)) }
}

/// Makes a clock from settings, once its store has answered. Settings that `config` does not give come from
/// the environment, as for lamport_clock_connect().
///
/// `config` stays yours, and may be freed at once. On success `*clock` is yours: give it back with
/// lamport_clock_free().
///
/// Blocks until the store has answered, at most for the deadline. Errors: INVALID_ARGUMENT,
/// UNKNOWN_NODE, UNAVAILABLE, TIMEOUT, DENIED, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_connect_with(
    config: Option<&Settings>,
    clock: *mut *mut Clock,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe { border::made_by(config, clock, error, |this| Clock::connect(this.load()?)) }
}

/// Makes a clock from settings as lamport_clock_connect_with() does, but does not ask whether the store can
/// be reached.
///
/// Errors: INVALID_ARGUMENT, UNKNOWN_NODE, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_open_with(
    config: Option<&Settings>,
    clock: *mut *mut Clock,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe { border::made_by(config, clock, error, |this| Clock::open(this.load()?)) }
}

/// For a local event, or a message that is sent: advances the local clock by one and gives the stamp of that
/// event. On success `*stamp` is yours.
///
/// Errors: EXHAUSTED, INTERNAL (in a forked child whose clock can't be made).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_tick(
    clock: Option<&Clock>,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe { border::made_by(clock, stamp, error, |this| this.stamp(this.shared.tick())) }
}

/// For a message that arrived and was sent at logical time `message`: moves the local clock past that time,
/// to max(local, message) + 1, and gives the stamp of the arrival. On success `*stamp` is yours. A line of a
/// log can't name this message, since its sender is not known: see lamport_clock_receive_stamp().
///
/// Errors: INVALID_ARGUMENT (`message` is past LAMPORT_TIME_MAX), TOO_FAR_AHEAD (`message` lies ahead of the
/// local clock, and further above the newest shared time that this clock knows than the jump bound, which is
/// 2^32 unless LAMPORT_MAX_JUMP says otherwise), EXHAUSTED, INTERNAL (in a forked child whose clock can't be
/// made). After an error the clock is unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_receive(
    clock: Option<&Clock>,
    message: u64,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    let arrived = |this: &Clock| this.stamp(this.shared.receive(Time::new(message)?));
    // SAFETY: the header's contract.
    unsafe { border::made_by(clock, stamp, error, arrived) }
}

/// Like lamport_clock_tick(), but gives only the time: allocates nothing, and takes some nanoseconds.
///
/// Errors as for lamport_clock_tick().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_advance(
    clock: Option<&Clock>,
    time: *mut u64,
    error: *mut *mut ErrorObject,
) -> Status {
    let advanced = || Ok(border::lent(clock)?.made().advance()?.get());
    // SAFETY: the header's contract.
    unsafe { border::given(time, "time", error, advanced) }
}

/// Like lamport_clock_receive(), but gives only the time.
///
/// Errors as for lamport_clock_receive().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_advance_past(
    clock: Option<&Clock>,
    message: u64,
    time: *mut u64,
    error: *mut *mut ErrorObject,
) -> Status {
    let advanced = || {
        let clock = border::lent(clock)?.made();
        Ok(clock.advance_past(Time::new(message)?)?.get())
    };
    // SAFETY: the header's contract.
    unsafe { border::given(time, "time", error, advanced) }
}

/// The current time of the local clock. Does not change it, and is no event.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_clock_now(clock: Option<&Clock>) -> u64 {
    border::look(clock, 0, |this| this.made().now().get())
}

/// The name of the process that the clock belongs to. A forked child keeps the name of its parent.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_clock_process(clock: Option<&Clock>) -> *const c_char {
    border::look(clock, c"".as_ptr(), |this| this.process.as_ptr())
}

/// The instance of the process that the clock belongs to: 64 random bits, never 0, which are drawn when the
/// clock is opened. They tell apart two instances of the same name. A forked child has another instance than
/// its parent. The result is 0 only if the child's clock can't be made; the other calls then say why.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_clock_instance(clock: Option<&Clock>) -> u64 {
    border::look(clock, 0, |this| this.made().instance().get())
}

/// The place where updates go at present, for people to read: "memory:" or the endpoint in use. The text may
/// be of any length, and its form may change. It may grow between two calls, and then needs a larger buffer.
///
/// Errors: BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_location(
    clock: Option<&Clock>,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
    error: *mut *mut ErrorObject,
) -> Status {
    let location = |this: &Clock| Ok(this.shared.location());
    // SAFETY: the header's contract.
    unsafe { border::composed(clock, buffer, size, needed, error, location) }
}

/// Takes the next time of the shared clock. No other caller has this time or will ever get it. It is larger
/// than the value of every update, anywhere, that returned before this call began.
///
/// On success `*update` is yours: it holds the time, and what the update found in the store. `update` may be
/// NULL, for programs that only advance the clocks.
///
/// Blocks for a round trip to the store, two in rare cases, and no longer than the deadline. Threads that
/// call at the same time share a round trip. Errors: UNAVAILABLE, TIMEOUT, CORRUPT, EXHAUSTED, TOO_FAR_AHEAD
/// (the record lies too far ahead), DENIED, NO_SPACE, REGRESSED, OVERLOADED, CLOSED, INTERNAL. After an error
/// no time was handed out; whether the record moved is unknown. Calling again is safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_update(
    clock: Option<&Clock>,
    update: *mut *mut Update,
    error: *mut *mut ErrorObject,
) -> Status {
    let taken = || Ok(border::lent(clock)?.shared.reserve(1)?);
    if update.is_null() {
        // SAFETY: the header's contract.
        return unsafe { border::guarded(error, || taken().map(drop)) };
    }
    // SAFETY: the header's contract.
    unsafe { border::made(update, error, || taken().map(Update::of)) }
}

/// Takes `count` consecutive times of the shared clock, from 1 to 2^32, in one update. On success
/// `*update` is yours: the times go from lamport_update_first() through lamport_update_value().
///
/// The times are ordered as one event at the moment of the call. If you hand them out later, they are still
/// unique, but no longer in real-time order with other updates. They are plain numbers, which the library
/// can't take back: after a fork, either the parent or the child may hand out the rest, not both.
///
/// Blocks as lamport_clock_update() does. Errors: those of lamport_clock_update(), and INVALID_ARGUMENT
/// (`count`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_reserve(
    clock: Option<&Clock>,
    count: u64,
    update: *mut *mut Update,
    error: *mut *mut ErrorObject,
) -> Status {
    let taken = |this: &Clock| Ok(Update::of(this.shared.reserve(count)?));
    // SAFETY: the header's contract.
    unsafe { border::made_by(clock, update, error, taken) }
}

/// Reads the newest update of the record, by any process. On success `*observed` is yours. If there is no
/// record yet, it is NULL, and the status is OK.
///
/// Blocks for a round trip to the store, no longer than the deadline. Errors: UNAVAILABLE, TIMEOUT,
/// CORRUPT, EXHAUSTED, DENIED, REGRESSED, CLOSED, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_read(
    clock: Option<&Clock>,
    observed: *mut *mut Observed,
    error: *mut *mut ErrorObject,
) -> Status {
    let newest = |this: &Clock| Ok(this.shared.read()?.map(Observed::new));
    // SAFETY: the header's contract.
    unsafe { border::made_by(clock, observed, error, newest) }
}

/// Closes the clock: later calls that need the store (update, reserve, read) return CLOSED, and threads that
/// wait in such a call return CLOSED at once. The local clock (tick, receive, now) goes on. A second close
/// does nothing.
///
/// The handle stays valid until it is freed. To end a clock that other threads use, close it, join these
/// threads, then free it.
///
/// Blocks until the record shows the last time that this clock took, so that legacy writers see it, but no
/// longer than the deadline.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_close(
    clock: Option<&Clock>,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe {
        border::guarded(error, || {
            border::lent(clock).map(|this| this.shared.close())
        })
    }
}

/// Frees a clock, closed or not. Does not wait as lamport_clock_close() does: the library's thread brings the
/// record up to date. A forked child frees its own copies of the handles, which does not affect the parent's
/// clock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_free(clock: *mut Clock) {
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(clock, |clock| clock.shared.end()) }
}

/// The version of the library that is loaded, for instance "0.1.0". A static text.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_clock_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

impl Clock {
    fn connect(config: Config) -> Result<Clock, ErrorObject> {
        Ok(Clock::new(SharedClock::connect(config)?))
    }

    fn open(config: Config) -> Result<Clock, ErrorObject> {
        Ok(Clock::new(SharedClock::open(&config)?))
    }

    fn new(shared: SharedClock) -> Clock {
        Clock {
            process: border::owned_text(shared.process().as_str()).into(),
            shared,
        }
    }

    /// The clock. In a forked child that has not used it yet, makes it first, so that the call that follows
    /// contains no cancellation point.
    #[inline]
    fn made(&self) -> &SharedClock {
        if self.shared.is_untouched() {
            // If the clock can't be made, the call that follows says so.
            uncancelled(|| drop(self.shared.stats()));
        }
        &self.shared
    }

    /// Makes the object for a stamp of this clock, with the process name that the clock keeps.
    pub(crate) fn stamp(&self, stamp: Result<CoreStamp, Error>) -> Result<Stamp, ErrorObject> {
        Ok(Stamp::of(stamp?, &self.process))
    }
}

const _: () = assert!(LAMPORT_TIME_MAX == Time::MAX.get());
