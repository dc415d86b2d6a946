//! Sequences of calls of the C library, as a careless program makes them: in any order, with NULL where an
//! object is required, with buffers that are too small, with handles that are closed.
//!
//! A model of the header's promises runs beside the library. After each call the two must agree on the
//! status, the outputs and the clock. Each buffer is an allocation of exactly the size that the call is told,
//! so AddressSanitizer reports a write past its end. LeakSanitizer reports objects that are not freed.
#![no_main]

use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use lamport_clock::store::MemoryStore;
use lamport_clock::{Instance, LocalClock, ProcessId, StoreUri, Time};
use lamport_clock_c::clock::*;
use lamport_clock_c::error::*;
use lamport_clock_c::event::EventKind::*;
use lamport_clock_c::event::*;
use lamport_clock_c::history::*;
use lamport_clock_c::local::*;
use lamport_clock_c::observed::*;
use lamport_clock_c::stamp::*;
use lamport_clock_c::status::Status::{self, *};
use lamport_clock_c::status::{lamport_status_name, lamport_status_text};
use lamport_clock_c::update::*;
use lamport_clock_c::watch::*;
use lamport_clock_fuzz::{SECRET, assert_message};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

#[path = "c_calls/careless.rs"]
mod careless;
#[path = "c_calls/reads.rs"]
mod reads;
#[path = "c_calls/stamps.rs"]
mod stamps;
#[path = "c_calls/times.rs"]
mod times;

use careless::nothing_but_null;
use stamps::{order, parse_anything};
use times::{time_of, value_of_update};

/// The initial value of an output that a call must not touch.
const UNTOUCHED: u64 = 0xdead_beef_dead_beef;
const MOST_CALLS: usize = 100;

fuzz_target!(|bytes: &[u8]| {
    static ALONE: Once = Once::new();
    ALONE.call_once(|| {
        // SAFETY: no other thread runs yet.
        std::env::vars_os()
            .filter(|(name, _)| {
                name == "NODE_NAME" || name.to_string_lossy().starts_with("LAMPORT_")
            })
            .for_each(|(name, _)| unsafe { std::env::remove_var(name) });
    });
    // The fuzzer can learn the secret from the comparisons; an input that contains it proves nothing.
    if String::from_utf8_lossy(bytes).contains(SECRET) {
        return;
    }
    let mut host = Host::new();
    let mut bytes = Unstructured::new(bytes);
    for _ in 0..MOST_CALLS {
        if bytes.is_empty() || host.step(&mut bytes).is_err() {
            break;
        }
    }
});

/// The calling program, with the state that the header promises.
struct Host {
    /// The names of the stores that clocks share. No other run uses them.
    names: [String; SHARED],
    /// A store in memory lives as long as somebody holds it. These are held to the end, whichever clocks are
    /// freed.
    _held: [MemoryStore; SHARED],
    clocks: Vec<Handle>,
    /// The stores that clocks share, then one for each clock with a private store.
    stores: Vec<Store>,
}

struct Handle {
    clock: *mut Clock,
    name: String,
    store: usize,
    local: u64,
    /// The time of the shared clock when this clock took its last times.
    knows: u64,
    closed: bool,
}

#[derive(Clone, Default)]
struct Store {
    /// The highest time handed out.
    highest: u64,
    newest: Option<Newest>,
}

#[derive(Clone, PartialEq)]
struct Newest {
    first: u64,
    last: u64,
    process: String,
}

const SHARED: usize = 2;
/// More than all times without an owner, which takes leave behind when their times are void.
const GAPS: u64 = 1 << 24;

impl Host {
    fn new() -> Host {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let names = [0, 1].map(|store| format!("run-{run}-{store}"));
        Host {
            _held: [0, 1].map(|store| MemoryStore::named(&names[store])),
            names,
            clocks: Vec::new(),
            stores: vec![Store::default(); SHARED],
        }
    }

    fn step(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        if self.clocks.is_empty() {
            return self.open(bytes);
        }
        match bytes.int_in_range(0..=25)? {
            0 if self.clocks.len() < 4 => self.open(bytes),
            0 | 1 => self.open_anything(bytes),
            2..=4 => self.tick(bytes),
            5..=7 => self.receive(bytes),
            8..=10 => self.update(bytes),
            11 | 12 => self.reserve(bytes),
            13 => self.read(bytes),
            14 | 15 => self.text(bytes),
            16 => self.crowd(bytes),
            17 => self.close(bytes),
            18 => self.free(bytes),
            19 => nothing_but_null(bytes),
            20 => self.history(bytes),
            21 => self.watch(bytes),
            22 => self.stamp(bytes),
            23 => parse_anything(bytes),
            24 => order(bytes),
            _ => local(bytes),
        }
    }

    fn open(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let store = bytes.int_in_range(0..=SHARED)?;
        let uri = match store {
            SHARED => "memory:".to_owned(),
            _ => format!("memory:{}", self.names[store]),
        };
        let store = if store == SHARED {
            self.stores.push(Store::default());
            self.stores.len() - 1
        } else {
            store
        };
        let name = if bytes.arbitrary()? {
            format!("p{}", self.clocks.len())
        } else {
            "x".repeat(bytes.int_in_range(1..=255)?)
        };
        let (uri, process) = (CString::new(uri).unwrap(), CString::new(&*name).unwrap());
        let mut clock = ptr::null_mut();
        // SAFETY: the texts end with a NUL, the outputs are local variables.
        let status = call(bytes, |error| unsafe {
            lamport_clock_connect(uri.as_ptr(), process.as_ptr(), 60_000, &mut clock, error)
        })?;
        assert_eq!(status, LAMPORT_STATUS_OK);
        let handle = Handle {
            clock,
            name,
            store,
            local: 0,
            knows: 0,
            closed: false,
        };
        assert_ne!(handle.instance(), 0);
        // SAFETY: the clock is opened and not freed, and the text lives as long as the clock.
        assert_eq!(
            unsafe { text(lamport_clock_process(clock.as_ref())) },
            handle.name
        );
        self.clocks.push(handle);
        Ok(())
    }

    fn close(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let handle = self.any(bytes)?;
        let clock = handle.clock;
        // SAFETY: as in `tick`.
        let status = call(bytes, |error| unsafe {
            lamport_clock_close(clock.as_ref(), error)
        })?;
        assert_eq!(status, LAMPORT_STATUS_OK);
        handle.closed = true;
        Ok(())
    }

    fn free(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let at = bytes.choose_index(self.clocks.len())?;
        drop(self.clocks.swap_remove(at));
        Ok(())
    }

    fn any(&mut self, bytes: &mut Unstructured<'_>) -> Result<&mut Handle> {
        let at = bytes.choose_index(self.clocks.len())?;
        Ok(&mut self.clocks[at])
    }
}

impl Handle {
    fn now(&self) -> u64 {
        // SAFETY: the clock is opened and not freed.
        unsafe { lamport_clock_now(self.clock.as_ref()) }
    }

    fn instance(&self) -> u64 {
        // SAFETY: the clock is opened and not freed.
        unsafe { lamport_clock_instance(self.clock.as_ref()) }
    }

    /// Asserts that this clock made the stamp.
    fn assert_made(&self, stamp: Option<&Stamp>) {
        // SAFETY: the text lives as long as the stamp.
        let process = unsafe { text(lamport_stamp_process(stamp)) };
        assert_eq!(process, self.name);
        assert_eq!(lamport_stamp_instance(stamp), self.instance());
    }

    fn assert_now(&self) {
        assert_eq!(self.now(), self.local);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: opened, and freed once.
        unsafe { lamport_clock_free(self.clock) };
    }
}

/// The life of a clock without a store.
fn local(bytes: &mut Unstructured<'_>) -> Result<()> {
    let events: [(u32, u8, bool); 8] = bytes.arbitrary()?;
    let mut clock = ptr::null_mut();
    // SAFETY: the text ends with a NUL, the output is a local variable.
    let status = unsafe { lamport_local_open(c"local".as_ptr(), &mut clock, ptr::null_mut()) };
    assert_eq!(status, LAMPORT_STATUS_OK);
    let mut now = 0;
    let mut lived = Ok(());
    for (message, shift, ticks) in events {
        let message = (u64::from(message) << (shift % 24)) % Time::MAX.get();
        let expected = match message.saturating_sub(now) {
            _ if ticks => after(now, 1),
            ahead if ahead > LocalClock::MAX_JUMP => Err(LAMPORT_STATUS_TOO_FAR_AHEAD),
            _ => after(now.max(message), 1),
        };
        // SAFETY: the clock is freed below, the outputs are local variables of `time_of`.
        let time = time_of(bytes, expected, |time, error| unsafe {
            match ticks {
                true => lamport_local_advance(clock.as_ref(), time, error),
                false => lamport_local_advance_past(clock.as_ref(), message, time, error),
            }
        });
        match time {
            Ok(time) => now = time.unwrap_or(now),
            Err(spent) => lived = Err(spent),
        }
    }
    let mut stamp = ptr::null_mut();
    // SAFETY: each is freed once, and the stamp outlives its clock.
    unsafe {
        let status = lamport_local_tick(clock.as_ref(), &mut stamp, ptr::null_mut());
        assert_eq!(status == LAMPORT_STATUS_OK, after(now, 1).is_ok());
        let instance = lamport_local_instance(clock.as_ref());
        lamport_local_free(clock);
        if status == LAMPORT_STATUS_OK {
            assert_eq!(lamport_stamp_time(stamp.as_ref()), now + 1);
            assert_eq!(text(lamport_stamp_process(stamp.as_ref())), "local");
            assert_eq!(lamport_stamp_instance(stamp.as_ref()), instance);
        }
        lamport_stamp_free(stamp);
    }
    lived
}

/// Makes a call, with or without an output for the error. Checks that this output is written on failure only.
fn call(
    bytes: &mut Unstructured<'_>,
    function: impl FnOnce(*mut *mut ErrorObject) -> Status,
) -> Result<Status> {
    if bytes.ratio(1, 4)? {
        return Ok(function(ptr::null_mut()));
    }
    let mut error = ptr::null_mut();
    let status = function(&mut error);
    assert_eq!(error.is_null(), status == LAMPORT_STATUS_OK);
    // SAFETY: NULL, or what the call gave, freed once.
    unsafe {
        assert_eq!(lamport_error_status(error.as_ref()), status);
        if status != LAMPORT_STATUS_OK {
            assert_message(&text(lamport_error_message(error.as_ref())), 1_500);
        }
        lamport_error_free(error);
    }
    assert_ne!(status, LAMPORT_STATUS_PANIC);
    Ok(status)
}

fn after(time: u64, steps: u64) -> std::result::Result<u64, Status> {
    let later = time + steps;
    if later > Time::MAX.get() {
        return Err(LAMPORT_STATUS_EXHAUSTED);
    }
    Ok(later)
}

/// # Safety
/// `text` ends with a NUL and lives as long as the call.
unsafe fn text(text: *const c_char) -> String {
    // SAFETY: the contract of this function.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().expect("UTF-8").to_owned()
}
