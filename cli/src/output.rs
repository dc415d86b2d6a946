//! Everything that is printed: for people or as JSON.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Ending, environment};
use lamport_clock::excerpt::{escape, escape_json, quote};
use lamport_clock::{Error, ErrorKind, Holder, Observed, Time, Update};

/// Where a command's words go.
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
    /// One colour for each lane, over and over.
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

    /// Something beside the results: among them for people, apart from them for programs.
    pub(super) fn remark(&self, text: impl Display) -> Result<(), Ending> {
        if self.json {
            // Nobody need read it, so that nobody does is no reason to end.
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

    /// Tells of long work where somebody watches.
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

/// Before that nobody wonders.
const SILENT: Duration = Duration::from_secs(1);

/// How often it is told anew.
const AGAIN: Duration = Duration::from_millis(200);

/// Bytes that are done, on standard error.
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

/// Lines of others, many of them.
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

    /// A text that has its own ends of lines.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Ending> {
        written(self.0.write_all(text.as_bytes()))
    }

    /// As they are: for programs.
    pub(super) fn verbatim(&mut self, lines: &[u8]) -> Result<(), Ending> {
        written(
            self.0
                .write_all(lines)
                .and_then(|()| self.0.write_all(b"\n")),
        )
    }

    /// A line of ours.
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

/// A line of JSON for a file.
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

/// An update by this process as JSON.
#[derive(Serialize)]
pub(super) struct UpdateObject<'a> {
    value: u64,
    process: &'a str,
    real_timestamp: f64,
    previous: Option<HolderObject<'a>>,
    revision: u64,
    round_trips: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    regressed: Option<u64>,
}

#[derive(Serialize)]
struct HolderObject<'a> {
    value: u64,
    process: &'a str,
}

impl<'a> From<&'a Update> for UpdateObject<'a> {
    fn from(update: &'a Update) -> UpdateObject<'a> {
        UpdateObject {
            value: update.value.get(),
            process: update.process.as_str(),
            real_timestamp: update.real_timestamp,
            previous: update.previous.as_ref().map(|holder| HolderObject {
                value: holder.value.get(),
                process: &holder.process,
            }),
            revision: update.revision,
            round_trips: update.round_trips,
            regressed: update.regressed.map(Time::get),
        }
    }
}

/// An update by anyone as JSON; all `null` where there is none yet.
#[derive(Serialize, Default)]
pub(super) struct ObservedObject<'a> {
    value: Option<u64>,
    /// Below `value` if the update took several times.
    first: Option<u64>,
    process: Option<&'a str>,
    instance: Option<String>,
    real_timestamp: Option<f64>,
    revision: Option<u64>,
}

impl<'a> From<&'a Observed> for ObservedObject<'a> {
    fn from(observed: &'a Observed) -> ObservedObject<'a> {
        ObservedObject {
            value: Some(observed.value.get()),
            first: Some(observed.first.get()),
            process: Some(&observed.process),
            instance: observed.instance.map(|instance| instance.to_string()),
            real_timestamp: observed.real_timestamp,
            revision: Some(observed.revision),
        }
    }
}

/// An update by anyone for people: `    42  mx-nodel    2025-06-16 23:15:44.920 UTC  revision 7`.
pub(super) fn observed_line(output: &Output, observed: &Observed) -> String {
    let times = if observed.first < observed.value {
        format!("{}..{}", observed.first, observed.value)
    } else {
        observed.value.to_string()
    };
    format!(
        "{}  {:<12}  {}",
        output.paint(Look::Bold, format_args!("{times:>8}")),
        escape(&observed.process),
        output.paint(
            Look::Faint,
            format_args!(
                "{}  revision {}",
                observed
                    .real_timestamp
                    .map_or_else(|| "(no wall time)".to_owned(), wall_time),
                observed.revision
            )
        ),
    )
}

/// Who held the record before: `after 41@mx-nodel2`.
pub(super) fn after(previous: Option<&Holder>) -> String {
    match previous {
        Some(holder) => format!("after {}@{}", holder.value, escape(&holder.process)),
        None => "the first record".to_owned(),
    }
}

/// The file for the result, which is none of those that are read: they are read again meanwhile.
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

/// The number of things, and what they are.
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

/// Unix seconds as `2025-06-16 23:15:44.920 UTC`.
fn wall_time(seconds: f64) -> String {
    // Of years that the calendar below can count; a writer may have put anything there.
    if !(0.0..253_402_300_800.0).contains(&seconds) {
        return format!("{seconds} s");
    }
    let milliseconds = (seconds * 1_000.0) as u64;
    let (seconds, milliseconds) = (milliseconds / 1_000, milliseconds % 1_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{milliseconds:03} UTC",
        second / 3_600,
        second / 60 % 60,
        second % 60,
    )
}

/// The Gregorian date so many days after 1970-01-01.
///
/// Counted from 1 March of the year 0, so that a leap day is the last day of its year; 400 such
/// years always have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, wrapped) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + wrapped, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_times_are_dates() {
        for (seconds, text) in [
            (0.0, "1970-01-01 00:00:00.000 UTC"),
            (951_782_400.0, "2000-02-29 00:00:00.000 UTC"),
            (1_709_251_199.5, "2024-02-29 23:59:59.500 UTC"),
            (1_750_116_944.92, "2025-06-16 23:35:44.920 UTC"),
            (4_107_542_400.0, "2100-03-01 00:00:00.000 UTC"),
            (-1.0, "-1 s"),
        ] {
            assert_eq!(wall_time(seconds), text);
        }
    }

    #[test]
    fn colours_are_for_terminals() {
        assert_eq!(paint(false, Look::Red, "x"), "x");
        assert_eq!(paint(true, Look::Red, "x"), "\x1b[31mx\x1b[0m");
    }
}
