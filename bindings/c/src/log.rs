//! Lines of a log, which name the messages that they came after.

use std::ffi::c_char;

use lamport_clock::Line;

use crate::border;
use crate::clock::Clock;
use crate::error::ErrorObject;
use crate::local::Local;
use crate::stamp::Stamp;
use crate::status::Status;

/// A form of lamport_clock_log(), for people: the stamp and a word for each cause,
/// "42@api <41@api <40@billing;at=41", with "<-" for none and "<+3" for three that are not named. It goes
/// to the end of a line.
pub const LAMPORT_LOG_TEXT: i32 = 0;
/// The same with long texts of the stamps, for processes that share a name, such as forked children.
pub const LAMPORT_LOG_LONG_TEXT: i32 = 1;
/// The members of a JSON object, without its braces: lamport, lamport_time, lamport_process,
/// lamport_instance, and lamport_after, the causes.
pub const LAMPORT_LOG_JSON: i32 = 2;

/// A buffer of this many bytes holds what lamport_clock_log() writes, with as many causes as fit.
pub const LAMPORT_LOG_SIZE: usize = 4096;

/// An event that is written down: ticks, and writes its stamp with its causes into `size` bytes at
/// `buffer`, in the form LAMPORT_LOG_TEXT, LAMPORT_LOG_LONG_TEXT or LAMPORT_LOG_JSON. The causes are the
/// clock's line before and the messages that arrived since, with the local time at which each arrived: of
/// those with a stamp (lamport_clock_extract(), lamport_clock_receive_stamp()) the newest 16, and how
/// many there were besides. The first line of a forked child comes after where its parent's clock stood.
///
/// Call it for each line, and write that line. Where the buffer is small the oldest messages are only
/// counted; LAMPORT_LOG_SIZE bytes are always enough. A buffer that is too small even then costs the line.
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

/// A message arrived that carried this stamp: as lamport_clock_receive(), and the next line names it. On
/// success `*stamp` is yours.
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

/// As lamport_clock_log(), of a clock without a store.
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

/// As lamport_clock_receive_stamp(), of a clock without a store.
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

/// The line in this form, with as many causes as fit.
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
    // Texts and numbers alone: nothing that could fail.
    let object = serde_json::to_string(line).unwrap_or_default();
    let members = object.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    members.unwrap_or_default().to_owned()
}
