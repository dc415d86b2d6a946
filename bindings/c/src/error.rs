//! The error object: owned by whoever got it.

use std::ffi::{CString, c_char};

use crate::border::{self, Failure};
use crate::status::Status;

/// Why a call failed, for the person who has to act on it. Yours: free it with
/// lamport_error_free().
#[derive(Debug)]
pub struct ErrorObject {
    status: Status,
    message: CString,
}

/// The status that came with the error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_error_status(error: *const ErrorObject) -> Status {
    // SAFETY: the header's contract.
    unsafe { border::look(error, Status::LAMPORT_STATUS_OK, |this| this.status) }
}

/// What was tried, where, what came back and what to change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_error_message(error: *const ErrorObject) -> *const c_char {
    // SAFETY: the header's contract.
    unsafe { border::look(error, c"".as_ptr(), |this| this.message.as_ptr()) }
}

/// Frees an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_error_free(error: *mut ErrorObject) {
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(error, drop) }
}

impl ErrorObject {
    pub(crate) fn new(failure: Failure) -> ErrorObject {
        ErrorObject {
            status: failure.status,
            message: border::owned_text(&failure.message),
        }
    }
}
