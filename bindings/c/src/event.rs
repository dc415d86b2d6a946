//! The events of a watch.

use std::ffi::{CStr, c_char};

use lamport_clock::{Error, WatchEvent};

use self::EventKind::*;
use crate::border;
use crate::error::{ErrorObject, lamport_error_message, lamport_error_status};
use crate::observed::Observed;
use crate::status::Status;

/// What an event is about.
///
/// A number keeps its meaning for ever. Later versions may add kinds: ignore those that you do not know,
/// since none of them is an update.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// No event, or an event of a kind that this version does not know.
    LAMPORT_EVENT_NONE = 0,
    /// An update by any process: lamport_event_update() returns it.
    LAMPORT_EVENT_UPDATED = 1,
    /// The record was deleted, at lamport_event_revision(). No clock does that.
    LAMPORT_EVENT_DELETED = 2,
    /// A record that can't be read was written, at lamport_event_revision(). lamport_event_message() says
    /// what was found.
    LAMPORT_EVENT_UNREADABLE = 3,
    /// The store compacted its history faster than the watch followed: changes from lamport_event_revision()
    /// up to but not including lamport_event_until() are not known. Revisions count all keys of the store, so
    /// there may have been no update among them.
    LAMPORT_EVENT_MISSED = 4,
    /// The connection broke, for the reason in lamport_event_message(). The watch goes on trying, and misses
    /// nothing because of the break.
    LAMPORT_EVENT_INTERRUPTED = 5,
    /// The watch has ended by itself, for the reason in lamport_event_message(). Only a callback gets this
    /// event, as its last one. (lamport_watch_next() returns the reason as its error.)
    LAMPORT_EVENT_ENDED = 6,
}

/// Something that a watch saw. An event from lamport_watch_next() is yours: free it with
/// lamport_event_free(). An event that a callback is called with lives as long as that call.
#[derive(Debug)]
pub struct Event {
    kind: EventKind,
    observed: Option<Observed>,
    revision: u64,
    until: u64,
    error: Option<ErrorObject>,
}

/// What the event is about.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_event_kind(event: Option<&Event>) -> EventKind {
    border::look(event, LAMPORT_EVENT_NONE, |this| this.kind)
}

/// The name of a kind of event for logs, for instance "updated"; the same word as in the JSON output of
/// `lamport watch`. "unknown" for a number that this version does not know.
///
/// A static text.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_event_kind_name(kind: i32) -> *const c_char {
    border::value_or(UNKNOWN.as_ptr(), || {
        let named = NAMES.iter().find(|(named, _)| *named as i32 == kind);
        named.map_or(UNKNOWN, |(_, name)| name).as_ptr()
    })
}

/// The update, if the event is one (LAMPORT_EVENT_UPDATED); otherwise NULL. It belongs to the event.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_event_update(event: Option<&Event>) -> Option<&Observed> {
    border::look(event, None, |this| this.observed.as_ref())
}

/// The store's revision of an update, a deletion or a record that can't be read; for LAMPORT_EVENT_MISSED,
/// the first revision that was missed. 0 for the other kinds.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_event_revision(event: Option<&Event>) -> u64 {
    border::look(event, 0, |this| this.revision)
}

/// The revision at which the watch goes on after LAMPORT_EVENT_MISSED. 0 for the other kinds.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_event_until(event: Option<&Event>) -> u64 {
    border::look(event, 0, |this| this.until)
}

/// The reason why a record can't be read, the connection broke or the watch ended. LAMPORT_STATUS_OK for the
/// other kinds.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_event_status(event: Option<&Event>) -> Status {
    lamport_error_status(border::look(event, None, |this| this.error.as_ref()))
}

/// The message of that reason, for people. "" for the other kinds.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_event_message(event: Option<&Event>) -> *const c_char {
    lamport_error_message(border::look(event, None, |this| this.error.as_ref()))
}

/// Frees an event that lamport_watch_next() gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_event_free(event: *mut Event) {
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(event, drop) }
}

impl Event {
    pub(crate) fn of(event: WatchEvent) -> Event {
        match event {
            WatchEvent::Updated(observed) => Event {
                observed: Some(Observed::new(observed.clone())),
                ..Event::at(LAMPORT_EVENT_UPDATED, observed.revision)
            },
            WatchEvent::Deleted { revision } => Event::at(LAMPORT_EVENT_DELETED, revision),
            WatchEvent::Unreadable { revision, error } => {
                Event::at(LAMPORT_EVENT_UNREADABLE, revision).because(error)
            }
            WatchEvent::Missed { from, until } => Event {
                until,
                ..Event::at(LAMPORT_EVENT_MISSED, from)
            },
            WatchEvent::Interrupted(error) => {
                Event::at(LAMPORT_EVENT_INTERRUPTED, 0).because(error)
            }
            _ => Event::at(LAMPORT_EVENT_NONE, 0),
        }
    }

    pub(crate) fn ended(error: Error) -> Event {
        Event::at(LAMPORT_EVENT_ENDED, 0).because(error)
    }

    fn at(kind: EventKind, revision: u64) -> Event {
        Event {
            kind,
            observed: None,
            revision,
            until: 0,
            error: None,
        }
    }

    fn because(mut self, error: Error) -> Event {
        self.error = Some(error.into());
        self
    }
}

const NAMES: [(EventKind, &CStr); 7] = [
    (LAMPORT_EVENT_NONE, c"none"),
    (LAMPORT_EVENT_UPDATED, c"updated"),
    (LAMPORT_EVENT_DELETED, c"deleted"),
    (LAMPORT_EVENT_UNREADABLE, c"unreadable"),
    (LAMPORT_EVENT_MISSED, c"missed"),
    (LAMPORT_EVENT_INTERRUPTED, c"interrupted"),
    (LAMPORT_EVENT_ENDED, c"ended"),
];
const UNKNOWN: &CStr = c"unknown";

#[cfg(test)]
mod tests {
    use lamport_clock::ErrorKind;

    use super::*;

    /// Covers the events that the stores in these tests never give.
    #[test]
    fn each_event_says_what_it_is_about_and_why() {
        let error = || Error::new(ErrorKind::Corrupt, "not JSON");
        let parts = |event: WatchEvent| {
            let event = Event::of(event);
            let status = lamport_event_status(Some(&event));
            // SAFETY: the text lives as long as the event.
            let message = unsafe { CStr::from_ptr(lamport_event_message(Some(&event))) };
            let message = message.to_str().unwrap().to_owned();
            (event.kind, event.revision, event.until, status, message)
        };
        let ok = Status::LAMPORT_STATUS_OK;
        let corrupt = Status::LAMPORT_STATUS_CORRUPT;
        let nothing = String::new;
        assert_eq!(
            parts(WatchEvent::Missed { from: 3, until: 9 }),
            (LAMPORT_EVENT_MISSED, 3, 9, ok, nothing())
        );
        assert_eq!(
            parts(WatchEvent::Deleted { revision: 4 }),
            (LAMPORT_EVENT_DELETED, 4, 0, ok, nothing())
        );
        let revision = 5;
        assert_eq!(
            parts(WatchEvent::Unreadable {
                revision,
                error: error()
            }),
            (
                LAMPORT_EVENT_UNREADABLE,
                5,
                0,
                corrupt,
                "not JSON".to_owned()
            )
        );
        assert_eq!(
            parts(WatchEvent::Interrupted(error())),
            (
                LAMPORT_EVENT_INTERRUPTED,
                0,
                0,
                corrupt,
                "not JSON".to_owned()
            )
        );
        let ended = Event::ended(error());
        let status = lamport_event_status(Some(&ended));
        assert_eq!((ended.kind, status), (LAMPORT_EVENT_ENDED, corrupt));
    }
}
