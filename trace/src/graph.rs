//! What came before what. A life is a line of moments, and messages lead from one to another: so whether
//! a path leads from A to B is one pass over the messages with one number for each life, the first
//! moment in it that A can have reached.
//!
//! An answer has three values. A path proves *before*. That there is none proves *concurrent* only
//! where all that a path could have led through is there: so a second pass also takes the messages
//! that could have been, into every stretch of a life of which no line says what arrived in it.
//! Lines that are missing can thus take an answer away, and never give another one.
//!
//! All of that is said of messages. The order in which times were taken from the shared clock is real,
//! too, but of updates alone: while one is under way its process goes on, and a line's time does not say
//! on which side of the taking it stands. So it is drawn, and no proof leads through it.

use std::cmp::Ordering;
use std::collections::HashSet;

use lamport_clock::Instance;

use crate::events::{Cause, EventKind, Events, Point};
use crate::gaps::Unknown;

/// A message that is known of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When it was sent.
    pub from: Point,
    /// When it was there at the latest.
    pub to: Point,
    /// When it can have arrived at the earliest: later than at this time of the receiver.
    after: u64,
    /// The event that names it; `None`: the shared clock's order.
    pub told_by: Option<u32>,
}

/// What leads from event to event.
#[derive(Debug)]
pub struct Graph<'a> {
    pub(crate) events: &'a Events,
    /// By the time at which they were sent.
    pub(crate) edges: Vec<Edge>,
    /// By life: whether it is several runs that can't be told apart, of which nothing is proven.
    mixed: Vec<bool>,
}

/// How two moments stand to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A came before B: the messages on the way, none if both are of one life.
    Before(Vec<Edge>),
    /// B came before A.
    After(Vec<Edge>),
    /// They are the same moment.
    Same,
    /// Neither can have known of the other.
    Concurrent,
    /// Lines are missing that would tell.
    Unknown(Missing),
}

/// What is missing to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// The lives and the stretches of them that a path may lead through, those nearest to the
    /// beginning first.
    pub of: Vec<(u32, Unknown)>,
}

const NEVER: u64 = u64::MAX;

impl<'a> Graph<'a> {
    /// The graph of messages.
    pub fn new(events: &'a Events) -> Graph<'a> {
        Graph::made(events, false)
    }

    /// The same with the order in which times were taken from the shared clock, to be drawn. A path that
    /// leads through it proves nothing of the lines beside the updates.
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
                // A lie, told with the broken rules.
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

    /// The events that they lead from and to.
    pub fn events(&self) -> &'a Events {
        self.events
    }

    /// Whether a message proves an order: not one from or to runs that can't be told apart.
    pub(crate) fn proves(&self, edge: &Edge) -> bool {
        !self.mixed[edge.from.life as usize] && !self.mixed[edge.to.life as usize]
    }

    /// The messages, by the time at which they were sent.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// How A stands to B, by messages.
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
            // Whatever comes later has the larger time, so none of the two can come first.
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

    /// The first moment of each life that certainly came after A, looking no further than `until`, and
    /// the message that brought it there.
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

    /// The same with the messages that nobody tells of and that could have been: what of them leads
    /// to B; `None`: nothing does, so B did not come after A.
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
                // What arrived in the one that it is may be told there.
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
        // Back to the stretches that made it possible.
        let mut missing = Missing::default();
        let (mut life, mut until) = (b.life, b.time);
        for _ in 0..=lives {
            let Some(edge) = through[life as usize] else {
                break;
            };
            // It was there early enough only if it arrived before its line says.
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

    /// Whether it may be the other one by another name: of one process, and one of the two was named
    /// without its instance. (Those of whom there are lines are runs, told apart as they began.)
    fn may_be(&self, life: u32, other: u32) -> bool {
        let lives = self.events.lives();
        let is_nameless = |life: u32| lives[life as usize].instance == Instance::UNKNOWN;
        let is_run = |life: u32| is_nameless(life) && !self.events.of_life(life).is_empty();
        lives[life as usize].process == lives[other as usize].process
            && (is_nameless(life) || is_nameless(other))
            && !(is_run(life) && is_run(other))
    }

    /// Whether its lines do not say which one of several of its process it is.
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

    /// The last moment of each life that came before B: the state of all when B happened.
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
