//! Calls that give times: of the local clock, and of the shared one.

use super::*;

impl Host {
    pub(super) fn tick(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let handle = self.any(bytes)?;
        let expected = after(handle.local, 1);
        let clock = handle.clock;
        // SAFETY: the clock was opened and not freed; the outputs are local variables of `time_of` and
        // `stamp_of`.
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

    pub(super) fn receive(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
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
            // Between these bounds the result depends on how many of the others' updates the clock has seen.
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

    pub(super) fn update(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let at = bytes.choose_index(self.clocks.len())?;
        let expected = self.times(at, 1);
        let clock = self.clocks[at].clock;
        if bytes.ratio(7, 8)? {
            // SAFETY: as in `tick`.
            return self.takes(bytes, at, expected, |update, error| unsafe {
                lamport_clock_update(clock.as_ref(), update, error)
            });
        }
        // Without an output for the update, the local clock tells which time it took.
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

    pub(super) fn reserve(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
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

    /// Makes a call that gives an update of clock `at` if it succeeds, and checks the update.
    pub(super) fn takes(
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

    /// The first and the last time that the rule gives clock `at` for `count` times. Advances its local clock
    /// by one, even if no times are left.
    pub(super) fn times(
        &mut self,
        at: usize,
        count: u64,
    ) -> std::result::Result<(u64, u64), Status> {
        let handle = &mut self.clocks[at];
        if handle.closed {
            return Err(LAMPORT_STATUS_CLOSED);
        }
        let global = self.stores[handle.store].highest;
        let local = after(handle.local, 1)?;
        handle.local = local;
        // An update is refused neither to a clock that lies far behind nor to one that is ahead.
        let before = local.max(global);
        Ok((after(before, 1)?, after(before, count)?))
    }

    /// Checks and notes the times that clock `at` was given. They are those of the rule, or lie above them if
    /// its local clock ran ahead and others wrote.
    pub(super) fn given(&mut self, at: usize, expected: (u64, u64), given: (u64, u64)) {
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

    pub(super) fn note(&mut self, at: usize, first: u64, last: u64) {
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

    /// Two threads update at the same time, with one clock or with two clocks of one store.
    pub(super) fn crowd(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
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
                // As an address, since raw pointers are not `Send`.
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
        // The two may have shared a transaction: then the observed update covers both.
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
}

/// Makes a call that gives one time if it succeeds. Returns that time.
pub(super) fn time_of(
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

/// Makes a call that gives a stamp of `owner` if it succeeds. Returns the stamp's time.
fn stamp_of(
    bytes: &mut Unstructured<'_>,
    expected: std::result::Result<u64, Status>,
    owner: &Handle,
    function: impl FnOnce(*mut *mut Stamp, *mut *mut ErrorObject) -> Status,
) -> Result<Option<u64>> {
    let mut stamp = ptr::null_mut();
    let time = time_of(bytes, expected, |time, error| {
        let status = function(&mut stamp, error);
        // SAFETY: `time` is a local variable of `time_of`; the stamp is NULL, or what the call gave.
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

/// Makes an update without an output for the error. Returns its status and its value.
///
/// # Safety
/// `clock` is live.
pub(super) unsafe fn value_of_update(clock: *const Clock) -> (Status, u64) {
    let mut update = ptr::null_mut();
    // SAFETY: the contract of this function; what the call gave is freed once.
    unsafe {
        let status = lamport_clock_update(clock.as_ref(), &mut update, ptr::null_mut());
        let value = lamport_update_value(update.as_ref());
        lamport_update_free(update);
        (status, value)
    }
}
