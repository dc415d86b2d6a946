//! What other programs wrote, as the ordinary lines that a [`Reader`](crate::Reader) takes: nothing else
//! learns of their forms.

mod otlp;
mod perfetto;
mod shiviz;
mod spans;

use lamport_clock::{Error, ErrorKind};
use serde::Serialize;

/// A form that is no log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Vector clocks, for ShiViz or as GoVector writes them.
    Shiviz,
    /// Perfetto's and Chrome's, as [`export`](crate::export) writes it.
    Perfetto,
    /// OpenTelemetry's traces and logs as JSON.
    Otlp,
}

impl Foreign {
    /// So many bytes at a file's beginning tell what it is.
    pub const HEAD: usize = 4_096;

    /// What a file is that begins like that; `None`: a log, or what else a reader takes.
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

    /// The lines that say the same.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` where the whole is not what its beginning promised.
    pub fn lines(self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Foreign::Shiviz => Ok(shiviz::lines(bytes)),
            Foreign::Perfetto => perfetto::lines(bytes),
            Foreign::Otlp => otlp::lines(bytes),
        }
    }
}

/// A line with the keys that the reader knows.
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
