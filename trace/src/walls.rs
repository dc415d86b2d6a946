//! Compares wall clocks with the causal order: which lines show an earlier time than one of their causes,
//! and between which bounds the clocks differ.
//!
//! A message leaves before it arrives. So the receiver's clock is ahead of the sender's by no more than
//! the difference of the two times that they showed. Each message thus gives a bound on one side. The
//! bounds between several clocks are combined as difference constraints (Bellman 1958, Floyd 1962; for
//! clocks Duda et al., "Estimating Global Time in Distributed Systems", 1987). They hold as long as nobody
//! sets a clock in between. The times in the log are never changed.

use std::collections::HashMap;

use serde::Serialize;

use crate::events::{Events, INVERTED};

/// At most this many inversions are listed.
const MOST_TOLD: usize = 10;

/// With more processes than this, only messages between two processes bound their clocks. Combining the
/// bounds takes time in the third power of the number of processes.
const MOST_CLOSED: usize = 256;

/// A line whose wall clock shows an earlier time than that of one of its causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inversion {
    /// The event.
    pub event: u32,
    /// The event that came before it.
    pub cause: u32,
    /// By how much the event's wall clock is earlier, in nanoseconds.
    pub by: i64,
}

/// By how much the wall clocks of two processes differ, as far as messages prove it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClockPair {
    /// One process.
    pub of: Box<str>,
    /// The other one.
    pub ahead_of: Box<str>,
    /// `of` is ahead of the other by at least this many nanoseconds. If negative, it may be behind.
    pub at_least: Option<i64>,
    /// `of` is ahead of the other by at most this many nanoseconds.
    pub at_most: Option<i64>,
    /// The number of messages between the two.
    pub messages: u64,
}

impl ClockPair {
    /// Whether the bounds contradict each other: then one of the clocks was set, or they drift apart.
    pub fn is_contradictory(&self) -> bool {
        matches!((self.at_least, self.at_most), (Some(least), Some(most)) if least > most)
    }
}

/// How the wall clocks compare with the causal order.
#[derive(Clone, Debug, Default)]
pub struct Walls {
    /// How many events are earlier, by wall clock, than one of their causes in another process.
    pub inverted: u64,
    /// How many events can be compared with a cause in another process.
    pub compared: u64,
    /// The inverted events with the largest differences, the largest first.
    pub worst: Vec<Inversion>,
    /// How many events are earlier, by wall clock, than one of their causes in their own process. A process
    /// has one clock. So the clock was set back, or two threads took their stamps and their wall clock times
    /// in different orders.
    pub stepped_back: u64,
    /// The largest step back in one process.
    pub worst_back: Option<Inversion>,
    /// For each direction between two lives: the bound, and the number of messages that it comes from.
    bounds: HashMap<(u32, u32), (i64, u64)>,
}

/// Compares each event's wall clock with those of its causes, and marks the inverted ones.
pub fn look_at_walls(events: &mut Events) -> Walls {
    let mut walls = Walls::default();
    let mut passed = vec![0_u32; events.lives.len()];
    let mut inverted = Vec::new();
    for &event in events.order() {
        if events.is_duplicate(event) {
            continue;
        }
        let to = events.point(event);
        if events.wall(event).is_some() {
            let previous = passed[to.life as usize].checked_sub(1);
            let previous = previous.map(|i| events.of_life(to.life)[i as usize]);
            let found = walls.look_at(events, event, previous, &passed);
            if found {
                inverted.push(event);
            }
        }
        passed[to.life as usize] += 1;
    }
    for event in inverted {
        events.flags[event as usize] |= INVERTED;
    }
    walls
}

impl Walls {
    fn look_at(
        &mut self,
        events: &Events,
        event: u32,
        previous: Option<u32>,
        passed: &[u32],
    ) -> bool {
        let to = events.point(event);
        let process = |life: u32| &*events.lives[life as usize].process;
        let (mut worst, mut worst_back): (Option<Inversion>, Option<Inversion>) = (None, None);
        let (mut is_compared, step) = (false, events.lives[to.life as usize].step as i64);
        let mut compare = |cause: u32| {
            let (wall, before) = (events.wall(event)?, events.wall(cause)?);
            let is_own = process(events.point(cause).life) == process(to.life);
            is_compared |= !is_own;
            // Times are written in whole steps, so the true time may be up to one step later.
            let ahead = wall.checked_add(step)?.checked_sub(before)?;
            let by = before.checked_sub(wall)?;
            let worst = match is_own {
                true => &mut worst_back,
                false => &mut worst,
            };
            if ahead <= 0 && worst.is_none_or(|worst| by > worst.by) {
                *worst = Some(Inversion { event, cause, by });
            }
            Some(ahead)
        };
        previous.and_then(&mut compare);
        for cause in events.causes(event) {
            let from = cause.from;
            // The stamp is wrong; the list of broken rules names it.
            if from.time >= to.time {
                continue;
            }
            // At the send, the sender's clock showed at least the time of its newest line before it.
            let seen = &events.of_life(from.life)[..passed[from.life as usize] as usize];
            let Some(last) = events.count_until(seen, from.time).checked_sub(1) else {
                continue;
            };
            let Some(ahead) = compare(seen[last]) else {
                continue;
            };
            let bound = self
                .bounds
                .entry((from.life, to.life))
                .or_insert((ahead, 0));
            *bound = (bound.0.min(ahead), bound.1 + 1);
        }
        self.compared += u64::from(is_compared);
        if let Some(back) = worst_back {
            self.stepped_back += 1;
            if self.worst_back.is_none_or(|worst| back.by > worst.by) {
                self.worst_back = Some(back);
            }
        }
        let Some(worst) = worst else {
            return worst_back.is_some();
        };
        self.inverted += 1;
        let place = self.worst.partition_point(|other| other.by >= worst.by);
        if place < MOST_TOLD {
            self.worst.insert(place, worst);
            self.worst.truncate(MOST_TOLD);
        }
        true
    }

    /// By how much the clocks of each two processes differ, at least and at most. All runs of a process
    /// count as one clock.
    pub fn clocks(&self, events: &Events) -> Vec<ClockPair> {
        let lives = events.lives();
        let mut names: Vec<&str> = Vec::new();
        for &(from, to) in self.bounds.keys() {
            names.extend([from, to].map(|life| &*lives[life as usize].process));
        }
        names.sort_unstable();
        names.dedup();
        let place = |life: u32| {
            let name = &*lives[life as usize].process;
            names.binary_search(&name).unwrap_or_default()
        };
        // bounds[(a, b)]: b is ahead of a by less than this.
        let mut bounds: HashMap<(usize, usize), i64> = HashMap::new();
        let mut messages: HashMap<(usize, usize), u64> = HashMap::new();
        for (&(from, to), &(bound, count)) in &self.bounds {
            let (from, to) = (place(from), place(to));
            if from != to {
                let known = bounds.entry((from, to)).or_insert(bound);
                *known = bound.min(*known);
                *messages.entry((from.min(to), from.max(to))).or_default() += count;
            }
        }
        if names.len() <= MOST_CLOSED {
            close(&mut bounds, names.len());
        }
        let mut pairs: Vec<(usize, usize)> =
            bounds.keys().map(|&(a, b)| (a.min(b), a.max(b))).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let pair = |(a, b): (usize, usize)| ClockPair {
            of: names[b].into(),
            ahead_of: names[a].into(),
            at_least: bounds.get(&(b, a)).map(|bound| bound.saturating_neg()),
            at_most: bounds.get(&(a, b)).copied(),
            messages: messages.get(&(a, b)).copied().unwrap_or(0),
        };
        pairs.into_iter().map(pair).collect()
    }
}

/// Adds the bounds that follow by way of a third clock.
fn close(bounds: &mut HashMap<(usize, usize), i64>, count: usize) {
    let mut table = vec![None; count * count];
    for (&(a, b), &bound) in bounds.iter() {
        table[a * count + b] = Some(bound);
    }
    for via in 0..count {
        for a in 0..count {
            let Some(first) = table[a * count + via] else {
                continue;
            };
            for b in 0..count {
                if let Some(second) = table[via * count + b]
                    && a != b
                {
                    let sum = i64::saturating_add(first, second);
                    let known = &mut table[a * count + b];
                    *known = Some(known.map_or(sum, |known: i64| known.min(sum)));
                }
            }
        }
    }
    for (i, bound) in table.iter().enumerate() {
        if let Some(bound) = *bound {
            bounds.insert((i / count, i % count), bound);
        }
    }
}
