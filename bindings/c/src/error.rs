//! The error object: owned by whoever got it.

use std::ffi::{CString, c_char};

use crate::border::{self, Failure};
use crate::status::Status;

/// Why a call failed, for the person who has to act on it. Yours: free it with
/// lamport_error_free(). It holds no tie to the clock and may outlive it; any thread may read it.
#[derive(Debug)]
pub struct ErrorObject {
    status: Status,
    message: CString,
}

/// The status that came with the error; LAMPORT_STATUS_OK if `error` is NULL.
///
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_error_status(error: *const ErrorObject) -> Status {
    // SAFETY: the header's contract.
    unsafe { border::look(error, Status::LAMPORT_STATUS_OK, |this| this.status) }
}

/// What was tried, where, what came back and what to change. "" if `error` is NULL.
///
/// Never NULL. It belongs to the error and lives until that is freed. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_error_message(error: *const ErrorObject) -> *const c_char {
    // SAFETY: the header's contract.
    unsafe { border::look(error, c"".as_ptr(), |this| this.message.as_ptr()) }
}

/// Frees an error. NULL is allowed and does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_error_free(error: *mut ErrorObject) {
    border::value_or((), || {
        // SAFETY: the header's contract: it came from us and is freed once.
        drop(unsafe { border::given_back(error) });
    });
}

impl ErrorObject {
    pub(crate) fn new(failure: Failure) -> ErrorObject {
        ErrorObject {
            status: failure.status,
            message: border::owned_text(&failure.message),
        }
    }
}
