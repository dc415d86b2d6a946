//! The clock: a handle, and a function for each of its verbs.

use std::ffi::{CStr, c_char};
use std::ptr;
use std::time::Duration;

use lamport_clock::blocking::SharedClock;
use lamport_clock::{Config, ProcessId, Time};

use crate::border::{self, Buffer, Failure, Output};
use crate::config::{self, Settings};
use crate::error::ErrorObject;
use crate::observed::Observed;
use crate::status::Status;

/// The last logical time there is, 2^53 - 1: the largest integer that every JSON reader takes exactly.
pub const LAMPORT_TIME_MAX: u64 = 9007199254740991;

/// A buffer of this many bytes holds the name of any process, its NUL included.
pub const LAMPORT_PROCESS_SIZE: usize = 256;

/// A local clock, and one record that many processes share.
///
/// Any number of threads may use one handle at once. lamport_clock_connect() gives it, and
/// lamport_clock_free() takes it back.
#[derive(Debug)]
pub struct Clock(SharedClock);

/// Makes a clock on a store, once that store has answered.
///
/// `store` says where the record lives: "memory:" (in this process, for this clock alone),
/// "memory:name" (in this process, shared by the clocks that use the name) or
/// "etcd://host:port,host:port/key" (in etcd; port 2379 and key /lamport_clock if not given). NULL:
/// LAMPORT_STORE says it, or else the node map with NODE_NAME.
///
/// `process` names this process: 1 to 255 bytes of UTF-8 without white space, control characters
/// and ';'. NULL: NODE_NAME, or else "pid-" and the process's number if a store is given. Each open
/// is a new instance of that process, so that two of them never make the same stamp.
///
/// `timeout_ms` is the deadline of each call on this clock, this one included: milliseconds, from 1
/// to 86400000 (a day). 0: LAMPORT_TIMEOUT, or else 5 seconds.
///
/// The other settings (LAMPORT_KEY, LAMPORT_MAX_JUMP, LAMPORT_TLS_CA, LAMPORT_CONFIG, ...) come from
/// the environment, so no other thread may change the environment meanwhile. To give them here, make
/// a lamport_config_t and use lamport_clock_connect_with().
///
/// On success `*clock` is yours: give it back with lamport_clock_free().
///
/// Blocks until the store has answered, at most for the deadline. Any thread. Errors: NULL_POINTER
/// (clock), INVALID_UTF8, INVALID_ARGUMENT, UNKNOWN_NODE, UNAVAILABLE, TIMEOUT, DENIED,
/// INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_connect(
    store: *const c_char,
    process: *const c_char,
    timeout_ms: u32,
    clock: *mut *mut Clock,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    let config = || unsafe { configured(store, process, timeout_ms) };
    // SAFETY: the same.
    unsafe { made(clock, error, config, SharedClock::connect) }
}

/// Makes a clock as lamport_clock_connect() does, without asking whether its store is there: for
/// programs that start before their store. The first call that needs the store finds out.
///
/// The parameters and what is yours are those of lamport_clock_connect().
///
/// Does not block, does no I/O but to read the files that the settings name. Any thread. Errors:
/// NULL_POINTER (clock), INVALID_UTF8, INVALID_ARGUMENT, UNKNOWN_NODE, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_open(
    store: *const c_char,
    process: *const c_char,
    timeout_ms: u32,
    clock: *mut *mut Clock,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    let config = || unsafe { configured(store, process, timeout_ms) };
    // SAFETY: the same.
    unsafe { made(clock, error, config, |config| SharedClock::open(&config)) }
}

/// Makes a clock from settings, once its store has answered. What they do not give comes from the
/// environment, as for lamport_clock_connect().
///
/// `config` stays yours, and may be freed at once. On success `*clock` is yours: give it back with
/// lamport_clock_free().
///
/// Blocks until the store has answered, at most for the deadline. Any thread. Errors: NULL_POINTER
/// (config, clock), INVALID_ARGUMENT, UNKNOWN_NODE, UNAVAILABLE, TIMEOUT, DENIED, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_connect_with(
    config: *const Settings,
    clock: *mut *mut Clock,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    let config = || unsafe { border::lent(config, "config") }?.load();
    // SAFETY: the same.
    unsafe { made(clock, error, config, SharedClock::connect) }
}

/// Makes a clock from settings as lamport_clock_connect_with() does, without asking whether its store
/// is there.
///
/// Does not block, does no I/O but to read the files that the settings name. Any thread. Errors:
/// NULL_POINTER (config, clock), INVALID_ARGUMENT, UNKNOWN_NODE, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_open_with(
    config: *const Settings,
    clock: *mut *mut Clock,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    let config = || unsafe { border::lent(config, "config") }?.load();
    // SAFETY: the same.
    unsafe { made(clock, error, config, |config| SharedClock::open(&config)) }
}

/// A local event, or a message that is sent: moves the local clock on by one and gives the new time.
///
/// Does not block, does no I/O. Any thread. Errors: NULL_POINTER (clock, time), EXHAUSTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_tick(
    clock: *const Clock,
    time: *mut u64,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (clock, time) = unsafe { (Clock::lent(clock)?, Output::new(time, "time")?) };
        time.write(clock.advance()?.get());
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// A message arrived that was sent at logical time `message`: moves the local clock past it, to
/// max(local, message) + 1, and gives the new time.
///
/// Does not block, does no I/O. Any thread. Errors: NULL_POINTER (clock, time), INVALID_ARGUMENT
/// (`message` is past LAMPORT_TIME_MAX), TOO_FAR_AHEAD (it lies more than the jump bound, 2^48 unless
/// LAMPORT_MAX_JUMP says otherwise, ahead of the local clock), EXHAUSTED.
/// After an error the clock is unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_receive(
    clock: *const Clock,
    message: u64,
    time: *mut u64,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (clock, time) = unsafe { (Clock::lent(clock)?, Output::new(time, "time")?) };
        time.write(clock.advance_past(Time::new(message)?)?.get());
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// Where the local clock stands. Changes nothing, and names no event.
///
/// Does not block, does no I/O. Any thread. Errors: NULL_POINTER (clock, time).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_now(
    clock: *const Clock,
    time: *mut u64,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (clock, time) = unsafe { (Clock::lent(clock)?, Output::new(time, "time")?) };
        time.write(clock.now().get());
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// Takes the next time of the shared clock. Nobody else has it or will ever get it, and it is larger
/// than the value of every update, anywhere, that returned before this one was called.
///
/// Blocks for a round trip to the store, three (seldom four) under contention, and no longer than the
/// deadline. Any thread; threads that call at once share a round trip. Errors: NULL_POINTER (clock,
/// value), UNAVAILABLE, TIMEOUT, CORRUPT, EXHAUSTED, TOO_FAR_AHEAD (of the record), DENIED, NO_SPACE,
/// REGRESSED, OVERLOADED, CLOSED, INTERNAL. After an error no time was handed out; whether the record
/// moved is unknown. Calling again is safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_update(
    clock: *const Clock,
    value: *mut u64,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (clock, value) = unsafe { (Clock::lent(clock)?, Output::new(value, "value")?) };
        value.write(clock.update()?.value.get());
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// Takes `count` consecutive times of the shared clock in one update: `*first` through `*last`.
///
/// They are ordered as one event at the moment of the call: handed out later they are still unique,
/// but no longer in real-time order with other updates. They are plain numbers, which the library
/// can't take away: fork, and either the parent or the child may hand out what is left, not both.
///
/// `count` goes from 1 to 2^32. Blocking, threads and errors as for lamport_clock_update(), and
/// NULL_POINTER (clock, first, last), INVALID_ARGUMENT (count).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_reserve(
    clock: *const Clock,
    count: u64,
    first: *mut u64,
    last: *mut u64,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (clock, first, last) = unsafe {
            (
                Clock::lent(clock)?,
                Output::new(first, "first")?,
                Output::new(last, "last")?,
            )
        };
        let times = clock.reserve(count)?;
        first.write(times.first.get());
        last.write(times.last.get());
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// Looks at the newest update of the record by anyone. `*observed` is yours: free it with
/// lamport_observed_free(). It is NULL, with status OK, if there is no record yet.
///
/// Blocks for a round trip to the store, no longer than the deadline. Any thread. Errors:
/// NULL_POINTER (clock, observed), UNAVAILABLE, TIMEOUT, CORRUPT, DENIED, CLOSED, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_read(
    clock: *const Clock,
    observed: *mut *mut Observed,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (clock, output) = unsafe { (Clock::lent(clock)?, Output::new(observed, "observed")?) };
        output.write(clock.read()?.map_or(ptr::null_mut(), |observed| {
            border::handed_over(Observed::new(observed))
        }));
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// The name of the process that the clock belongs to, into `buffer` of `size` bytes.
///
/// The text with its NUL is written whole or not at all. `*needed`, unless `needed` is NULL, gets
/// the bytes it takes, NUL included, also with BUFFER_TOO_SMALL; `buffer` may be NULL to ask for
/// that. LAMPORT_PROCESS_SIZE bytes are always enough.
///
/// Does not block. Any thread. Errors: NULL_POINTER (clock), BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_process(
    clock: *const Clock,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (clock, buffer) = unsafe { (Clock::lent(clock)?, Buffer::new(buffer, size, needed)) };
        buffer.write(clock.process().as_str())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// The life of the process that the clock belongs to: 64 random bits, drawn when it was opened and
/// never 0. They tell apart two lives under one name. A forked child has others than its parent.
///
/// Does not block. Any thread. Errors: NULL_POINTER (clock, instance).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_instance(
    clock: *const Clock,
    instance: *mut u64,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (clock, instance) =
            unsafe { (Clock::lent(clock)?, Output::new(instance, "instance")?) };
        instance.write(clock.instance().get());
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// Where updates go at present, for people to read: "memory:" or the endpoint in use. Its form may
/// change. Into `buffer` of `size` bytes, as for lamport_clock_process(), but of any length; between
/// two calls it may change and need more.
///
/// Does not block. Any thread. Errors: NULL_POINTER (clock), BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_location(
    clock: *const Clock,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let (clock, buffer) = unsafe { (Clock::lent(clock)?, Buffer::new(buffer, size, needed)) };
        buffer.write(&clock.location())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// Ends the clock: later calls that need the store (update, reserve, read) return CLOSED, and so, at
/// once, do threads that wait in one. The local clock (tick, receive, now) goes on. To close again
/// does nothing.
///
/// Then it waits until the record shows what this clock took last, so that legacy writers see it, at
/// most as long as the clock's deadline.
///
/// The handle stays valid until it is freed: to end a clock that other threads use, close it, join
/// them, then free it.
///
/// Blocks. Any thread. Errors: NULL_POINTER (clock).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_close(
    clock: *const Clock,
    error: *mut *mut ErrorObject,
) -> Status {
    let body = || {
        // SAFETY: the header's contract.
        let clock = unsafe { Clock::lent(clock)? };
        clock.close();
        Ok(())
    };
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, body) }
}

/// Frees a clock, closed or not. NULL is allowed and does nothing. Nothing can fail here, and
/// nothing waits: what lamport_clock_close() waits for is left to the library's thread.
///
/// No other call on this handle may be under way, and none may follow. Does not block. Any thread. A
/// forked child frees its own handles; that leaves the parent's clock alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_free(clock: *mut Clock) {
    border::value_or((), || {
        // SAFETY: the header's contract: it came from us and is freed once.
        let clock = unsafe { border::given_back(clock) };
        if let Some(clock) = clock {
            clock.0.end();
        }
    });
}

/// The version of the library that is loaded, for instance "0.1.0".
///
/// A static text; never NULL; must not be freed. Any thread; does not block.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_clock_version() -> *const c_char {
    VERSION.as_ptr()
}

/// A clock of what `config` gives, written to `clock`.
///
/// # Safety
/// `clock` and `error` follow the header's contract.
unsafe fn made(
    clock: *mut *mut Clock,
    error: *mut *mut ErrorObject,
    config: impl FnOnce() -> Result<Config, Failure>,
    make: impl FnOnce(Config) -> lamport_clock::Result<SharedClock>,
) -> Status {
    let body = || {
        // SAFETY: the contract of this function.
        let output = unsafe { Output::new(clock, "clock")? };
        let clock = Clock(make(config()?)?);
        output.write(border::handed_over(clock));
        Ok(())
    };
    // SAFETY: the contract of this function.
    unsafe { border::guarded(error, body) }
}

/// The settings of an open. From here on the process's forks are known of.
///
/// # Safety
/// `store` and `process` follow the header's contract.
unsafe fn configured(
    store: *const c_char,
    process: *const c_char,
    timeout_ms: u32,
) -> Result<Config, Failure> {
    // SAFETY: the contract of this function.
    let (store, process) = unsafe {
        (
            border::optional_text(store, "store")?,
            border::optional_text(process, "process")?,
        )
    };
    let mut settings = lamport_clock::Settings::default();
    for (name, text) in [("store", store), ("node", process)] {
        if let Some(text) = text {
            settings.set(name, text);
        }
    }
    if timeout_ms > 0 {
        let timeout = Duration::from_millis(timeout_ms.into());
        settings.set("timeout", timeout);
    }
    config::load(&settings)
}

impl Clock {
    /// # Safety
    /// `clock` follows the header's contract.
    pub(crate) unsafe fn lent<'a>(clock: *const Clock) -> Result<&'a SharedClock, Failure> {
        // SAFETY: the contract of this function.
        let clock = unsafe { border::lent(clock, "clock")? };
        Ok(&clock.0)
    }
}

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("the version holds a NUL"),
    };

const _: () = assert!(LAMPORT_TIME_MAX == Time::MAX.get());
const _: () = assert!(LAMPORT_PROCESS_SIZE == ProcessId::MAX_BYTES + 1);
