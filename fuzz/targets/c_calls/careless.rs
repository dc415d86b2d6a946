//! Calls with texts that may be anything, and with NULL for everything.

use super::*;

impl Host {
    /// Opens a clock with texts that may be anything. If that succeeds, the clock is freed at once.
    pub(super) fn open_anything(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
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
        // SAFETY: the texts end with a NUL or are NULL. The output is NULL or a local variable.
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
            // Without a store the clock uses a node of the node map, and this build can't speak to that
            // node's etcd.
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
}

/// Calls without an object to work on, or without an output for their result.
pub(super) fn nothing_but_null(bytes: &mut Unstructured<'_>) -> Result<()> {
    let clock = None;
    let mut out = UNTOUCHED;
    let (mut stamp, mut update) = (ptr::null_mut(), ptr::null_mut());
    let which = bytes.int_in_range(0..=10)?;
    let number: i32 = bytes.arbitrary()?;
    // SAFETY: the pointers are NULL, or point to local variables.
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
