//! Calls that show updates in the store: the newest one, those before it, and those to come.

use super::*;

impl Host {
    pub(super) fn history(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
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
        // SAFETY: NULL, or the object that the call gave, freed once. The objects that it lends live as long.
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
            // The update before the oldest one, at the revision before its own. There is no revision 0.
            let oldest = lamport_history_at(history.as_ref(), 0);
            let before = lamport_observed_revision(oldest).saturating_sub(1);
            if before > 0 {
                let (clock, mut older) = (handle.clock.as_ref(), ptr::null_mut());
                let status =
                    lamport_clock_history_from(clock, before, 1, &mut older, ptr::null_mut());
                assert_eq!(status, LAMPORT_STATUS_OK);
                let value = lamport_observed_value(lamport_history_at(older.as_ref(), 0));
                assert!(value < values[0], "{value} before {values:?}");
                lamport_history_free(older);
            }
            lamport_history_free(history);
        }
        Ok(())
    }

    /// Follows the record over one update. The clock may be closed already.
    pub(super) fn watch(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
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

    pub(super) fn read(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
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
}
