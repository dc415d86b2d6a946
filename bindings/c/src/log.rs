//! Lines of a log, each of which names the messages that arrived before it.

use std::ffi::c_char;

use lamport_clock::Line;

use crate::border;
use crate::clock::Clock;
use crate::error::ErrorObject;
use crate::local::Local;
use crate::stamp::Stamp;
use crate::status::Status;

/// A form of lamport_clock_log(), for people: the stamp and a word for each cause, such as "42@api <41@api
/// <40@billing;at=41". "<-" means that there is no cause, "<+3" that three causes are not named. Write it at
/// the end of a line.
pub const LAMPORT_LOG_TEXT: i32 = 0;
/// Like LAMPORT_LOG_TEXT, but with the long texts of the stamps: for processes that share a name, such as
/// forked children.
pub const LAMPORT_LOG_LONG_TEXT: i32 = 1;
/// The members of a JSON object, without its braces: lamport, lamport_time, lamport_process,
/// lamport_instance, and lamport_after, the causes.
pub const LAMPORT_LOG_JSON: i32 = 2;

/// A buffer of this many bytes holds what lamport_clock_log() writes, with as many causes as fit.
pub const LAMPORT_LOG_SIZE: usize = 4096;

/// For an event that is written to a log: ticks, and writes the event's stamp and its causes into the `size`
/// bytes at `buffer`, in the form LAMPORT_LOG_TEXT, LAMPORT_LOG_LONG_TEXT or LAMPORT_LOG_JSON. The causes are
/// the clock's line before and the messages that arrived since. Of the messages with a stamp
/// (lamport_clock_extract(), lamport_clock_receive_stamp()) the newest 16 are named, with the local time at
/// which each arrived; all others are counted. The first line of a forked child names the stamp at which its
/// parent's clock stood at the fork.
///
/// Call it once for each line, and write that line. If the buffer is small, the oldest messages are only
/// counted; LAMPORT_LOG_SIZE bytes are always enough. If the buffer is too small even then, the line is lost.
/// Errors: BUFFER_TOO_SMALL, INVALID_ARGUMENT (there is no such form), and those of lamport_clock_tick().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_log(
    clock: Option<&Clock>,
    form: i32,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
    error: *mut *mut ErrorObject,
) -> Status {
    let line = |this: &Clock| fitted(form, size, || this.shared.log());
    // SAFETY: the header's contract.
    unsafe { border::composed(clock, buffer, size, needed, error, line) }
}

/// For a message that arrived and carried the stamp `message`: works like lamport_clock_receive(), and the
/// next line of lamport_clock_log() names the message. On success `*stamp` is yours.
///
/// Errors as for lamport_clock_receive().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_receive_stamp(
    clock: Option<&Clock>,
    message: Option<&Stamp>,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    let arrived = |this: &Clock| this.stamp(this.shared.receive(&border::lent(message)?.stamp));
    // SAFETY: the header's contract.
    unsafe { border::made_by(clock, stamp, error, arrived) }
}

/// Like lamport_clock_log(), for a clock without a store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_log(
    local: Option<&Local>,
    form: i32,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
    error: *mut *mut ErrorObject,
) -> Status {
    let line = |this: &Local| fitted(form, size, || this.clock.log());
    // SAFETY: the header's contract.
    unsafe { border::composed(local, buffer, size, needed, error, line) }
}

/// Like lamport_clock_receive_stamp(), for a clock without a store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_local_receive_stamp(
    local: Option<&Local>,
    message: Option<&Stamp>,
    stamp: *mut *mut Stamp,
    error: *mut *mut ErrorObject,
) -> Status {
    let arrived = |this: &Local| this.stamp(this.clock.receive(&border::lent(message)?.stamp));
    // SAFETY: the header's contract.
    unsafe { border::made_by(local, stamp, error, arrived) }
}

/// Makes a line in this form, with as many causes as fit into `size` bytes.
fn fitted(
    form: i32,
    size: usize,
    log: impl FnOnce() -> lamport_clock::Result<Line>,
) -> Result<String, ErrorObject> {
    let write: fn(&Line) -> String = match form {
        LAMPORT_LOG_TEXT => |line| line.to_string(),
        LAMPORT_LOG_LONG_TEXT => |line| format!("{line:#}"),
        LAMPORT_LOG_JSON => members,
        _ => {
            return Err(ErrorObject::new(
                Status::LAMPORT_STATUS_INVALID_ARGUMENT,
                &format!("there is no form {form} of a line: see LAMPORT_LOG_TEXT"),
            ));
        }
    };
    let mut line = log()?;
    let mut text = write(&line);
    while text.len() >= size && line.drop_oldest() {
        text = write(&line);
    }
    Ok(text)
}

fn members(line: &Line) -> String {
    // A line holds only texts and numbers, so this can't fail.
    let object = serde_json::to_string(line).unwrap_or_default();
    let members = object.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    members.unwrap_or_default().to_owned()
}
