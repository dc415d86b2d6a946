//! The statuses: fixed numbers, and the one table from the core's kinds of errors.

use std::ffi::{CStr, c_char};

use lamport_clock::ErrorKind;

use self::Status::*;
use crate::border;

/// What a function returns: 0 if it did what it was asked, otherwise why not.
///
/// A number keeps its meaning for ever and is never given to another. Later versions may add some:
/// treat a number you do not know as a failure.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done. The outputs are written.
    LAMPORT_STATUS_OK = 0,
    /// A pointer that is required was NULL.
    LAMPORT_STATUS_NULL_POINTER = 1,
    /// A text is not UTF-8.
    LAMPORT_STATUS_INVALID_UTF8 = 2,
    /// The caller's buffer is too small for the text; the size needed was written.
    LAMPORT_STATUS_BUFFER_TOO_SMALL = 3,
    /// A defect of this library, caught at its border. Please report it with the message.
    LAMPORT_STATUS_PANIC = 4,

    /// An argument, a variable of the environment, a file or a text does not have the required form.
    LAMPORT_STATUS_INVALID_ARGUMENT = 16,
    /// NODE_NAME is not one of the nodes of the node map.
    LAMPORT_STATUS_UNKNOWN_NODE = 17,
    /// No store could be reached, or none was able to serve (no quorum, no leader).
    LAMPORT_STATUS_UNAVAILABLE = 18,
    /// The deadline of the call passed without an answer. Nothing was handed out.
    LAMPORT_STATUS_TIMEOUT = 19,
    /// What lies under a key of the clock can't be read. Nothing was overwritten.
    LAMPORT_STATUS_CORRUPT = 20,
    /// The next time would lie past LAMPORT_TIME_MAX.
    LAMPORT_STATUS_EXHAUSTED = 21,
    /// A time lies further ahead than the jump bound (LAMPORT_MAX_JUMP) allows. The clock is unchanged.
    LAMPORT_STATUS_TOO_FAR_AHEAD = 22,
    /// The store no longer keeps the revisions asked for.
    LAMPORT_STATUS_COMPACTED = 23,
    /// The store refused for lack of permission or of a valid user.
    LAMPORT_STATUS_DENIED = 24,
    /// The store's space quota is used up.
    LAMPORT_STATUS_NO_SPACE = 25,
    /// Too many callers wait in this process already.
    LAMPORT_STATUS_OVERLOADED = 26,
    /// The clock was closed.
    LAMPORT_STATUS_CLOSED = 27,
    /// A fault of this library or of the machine (no memory, no threads).
    LAMPORT_STATUS_INTERNAL = 28,
    /// The store lost times that were handed out: it was restored, is another one, or keys of the
    /// clock were deleted. No time is handed out until `lamport repair`.
    LAMPORT_STATUS_REGRESSED = 29,
    /// A stamp in a message is not signed by who has the key of this process; the clock is unchanged.
    LAMPORT_STATUS_UNTRUSTED = 30,
}

/// The name of a status in a log, for instance "timeout"; the same word as in the JSON output of
/// the `lamport` command. "unknown" for a number that this version does not know.
///
/// A static text.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_status_name(status: i32) -> *const c_char {
    said_of(status, Status::name, c"unknown")
}

/// What a status means, in one sentence. An error's own message says more: prefer
/// lamport_error_message() where there is an error.
///
/// A static text.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_status_text(status: i32) -> *const c_char {
    let unknown = c"a status that this version of the library does not know";
    said_of(status, Status::text, unknown)
}

impl Status {
    /// The one table from the core: a new kind there does not compile here until it has a number.
    pub(crate) const fn of(kind: ErrorKind) -> Status {
        match kind {
            ErrorKind::InvalidArgument => LAMPORT_STATUS_INVALID_ARGUMENT,
            ErrorKind::UnknownNode => LAMPORT_STATUS_UNKNOWN_NODE,
            ErrorKind::Unavailable => LAMPORT_STATUS_UNAVAILABLE,
            ErrorKind::Timeout => LAMPORT_STATUS_TIMEOUT,
            ErrorKind::Corrupt => LAMPORT_STATUS_CORRUPT,
            ErrorKind::Exhausted => LAMPORT_STATUS_EXHAUSTED,
            ErrorKind::TooFarAhead => LAMPORT_STATUS_TOO_FAR_AHEAD,
            ErrorKind::Untrusted => LAMPORT_STATUS_UNTRUSTED,
            ErrorKind::Compacted => LAMPORT_STATUS_COMPACTED,
            ErrorKind::Denied => LAMPORT_STATUS_DENIED,
            ErrorKind::NoSpace => LAMPORT_STATUS_NO_SPACE,
            ErrorKind::Regressed => LAMPORT_STATUS_REGRESSED,
            ErrorKind::Overloaded => LAMPORT_STATUS_OVERLOADED,
            ErrorKind::Closed => LAMPORT_STATUS_CLOSED,
            _ => LAMPORT_STATUS_INTERNAL,
        }
    }

    /// The statuses of the border itself, which no kind of the core stands for.
    const OF_THE_BORDER: [Status; 5] = [
        LAMPORT_STATUS_OK,
        LAMPORT_STATUS_NULL_POINTER,
        LAMPORT_STATUS_INVALID_UTF8,
        LAMPORT_STATUS_BUFFER_TOO_SMALL,
        LAMPORT_STATUS_PANIC,
    ];

    fn from_number(number: i32) -> Option<Status> {
        Status::OF_THE_BORDER
            .into_iter()
            .chain(ErrorKind::all().iter().copied().map(Status::of))
            .find(|status| *status as i32 == number)
    }

    const fn name(self) -> &'static CStr {
        match self {
            LAMPORT_STATUS_OK => c"ok",
            LAMPORT_STATUS_NULL_POINTER => c"null_pointer",
            LAMPORT_STATUS_INVALID_UTF8 => c"invalid_utf8",
            LAMPORT_STATUS_BUFFER_TOO_SMALL => c"buffer_too_small",
            LAMPORT_STATUS_PANIC => c"panic",
            LAMPORT_STATUS_INVALID_ARGUMENT => c"invalid_argument",
            LAMPORT_STATUS_UNKNOWN_NODE => c"unknown_node",
            LAMPORT_STATUS_UNAVAILABLE => c"unavailable",
            LAMPORT_STATUS_TIMEOUT => c"timeout",
            LAMPORT_STATUS_CORRUPT => c"corrupt",
            LAMPORT_STATUS_EXHAUSTED => c"exhausted",
            LAMPORT_STATUS_TOO_FAR_AHEAD => c"too_far_ahead",
            LAMPORT_STATUS_UNTRUSTED => c"untrusted",
            LAMPORT_STATUS_COMPACTED => c"compacted",
            LAMPORT_STATUS_DENIED => c"denied",
            LAMPORT_STATUS_NO_SPACE => c"no_space",
            LAMPORT_STATUS_OVERLOADED => c"overloaded",
            LAMPORT_STATUS_CLOSED => c"closed",
            LAMPORT_STATUS_INTERNAL => c"internal",
            LAMPORT_STATUS_REGRESSED => c"regressed",
        }
    }

    const fn text(self) -> &'static CStr {
        match self {
            LAMPORT_STATUS_OK => c"done",
            LAMPORT_STATUS_NULL_POINTER => c"a pointer that is required was NULL",
            LAMPORT_STATUS_INVALID_UTF8 => c"a text is not UTF-8",
            LAMPORT_STATUS_BUFFER_TOO_SMALL => c"the buffer is too small for the text",
            LAMPORT_STATUS_PANIC => c"a defect of the library, caught at its border",
            LAMPORT_STATUS_INVALID_ARGUMENT => c"something does not have the required form",
            LAMPORT_STATUS_UNKNOWN_NODE => c"the node is not in the node map",
            LAMPORT_STATUS_UNAVAILABLE => c"no store could be reached or was able to serve",
            LAMPORT_STATUS_TIMEOUT => c"the deadline passed without an answer",
            LAMPORT_STATUS_CORRUPT => c"what lies under a key of the clock can't be read",
            LAMPORT_STATUS_EXHAUSTED => c"no logical time is left",
            LAMPORT_STATUS_TOO_FAR_AHEAD => c"a time lies too far ahead of the clock",
            LAMPORT_STATUS_UNTRUSTED => c"a stamp is not signed by who has this process's key",
            LAMPORT_STATUS_COMPACTED => c"the store no longer keeps what was asked for",
            LAMPORT_STATUS_DENIED => c"the store refused this user",
            LAMPORT_STATUS_NO_SPACE => c"the store's space quota is used up",
            LAMPORT_STATUS_OVERLOADED => c"too many callers wait in this process already",
            LAMPORT_STATUS_CLOSED => c"the clock was closed",
            LAMPORT_STATUS_INTERNAL => c"a fault of the library or of the machine",
            LAMPORT_STATUS_REGRESSED => c"the store lost times that were handed out",
        }
    }
}

fn said_of(
    number: i32,
    said: fn(Status) -> &'static CStr,
    unknown: &'static CStr,
) -> *const c_char {
    border::value_or(unknown.as_ptr(), || {
        Status::from_number(number).map_or(unknown, said).as_ptr()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_status_of_its_own_under_the_same_name() {
        let numbers: HashSet<i32> = Status::OF_THE_BORDER
            .into_iter()
            .chain(ErrorKind::all().iter().copied().map(Status::of))
            .map(|status| status as i32)
            .collect();
        assert_eq!(
            numbers.len(),
            Status::OF_THE_BORDER.len() + ErrorKind::all().len()
        );
        for &kind in ErrorKind::all() {
            assert_eq!(Status::of(kind).name().to_str(), Ok(kind.name()));
        }
    }

    #[test]
    fn numbers_come_back_as_the_status_they_were() {
        for &kind in ErrorKind::all() {
            let status = Status::of(kind);
            assert_eq!(Status::from_number(status as i32), Some(status));
        }
        for unknown in [-1, 5, 15, 31, i32::MIN, i32::MAX] {
            assert_eq!(Status::from_number(unknown), None);
        }
    }
}
