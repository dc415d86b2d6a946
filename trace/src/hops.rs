//! The lives that lie a given number of messages away from a moment. In a busy system nearly everything
//! precedes everything, so people ask for what is near.

use crate::events::Point;
use crate::graph::{Edge, Graph};

/// A life that lies some messages away from a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The nearest moment of that life: its last one before, or its first one after.
    pub at: Point,
    /// The least number of messages on a path to it.
    pub messages: u32,
}

impl Graph<'_> {
    /// The lives from which at most `most` messages lead to B, nearest first; B's own is left out.
    pub fn causes_by_hops(&self, b: Point, most: u32) -> Vec<Hop> {
        let end = self.edges.partition_point(|edge| edge.from.time < b.time);
        let edges = self.edges[..end].iter().rev();
        self.by_hops(
            b,
            most,
            edges,
            |edge| (edge.to, edge.from),
            |known, at| known >= at,
        )
    }

    /// The lives to which at most `most` messages lead from A, nearest first; A's own is left out.
    pub fn effects_by_hops(&self, a: Point, most: u32) -> Vec<Hop> {
        let start = self.edges.partition_point(|edge| edge.from.time < a.time);
        let edges = self.edges[start..].iter();
        self.by_hops(
            a,
            most,
            edges,
            |edge| (edge.from, edge.to),
            |known, at| known <= at,
        )
    }

    /// `ends` gives the near end of a message and its far end. `reaches(known, at)` tells whether a life
    /// that is reached at `known` is also reached at `at`.
    fn by_hops<'e>(
        &self,
        start: Point,
        most: u32,
        edges: impl Iterator<Item = &'e Edge> + Clone,
        ends: fn(&Edge) -> (Point, Point),
        reaches: fn(u64, u64) -> bool,
    ) -> Vec<Hop> {
        let mut known: Vec<Option<u64>> = vec![None; self.events.lives().len()];
        known[start.life as usize] = Some(start.time);
        let mut hops: Vec<Hop> = Vec::new();
        for messages in 1..=most {
            let before = known.clone();
            for edge in edges.clone().filter(|edge| self.proves(edge)) {
                let (near, far) = ends(edge);
                let is_reached =
                    before[near.life as usize].is_some_and(|time| reaches(time, near.time));
                let known = &mut known[far.life as usize];
                // Keep the moment that reaches further.
                if is_reached && known.is_none_or(|time| !reaches(time, far.time)) {
                    *known = Some(far.time);
                }
            }
            let is_new = |life: &usize| before[*life].is_none() && known[*life].is_some();
            let new = (0..known.len()).filter(is_new).collect::<Vec<_>>();
            if known == before {
                break;
            }
            hops.extend(new.into_iter().map(|life| Hop {
                at: Point {
                    life: life as u32,
                    time: known[life].unwrap_or_default(),
                },
                messages,
            }));
        }
        hops
    }
}
