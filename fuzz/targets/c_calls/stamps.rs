//! Stamps and their texts, in both directions.

use super::*;

impl Host {
    /// Makes a stamp with a clock's process, writes it as text, and parses that text.
    pub(super) fn stamp(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
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

    /// Composes a text, of a clock or of a stamp, into a buffer of any size.
    pub(super) fn text(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
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
}

/// Parses a text that may be a stamp, by the C library and by the Rust one.
pub(super) fn parse_anything(bytes: &mut Unstructured<'_>) -> Result<()> {
    let length = bytes.int_in_range(0..=40)?.min(bytes.len());
    let mut given = bytes.bytes(length)?.to_vec();
    given.retain(|byte| *byte != 0);
    let given = CString::new(given).unwrap();
    let mut stamp = ptr::null_mut();
    // SAFETY: the text ends with a NUL, the output is a local variable.
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

/// Compares two stamps that are made of parts, and checks the result against the order of the parts.
pub(super) fn order(bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut stamps = [ptr::null_mut(), ptr::null_mut()];
    let mut parts = Vec::new();
    for stamp in &mut stamps {
        let name = *bytes.choose(&["a", "b", "aa"])?;
        let process = CString::new(name).unwrap();
        let (time, instance) = (bytes.arbitrary::<u8>()? % 3, bytes.arbitrary::<u8>()? % 3);
        parts.push((time, name, instance));
        // SAFETY: the text ends with a NUL, the outputs are local variables.
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
