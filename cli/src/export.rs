//! `lamport export`: what happened, for other programs.

use serde::Serialize;

use super::Ending;
use super::args::Export;
use super::input::{self, Texts};
use super::order::processes;
use super::output::{Lines, Output, count, counted, created};
use super::stop::Stop;
use lamport_clock::{Error, ErrorKind, Settings};
use lamport_trace::{Description, Events, ExportIo, Form, Graph, Reader, broken, describe, export};

/// With `--json`: how much an export to a file wrote.
#[derive(Serialize)]
struct WrittenObject {
    form: &'static str,
    events: u64,
    processes: u64,
    left_out: u64,
}

struct Io<'a> {
    events: &'a Events,
    texts: Texts,
    to: Lines,
    stop: &'a Stop,
    described: u64,
}

impl ExportIo for Io<'_> {
    type Error = Ending;

    fn describe(&mut self, event: u32) -> Result<Description, Ending> {
        self.described += 1;
        if self.described.is_multiple_of(4_096) && self.stop.requested() {
            return Err(Ending::Interrupted);
        }
        Ok(describe(self.texts.get(self.events.place(event))?))
    }

    fn write(&mut self, text: &str) -> Result<(), Ending> {
        self.to.text(text)
    }
}

pub(super) fn export_to(
    args: &Export,
    settings: &Settings,
    output: &Output,
    stop: &Stop,
) -> Result<(), Ending> {
    super::refuse_connection_settings(settings, "'lamport export'", "it looks at files alone")?;
    let (events, texts) = input::read_stamped(&args.input.files, Reader::default(), output, stop)?;
    let to = match &args.output {
        Some(path) => Lines::to(created(path, &args.input.files)?),
        None => output.lines(),
    };
    let graph = match args.shared_clock {
        true => Graph::with_shared_clock(&events),
        false => Graph::new(&events),
    };
    let mut io = Io {
        events: &events,
        texts,
        to,
        stop,
        described: 0,
    };
    let left_out = export(args.to, &graph, &mut io)?;
    io.to.flush()?;
    drop(io);
    let named = Form::ALL.iter().find(|(_, form)| *form == args.to);
    let object = WrittenObject {
        form: named.map_or("", |(name, _)| name),
        events: events.counts().events - events.counts().duplicates,
        processes: processes(&events),
        left_out,
    };
    if output.json && args.output.is_some() {
        output.object(&object)?;
    } else {
        output.aside(format_args!(
            "{} of {}",
            counted(object.events, "event", "events"),
            counted(object.processes, "process", "processes")
        ));
        if left_out > 0 {
            output.aside(format_args!(
                "{} of them, those after the rest, are left out: more does not fit",
                count(left_out)
            ));
        }
    }
    match broken(&events).0 {
        0 => Ok(()),
        _ => Err(Ending::Failed(Error::new(
            ErrorKind::Internal,
            "the stamps break the clock's rules: messages that arrive before they left are not drawn, and \
             `lamport order` names their lines",
        ))),
    }
}
