//! `lamport check`: decides whether recorded histories keep the promises.

use std::fs;

use super::Ending;
use super::args::Check;
use super::output::{Look, Output};
use lamport_clock::excerpt::quote;
use lamport_clock::{Error, ErrorKind, Settings};
use lamport_trace::{History, Log, Options, check};

pub(super) fn check_histories(
    args: &Check,
    settings: &Settings,
    output: &Output,
) -> Result<(), Ending> {
    super::refuse_connection_settings(settings, "'lamport check'", "it looks at files alone")?;
    let mut history = History::default();
    for file in &args.histories {
        history.read(file, &read(file)?).map_err(Ending::Usage)?;
    }
    let log = match &args.log {
        Some(file) => Some(Log::read(file, &read(file)?).map_err(Ending::Usage)?),
        None => None,
    };
    let options = Options {
        whole: args.whole,
        deadline: args.deadline,
    };
    let verdict = check(&history, log.as_ref(), &options);
    if output.json {
        output.object(&verdict)?;
    } else {
        let text = verdict.to_string();
        // The counts stay plain, and the violations are coloured.
        match text.rsplit_once("\nVIOLATIONS") {
            Some((counts, found)) => {
                output.line(counts)?;
                output.line(output.paint(Look::Red, format_args!("VIOLATIONS{found}")))?;
            }
            None => output.line(text)?,
        }
    }
    if !verdict.is_good() {
        return Err(Ending::Failed(Error::new(
            ErrorKind::Internal,
            "the clock broke its promise",
        )));
    }
    if !verdict.has_judged() {
        return Err(Ending::Usage(Error::new(
            ErrorKind::InvalidArgument,
            "nothing was judged: the files tell of no call that was answered and of no update",
        )));
    }
    Ok(())
}

fn read(file: &str) -> Result<Vec<u8>, Ending> {
    fs::read(file).map_err(|error| {
        Ending::Usage(Error::with_source(
            ErrorKind::InvalidArgument,
            format!("{} can't be read: {error}", quote(file)),
            error,
        ))
    })
}
