//! Turns files of other programs into the ordinary lines that a [`Reader`](crate::Reader) takes, so that
//! no other module knows their forms.

mod otlp;
mod perfetto;
mod shiviz;
mod spans;

use lamport_clock::{Error, ErrorKind};
use serde::Serialize;

/// The form of a file that is no log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Vector clocks, for ShiViz or as GoVector writes them.
    Shiviz,
    /// Traces of Perfetto and Chrome, as [`export`](crate::export) writes them.
    Perfetto,
    /// OpenTelemetry's traces and logs as JSON.
    Otlp,
}

impl Foreign {
    /// This many bytes at a file's beginning are enough to detect its form.
    pub const HEAD: usize = 4_096;

    /// The form of a file that begins with `head`; `None` for a log, or anything else that a reader takes.
    ///
    /// ```
    /// use lamport_trace::Foreign;
    ///
    /// let head = b"api {\"api\":1} Initialization\n";
    /// assert_eq!(Foreign::detect(head), Some(Foreign::Shiviz));
    /// assert_eq!(Foreign::detect(b"{\"lamport\":\"1@api\"}\n"), None);
    /// ```
    pub fn detect(head: &[u8]) -> Option<Foreign> {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let head = &head[..head.len().min(Foreign::HEAD)];
        let first_key = head.trim_ascii_start().strip_prefix(b"{");
        let first_key = first_key.and_then(|rest| rest.trim_ascii_start().strip_prefix(b"\""));
        let is_first = |key: &str| {
            first_key.is_some_and(|rest| {
                let rest = rest.strip_prefix(key.as_bytes());
                rest.is_some_and(|rest| rest.starts_with(b"\""))
            })
        };
        if is_first("traceEvents") {
            Some(Foreign::Perfetto)
        } else if is_first("resourceSpans") || is_first("resourceLogs") {
            Some(Foreign::Otlp)
        } else {
            shiviz::is_one(head).then_some(Foreign::Shiviz)
        }
    }

    /// Turns a whole file into lines that say the same.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if the whole file does not have the form that its beginning promised.
    pub fn lines(self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Foreign::Shiviz => Ok(shiviz::lines(bytes)),
            Foreign::Perfetto => perfetto::lines(bytes),
            Foreign::Otlp => otlp::lines(bytes),
        }
    }
}

/// Appends a line with the keys that the reader knows.
fn put(lines: &mut Vec<u8>, record: &impl Serialize) {
    let before = lines.len();
    match serde_json::to_writer(&mut *lines, record) {
        Ok(()) => lines.push(b'\n'),
        Err(_) => lines.truncate(before),
    }
}

fn no_such(form: &str, error: &serde_json::Error) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("it begins as {form} and goes on as something else: {error}"),
    )
}
