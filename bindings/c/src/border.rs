//! The border between C and Rust. It checks every pointer that C hands in, lets no panic through, and lets no
//! thread be cancelled inside.
//!
//! The contract behind each `unsafe` here is the one at the top of the header: a pointer is NULL, or it
//! points to a live and aligned thing of its type for as long as the call lasts. `Option<&T>` has exactly
//! this meaning, so every function takes borrowed objects in that form. Texts and outputs are raw pointers:
//! the memory behind an output may hold anything.

use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use lamport_clock_host::uncancelled;

use crate::error::ErrorObject;
use crate::status::Status;

/// Runs the body of a fallible function. If the body fails, writes an error object to `error`, unless that is
/// NULL.
///
/// # Safety
/// `error` follows the header's contract.
pub(crate) unsafe fn guarded(
    error: *mut *mut ErrorObject,
    body: impl FnOnce() -> Result<(), ErrorObject>,
) -> Status {
    // SAFETY: the contract of this function.
    uncancelled(|| unsafe { caught(error, body) })
}

/// Like [`guarded`], for a body that contains no cancellation point.
///
/// # Safety
/// As for [`guarded`].
#[inline]
unsafe fn caught(
    error: *mut *mut ErrorObject,
    body: impl FnOnce() -> Result<(), ErrorObject>,
) -> Status {
    let done = catch_unwind(AssertUnwindSafe(body));
    match done.unwrap_or_else(|payload| Err(ErrorObject::panicked(payload))) {
        Ok(()) => Status::LAMPORT_STATUS_OK,
        // SAFETY: the contract of this function.
        Err(failure) => unsafe { report(error, failure) },
    }
}

/// Kept apart so that it does not slow down successful calls: a tick takes two nanoseconds.
///
/// # Safety
/// `error` follows the header's contract.
#[cold]
unsafe fn report(error: *mut *mut ErrorObject, failure: ErrorObject) -> Status {
    let status = failure.status;
    if let Some(error) = NonNull::new(error) {
        // SAFETY: not NULL, so by the contract of this function it may be written.
        unsafe { error.write(handed_over(failure)) };
    }
    status
}

/// Runs the body of a function that cannot report an error. Returns `otherwise` if the body panics.
pub(crate) fn value_or<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        std::mem::forget(payload);
        otherwise
    })
}

/// An object that C holds by a pointer.
pub(crate) trait Object {
    /// The name, in messages, of every parameter of this type.
    const NAME: &'static str;
}

/// Gives each type its name.
macro_rules! objects {
    ($($object:ty: $name:literal,)*) => {
        $(impl Object for $object {
            const NAME: &'static str = $name;
        })*
    };
}

objects! {
    crate::clock::Clock: "clock",
    crate::config::Settings: "config",
    crate::event::Event: "event",
    crate::follower::Follower: "follower",
    crate::history::History: "history",
    crate::local::Local: "local",
    crate::observed::Observed: "observed",
    crate::stamp::Stamp: "stamp",
    crate::sync::Stats: "stats",
    crate::update::Update: "update",
    crate::watch::Watch: "watch",
}

/// The object that the caller lends; an error if it is NULL.
#[inline]
pub(crate) fn lent<T: Object>(object: Option<&T>) -> Result<&T, ErrorObject> {
    object.ok_or_else(|| ErrorObject::null(T::NAME))
}

/// Runs the body of a function that writes a value to `output`. `name` is the name of `output` in messages.
/// `output` is checked before the body runs, and written only if the body succeeds. The body must contain no
/// cancellation point.
///
/// # Safety
/// `output` and `error` follow the header's contract; what `output` points to need not be initialised.
#[inline]
pub(crate) unsafe fn given<T>(
    output: *mut T,
    name: &str,
    error: *mut *mut ErrorObject,
    body: impl FnOnce() -> Result<T, ErrorObject>,
) -> Status {
    let body = || {
        let output = NonNull::new(output).ok_or_else(|| ErrorObject::null(name))?;
        let value = body()?;
        // SAFETY: not NULL, so by the contract of this function it may be written.
        unsafe { output.write(value) };
        Ok(())
    };
    // SAFETY: the contract of this function.
    unsafe { caught(error, body) }
}

/// Like [`given`], for an object that the caller will own. `None` gives NULL. The body may contain
/// cancellation points.
///
/// # Safety
/// As for [`given`].
pub(crate) unsafe fn made<T: Object, M: Into<Option<T>>>(
    output: *mut *mut T,
    error: *mut *mut ErrorObject,
    body: impl FnOnce() -> Result<M, ErrorObject>,
) -> Status {
    let body = || Ok(body()?.into().map_or(ptr::null_mut(), handed_over));
    // SAFETY: the contract of this function.
    uncancelled(|| unsafe { given(output, T::NAME, error, body) })
}

/// Like [`made`], for an object that is made from another one.
///
/// # Safety
/// As for [`given`].
pub(crate) unsafe fn made_by<O: Object, T: Object, M: Into<Option<T>>>(
    object: Option<&O>,
    output: *mut *mut T,
    error: *mut *mut ErrorObject,
    body: impl FnOnce(&O) -> Result<M, ErrorObject>,
) -> Status {
    // SAFETY: the contract of this function.
    unsafe { made(output, error, || lent(object).and_then(body)) }
}

/// Composes a text from an object, and writes it into the `size` bytes at `buffer`: the whole text with its
/// NUL, or nothing. `needed`, unless it is NULL, gets the number of bytes that the text takes.
///
/// # Safety
/// All pointers follow the header's contract.
pub(crate) unsafe fn composed<O: Object>(
    object: Option<&O>,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
    error: *mut *mut ErrorObject,
    body: impl FnOnce(&O) -> Result<String, ErrorObject>,
) -> Status {
    let body = || {
        let text = owned_text(&lent(object).and_then(body)?);
        let bytes = text.as_bytes_with_nul();
        if let Some(needed) = NonNull::new(needed) {
            // SAFETY: not NULL, so by the contract of this function it may be written.
            unsafe { needed.write(bytes.len()) };
        }
        let has = if buffer.is_null() { 0 } else { size };
        if has < bytes.len() {
            return Err(ErrorObject::too_small(bytes.len(), has));
        }
        // SAFETY: by the contract of this function `size` bytes are there, and the text has at most that
        // many. The text lies in memory of our own, so the two do not overlap.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), bytes.len()) };
        Ok(())
    };
    // SAFETY: the contract of this function.
    unsafe { guarded(error, body) }
}

/// Runs a getter on an object. Returns `otherwise` if the object is NULL. The getter must contain no
/// cancellation point.
pub(crate) fn look<'a, T, A: Copy>(
    object: Option<&'a T>,
    otherwise: A,
    answer: impl FnOnce(&'a T) -> A,
) -> A {
    value_or(otherwise, || object.map_or(otherwise, answer))
}

/// Moves an object to the heap, for the caller to own.
fn handed_over<T>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

/// Takes an object back from the caller and passes it to `end`. Does nothing if the pointer is NULL.
///
/// # Safety
/// `pointer` is NULL, or it came from `handed_over` and is given back for the first time.
pub(crate) unsafe fn given_back<T>(pointer: *mut T, end: impl FnOnce(Box<T>)) {
    value_or((), || {
        if let Some(pointer) = NonNull::new(pointer) {
            // SAFETY: not NULL here, so the rest is the contract of this function.
            let object = unsafe { Box::from_raw(pointer.as_ptr()) };
            uncancelled(|| end(object));
        }
    });
}

/// A required text: NULL is an error.
///
/// # Safety
/// `pointer` follows the header's contract: a text ends with a NUL.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, ErrorObject> {
    // SAFETY: the contract of this function.
    unsafe { optional_text(pointer, name)? }.ok_or_else(|| ErrorObject::null(name))
}

/// An optional text: NULL gives `None`.
///
/// # Safety
/// `pointer` follows the header's contract: a text ends with a NUL.
pub(crate) unsafe fn optional_text<'a>(
    pointer: *const c_char,
    name: &str,
) -> Result<Option<&'a str>, ErrorObject> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, so by the contract of this function it ends with a NUL.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map(Some).map_err(|error| {
        // The message does not quote the text, which may be of any length and may contain a password.
        let message = format!("byte {} of '{name}' is not UTF-8", error.valid_up_to());
        ErrorObject::new(Status::LAMPORT_STATUS_INVALID_UTF8, &message)
    })
}

/// A text for C. Replaces each NUL inside, which would cut the text short for C: another program's record may
/// contain one.
pub(crate) fn owned_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;
    use crate::error::{lamport_error_free, lamport_error_message, lamport_error_status};

    #[test]
    fn a_panic_becomes_a_status_with_its_message() {
        let mut error = ptr::null_mut();
        // SAFETY: `error` is a local variable.
        let status = unsafe { guarded(&mut error, || panic!("boom {}", 7)) };
        assert_eq!(status, Status::LAMPORT_STATUS_PANIC);
        // SAFETY: `error` was filled by the call and is freed once.
        unsafe {
            assert_eq!(lamport_error_status(error.as_ref()), status);
            let message = CStr::from_ptr(lamport_error_message(error.as_ref()));
            assert!(message.to_str().unwrap().ends_with("boom 7"));
            lamport_error_free(error);
        }
        // SAFETY: NULL is allowed.
        let status = unsafe { guarded(ptr::null_mut(), || std::panic::panic_any(7_u8)) };
        assert_eq!(status, Status::LAMPORT_STATUS_PANIC);
        assert_eq!(value_or(3, || panic!("boom")), 3);
    }

    #[test]
    fn a_payload_that_panics_when_dropped_stays_inside() {
        struct Spiteful;
        impl Drop for Spiteful {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        // SAFETY: NULL is allowed.
        let status = unsafe { guarded(ptr::null_mut(), || std::panic::panic_any(Spiteful)) };
        assert_eq!(status, Status::LAMPORT_STATUS_PANIC);
        assert_eq!(value_or(3, || std::panic::panic_any(Spiteful)), 3);
    }

    #[test]
    fn a_text_is_written_whole_or_not_at_all() {
        for size in 0..6 {
            let mut bytes = vec![0xaa_u8; size].into_boxed_slice();
            let (buffer, mut needed) = (bytes.as_mut_ptr().cast(), 0);
            let (text, none) = (Some("abc".to_owned()), ptr::null_mut());
            let copy = |text: &String| Ok(text.clone());
            // SAFETY: `size` bytes are there, and `needed` is a local variable.
            let status = unsafe { composed(text.as_ref(), buffer, size, &mut needed, none, copy) };
            let written = status == Status::LAMPORT_STATUS_OK;
            assert_eq!((written, needed), (size >= 4, 4));
            let (text, rest) = bytes.split_at(if written { 4 } else { 0 });
            assert!(text.is_empty() || text == b"abc\0");
            assert!(rest.iter().all(|byte| *byte == 0xaa));
        }
    }

    impl Object for String {
        const NAME: &'static str = "string";
    }

    #[test]
    fn what_is_made_is_the_callers_until_it_is_given_back() {
        let mut object = ptr::null_mut();
        let mut back = None;
        // SAFETY: `object` is a local variable. It is NULL, or live until it is given back, once.
        unsafe {
            let status = made(&mut object, ptr::null_mut(), || Ok(String::from("a")));
            assert_eq!(status, Status::LAMPORT_STATUS_OK);
            assert_eq!(lent(object.as_ref()).unwrap(), "a");
            assert_eq!(lent(object.as_ref()).unwrap(), "a");
            given_back(object, |object| back = Some(object));
            assert_eq!(*back.unwrap(), "a");
            let status = made::<String, _>(&mut object, ptr::null_mut(), || Ok(None::<String>));
            assert_eq!(status, Status::LAMPORT_STATUS_OK);
            assert!(object.is_null());
            let refused = lent(object.as_ref()).unwrap_err();
            let message = refused.message.to_str().unwrap();
            assert!(message.starts_with("'string' is NULL"));
            given_back(object, |_| panic!("there is none"));
        }
    }

    #[test]
    fn an_output_is_looked_at_before_the_work() {
        let mut place = std::mem::MaybeUninit::uninit();
        // SAFETY: `place` is a local variable. It need not be initialised before the call, and is afterwards.
        let written = unsafe {
            given(place.as_mut_ptr(), "place", ptr::null_mut(), || Ok(7));
            place.assume_init()
        };
        assert_eq!(written, 7);
        let nowhere = ptr::null_mut::<u64>();
        // SAFETY: NULL is allowed.
        let status = unsafe { given(nowhere, "place", ptr::null_mut(), || panic!("no output")) };
        assert_eq!(status, Status::LAMPORT_STATUS_NULL_POINTER);
    }

    #[test]
    fn a_text_that_is_not_utf8_is_not_shown() {
        let text = c"etcd://me:swordfish\xff@h";
        // SAFETY: it ends with a NUL.
        let failure = unsafe { optional_text(text.as_ptr(), "store") }.unwrap_err();
        assert_eq!(failure.status, Status::LAMPORT_STATUS_INVALID_UTF8);
        assert_eq!(
            failure.message.to_str().unwrap(),
            "byte 19 of 'store' is not UTF-8"
        );
    }

    #[test]
    fn a_nul_inside_a_text_does_not_cut_it_short() {
        assert_eq!(owned_text("a\0b").to_str(), Ok("a\u{fffd}b"));
    }
}
