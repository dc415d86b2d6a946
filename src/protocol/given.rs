//! The times that a process has handed out, as far as an answer may still contradict them.

use std::collections::VecDeque;
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
#[derive(Clone, Debug)]
pub(super) struct AllGiven {
    given: VecDeque<Given>,
    /// Each holds together the questions of one stretch of time; with the highest time known at its beginning.
    stretches: VecDeque<(UnderWay, Time)>,
}

/// Held by a question until it is answered or dropped.
pub(super) type UnderWay = Arc<()>;

impl AllGiven {
    /// A new stretch begins with as many.
    const STRETCH: usize = 64;
    /// The most stretches that are kept: a runtime that sleeps may have a question under way for ever.
    const MOST: usize = 1_024;

    /// The highest time that may have been forgotten while a question from before it was under way.
    pub(super) fn forgotten(&self) -> Time {
        self.stretches[0].1
    }

    pub(super) fn under_way(&self) -> UnderWay {
        self.stretches[self.stretches.len() - 1].0.clone()
    }

    /// Adds times, or returns others that they are at odds with. `known` is the highest time known now.
    pub(super) fn add(&mut self, new: Given, known: Time) -> Result<(), Given> {
        let is_earlier = |other: &Given| other.revision < new.revision;
        let at = self.given.partition_point(is_earlier);
        let earlier = at.checked_sub(1).map(|at| self.given[at]);
        let later = self.given.get(at).copied();
        let is_met = |later: &Given| later.revision == new.revision || later.first <= new.last;
        if let Some(other) = later
            .filter(is_met)
            .or(earlier.filter(|it| it.last >= new.first))
        {
            return Err(other);
        }
        self.given.insert(at, new);
        if self.given.len().is_multiple_of(AllGiven::STRETCH) {
            self.stretches.push_back((UnderWay::default(), known));
        }
        self.forget();
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.given.len()
    }

    /// Forgets what was handed out before every question that is under way.
    fn forget(&mut self) {
        let is_over = |stretch: &UnderWay| Arc::strong_count(stretch) == 1;
        while self.stretches.len() > AllGiven::MOST
            || (self.stretches.len() > 1 && is_over(&self.stretches[0].0))
        {
            self.stretches.pop_front();
        }
        let forgotten = self.forgotten();
        while self.given.front().is_some_and(|it| it.last <= forgotten) {
            self.given.pop_front();
        }
    }
}

impl Default for AllGiven {
    fn default() -> AllGiven {
        AllGiven {
            given: VecDeque::new(),
            stretches: VecDeque::from([(UnderWay::default(), Time::ZERO)]),
        }
    }
}
