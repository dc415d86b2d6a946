//! `lamport history`: the updates that the store still keeps.

use serde::Serialize;

use super::args::History;
use super::output::{Look, ObservedObject, Output, observed_line};
use super::stop::Stop;
use super::{Ending, connect};
use lamport_clock::Settings;

#[derive(Serialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
enum Notice {
    Compacted { before: u64 },
    Unread { from: u64 },
    Unreadable { revisions: usize },
}

pub(super) fn history(
    args: &History,
    settings: &Settings,
    output: &Output,
    stop: &Stop,
) -> Result<(), Ending> {
    let clock = connect(settings, stop)?;
    // The argument's range keeps the limit small.
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let from = args.from;
    let history = stop.outcome(clock.begin(move |clock| async move {
        match from {
            Some(from) => clock.history_from(from, limit).await,
            None => clock.history(limit).await,
        }
    })?)?;
    if let Some(before) = history.compacted_before {
        let text = format!("the store no longer keeps what came before revision {before}");
        tell(output, &Notice::Compacted { before }, &text)?;
    }
    if let Some(from) = history.unread_from {
        let text = format!(
            "time ran out before the limit: --from {from} goes on with what came before, a longer \
             --timeout reads more at once"
        );
        tell(output, &Notice::Unread { from }, &text)?;
    }
    for observed in &history.updates {
        if output.json {
            output.object(&ObservedObject::from(observed))?;
        } else {
            output.line(observed_line(output, observed))?;
        }
    }
    if history.unreadable > 0 {
        let revisions = history.unreadable;
        let text = format!("left out: {revisions} revisions whose record can't be read");
        tell(output, &Notice::Unreadable { revisions }, &text)?;
    }
    if history.updates.is_empty() && !output.json {
        output.line(format_args!("no updates at {}", clock.location()))?;
    }
    Ok(())
}

fn tell(output: &Output, notice: &Notice, text: &str) -> Result<(), Ending> {
    if output.json {
        output.object(notice)
    } else {
        output.line(output.paint(Look::Yellow, text))
    }
}
