//! `lamport diagram`: a picture of what happened, in one file.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::Ending;
use super::args::Diagram;
use super::input;
use super::order::{no_stamp, processes};
use super::output::{Output, count, created};
use super::stop::Stop;
use lamport_clock::{Error, ErrorKind, Settings};
use lamport_trace::{Events, Reader, describe, look_at_walls, page};

pub(super) fn diagram(
    args: &Diagram,
    settings: &Settings,
    output: &Output,
    stop: &Stop,
) -> Result<(), Ending> {
    super::refuse_connection_settings(settings, "'lamport diagram'", "it looks at files alone")?;
    let files = &args.input.files;
    let title = match &args.title {
        Some(title) => title.clone(),
        None => files.join(", "),
    };
    let events = draw(&title, files, &args.output, output, stop)?;
    output.aside(format_args!(
        "{} events of {} processes are in {}",
        count(events.len() as u64),
        count(processes(&events)),
        args.output.display()
    ));
    Ok(())
}

/// Draws what these files tell into another one.
pub(super) fn draw(
    title: &str,
    files: &[String],
    to: &Path,
    output: &Output,
    stop: &Stop,
) -> Result<Events, Ending> {
    let (mut events, mut texts) = input::read(files, Reader::numbering(), output, stop)?;
    if events.is_empty() {
        return Err(no_stamp());
    }
    look_at_walls(&mut events);
    let mut file = BufWriter::new(created(to, files)?);
    // What went wrong with a text; the page knows no errors but those of I/O.
    let mut ended = Ok(());
    let mut asked = 0_u64;
    let mut describe = |event: u32| {
        asked += 1;
        if asked.is_multiple_of(4096) && stop.requested() {
            ended = Err(Ending::Interrupted);
        } else {
            match texts.get(events.place(event)) {
                Ok(text) => return Ok(describe(text)),
                Err(ending) => ended = Err(ending),
            }
        }
        Err(io::Error::other("interrupted"))
    };
    let written = page(title, &events, &mut describe, &mut file).and_then(|()| file.flush());
    ended?;
    written.map_err(|error| {
        let message = format!("'{}' can't be written: {error}", to.display());
        Ending::Failed(Error::with_source(ErrorKind::Internal, message, error))
    })?;
    Ok(events)
}
