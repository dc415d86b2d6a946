//! The rows of the page: one for each event, and one for each moment that is known only from a message.

use std::collections::HashMap;

use crate::events::{Cause, Events, Point};

/// Marks a row that is no event. Its other bits are an index of `implied`.
const IMPLIED: u32 = 1 << 31;

/// The rows in order.
pub(super) struct Rows<'a> {
    events: &'a Events,
    rows: Vec<u32>,
    implied: Vec<Point>,
    /// The row of each event.
    row_of: Vec<u32>,
    implied_rows: HashMap<Point, u32>,
    lives: Vec<u32>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(events: &'a Events) -> Rows<'a> {
        let ranks = ranks(events);
        let key = |point: Point| (point.time, ranks[point.life as usize]);
        let own = events.order().iter().copied();
        let own: Vec<u32> = own.filter(|&event| !events.is_duplicate(event)).collect();
        let mut implied = Vec::new();
        for &event in &own {
            for from in sent(events, event) {
                if line_of(events, from).is_none() {
                    implied.push(from);
                }
            }
        }
        implied.sort_by_key(|&point| key(point));
        implied.dedup();
        let mut rows = Vec::with_capacity(own.len() + implied.len());
        let mut row_of = vec![0; events.len()];
        let mut implied_rows = HashMap::with_capacity(implied.len());
        let mut next = implied.iter().enumerate().peekable();
        let mut take_until = |until: Option<(u64, u32)>, rows: &mut Vec<u32>| {
            while let Some((i, &point)) =
                next.next_if(|&(_, &point)| until.is_none_or(|until| key(point) < until))
            {
                implied_rows.insert(point, rows.len() as u32);
                rows.push(IMPLIED | i as u32);
            }
        };
        for &event in &own {
            take_until(Some(key(events.point(event))), &mut rows);
            row_of[event as usize] = rows.len() as u32;
            rows.push(event);
        }
        take_until(None, &mut rows);
        let mut rows = Rows {
            events,
            rows,
            implied,
            row_of,
            implied_rows,
            lives: Vec::new(),
        };
        rows.lives = rows.by_first();
        rows
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn implied(&self) -> usize {
        self.implied.len()
    }

    /// The event of a row; `None`: its line is missing.
    pub(super) fn event(&self, row: usize) -> Option<u32> {
        let row = self.rows[row];
        (row & IMPLIED == 0).then_some(row)
    }

    pub(super) fn point(&self, row: usize) -> Point {
        let row = self.rows[row];
        match row & IMPLIED {
            0 => self.events.point(row),
            _ => self.implied[(row & !IMPLIED) as usize],
        }
    }

    /// The rows where the messages to a row were sent.
    pub(super) fn senders<'b>(
        &'b self,
        events: &'b Events,
        row: usize,
    ) -> impl Iterator<Item = usize> + 'b {
        let event = self.event(row).into_iter();
        event.flat_map(move |event| {
            sent(events, event).map(|from| match line_of(events, from) {
                Some(line) => self.row_of[line as usize] as usize,
                None => self.implied_rows[&from] as usize,
            })
        })
    }

    /// The lives that have rows, in the order of their first rows.
    pub(super) fn lives_by_first(&self) -> &[u32] {
        &self.lives
    }

    fn by_first(&self) -> Vec<u32> {
        let mut is_seen = vec![false; self.events.lives().len()];
        let lives = (0..self.len()).map(|row| self.point(row).life);
        lives
            .filter(|&life| !std::mem::replace(&mut is_seen[life as usize], true))
            .collect()
    }
}

/// Where the messages to an event were sent.
fn sent(events: &Events, event: u32) -> impl Iterator<Item = Point> + '_ {
    let time = events.point(event).time;
    let honest = move |cause: &Cause| cause.from.time < cause.arrived.unwrap_or(time).min(time);
    events.causes(event).filter(honest).map(|cause| cause.from)
}

/// The event at a moment, if its line is there.
fn line_of(events: &Events, point: Point) -> Option<u32> {
    events
        .at(point)
        .filter(|&event| events.point(event) == point)
}

/// The order among lives that share a time.
fn ranks(events: &Events) -> Vec<u32> {
    let lives = events.lives();
    let mut sorted: Vec<u32> = (0..lives.len() as u32).collect();
    sorted.sort_by_key(|&life| {
        let life = &lives[life as usize];
        (&life.process, life.instance)
    });
    let mut ranks = vec![0; lives.len()];
    for (rank, life) in sorted.into_iter().enumerate() {
        ranks[life as usize] = rank as u32;
    }
    ranks
}
