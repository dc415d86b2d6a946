//! Everything that is printed: for people or as JSON.

mod updates;

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

pub(super) use self::updates::{ObservedObject, UpdateObject, after, observed_line};

use super::{Ending, environment};
use lamport_clock::excerpt::{escape, escape_json, quote};
use lamport_clock::{Error, ErrorKind};

/// Prints what a command has to say.
pub(super) struct Output {
    pub(super) json: bool,
    colour: bool,
    colour_errors: bool,
}

/// How a text looks on a terminal; elsewhere it is plain.
#[derive(Clone, Copy)]
pub(super) enum Look {
    Bold,
    Faint,
    Red,
    Green,
    Yellow,
    /// The colour of a lane. The colours repeat after six lanes.
    Lane(usize),
}

impl Output {
    pub(super) fn new(json: bool) -> Output {
        Output {
            json,
            colour: !json && environment::takes_colour(&io::stdout()),
            colour_errors: environment::takes_colour(&io::stderr()),
        }
    }

    /// Whether a person looks at standard output.
    pub(super) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// A line for people, on standard output.
    pub(super) fn line(&self, text: impl Display) -> Result<(), Ending> {
        written(writeln!(io::stdout(), "{text}"))
    }

    /// A question to a person, who answers on the same line.
    pub(super) fn prompt(&self, text: impl Display) -> Result<(), Ending> {
        let mut stdout = io::stdout();
        written(write!(stdout, "{text}").and_then(|()| stdout.flush()))
    }

    /// A line for programs, on standard output.
    pub(super) fn object(&self, object: &impl Serialize) -> Result<(), Ending> {
        self.line(json(object)?)
    }

    /// A message that is no result. People see it among the results; with `--json` it is on standard error.
    pub(super) fn remark(&self, text: impl Display) -> Result<(), Ending> {
        if self.json {
            // Nobody has to read standard error, so a failed write there does not end the command.
            let _ = writeln!(io::stderr(), "{text}");
            return Ok(());
        }
        self.line(text)
    }

    /// A failure after which the command goes on.
    pub(super) fn failure(&self, error: &Error) -> Result<(), Ending> {
        if self.json {
            return self.object(&Failure::from(error));
        }
        self.complain(error);
        Ok(())
    }

    /// A failure that ends the command.
    pub(super) fn last_words(&self, error: &Error) {
        if self.json {
            let _ = self.object(&Failure::from(error));
        }
        self.complain(error);
    }

    /// The text of a usage error: several lines, the last of which say what to do.
    pub(super) fn usage(&self, message: &str) {
        if self.json {
            let _ = self.object(&Failure {
                error: message.to_owned(),
                kind: ErrorKind::InvalidArgument.name(),
            });
        }
        let lines: Vec<_> = message.lines().map(escape).collect();
        self.complain(lines.join("\n"));
    }

    /// A line on standard error.
    pub(super) fn complain(&self, message: impl Display) {
        let who = paint(self.colour_errors, Look::Red, "lamport:");
        let _ = writeln!(io::stderr(), "{who} {message}");
    }

    /// A line for people that belongs to no result, on standard error.
    pub(super) fn aside(&self, text: impl Display) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Standard output for many lines, in large pieces.
    pub(super) fn lines(&self) -> Lines {
        Lines::to(io::stdout().lock())
    }

    /// Shows the progress of long work if standard error is a terminal.
    pub(super) fn progress(&self, verb: &'static str) -> Progress {
        Progress {
            verb,
            is_watched: io::stderr().is_terminal(),
            done: 0,
            next: Instant::now() + SILENT,
            is_shown: false,
        }
    }

    /// The text as it looks on standard output.
    pub(super) fn paint(&self, look: Look, text: impl Display) -> String {
        paint(self.colour, look, text)
    }
}

/// Work shows no progress before this time has passed.
const SILENT: Duration = Duration::from_secs(1);

/// The pause between two updates of the progress.
const AGAIN: Duration = Duration::from_millis(200);

/// Shows on standard error how many bytes are done.
pub(super) struct Progress {
    verb: &'static str,
    is_watched: bool,
    done: u64,
    next: Instant,
    is_shown: bool,
}

impl Progress {
    pub(super) fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        if self.is_watched && Instant::now() >= self.next {
            self.next = Instant::now() + AGAIN;
            self.is_shown = true;
            let megabytes = self.done / 1_000_000;
            let _ = write!(io::stderr(), "\r\x1b[K{} {megabytes} MB", self.verb);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// A buffered writer for many lines, such as those of logs.
pub(super) struct Lines(BufWriter<Box<dyn Write>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Lines {
    pub(super) fn to(writer: impl Write + 'static) -> Lines {
        Lines(BufWriter::with_capacity(1 << 17, Box::new(writer)))
    }

    /// Writes a text that has its own line ends.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Ending> {
        written(self.0.write_all(text.as_bytes()))
    }

    /// Writes lines unchanged, for programs.
    pub(super) fn verbatim(&mut self, lines: &[u8]) -> Result<(), Ending> {
        written(
            self.0
                .write_all(lines)
                .and_then(|()| self.0.write_all(b"\n")),
        )
    }

    /// Writes a line that this command has made.
    pub(super) fn line(&mut self, text: impl Display) -> Result<(), Ending> {
        written(writeln!(self.0, "{text}"))
    }

    pub(super) fn object(&mut self, object: &impl Serialize) -> Result<(), Ending> {
        self.line(json(object)?)
    }

    pub(super) fn flush(&mut self) -> Result<(), Ending> {
        written(self.0.flush())
    }
}

/// Appends an object as a line of JSON.
pub(super) fn append_json(to: &mut Vec<u8>, object: &impl Serialize) -> Result<(), Ending> {
    to.extend_from_slice(json(object)?.as_bytes());
    to.push(b'\n');
    Ok(())
}

fn json(object: &impl Serialize) -> Result<String, Ending> {
    let text = serde_json::to_string(object).map_err(|error| {
        let message = format!("the output can't be put into JSON: {error}");
        Error::with_source(ErrorKind::Internal, message, error)
    })?;
    Ok(escape_json(text))
}

fn paint(colour: bool, look: Look, text: impl Display) -> String {
    if !colour {
        return text.to_string();
    }
    let code = match look {
        Look::Bold => 1,
        Look::Faint => 2,
        Look::Red => 31,
        Look::Green => 32,
        Look::Yellow => 33,
        Look::Lane(lane) => [36, 33, 35, 32, 34, 31][lane % 6],
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

pub(super) fn written(result: io::Result<()>) -> Result<(), Ending> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ending::ReaderGone,
        _ => Ending::Failed(Error::with_source(
            ErrorKind::Internal,
            format!("the output can't be written: {error}"),
            error,
        )),
    })
}

#[derive(Serialize)]
struct Failure {
    error: String,
    kind: &'static str,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Failure {
        Failure {
            error: error.to_string(),
            kind: error.kind().name(),
        }
    }
}

/// Creates the file for the result. It must not be one of the inputs: these are read again while the
/// result is written.
pub(super) fn created(path: &Path, inputs: &[String]) -> Result<File, Ending> {
    let refused = |why: String| {
        let name = quote(&path.to_string_lossy());
        let message = format!("{name} can't be written: {why}");
        Ending::Usage(Error::new(ErrorKind::InvalidArgument, message))
    };
    if let Ok(known) = path.metadata() {
        let is_input = |input: &String| {
            let input = Path::new(input).metadata();
            input.is_ok_and(|input| (input.dev(), input.ino()) == (known.dev(), known.ino()))
        };
        if known.is_file() && inputs.iter().any(is_input) {
            return Err(refused("it is one of the logs".to_owned()));
        }
    }
    File::create(path).map_err(|error| refused(error.to_string()))
}

/// A number of things, in groups of three digits.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.char_indices() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The number of things, and the word for them.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Nanoseconds as people say them: `6.2 ms`, `1.5 s`.
pub(super) fn milliseconds(nanoseconds: i64) -> String {
    let milliseconds = nanoseconds as f64 / 1e6;
    match milliseconds.abs() {
        0.0..0.1 => format!("{milliseconds:.3} ms"),
        0.1..1_000.0 => format!("{milliseconds:.1} ms"),
        _ => format!("{:.1} s", milliseconds / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals() {
        assert_eq!(paint(false, Look::Red, "x"), "x");
        assert_eq!(paint(true, Look::Red, "x"), "\x1b[31mx\x1b[0m");
    }
}
