//! Checks the events that were read against the clock's own rules.

use crate::events::{Events, Point};

/// At most this many broken rules of each kind are listed; the others are only counted.
const MOST_TOLD: usize = 1_000;

/// A rule of the clock that a line breaks: the process that stamped the line is faulty or lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A message arrived at a time that is not later than that of its send.
    ArrivedBeforeItsSend {
        /// The event that names the message.
        event: u32,
        /// The send of the message.
        from: Point,
    },
    /// A life's time does not rise from one line to the next.
    WentBack {
        /// The event.
        event: u32,
        /// The time of the previous line.
        from: u64,
    },
}

/// The broken rules: how many, and the first thousand of each kind.
pub fn broken(events: &Events) -> (u64, Vec<Broken>) {
    let mut count = events.counts.went_back;
    let back = events.went_back.iter();
    let mut found: Vec<Broken> = back
        .map(|&(event, from)| Broken::WentBack { event, from })
        .collect();
    let room = found.len() + MOST_TOLD;
    for event in 0..events.len() as u32 {
        let at = events.point(event).time;
        for cause in events.causes(event) {
            if cause.from.time >= cause.arrived.unwrap_or(at) {
                count += 1;
                if found.len() < room {
                    let from = cause.from;
                    found.push(Broken::ArrivedBeforeItsSend { event, from });
                }
            }
        }
    }
    (count, found)
}
