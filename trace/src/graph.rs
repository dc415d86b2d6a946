//! Which moments came before which. A life is a line of moments, and messages lead from one life to
//! another. Whether a path leads from A to B takes one pass over the messages. The pass keeps one number
//! for each life: its first moment that A can have reached.
//!
//! An answer has three values. A path proves *before*. The absence of a path proves *concurrent* only if
//! no line is missing through which a path could have led. So a second pass also allows for messages that
//! no line names: they may have arrived in any stretch of a life whose lines do not say what arrived.
//! Missing lines can therefore make an answer unknown, but never wrong.
//!
//! All of this is about messages. The order in which times were taken from the shared clock is real, too,
//! but it orders only the updates. While an update is under way its process goes on, and the time of a
//! line does not say whether the line came before or after the taking. So this order is drawn, and no
//! proof leads through it.

use std::cmp::Ordering;
use std::collections::HashSet;

use lamport_clock::Instance;

use crate::events::{Cause, EventKind, Events, Point};
use crate::gaps::Unknown;

/// A known message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When it was sent.
    pub from: Point,
    /// When it had arrived at the latest.
    pub to: Point,
    /// The message arrived later than at this time of the receiver.
    after: u64,
    /// The event that names the message; `None` if the edge is the shared clock's order.
    pub told_by: Option<u32>,
}

/// The events and the messages between them.
#[derive(Debug)]
pub struct Graph<'a> {
    pub(crate) events: &'a Events,
    /// Sorted by the time at which they were sent.
    pub(crate) edges: Vec<Edge>,
    /// By life: whether it is several runs that can't be told apart. Their messages prove nothing.
    mixed: Vec<bool>,
}

/// The order of two moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A came before B, by a path of these messages; empty if both are of one life.
    Before(Vec<Edge>),
    /// B came before A, by a path of these messages.
    After(Vec<Edge>),
    /// They are the same moment.
    Same,
    /// Neither can have known of the other.
    Concurrent,
    /// Lines are missing that could decide it.
    Unknown(Missing),
}

/// The missing lines that could decide an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// The lives and the stretches of them that a path may lead through. A path is gone back: the life
    /// in which it ends comes first.
    pub of: Vec<(u32, Unknown)>,
}

const NEVER: u64 = u64::MAX;

impl<'a> Graph<'a> {
    /// The graph of messages.
    pub fn new(events: &'a Events) -> Graph<'a> {
        Graph::made(events, false)
    }

    /// The graph of messages and of the shared clock's updates, whose order is for drawing only. A path
    /// through that order proves nothing about lines other than the updates.
    pub fn with_shared_clock(events: &'a Events) -> Graph<'a> {
        Graph::made(events, true)
    }

    fn made(events: &'a Events, shared_clock: bool) -> Graph<'a> {
        let mut edges = Vec::new();
        let mut newest: Option<Point> = None;
        for &event in events.order() {
            if events.is_duplicate(event) {
                continue;
            }
            let to = events.point(event);
            for Cause { from, arrived } in events.causes(event) {
                let at = arrived.unwrap_or(to.time).min(to.time);
                // The stamp is wrong; the list of broken rules names it.
                if from.time >= at {
                    continue;
                }
                let before = match arrived {
                    Some(arrived) => arrived.saturating_sub(1),
                    None => events.line_before(event),
                };
                edges.push(Edge {
                    from,
                    to: Point { time: at, ..to },
                    after: before.max(from.time),
                    told_by: Some(event),
                });
            }
            if shared_clock && events.kind(event) == EventKind::Update {
                if let Some(from) = newest.filter(|from| from.time < to.time) {
                    edges.push(Edge {
                        from,
                        to,
                        after: to.time - 1,
                        told_by: None,
                    });
                }
                newest = Some(to);
            }
        }
        edges.sort_by_key(|edge| edge.from.time);
        let lives = 0..events.lives().len() as u32;
        let mixed = lives.map(|life| events.is_mixed(life)).collect();
        Graph {
            events,
            edges,
            mixed,
        }
    }

    /// The events that the messages lead from and to.
    pub fn events(&self) -> &'a Events {
        self.events
    }

    /// Whether a message proves an order. A message from or to runs that can't be told apart proves none.
    pub(crate) fn proves(&self, edge: &Edge) -> bool {
        !self.mixed[edge.from.life as usize] && !self.mixed[edge.to.life as usize]
    }

    /// The messages, sorted by the time at which they were sent.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The order of A and B, as far as messages prove it.
    pub fn compare(&self, a: Point, b: Point) -> Answer {
        let is_mixed = |point: &Point| self.mixed[point.life as usize];
        if let Some(of) = [a, b]
            .iter()
            .find(|point| is_mixed(point))
            .filter(|_| a != b)
        {
            let until = u64::MAX;
            let of = vec![(of.life, Unknown { after: 0, until })];
            return Answer::Unknown(Missing { of });
        }
        match a.time.cmp(&b.time) {
            Ordering::Equal if a == b => Answer::Same,
            // A later moment always has a larger time, so neither of the two came first.
            Ordering::Equal => Answer::Concurrent,
            Ordering::Less => self.earlier_first(a, b, Answer::Before),
            Ordering::Greater => self.earlier_first(b, a, Answer::After),
        }
    }

    fn earlier_first(&self, a: Point, b: Point, proven: fn(Vec<Edge>) -> Answer) -> Answer {
        let (reached, through) = self.reach(a, b.time);
        if reached[b.life as usize] <= b.time {
            return proven(self.path(a, b, &through));
        }
        match self.missing(a, b) {
            Some(missing) => Answer::Unknown(missing),
            None => Answer::Concurrent,
        }
    }

    /// For each life, its first moment that certainly came after A, and the message that led there.
    /// Ignores messages that were sent at `until` or later.
    fn reach(&self, a: Point, until: u64) -> (Vec<u64>, Vec<u32>) {
        let mut reached = vec![NEVER; self.events.lives().len()];
        let mut through = vec![u32::MAX; reached.len()];
        reached[a.life as usize] = a.time;
        for (i, edge) in self.sent_from(a.time) {
            if edge.from.time >= until {
                break;
            }
            let is_reached = reached[edge.from.life as usize] <= edge.from.time;
            let first = &mut reached[edge.to.life as usize];
            if is_reached && edge.to.time < *first && self.proves(edge) {
                *first = edge.to.time;
                through[edge.to.life as usize] = i as u32;
            }
        }
        (reached, through)
    }

    /// The messages that were sent at a time or later.
    fn sent_from(&self, time: u64) -> impl Iterator<Item = (usize, &Edge)> {
        let start = self.edges.partition_point(|edge| edge.from.time < time);
        self.edges.iter().enumerate().skip(start)
    }

    fn path(&self, a: Point, b: Point, through: &[u32]) -> Vec<Edge> {
        let mut path = Vec::new();
        let mut life = b.life;
        while life != a.life {
            let edge = self.edges[through[life as usize] as usize];
            path.push(edge);
            life = edge.from.life;
        }
        path.reverse();
        path
    }

    /// Searches again, also through messages that may have been sent but that no line names. Returns the
    /// stretches through which a path may lead to B; `None` if there is none, so B did not come after A.
    fn missing(&self, a: Point, b: Point) -> Option<Missing> {
        let lives = self.events.lives().len() as u32;
        let first_unknown = |life| {
            let later = |stretch: &Unknown| stretch.until > a.time;
            self.events.unknown(life).find(later)
        };
        let named = self.events.lives().iter();
        let named = named.filter(|life| life.instance != Instance::UNKNOWN);
        let named: HashSet<&str> = named.map(|life| &*life.process).collect();
        let mut through: Vec<Option<&Edge>> = vec![None; lives as usize];
        let mut possible: Vec<u64> = (0..lives)
            .map(|life| match first_unknown(life) {
                _ if life == a.life || self.may_be(life, a.life) => a.time,
                // This life may be the same as another one, whose lines may name what arrived.
                _ if self.is_unsaid(life, &named) || self.mixed[life as usize] => a.time + 1,
                Some(stretch) => stretch.after.max(a.time) + 1,
                None => NEVER,
            })
            .collect();
        for (_, edge) in self.sent_from(a.time) {
            if edge.from.time >= b.time {
                break;
            }
            let first = edge.after + 1;
            if first < possible[edge.to.life as usize]
                && possible[edge.from.life as usize] <= edge.from.time
            {
                possible[edge.to.life as usize] = first;
                through[edge.to.life as usize] = Some(edge);
            }
        }
        if possible[b.life as usize] > b.time {
            return None;
        }
        // Go back from B to the stretches that made the path possible.
        let mut missing = Missing::default();
        let (mut life, mut until) = (b.life, b.time);
        for _ in 0..=lives {
            let Some(edge) = through[life as usize] else {
                break;
            };
            // The message was early enough only if it arrived before the time that its line gives.
            if edge.to.time > until {
                let stretch = Unknown {
                    after: edge.after,
                    until: edge.to.time,
                };
                missing.of.push((life, stretch));
            }
            (life, until) = (edge.from.life, edge.from.time);
        }
        if life == a.life {
            return Some(missing);
        }
        let is_mixed = self.mixed[life as usize];
        if is_mixed || self.may_be(life, a.life) || self.is_unsaid(life, &named) {
            let stretch = Unknown {
                after: a.time,
                until,
            };
            missing.of.push((life, stretch));
            return Some(missing);
        }
        for stretch in self.events.unknown(life) {
            if stretch.until > a.time && stretch.after < until {
                let until = stretch.until.min(until);
                missing.of.push((life, Unknown { until, ..stretch }));
            }
        }
        Some(missing)
    }

    /// Whether two lives may be the same one: they are of one process, and at least one was named without
    /// its instance. (Runs with lines are different ones: the reader told them apart by their beginnings.)
    fn may_be(&self, life: u32, other: u32) -> bool {
        let lives = self.events.lives();
        let is_nameless = |life: u32| lives[life as usize].instance == Instance::UNKNOWN;
        let is_run = |life: u32| is_nameless(life) && !self.events.of_life(life).is_empty();
        lives[life as usize].process == lives[other as usize].process
            && (is_nameless(life) || is_nameless(other))
            && !(is_run(life) && is_run(other))
    }

    /// Whether a life is named without its instance while others of its process are named with theirs.
    fn is_unsaid(&self, life: u32, named: &HashSet<&str>) -> bool {
        let life = &self.events.lives()[life as usize];
        life.instance == Instance::UNKNOWN && named.contains(&*life.process)
    }

    /// The first moment of each life that came after A; `None` where none is known.
    pub fn effects(&self, a: Point) -> Vec<Option<u64>> {
        let (reached, _) = self.reach(a, NEVER);
        reached
            .into_iter()
            .map(|time| (time != NEVER).then_some(time))
            .collect()
    }

    /// The last moment of each life that came before B: the state of all lives when B happened.
    pub fn causes(&self, b: Point) -> Vec<Option<u64>> {
        let mut known: Vec<Option<u64>> = vec![None; self.events.lives().len()];
        known[b.life as usize] = Some(b.time);
        let end = self.edges.partition_point(|edge| edge.from.time < b.time);
        for edge in self.edges[..end].iter().rev() {
            if known[edge.to.life as usize] >= Some(edge.to.time) && self.proves(edge) {
                let last = &mut known[edge.from.life as usize];
                *last = (*last).max(Some(edge.from.time));
            }
        }
        known
    }
}
