//! The moments and arrows that all exports draw.

use std::collections::HashMap;

use lamport_clock::excerpt::short;

use super::ExportIo;
use crate::events::{Events, Life, Point};
use crate::graph::Graph;

/// A line, or a send that has no line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: Point,
    pub(super) event: Option<u32>,
}

/// An arrow between two moments, which are indexes of [`Moments::all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrow {
    pub(super) to: u32,
    pub(super) from: u32,
    /// Whether it is the order of the shared clock, and no message.
    pub(super) is_order: bool,
}

#[derive(Debug)]
pub(super) struct Moments<'a> {
    pub(super) events: &'a Events,
    /// The moments of all lives, one life after the other, each in order.
    pub(super) all: Vec<Moment>,
    /// Where each life begins, and the end of the last one.
    starts: Vec<u32>,
    /// Sorted by the moment that they lead to.
    pub(super) arrows: Vec<Arrow>,
}

impl<'a> Moments<'a> {
    pub(super) fn of(graph: &Graph<'a>) -> Moments<'a> {
        let events = graph.events();
        let lives = events.lives().len();
        let mut implied: Vec<Vec<u64>> = vec![Vec::new(); lives];
        for edge in graph.edges() {
            let told = events.at(edge.from).map(|event| events.point(event));
            if told != Some(edge.from) {
                implied[edge.from.life as usize].push(edge.from.time);
            }
        }
        let (mut all, mut starts) = (Vec::with_capacity(events.len()), vec![0]);
        for life in 0..lives as u32 {
            let start = all.len();
            let told = events.of_life(life).iter().map(|&event| Moment {
                at: events.point(event),
                event: Some(event),
            });
            all.extend(told);
            let implied = &mut implied[life as usize];
            implied.sort_unstable();
            implied.dedup();
            all.extend(implied.iter().map(|&time| Moment {
                at: Point { life, time },
                event: None,
            }));
            all[start..].sort_by_key(|moment| moment.at.time);
            starts.push(all.len() as u32);
        }
        let mut moments = Moments {
            events,
            all,
            starts,
            arrows: Vec::new(),
        };
        // A message that arrived between two moments is drawn to the later one.
        let arrows = graph.edges().iter().map(|edge| Arrow {
            from: moments.first_from(edge.from),
            to: moments.first_from(edge.to),
            is_order: edge.told_by.is_none(),
        });
        let mut arrows: Vec<Arrow> = arrows.collect();
        arrows.sort_unstable();
        arrows.dedup();
        moments.arrows = arrows;
        moments
    }

    /// The first moment of the point's life that is not earlier than the point. There always is one: the
    /// line that names the message, or the send itself.
    fn first_from(&self, point: Point) -> u32 {
        let start = self.starts[point.life as usize];
        let before = self
            .of_life(point.life)
            .partition_point(|moment| moment.at.time < point.time);
        start + before as u32
    }

    pub(super) fn of_life(&self, life: u32) -> &[Moment] {
        let life = life as usize;
        &self.all[self.starts[life] as usize..self.starts[life + 1] as usize]
    }

    /// The lives that have moments, each with the index of its first moment.
    pub(super) fn lives(&self) -> impl Iterator<Item = (u32, &'a Life, usize)> + '_ {
        let lives = (0_u32..).zip(self.events.lives());
        lives
            .filter(|(life, _)| !self.of_life(*life).is_empty())
            .map(|(number, life)| (number, life, self.starts[number as usize] as usize))
    }

    /// The arrows that lead to a moment.
    pub(super) fn arrows_to(&self, moment: u32) -> &[Arrow] {
        let start = self.arrows.partition_point(|arrow| arrow.to < moment);
        let rest = &self.arrows[start..];
        &rest[..rest.partition_point(|arrow| arrow.to == moment)]
    }

    /// All moments in one order that puts no effect before its cause.
    pub(super) fn in_order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.all.len() as u32).collect();
        order.sort_by_key(|&moment| self.all[moment as usize].at.time);
        order
    }

    /// A unique name for each life: that of its process, with a number if the process has several lives.
    /// Characters that are not `is_plain` are replaced.
    pub(super) fn names(&self, is_plain: fn(char) -> bool) -> Vec<String> {
        let plain = |life: &Life| {
            let plain = |c: char| if is_plain(c) { c } else { '_' };
            life.process.chars().map(plain).collect::<String>()
        };
        let mut lives: Vec<(u32, String)> = self
            .lives()
            .map(|(number, life, _)| (number, plain(life)))
            .collect();
        let mut count: HashMap<String, u32> = HashMap::new();
        for (_, name) in &lives {
            *count.entry(name.clone()).or_default() += 1;
        }
        lives.sort_by_key(|&(life, _)| self.of_life(life)[0].at.time);
        let mut names = vec![String::new(); self.events.lives().len()];
        let mut next: HashMap<String, u32> = HashMap::new();
        for (life, name) in lives {
            names[life as usize] = match count[&name] {
                1 => name,
                _ => loop {
                    let number = next.entry(name.clone()).or_default();
                    *number += 1;
                    let numbered = format!("{name}~{number}");
                    if !count.contains_key(&numbered) {
                        break numbered;
                    }
                },
            };
        }
        names
    }

    /// The beginning of the text of a moment's line, on one line.
    pub(super) fn said<I: ExportIo>(&self, moment: u32, io: &mut I) -> Result<String, I::Error> {
        let said = match self.all[moment as usize].event {
            Some(event) => short(io.describe(event)?.message.trim()),
            None => return Ok("(no line tells of it)".to_owned()),
        };
        Ok(match said.is_empty() {
            true => "(no text)".to_owned(),
            false => said,
        })
    }
}
