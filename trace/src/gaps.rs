//! What the lines of a life leave open: stretches in which messages may have arrived that no line names,
//! and runs that can't be told apart.

use lamport_clock::Instance;

use crate::events::{Events, Point};

/// A stretch of a life in which messages may have arrived that no line names: later than `after`, and up to
/// and including `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// A time whose line was read, or 0.
    pub after: u64,
    /// The next line's time, or [`u64::MAX`].
    pub until: u64,
}

impl Events {
    /// Whether lines without an instance come from several runs. Then a line names an earlier previous
    /// line than the one that was read before it.
    pub(crate) fn is_mixed(&self, life: u32) -> bool {
        if self.lives()[life as usize].instance != Instance::UNKNOWN {
            return false;
        }
        let events = self.of_life(life).iter().copied();
        let mut before = 0;
        events
            .filter(|&event| self.is_complete(event))
            .any(|event| {
                let named = self.previous(event).unwrap_or(0);
                let is_of_another = named < before;
                before = self.point(event).time;
                is_of_another
            })
    }

    /// The time of the previous line: the one that the event names, else the one that was read.
    pub(crate) fn line_before(&self, event: u32) -> u64 {
        if let Some(previous) = self.previous(event) {
            return previous;
        }
        if self.is_complete(event) {
            return 0;
        }
        let point = self.point(event);
        let before = point
            .time
            .checked_sub(1)
            .map(|time| Point { time, ..point });
        let before = before.and_then(|before| self.at(before));
        before.map_or(0, |before| self.point(before).time)
    }

    /// The stretches of a life in which messages may have arrived that no line names, in order.
    pub fn unknown(&self, life: u32) -> impl Iterator<Item = Unknown> + '_ {
        let mut known_until = 0;
        let events = self.of_life(life).iter().map(Some).chain([None]);
        events.filter_map(move |event| {
            let Some(&event) = event else {
                // After its last line a process may have gone on without logging.
                return Some(Unknown {
                    after: known_until,
                    until: u64::MAX,
                });
            };
            let time = self.point(event).time;
            let from = match self.is_complete(event) {
                true => self.previous(event).unwrap_or(0),
                false => known_until,
            };
            let gap = if self.is_complete(event) {
                (from > known_until).then_some(Unknown {
                    after: known_until,
                    until: from,
                })
            } else {
                Some(Unknown {
                    after: known_until,
                    until: time,
                })
            };
            known_until = time;
            gap
        })
    }
}
