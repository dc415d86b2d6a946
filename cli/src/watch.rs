//! `lamport watch`: every update as it happens.

use std::time::Duration;

use serde::Serialize;

use super::args::Watch;
use super::output::{Look, ObservedObject, Output, observed_line};
use super::stop::Stop;
use super::{Ending, connect};
use lamport_clock::{Error, Settings, WatchEvent, blocking};

/// How often to check for a signal. This does not delay events, which are printed at once.
const GLANCE: Duration = Duration::from_millis(50);

/// An event that is no update.
#[derive(Serialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
enum Notice<'a> {
    Watching {
        endpoint: String,
        from: u64,
    },
    Interrupted {
        error: String,
        kind: &'a str,
    },
    Missed {
        from: u64,
        until: u64,
    },
    Deleted {
        revision: u64,
    },
    Unreadable {
        revision: u64,
        error: String,
        kind: &'a str,
    },
}

pub(super) fn watch(
    args: &Watch,
    settings: &Settings,
    output: &Output,
    stop: &Stop,
) -> Result<(), Ending> {
    let clock = connect(settings, stop)?;
    let from = args.from;
    let watch = clock.begin(move |clock| async move {
        match from {
            Some(revision) => clock.watch_from(revision).await,
            None => clock.watch().await,
        }
    })?;
    let mut watch = blocking::Watch::from(stop.outcome(watch)?);
    let (endpoint, from) = (clock.location(), watch.next_revision());
    tell(output, &Notice::Watching { endpoint, from })?;

    let mut left = args.count;
    while left != Some(0) && !stop.requested() {
        let Some(event) = watch.next_within(GLANCE) else {
            continue;
        };
        match event? {
            WatchEvent::Updated(observed) => {
                if output.json {
                    output.object(&ObservedObject::from(&observed))?;
                } else {
                    output.line(observed_line(output, &observed))?;
                }
                left = left.map(|left| left - 1);
            }
            WatchEvent::Interrupted(error) => {
                let (error, kind) = parts(&error);
                tell(output, &Notice::Interrupted { error, kind })?;
            }
            WatchEvent::Missed { from, until } => tell(output, &Notice::Missed { from, until })?,
            WatchEvent::Deleted { revision } => tell(output, &Notice::Deleted { revision })?,
            WatchEvent::Unreadable { revision, error } => {
                let (error, kind) = parts(&error);
                tell(
                    output,
                    &Notice::Unreadable {
                        revision,
                        error,
                        kind,
                    },
                )?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn parts(error: &Error) -> (String, &'static str) {
    (error.to_string(), error.kind().name())
}

fn tell(output: &Output, notice: &Notice<'_>) -> Result<(), Ending> {
    if output.json {
        return output.object(notice);
    }
    let (look, text) = match notice {
        Notice::Watching { endpoint, from } => (
            Look::Faint,
            format!("watching {endpoint} from revision {from} on"),
        ),
        Notice::Interrupted { error, .. } => (
            Look::Yellow,
            format!("interrupted, goes on trying: {error}"),
        ),
        Notice::Missed { from, until } => (
            Look::Yellow,
            format!("missed: the store no longer keeps revisions {from} up to {until}"),
        ),
        Notice::Deleted { revision } => (
            Look::Yellow,
            format!("the record was deleted in revision {revision}"),
        ),
        Notice::Unreadable {
            revision, error, ..
        } => (
            Look::Yellow,
            format!("revision {revision} holds a record that can't be read: {error}"),
        ),
    };
    output.line(output.paint(look, text))
}
