//! The times that a process has handed out, as far as an answer may still contradict them.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use crate::clock::Time;

/// Times that were handed out, and the revision that gave them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) revision: u64,
    pub(super) first: Time,
    pub(super) last: Time,
}

/// All that were handed out while the oldest question was under way, by revision. In a store that never went
/// back the times rise with the revisions, in whatever order the answers come.
///
/// Times from before a question can't meet those of its answer: these lie above all that was known when it was
/// sent.
#[derive(Clone, Debug, Default)]
pub(super) struct AllGiven {
    given: VecDeque<Given>,
    /// The questions that were sent lately share a value, as those of each earlier stretch do; with the
    /// highest time known when the stretch began.
    stretch: (UnderWay, Time),
    earlier: VecDeque<(UnderWay, Time)>,
}

/// Held by a question until it is answered or dropped.
pub(super) type UnderWay = Arc<()>;

impl AllGiven {
    /// A new stretch begins with as many.
    const STRETCH: usize = 64;
    /// The most stretches that are kept: a runtime that sleeps may have a question under way for ever.
    const MOST: usize = 1_024;

    pub(super) fn under_way(&self) -> UnderWay {
        self.stretch.0.clone()
    }

    /// The highest time that may have been forgotten while a question from before it was under way.
    pub(super) fn forgotten(&self) -> Time {
        self.earlier.front().unwrap_or(&self.stretch).1
    }

    /// Adds times, or returns others that they are at odds with. `known` is the highest time known now.
    pub(super) fn add(&mut self, new: Given, known: Time) -> Result<(), Given> {
        let is_earlier = |other: &Given| other.revision < new.revision;
        let at = self.given.partition_point(is_earlier);
        let earlier = at.checked_sub(1).map(|at| self.given[at]);
        let later = self.given.get(at).copied();
        let is_met = |later: &Given| later.revision == new.revision || later.first <= new.last;
        let met = later.filter(is_met);
        if let Some(other) = met.or(earlier.filter(|it| it.last >= new.first)) {
            return Err(other);
        }
        self.given.insert(at, new);
        if self.given.len().is_multiple_of(AllGiven::STRETCH) {
            let over = mem::replace(&mut self.stretch, (UnderWay::default(), known));
            self.earlier.push_back(over);
        }
        // Forget the times that no question under way can meet.
        let is_over = |(held, _): &(UnderWay, _)| Arc::strong_count(held) == 1;
        while self.earlier.len() > AllGiven::MOST || self.earlier.front().is_some_and(is_over) {
            self.earlier.pop_front();
        }
        let forgotten = self.forgotten();
        while self.given.front().is_some_and(|it| it.last <= forgotten) {
            self.given.pop_front();
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.given.len()
    }
}
