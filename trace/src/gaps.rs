//! What the lines of a life leave open: stretches of which no line says what arrived, and runs that can't
//! be told apart.

use lamport_clock::Instance;

use crate::events::{Events, Point};

/// A stretch of a life of which nobody says what arrived in it: later than `after`, `until` included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// A time whose line is there, or 0.
    pub after: u64,
    /// The next line's time, or [`u64::MAX`].
    pub until: u64,
}

impl Events {
    /// Whether lines that do not say their run are of several: they name a line before that is not the
    /// one before.
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

    /// The time of the line before, which the event names or which is there.
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

    /// The stretches of a life of which no line says what arrived in them, in order.
    pub fn unknown(&self, life: u32) -> impl Iterator<Item = Unknown> + '_ {
        let mut known_until = 0;
        let events = self.of_life(life).iter().map(Some).chain([None]);
        events.filter_map(move |event| {
            let Some(&event) = event else {
                // After its last line a process may have done more, without a word of it.
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
