//! An event as the ordinary line of a JSON logger, which is also what reads it back.

use jiff::Timestamp;
use lamport_clock::excerpt::is_hidden;
use lamport_clock::{Instance, ProcessId, Stamp, Time};
use serde::Serialize;

use crate::events::{EventKind, Events, Point};
use crate::read::Description;

#[derive(Serialize)]
pub(super) struct Record {
    pub(super) lamport: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lamport_instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lamport_after: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lamport_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lamport_lane: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) level: Option<String>,
}

impl Record {
    pub(super) fn of(events: &Events, event: u32, description: &Description) -> Record {
        let point = events.point(event);
        let life = &events.lives()[point.life as usize];
        let instance = (life.instance != Instance::UNKNOWN).then(|| life.instance.to_string());
        Record {
            lamport: stamp(events, point).to_string(),
            lamport_instance: instance,
            lamport_after: after(events, event),
            lamport_kind: match events.kind(event) {
                EventKind::Local => None,
                EventKind::Send => Some("send"),
                EventKind::Receive => Some("receive"),
                EventKind::Update => Some("update"),
                EventKind::Read => Some("read"),
            },
            lamport_lane: description.lane.clone(),
            timestamp: events.wall(event).and_then(|wall| date(wall, life.step)),
            level: description.level.clone(),
        }
    }
}

/// What an event names as its causes; nothing where it says nothing of them.
fn after(events: &Events, event: u32) -> Option<Vec<String>> {
    let point = events.point(event);
    let previous = events.previous(event).map(|time| Point { time, ..point });
    let mut after: Vec<String> = previous
        .into_iter()
        .map(|previous| long_stamp(events, previous))
        .collect();
    after.extend(events.causes(event).map(|cause| {
        let mut stamp = long_stamp(events, cause.from);
        if let Some(arrived) = cause.arrived {
            stamp.push_str(&format!(";at={arrived}"));
        }
        stamp
    }));
    if events.is_complete(event) {
        return Some(after);
    }
    if after.is_empty() {
        return None;
    }
    // More that it does not name.
    after.push("+1".to_owned());
    Some(after)
}

pub(super) fn stamp(events: &Events, point: Point) -> Stamp {
    let life = &events.lives()[point.life as usize];
    Stamp {
        time: Time::new(point.time).unwrap_or(Time::MAX),
        process: process(&life.process),
        instance: life.instance,
    }
}

fn long_stamp(events: &Events, point: Point) -> String {
    let stamp = stamp(events, point);
    match stamp.instance {
        Instance::UNKNOWN => stamp.to_string(),
        _ => format!("{stamp:#}"),
    }
}

/// A name that a stamp can hold, of one that others may have written otherwise.
pub(crate) fn process(name: &str) -> ProcessId {
    let plain = |c: char| match c {
        '"' | '\'' | ';' => '_',
        c if c.is_whitespace() || is_hidden(c) => '_',
        c => c,
    };
    ProcessId::new(name).unwrap_or_else(|_| {
        let mut made = String::from("_");
        for c in name.chars().map(plain) {
            if made.len() + c.len_utf8() > ProcessId::MAX_BYTES {
                break;
            }
            made.push(c);
        }
        ProcessId::new(&made).expect("no character that a name can't have, and not too many")
    })
}

/// A wall clock's time in steps of so many nanoseconds.
fn date(wall: i64, step: u64) -> Option<String> {
    let at = Timestamp::from_nanosecond(wall.into()).ok()?;
    let digits = match step {
        1_000_000_000.. => 0,
        1_000_000.. => 3,
        1_000.. => 6,
        _ => 9,
    };
    Some(format!("{at:.digits$}"))
}
