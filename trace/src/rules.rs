//! The clock's own rules, held against what was read.

use crate::events::{Events, Point};

/// So many of each kind are told of one by one.
const MOST_TOLD: usize = 1_000;

/// A rule of the clock that a line breaks: whoever stamped it is wrong, or lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A message arrived at a time that is not later than that of its send.
    ArrivedBeforeItsSend {
        /// The event that names it.
        event: u32,
        /// The send.
        from: Point,
    },
    /// A life's time does not rise from one line to the next.
    WentBack {
        /// The event.
        event: u32,
        /// The time of the line before.
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
    for event in 0..events.len() as u32 {
        let at = events.point(event).time;
        for cause in events.causes(event) {
            if cause.from.time >= cause.arrived.unwrap_or(at) {
                count += 1;
                if found.len() < 2 * MOST_TOLD {
                    let from = cause.from;
                    found.push(Broken::ArrivedBeforeItsSend { event, from });
                }
            }
        }
    }
    (count, found)
}
