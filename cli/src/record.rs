//! `lamport run --record`: the calls as their caller saw them, for `lamport check`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

use super::Ending;
use lamport_clock::blocking::SharedClock;
use lamport_clock::{Error, ErrorKind, Time, Update};
use lamport_trace::{Action, Call, Outcome};

/// Writes a line before each call and one after it. Each line is written in one piece, since the process
/// may be killed at any time.
pub(super) struct Recorder {
    file: File,
    /// The previous call succeeded, so it can't change the local clock any more.
    settled: bool,
}

impl Recorder {
    pub(super) fn append(path: &Path) -> Result<Recorder, Ending> {
        let opened = open(path).map_err(|error| {
            Ending::Usage(Error::with_source(
                ErrorKind::InvalidArgument,
                format!("the history '{}' can't be written: {error}", path.display()),
                error,
            ))
        });
        Ok(Recorder {
            file: opened?,
            settled: true,
        })
    }

    /// Records that an update is about to be called.
    pub(super) fn begin(&mut self, clock: &SharedClock) -> Result<Call, Ending> {
        let process = clock.process().as_str();
        let mut call = Call::begun(process, Some(clock.instance()), Action::Update, now());
        self.write(&call)?;
        call.local = self.settled.then(|| clock.now().get());
        Ok(call)
    }

    /// Records that the update has returned.
    pub(super) fn end(
        &mut self,
        mut call: Call,
        result: &Result<Update, Error>,
    ) -> Result<(), Ending> {
        call.returned = Some(now());
        self.settled = result.is_ok();
        match result {
            Ok(update) => answer(&mut call, update),
            Err(error) => {
                call.outcome = Some(outcome(error.kind()));
                call.error = Some(error.to_string());
                call.kind = Some(error.kind().name().to_owned());
            }
        }
        self.write(&call)
    }

    fn write(&mut self, call: &Call) -> Result<(), Ending> {
        let mut line = serde_json::to_vec(call).expect("texts and numbers always serialise");
        line.push(b'\n');
        self.file.write_all(&line).map_err(|error| {
            Ending::Failed(Error::with_source(
                ErrorKind::Internal,
                format!("the history can't be written: {error}"),
                error,
            ))
        })
    }
}

/// Adds to `call` the answer that the caller got.
pub(super) fn answer(call: &mut Call, update: &Update) {
    call.outcome = Some(Outcome::Ok);
    call.first = Some(update.value.get());
    call.value = Some(update.value.get());
    let previous = update.previous.as_ref();
    call.previous = Some(previous.map(|holder| holder.value.get()));
    call.regressed = update.regressed.map(Time::get);
    call.revision = Some(update.revision);
    call.round_trips = Some(update.round_trips);
}

/// The kind of an error says why the last attempt failed, but an earlier attempt may have had its effect.
/// Only a call that was refused before anything was sent has certainly had none.
fn outcome(kind: ErrorKind) -> Outcome {
    match kind {
        ErrorKind::InvalidArgument | ErrorKind::Overloaded => Outcome::Failed,
        _ => Outcome::Unknown,
    }
}

/// Opens the file for appending, at the beginning of a line. An earlier writer may have been killed in the
/// middle of one.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// Nanoseconds of the machine's monotonic clock, which all its processes share and nobody can set.
pub(super) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
