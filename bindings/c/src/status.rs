//! The statuses: fixed numbers, and the one table of their names and meanings.

use std::ffi::{CStr, c_char};

use lamport_clock::ErrorKind;

use self::Status::*;
use crate::border;

/// The result of a function: 0 for success, otherwise the kind of failure.
///
/// A number keeps its meaning for ever and is never given to another status. Later versions may add statuses:
/// treat a number that you do not know as a failure.
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
    /// The value of one of the clock's keys can't be read. Nothing was overwritten.
    LAMPORT_STATUS_CORRUPT = 20,
    /// The next time would lie past LAMPORT_TIME_MAX.
    LAMPORT_STATUS_EXHAUSTED = 21,
    /// A time lies further ahead than the jump bound (LAMPORT_MAX_JUMP) allows. The clock is unchanged.
    LAMPORT_STATUS_TOO_FAR_AHEAD = 22,
    /// The store no longer keeps the revisions asked for.
    LAMPORT_STATUS_COMPACTED = 23,
    /// The store refused because a permission or a valid user is missing.
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
    /// A stamp in a message is not signed with a key of this process; the clock is unchanged.
    LAMPORT_STATUS_UNTRUSTED = 30,
}

/// The name of a status for logs, for instance "timeout"; the same word as in the JSON output of the
/// `lamport` command. "unknown" for a number that this version does not know.
///
/// A static text.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_status_name(status: i32) -> *const c_char {
    said_of(status, |row| row.1, c"unknown")
}

/// What a status means, in one sentence. An error's own message says more: prefer
/// lamport_error_message() where there is an error.
///
/// A static text.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_status_text(status: i32) -> *const c_char {
    let unknown = c"a status that this version of the library does not know";
    said_of(status, |row| row.2, unknown)
}

impl Status {
    /// The status that has the name of this kind. A test fails if a new kind of the core has none.
    pub(crate) fn of(kind: ErrorKind) -> Status {
        let same = |row: &&Row| row.1.to_bytes() == kind.name().as_bytes();
        let row = ALL.iter().find(same);
        row.map_or(LAMPORT_STATUS_INTERNAL, |row| row.0)
    }
}

fn said_of(number: i32, said: fn(&Row) -> &'static CStr, unknown: &'static CStr) -> *const c_char {
    border::value_or(unknown.as_ptr(), || {
        let row = ALL.iter().find(|row| row.0 as i32 == number);
        row.map_or(unknown, said).as_ptr()
    })
}

/// A status, its name, and what it means.
type Row = (Status, &'static CStr, &'static CStr);

#[rustfmt::skip]
const ALL: [Row; 20] = [
    (LAMPORT_STATUS_OK, c"ok", c"done"),
    (LAMPORT_STATUS_NULL_POINTER, c"null_pointer", c"a pointer that is required was NULL"),
    (LAMPORT_STATUS_INVALID_UTF8, c"invalid_utf8", c"a text is not UTF-8"),
    (LAMPORT_STATUS_BUFFER_TOO_SMALL, c"buffer_too_small", c"the buffer is too small for the text"),
    (LAMPORT_STATUS_PANIC, c"panic", c"a defect of the library, caught at its border"),
    (LAMPORT_STATUS_INVALID_ARGUMENT, c"invalid_argument", c"something does not have the required form"),
    (LAMPORT_STATUS_UNKNOWN_NODE, c"unknown_node", c"the node is not in the node map"),
    (LAMPORT_STATUS_UNAVAILABLE, c"unavailable", c"no store could be reached or was able to serve"),
    (LAMPORT_STATUS_TIMEOUT, c"timeout", c"the deadline passed without an answer"),
    (LAMPORT_STATUS_CORRUPT, c"corrupt", c"what lies under a key of the clock can't be read"),
    (LAMPORT_STATUS_EXHAUSTED, c"exhausted", c"no logical time is left"),
    (LAMPORT_STATUS_TOO_FAR_AHEAD, c"too_far_ahead", c"a time lies too far ahead of the clock"),
    (LAMPORT_STATUS_COMPACTED, c"compacted", c"the store no longer keeps what was asked for"),
    (LAMPORT_STATUS_DENIED, c"denied", c"the store refused this user"),
    (LAMPORT_STATUS_NO_SPACE, c"no_space", c"the store's space quota is used up"),
    (LAMPORT_STATUS_OVERLOADED, c"overloaded", c"too many callers wait in this process already"),
    (LAMPORT_STATUS_CLOSED, c"closed", c"the clock was closed"),
    (LAMPORT_STATUS_INTERNAL, c"internal", c"a fault of the library or of the machine"),
    (LAMPORT_STATUS_REGRESSED, c"regressed", c"the store lost times that were handed out"),
    (LAMPORT_STATUS_UNTRUSTED, c"untrusted", c"a stamp is not signed by who has this process's key"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_status_of_its_own_under_the_same_name() {
        let of_kinds = ErrorKind::all().iter().map(|kind| Status::of(*kind) as i32);
        let numbers: HashSet<i32> = of_kinds.collect();
        assert_eq!(numbers.len(), ErrorKind::all().len());
        // The statuses below 16 are those of the border, which no error kind maps to.
        assert!(numbers.iter().all(|number| *number >= 16));
        for &kind in ErrorKind::all() {
            assert_eq!(name_of(Status::of(kind) as i32), kind.name());
        }
    }

    #[test]
    fn only_numbers_of_the_table_have_a_name_and_each_its_own() {
        let numbers: HashSet<i32> = ALL.iter().map(|row| row.0 as i32).collect();
        let names: HashSet<&CStr> = ALL.iter().map(|row| row.1).collect();
        assert_eq!((numbers.len(), names.len()), (ALL.len(), ALL.len()));
        for unknown in [-1, 5, 15, 31, i32::MIN, i32::MAX] {
            assert_eq!(name_of(unknown), "unknown");
        }
    }

    fn name_of(number: i32) -> &'static str {
        // SAFETY: a static text.
        unsafe { CStr::from_ptr(lamport_status_name(number)) }
            .to_str()
            .unwrap()
    }
}
