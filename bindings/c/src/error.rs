//! The error object, which belongs to the caller that got it.

use std::any::Any;
use std::ffi::{CString, c_char};

use crate::border;
use crate::status::Status;

/// Why a call failed, for the person who has to act on it. Yours: free it with
/// lamport_error_free().
#[derive(Debug)]
pub struct ErrorObject {
    pub(crate) status: Status,
    pub(crate) message: CString,
}

/// The status that came with the error.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_error_status(error: Option<&ErrorObject>) -> Status {
    border::look(error, Status::LAMPORT_STATUS_OK, |this| this.status)
}

/// A message for people: what was tried, where, what came back and what to change.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_error_message(error: Option<&ErrorObject>) -> *const c_char {
    border::look(error, c"".as_ptr(), |this| this.message.as_ptr())
}

/// Frees an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_error_free(error: *mut ErrorObject) {
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(error, drop) }
}

impl ErrorObject {
    pub(crate) fn new(status: Status, message: &str) -> ErrorObject {
        ErrorObject {
            status,
            message: border::owned_text(message),
        }
    }

    #[cold]
    pub(crate) fn null(name: &str) -> ErrorObject {
        let message = format!("'{name}' is NULL: it must point to something");
        ErrorObject::new(Status::LAMPORT_STATUS_NULL_POINTER, &message)
    }

    pub(crate) fn too_small(needs: usize, has: usize) -> ErrorObject {
        let message = format!("the text needs {needs} bytes with its NUL, the buffer has {has}");
        ErrorObject::new(Status::LAMPORT_STATUS_BUFFER_TOO_SMALL, &message)
    }

    pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> ErrorObject {
        let what = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        let message = format!("a defect of lamport-clock, please report it: {what}");
        // A payload that panics when it is dropped would end the host's process, so it is never dropped.
        std::mem::forget(payload);
        ErrorObject::new(Status::LAMPORT_STATUS_PANIC, &message)
    }
}

impl From<lamport_clock::Error> for ErrorObject {
    #[cold]
    fn from(error: lamport_clock::Error) -> ErrorObject {
        ErrorObject::new(Status::of(error.kind()), &error.to_string())
    }
}
