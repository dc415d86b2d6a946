//! An event as an ordinary line of a JSON logger. This crate's reader can read the line back.

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

/// The causes that an event names; `None` if it names none and may have some.
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
    // The event has more causes than it names.
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

/// Turns a name that other programs may have chosen freely into one that a stamp can hold.
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

/// A wall clock time, with as many digits as steps of `step` nanoseconds need.
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
