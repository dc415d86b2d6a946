//! Sequences of calls of the C library, as a careless program makes them: in any order, with NULL where
//! something is required, buffers that are too small, handles that are closed.
//!
//! Beside the library runs a model of what the header promises, and after each call the two agree on
//! the status, the outputs and the clock. The buffers lie in memory of their own, exactly as long as
//! they claim to be, with AddressSanitizer behind them; what is not freed LeakSanitizer reports.
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

/// Stands in an output that a call must not touch.
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
    // It learns the secret from the comparisons, and may give it away itself.
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

/// The program that calls, and what it knows by the header.
struct Host {
    /// The names of the stores that clocks share, no other run's.
    names: [String; SHARED],
    /// They live as long as somebody holds them: here to the end, whichever clocks are freed.
    _held: [MemoryStore; SHARED],
    clocks: Vec<Handle>,
    /// The stores that clocks share, then one for each private one.
    stores: Vec<Store>,
}

struct Handle {
    clock: *mut Clock,
    name: String,
    store: usize,
    local: u64,
    /// Where the shared clock stood when this one was given its last times.
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
/// More than all times that are nobody's, which takes leave where they count for nothing.
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
        // SAFETY: the texts end with a NUL, the outputs are places of this function.
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
        // SAFETY: the clock is opened and not freed, and the text lives as long.
        assert_eq!(
            unsafe { text(lamport_clock_process(clock.as_ref())) },
            handle.name
        );
        self.clocks.push(handle);
        Ok(())
    }

    /// With texts that may be anything; what opens is freed at once.
    fn open_anything(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let mut texts = [None, None];
        for text in &mut texts {
            if bytes.arbitrary()? {
                let length = bytes.int_in_range(0..=40)?.min(bytes.len());
                let prefix: &[u8] = if bytes.arbitrary()? { b"memory:" } else { b"" };
                let mut all = [prefix, bytes.bytes(length)?].concat();
                all.retain(|byte| *byte != 0);
                *text = Some(CString::new(all).unwrap());
            }
        }
        let [store, process] = &texts;
        let timeout: u32 = *bytes.choose(&[0, 60_000, 86_400_000, 86_400_001, u32::MAX])?;
        let to_nowhere = bytes.ratio(1, 8)?;
        let mut clock = ptr::null_mut();
        let output = if to_nowhere {
            ptr::null_mut()
        } else {
            &raw mut clock
        };
        let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |t| t.as_ptr());
        // SAFETY: the texts end with a NUL or are NULL, and so is the output NULL or a place of ours.
        let status = call(bytes, |error| unsafe {
            lamport_clock_connect(pointer(store), pointer(process), timeout, output, error)
        })?;

        let is_text = |text: &&CString| text.to_str().is_ok();
        let all_text = texts.iter().flatten().all(|text| is_text(&text));
        let memory = |text: &CString| {
            let uri = text.to_str().unwrap_or_default().parse();
            matches!(uri, Ok(StoreUri::Memory { .. }))
        };
        let named = |text: &CString| ProcessId::new(text.to_str().unwrap_or_default()).is_ok();
        let expected = if to_nowhere {
            LAMPORT_STATUS_NULL_POINTER
        } else if !all_text {
            LAMPORT_STATUS_INVALID_UTF8
        } else if store.as_ref().is_some_and(memory)
            && process.as_ref().is_none_or(named)
            && timeout <= 86_400_000
        {
            LAMPORT_STATUS_OK
        } else {
            // Without a store it takes a node of the map, whose etcd this build can't speak to.
            LAMPORT_STATUS_INVALID_ARGUMENT
        };
        let unknown = expected == LAMPORT_STATUS_INVALID_ARGUMENT
            && status == LAMPORT_STATUS_UNKNOWN_NODE
            && store.is_none();
        assert!(status == expected || unknown, "{status:?} for {expected:?}");
        assert_eq!(clock.is_null(), status != LAMPORT_STATUS_OK);
        // SAFETY: NULL, or opened above and not freed yet.
        unsafe { lamport_clock_free(clock) };
        Ok(())
    }

    fn tick(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let handle = self.any(bytes)?;
        let expected = after(handle.local, 1);
        let clock = handle.clock;
        // SAFETY: a clock that was opened and not freed; the outputs are places of the two functions.
        let time = match bytes.arbitrary()? {
            true => time_of(bytes, expected, |time, error| unsafe {
                lamport_clock_advance(clock.as_ref(), time, error)
            })?,
            false => stamp_of(bytes, expected, handle, |stamp, error| unsafe {
                lamport_clock_tick(clock.as_ref(), stamp, error)
            })?,
        };
        handle.local = time.unwrap_or(handle.local);
        handle.assert_now();
        Ok(())
    }

    fn receive(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let at = bytes.choose_index(self.clocks.len())?;
        let highest = self.stores[self.clocks[at].store].highest;
        let handle = &mut self.clocks[at];
        let jump = LocalClock::MAX_JUMP;
        let message = match bytes.int_in_range(0..=5)? {
            0 => bytes.arbitrary()?,
            1 => handle.knows.saturating_add(jump),
            2 => highest.saturating_add(jump + GAPS + 1),
            3 => Time::MAX.get() - u64::from(bytes.arbitrary::<u8>()?),
            4 => handle.local / 2,
            _ => handle
                .local
                .saturating_add(bytes.arbitrary::<u16>()?.into()),
        };
        let expected = if message > Time::MAX.get() {
            Err(LAMPORT_STATUS_INVALID_ARGUMENT)
        } else if message <= handle.local || message.saturating_sub(handle.knows) <= jump {
            after(handle.local.max(message), 1)
        } else if message.saturating_sub(highest) > jump + GAPS {
            Err(LAMPORT_STATUS_TOO_FAR_AHEAD)
        } else {
            // It is the clock's to say how much it has seen of the others.
            return Ok(());
        };
        let clock = handle.clock;
        // SAFETY: as in `tick`.
        let time = match bytes.arbitrary()? {
            true => time_of(bytes, expected, |time, error| unsafe {
                lamport_clock_advance_past(clock.as_ref(), message, time, error)
            })?,
            false => stamp_of(bytes, expected, handle, |stamp, error| unsafe {
                lamport_clock_receive(clock.as_ref(), message, stamp, error)
            })?,
        };
        handle.local = time.unwrap_or(handle.local);
        handle.assert_now();
        Ok(())
    }

    fn update(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let at = bytes.choose_index(self.clocks.len())?;
        let expected = self.times(at, 1);
        let clock = self.clocks[at].clock;
        if bytes.ratio(7, 8)? {
            // SAFETY: as in `tick`.
            return self.takes(bytes, at, expected, |update, error| unsafe {
                lamport_clock_update(clock.as_ref(), update, error)
            });
        }
        // Nobody asks what it took, so the local clock has to tell.
        // SAFETY: as in `tick`, and NULL is allowed.
        let status = call(bytes, |error| unsafe {
            lamport_clock_update(clock.as_ref(), ptr::null_mut(), error)
        })?;
        assert_eq!(
            status,
            expected.map_or_else(|failed| failed, |_| LAMPORT_STATUS_OK)
        );
        if let Ok(times) = expected {
            let now = self.clocks[at].now();
            self.given(at, times, (now, now));
        }
        self.clocks[at].assert_now();
        Ok(())
    }

    fn reserve(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let at = bytes.choose_index(self.clocks.len())?;
        let count = match bytes.int_in_range(0..=3)? {
            0 => *bytes.choose(&[0, 1 << 32, (1 << 32) + 1, u64::MAX])?,
            _ => u64::from(bytes.arbitrary::<u16>()?),
        };
        let expected = if count == 0 || count > 1 << 32 {
            Err(LAMPORT_STATUS_INVALID_ARGUMENT)
        } else {
            self.times(at, count)
        };
        let clock = self.clocks[at].clock;
        // SAFETY: as in `tick`.
        self.takes(bytes, at, expected, |update, error| unsafe {
            lamport_clock_reserve(clock.as_ref(), count, update, error)
        })
    }

    /// A call that gives an update of clock `at` if it succeeds.
    fn takes(
        &mut self,
        bytes: &mut Unstructured<'_>,
        at: usize,
        expected: std::result::Result<(u64, u64), Status>,
        function: impl FnOnce(*mut *mut Update, *mut *mut ErrorObject) -> Status,
    ) -> Result<()> {
        let before = self.stores[self.clocks[at].store].newest.clone();
        let mut update = ptr::null_mut();
        let status = call(bytes, |error| function(&mut update, error))?;
        match expected {
            Ok(times) => {
                assert_eq!(status, LAMPORT_STATUS_OK);
                // SAFETY: what the call gave, not freed yet; what it lends lives as long.
                let given = unsafe {
                    let stamp = lamport_update_stamp(update.as_ref());
                    assert_eq!(
                        lamport_stamp_time(stamp),
                        lamport_update_value(update.as_ref())
                    );
                    self.clocks[at].assert_made(stamp);
                    let process = lamport_update_previous_process(update.as_ref());
                    let value = lamport_update_previous_value(update.as_ref());
                    let previous = (!process.is_null()).then(|| (text(process), value));
                    assert_eq!(previous, before.map(|newest| (newest.process, newest.last)));
                    assert!(lamport_update_revision(update.as_ref()) > 0);
                    assert!(lamport_update_round_trips(update.as_ref()) > 0);
                    assert_eq!(lamport_update_regressed(update.as_ref()), 0);
                    (
                        lamport_update_first(update.as_ref()),
                        lamport_update_value(update.as_ref()),
                    )
                };
                self.given(at, times, given);
            }
            Err(expected) => assert_eq!((status, update), (expected, ptr::null_mut())),
        }
        // SAFETY: NULL, or what the call gave, freed once.
        unsafe { lamport_update_free(update) };
        self.clocks[at].assert_now();
        Ok(())
    }

    fn history(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let handle = &self.clocks[bytes.choose_index(self.clocks.len())?];
        let limit = usize::from(bytes.arbitrary::<u8>()? % 8);
        let mut history = ptr::null_mut();
        // SAFETY: as in `tick`.
        let status = call(bytes, |error| unsafe {
            lamport_clock_history(handle.clock.as_ref(), limit, &mut history, error)
        })?;
        let expected = match handle.closed {
            true => LAMPORT_STATUS_CLOSED,
            false => LAMPORT_STATUS_OK,
        };
        assert_eq!((status, history.is_null()), (expected, handle.closed));
        // SAFETY: NULL, or what the call gave, freed once; what it lends lives as long.
        unsafe {
            let count = lamport_history_count(history.as_ref());
            assert!(count <= limit);
            let values: Vec<u64> = (0..count)
                .map(|at| lamport_observed_value(lamport_history_at(history.as_ref(), at)))
                .collect();
            assert!(values.is_sorted_by(|a, b| a < b), "{values:?}");
            assert!(lamport_history_at(history.as_ref(), count).is_none());
            assert_eq!(lamport_history_unreadable(history.as_ref()), 0);
            if !handle.closed && limit > 0 {
                let newest = self.stores[handle.store].newest.as_ref();
                assert_eq!(values.last(), newest.map(|newest| &newest.last));
            }
            lamport_history_free(history);
        }
        Ok(())
    }

    /// Follows the record over one update, perhaps past its clock's end.
    fn watch(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let at = bytes.choose_index(self.clocks.len())?;
        let (clock, closed) = (self.clocks[at].clock, self.clocks[at].closed);
        let mut watch = ptr::null_mut();
        // SAFETY: as in `tick`.
        let status = call(bytes, |error| unsafe {
            lamport_clock_watch(clock.as_ref(), 0, &mut watch, error)
        })?;
        if closed {
            assert_eq!((status, watch), (LAMPORT_STATUS_CLOSED, ptr::null_mut()));
            return Ok(());
        }
        assert_eq!(status, LAMPORT_STATUS_OK);
        let mut event = ptr::null_mut();
        let next = |bytes: &mut Unstructured<'_>, timeout, event: &mut *mut Event| {
            // SAFETY: the watch is not freed yet, and `event` is the caller's.
            call(bytes, |error| unsafe {
                lamport_watch_next(watch.as_ref(), timeout, event, error)
            })
        };
        let asked = next(bytes, 0, &mut event);
        let updated = self.times(at, 1).ok();
        // SAFETY: as in `tick`.
        let (status, value) = unsafe { value_of_update(clock) };
        assert_eq!(updated.is_some(), status == LAMPORT_STATUS_OK);
        let mut heard = Ok(LAMPORT_STATUS_OK);
        if let Some(times) = updated {
            self.given(at, times, (value, value));
            heard = next(bytes, 60_000, &mut event);
            // SAFETY: what the call gave, freed once, and what it lends lives as long.
            unsafe {
                assert_eq!(lamport_event_kind(event.as_ref()), LAMPORT_EVENT_UPDATED);
                assert_eq!(
                    lamport_observed_value(lamport_event_update(event.as_ref())),
                    value
                );
                assert!(
                    lamport_watch_next_revision(watch.as_ref())
                        > lamport_event_revision(event.as_ref())
                );
                lamport_event_free(event);
            }
        }
        // SAFETY: the watch is freed once.
        unsafe {
            assert_eq!(
                lamport_watch_close(watch.as_ref(), ptr::null_mut()),
                LAMPORT_STATUS_OK
            );
            let mut none = ptr::null_mut();
            let closed = lamport_watch_next(watch.as_ref(), 60_000, &mut none, ptr::null_mut());
            assert_eq!((closed, none), (LAMPORT_STATUS_CLOSED, ptr::null_mut()));
            lamport_watch_free(watch);
        }
        assert_eq!((asked?, heard?), (LAMPORT_STATUS_OK, LAMPORT_STATUS_OK));
        Ok(())
    }

    /// A stamp of a clock's process, as text and back.
    fn stamp(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let handle = self.any(bytes)?;
        let time = match bytes.arbitrary()? {
            true => handle.local,
            false => bytes.arbitrary()?,
        };
        let mut stamp = ptr::null_mut();
        // SAFETY: as in `tick`.
        let status = call(bytes, |error| unsafe {
            let process = lamport_clock_process(handle.clock.as_ref());
            lamport_stamp_new(time, process, handle.instance(), &mut stamp, error)
        })?;
        if time > Time::MAX.get() {
            assert_eq!(
                (status, stamp),
                (LAMPORT_STATUS_INVALID_ARGUMENT, ptr::null_mut())
            );
            return Ok(());
        }
        let expected = lamport_clock::Stamp {
            time: Time::new(time).unwrap(),
            process: ProcessId::new(&handle.name).unwrap(),
            instance: Instance::new(handle.instance()),
        };
        let mut same = ptr::null_mut();
        // SAFETY: stamps that the library gave, each freed once; the buffer has the size it claims.
        unsafe {
            let mut long = vec![0xaa_u8; format!("{expected:#}").len() + 1].into_boxed_slice();
            let buffer = long.as_mut_ptr().cast::<c_char>();
            let none = ptr::null_mut();
            let status =
                lamport_stamp_long_text(stamp.as_ref(), buffer, long.len(), none, ptr::null_mut());
            assert_eq!(status, LAMPORT_STATUS_OK);
            assert_eq!(text(buffer), format!("{expected:#}"));
            let status = lamport_stamp_parse(buffer, &mut same, ptr::null_mut());
            assert_eq!(status, LAMPORT_STATUS_OK);
            assert_eq!(lamport_stamp_compare(stamp.as_ref(), same.as_ref()), 0);
            assert_eq!(text(lamport_stamp_process(same.as_ref())), handle.name);
            let status =
                lamport_stamp_text(stamp.as_ref(), buffer, long.len(), none, ptr::null_mut());
            assert_eq!(status, LAMPORT_STATUS_OK);
            assert_eq!(text(buffer), expected.to_string());
            lamport_stamp_free(stamp);
            lamport_stamp_free(same);
        }
        Ok(())
    }

    /// What the rule gives clock `at` for `count` times: first and last. Its local clock has gone on
    /// by one also where there are none.
    fn times(&mut self, at: usize, count: u64) -> std::result::Result<(u64, u64), Status> {
        let handle = &mut self.clocks[at];
        if handle.closed {
            return Err(LAMPORT_STATUS_CLOSED);
        }
        let global = self.stores[handle.store].highest;
        let local = after(handle.local, 1)?;
        handle.local = local;
        // Neither a clock that was away nor one that is ahead is refused.
        let before = local.max(global);
        Ok((after(before, 1)?, after(before, count)?))
    }

    /// Clock `at` was given these: by the rule, or above it where its local clock ran ahead and others
    /// wrote.
    fn given(&mut self, at: usize, expected: (u64, u64), given: (u64, u64)) {
        let handle = &self.clocks[at];
        let others_wrote = self.stores[handle.store].highest > handle.knows;
        let may_lie_above = others_wrote && handle.local > handle.knows + 1;
        let as_many = given.1.wrapping_sub(given.0) == expected.1 - expected.0;
        let lies_above = may_lie_above && as_many && given.0 > expected.0;
        assert!(
            given == expected || lies_above,
            "{given:?} instead of {expected:?}"
        );
        self.note(at, given.0, given.1);
    }

    fn note(&mut self, at: usize, first: u64, last: u64) {
        let handle = &mut self.clocks[at];
        handle.local = last;
        handle.knows = last;
        self.stores[handle.store] = Store {
            highest: last,
            newest: Some(Newest {
                first,
                last,
                process: handle.name.clone(),
            }),
        };
    }

    fn read(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let at = bytes.choose_index(self.clocks.len())?;
        let handle = &self.clocks[at];
        let mut observed = ptr::null_mut();
        // SAFETY: as in `tick`.
        let status = call(bytes, |error| unsafe {
            lamport_clock_read(handle.clock.as_ref(), &mut observed, error)
        })?;
        if handle.closed {
            assert_eq!((status, observed), (LAMPORT_STATUS_CLOSED, ptr::null_mut()));
            return Ok(());
        }
        assert_eq!(status, LAMPORT_STATUS_OK);
        // SAFETY: NULL, or what the call gave, not freed yet; the text lives as long.
        let found = unsafe {
            (!observed.is_null()).then(|| Newest {
                first: lamport_observed_first(observed.as_ref()),
                last: lamport_observed_value(observed.as_ref()),
                process: text(lamport_observed_process(observed.as_ref())),
            })
        };
        assert!(found == self.stores[handle.store].newest, "another update");
        // SAFETY: likewise, and given back once.
        unsafe {
            assert_eq!(
                lamport_observed_instance(observed.as_ref()) == 0,
                observed.is_null()
            );
            assert_eq!(
                lamport_observed_real_timestamp(observed.as_ref()).is_nan(),
                observed.is_null()
            );
            assert_eq!(
                lamport_observed_revision(observed.as_ref()) == 0,
                observed.is_null()
            );
            lamport_observed_free(observed);
        }
        Ok(())
    }

    /// A text that is composed, of a clock or of a stamp, into a buffer of any size.
    fn text(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let handle = self.any(bytes)?;
        let of_a_stamp = bytes.arbitrary()?;
        let text = match of_a_stamp {
            true => format!("7@{}", handle.name),
            false => "memory:".to_owned(),
        };
        let size = if bytes.arbitrary()? {
            text.len() + bytes.int_in_range(0..=2)?
        } else {
            bytes.int_in_range(0..=300)?
        };
        let mut buffer = vec![0xaa_u8; size].into_boxed_slice();
        let no_buffer = bytes.ratio(1, 8)?;
        let pointer = match no_buffer {
            true => ptr::null_mut(),
            false => buffer.as_mut_ptr().cast::<c_char>(),
        };
        let mut needed = usize::MAX;
        let asks = bytes.ratio(7, 8)?;
        let needed_at = if asks {
            &raw mut needed
        } else {
            ptr::null_mut()
        };
        let clock = handle.clock;
        // SAFETY: `size` bytes are there or the buffer is NULL; the stamp is freed once, the rest as
        // in `tick`.
        let status = call(bytes, |error| unsafe {
            if !of_a_stamp {
                return lamport_clock_location(clock.as_ref(), pointer, size, needed_at, error);
            }
            let (mut stamp, none) = (ptr::null_mut(), ptr::null_mut());
            lamport_stamp_new(
                7,
                lamport_clock_process(clock.as_ref()),
                0,
                &mut stamp,
                none,
            );
            let status = lamport_stamp_text(stamp.as_ref(), pointer, size, needed_at, error);
            lamport_stamp_free(stamp);
            status
        })?;
        let fits = !no_buffer && text.len() < size;
        assert_eq!(needed, if asks { text.len() + 1 } else { usize::MAX });
        if fits {
            assert_eq!(status, LAMPORT_STATUS_OK);
            let written = [text.as_bytes(), b"\0"].concat();
            assert_eq!(buffer[..written.len()], written);
            assert!(buffer[written.len()..].iter().all(|byte| *byte == 0xaa));
        } else {
            assert_eq!(status, LAMPORT_STATUS_BUFFER_TOO_SMALL);
            assert!(buffer.iter().all(|byte| *byte == 0xaa));
        }
        Ok(())
    }

    /// Two threads update at once, perhaps one clock, perhaps two on one store.
    fn crowd(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let a = bytes.choose_index(self.clocks.len())?;
        let store = self.clocks[a].store;
        let well = |handle: &Handle| {
            let near = self.stores[store].highest.abs_diff(handle.local) < LocalClock::MAX_JUMP / 2;
            let room = handle.local < Time::MAX.get() / 2;
            handle.store == store && !handle.closed && near && room
        };
        let mates: Vec<usize> = (0..self.clocks.len())
            .filter(|at| well(&self.clocks[*at]))
            .collect();
        if !mates.contains(&a) {
            return Ok(());
        }
        let b = *bytes.choose(&mates)?;
        let floor = self.stores[store].highest;
        let values = std::thread::scope(|scope| {
            let threads = [a, b].map(|at| {
                // An address, since a pointer is not sent to another thread.
                let clock = self.clocks[at].clock.expose_provenance();
                scope.spawn(move || {
                    let clock = ptr::with_exposed_provenance::<Clock>(clock);
                    // SAFETY: the clock is opened, and any thread may use it.
                    let (status, value) = unsafe { value_of_update(clock) };
                    assert_eq!(status, LAMPORT_STATUS_OK);
                    value
                })
            });
            threads.map(|thread| thread.join().unwrap())
        });
        assert_ne!(values[0], values[1]);
        assert!(
            values.iter().all(|value| *value > floor),
            "{values:?} after {floor}"
        );
        let (at, last) = match values[0] > values[1] {
            true => (a, values[0]),
            false => (b, values[1]),
        };
        let locals = [a, b].map(|at| self.clocks[at].now());
        assert!(locals[0] >= values[0] && locals[1] >= values[1]);
        // The two may have shared a transaction, of which the observed update is one.
        let mut observed = ptr::null_mut();
        // SAFETY: the clock is opened; what is read is freed once.
        let first = unsafe {
            lamport_clock_read(
                self.clocks[at].clock.as_ref(),
                &mut observed,
                ptr::null_mut(),
            );
            let first = lamport_observed_first(observed.as_ref());
            lamport_observed_free(observed);
            first
        };
        assert!(first == last || (a == b && first == values[0].min(values[1])));
        self.note(at, first, last);
        for (at, local) in [a, b].into_iter().zip(locals) {
            self.clocks[at].local = local;
        }
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

    /// The stamp is one of this clock.
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

/// A text that may be a stamp, read by the library and by its border.
fn parse_anything(bytes: &mut Unstructured<'_>) -> Result<()> {
    let length = bytes.int_in_range(0..=40)?.min(bytes.len());
    let mut given = bytes.bytes(length)?.to_vec();
    given.retain(|byte| *byte != 0);
    let given = CString::new(given).unwrap();
    let mut stamp = ptr::null_mut();
    // SAFETY: the text ends with a NUL, the output is a place of this function.
    let status = call(bytes, |error| unsafe {
        lamport_stamp_parse(given.as_ptr(), &mut stamp, error)
    })?;
    let expected = given.to_str().map(str::parse::<lamport_clock::Stamp>);
    match expected {
        Err(_) => assert_eq!(status, LAMPORT_STATUS_INVALID_UTF8),
        Ok(Err(_)) => assert_eq!(status, LAMPORT_STATUS_INVALID_ARGUMENT),
        Ok(Ok(expected)) => {
            assert_eq!(status, LAMPORT_STATUS_OK);
            // SAFETY: what the call gave.
            unsafe {
                assert_eq!(lamport_stamp_time(stamp.as_ref()), expected.time.get());
                assert_eq!(
                    lamport_stamp_instance(stamp.as_ref()),
                    expected.instance.get()
                );
            }
        }
    }
    assert_eq!(stamp.is_null(), status != LAMPORT_STATUS_OK);
    // SAFETY: NULL, or what the call gave, freed once.
    unsafe { lamport_stamp_free(stamp) };
    Ok(())
}

/// Two stamps from parts, against the library's own order.
fn order(bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut stamps = [ptr::null_mut(), ptr::null_mut()];
    let mut parts = Vec::new();
    for stamp in &mut stamps {
        let name = *bytes.choose(&["a", "b", "aa"])?;
        let process = CString::new(name).unwrap();
        let (time, instance) = (bytes.arbitrary::<u8>()? % 3, bytes.arbitrary::<u8>()? % 3);
        parts.push((time, name, instance));
        // SAFETY: the text ends with a NUL, the outputs are places of this function.
        let status = call(bytes, |error| unsafe {
            lamport_stamp_new(time.into(), process.as_ptr(), instance.into(), stamp, error)
        });
        if status.is_err() {
            break;
        }
    }
    let [a, b] = stamps;
    // SAFETY: NULL, or what the calls gave, each freed once.
    unsafe {
        if !b.is_null() {
            let order = lamport_stamp_compare(a.as_ref(), b.as_ref());
            assert_eq!(order, parts[0].cmp(&parts[1]) as i32);
            assert_eq!(lamport_stamp_compare(b.as_ref(), a.as_ref()), -order);
        }
        lamport_stamp_free(a);
        lamport_stamp_free(b);
    }
    Ok(())
}

/// The life of a clock without a store.
fn local(bytes: &mut Unstructured<'_>) -> Result<()> {
    let events: [(u32, u8, bool); 8] = bytes.arbitrary()?;
    let mut clock = ptr::null_mut();
    // SAFETY: the text ends with a NUL, the output is a place of this function.
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
        // SAFETY: the clock is freed below, the outputs are places of `time_of`.
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

/// The calls that have nothing to work on, or nowhere to put what they find.
fn nothing_but_null(bytes: &mut Unstructured<'_>) -> Result<()> {
    let clock = None;
    let mut out = UNTOUCHED;
    let (mut stamp, mut update) = (ptr::null_mut(), ptr::null_mut());
    let which = bytes.int_in_range(0..=10)?;
    let number: i32 = bytes.arbitrary()?;
    // SAFETY: NULL everywhere, or places of this function.
    let status = call(bytes, |error| unsafe {
        match which {
            0 => lamport_clock_tick(clock, &mut stamp, error),
            1 => lamport_clock_receive(clock, 7, &mut stamp, error),
            2 => lamport_clock_advance(clock, &mut out, error),
            3 => lamport_clock_advance_past(clock, 7, &mut out, error),
            4 => lamport_clock_update(clock, &mut update, error),
            5 => lamport_clock_reserve(clock, 1, &mut update, error),
            6 => lamport_clock_read(clock, ptr::null_mut(), error),
            7 => lamport_clock_location(clock, ptr::null_mut(), 9, ptr::null_mut(), error),
            8 => lamport_clock_close(clock, error),
            9 => lamport_clock_tick(clock, ptr::null_mut(), error),
            _ => lamport_clock_connect(ptr::null(), ptr::null(), 0, ptr::null_mut(), error),
        }
    })?;
    assert_eq!((status, out), (LAMPORT_STATUS_NULL_POINTER, UNTOUCHED));
    assert!(stamp.is_null() && update.is_null());
    // SAFETY: NULL is allowed, and static texts are not freed.
    unsafe {
        lamport_clock_free(ptr::null_mut());
        lamport_error_free(ptr::null_mut());
        lamport_observed_free(ptr::null_mut());
        lamport_stamp_free(stamp);
        lamport_update_free(update);
        assert_eq!(lamport_clock_now(clock), 0);
        assert_eq!(lamport_clock_instance(clock), 0);
        assert!(text(lamport_clock_process(clock)).is_empty());
        assert!(lamport_update_stamp(update.as_ref()).is_none());
        assert_eq!(lamport_error_status(None), LAMPORT_STATUS_OK);
        assert!(text(lamport_error_message(None)).is_empty());
        assert!(!text(lamport_status_name(number)).is_empty());
        assert!(!text(lamport_status_text(number)).is_empty());
        assert!(!text(lamport_clock_version()).is_empty());
    }
    Ok(())
}

/// A call that gives one time if it succeeds.
fn time_of(
    bytes: &mut Unstructured<'_>,
    expected: std::result::Result<u64, Status>,
    function: impl FnOnce(*mut u64, *mut *mut ErrorObject) -> Status,
) -> Result<Option<u64>> {
    let mut time = UNTOUCHED;
    let status = call(bytes, |error| function(&mut time, error))?;
    match expected {
        Ok(expected) => {
            assert_eq!((status, time), (LAMPORT_STATUS_OK, expected));
            Ok(Some(time))
        }
        Err(expected) => {
            assert_eq!((status, time), (expected, UNTOUCHED));
            Ok(None)
        }
    }
}

/// A call that gives a stamp of `owner` if it succeeds: its time.
fn stamp_of(
    bytes: &mut Unstructured<'_>,
    expected: std::result::Result<u64, Status>,
    owner: &Handle,
    function: impl FnOnce(*mut *mut Stamp, *mut *mut ErrorObject) -> Status,
) -> Result<Option<u64>> {
    let mut stamp = ptr::null_mut();
    let time = time_of(bytes, expected, |time, error| {
        let status = function(&mut stamp, error);
        // SAFETY: `time` is a place of `time_of`; the stamp is NULL, or what the call gave.
        unsafe {
            if !stamp.is_null() {
                owner.assert_made(stamp.as_ref());
                time.write(lamport_stamp_time(stamp.as_ref()));
            }
        }
        status
    });
    // SAFETY: NULL, or what the call gave, freed once.
    unsafe { lamport_stamp_free(stamp) };
    time
}

/// An update with a status alone for its failure: that, and the value.
///
/// # Safety
/// `clock` is live.
unsafe fn value_of_update(clock: *const Clock) -> (Status, u64) {
    let mut update = ptr::null_mut();
    // SAFETY: the contract of this function; what the call gave is freed once.
    unsafe {
        let status = lamport_clock_update(clock.as_ref(), &mut update, ptr::null_mut());
        let value = lamport_update_value(update.as_ref());
        lamport_update_free(update);
        (status, value)
    }
}

/// Makes a call, with a place for the error or without, and checks that it is written on failure and
/// on nothing else.
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
