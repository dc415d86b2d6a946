//! Puts lines in causal order while they are still being written (causal delivery: Birman and Joseph,
//! "Reliable Communication in the Presence of Failures", 1987): a line waits until the lines of all its
//! causes are delivered.
//!
//! A cause need not have a line: a send that nobody logged has none. This is known once the sender has
//! written a later line that names its previous one. Until then the receiver's line waits, as long as the
//! follower's patience lasts. A line waits only a moment for the previous line of its own process. That
//! one stands in the same stream, unless it was filtered out. It is late by no more than two threads need
//! to write a line each.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use crate::read::{Lives, Record, Records};

/// At most this many lines wait. Beyond that the oldest is delivered, whatever it waits for.
const MOST_WAITING: usize = 100_000;

/// How long a line waits for the previous line of its own process.
const MOMENT: Duration = Duration::from_millis(50);

/// At most this many bytes of a source are kept for a record that is not complete yet.
const MOST_KEPT: u64 = 8 << 20;

/// How many messages in a row are followed back through sends that nobody logged.
const DEEPEST: u32 = 64;

/// Puts lines from any number of sources into causal order as they come.
#[derive(Debug)]
pub struct Follower {
    patience: Duration,
    sources: Vec<Source>,
    lives: Lives,
    /// By life: the time up to which all its lines are delivered.
    out: Vec<u64>,
    /// By life: the numbers of its waiting lines, by time.
    waiting_of: Vec<BTreeMap<u64, u64>>,
    /// All waiting lines, by number. Lines are numbered as they come.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    /// The lines to check: they are new, or the life that they wait for has changed.
    woken: Vec<u64>,
    /// A life, the time up to which its lines must be delivered, and the number of the line that waits for
    /// this. Each waiting line has at most one entry.
    waits_for: BTreeSet<(u32, u64, u64)>,
}

#[derive(Debug, Default)]
struct Source {
    records: Records,
    /// Bytes that are not delivered yet, and the offset at which they begin.
    bytes: Vec<u8>,
    start: u64,
    /// By stream: the number of its newest line with a stamp, which may still wait.
    last: Vec<Option<u64>>,
}

#[derive(Debug)]
struct Waiting {
    source: u32,
    life: u32,
    time: u64,
    /// The time of the previous line in its life, or 0 if it is the first; `None` if the line does not say.
    previous: Option<u64>,
    /// For each cause: its life, the time of the send, and the time of arrival here, if the line says it.
    causes: Vec<(u32, u64, Option<u64>)>,
    /// The life and the time that it waits for, as in [`Follower::waits_for`].
    waits_for: Option<(u32, u64)>,
    text: Vec<u8>,
    /// When it is delivered at the latest, whatever is missing.
    until: Instant,
    since: Instant,
}

/// A line that is delivered.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The number of its source, in the order in which sources were added.
    pub source: u32,
    /// The number of its life, different for each life; `None` if the line has no stamp.
    pub life: Option<u32>,
    /// The line, and the lines without a stamp that followed it while it waited.
    pub text: Vec<u8>,
    /// Whether it is delivered before its causes: not all of them came in time.
    pub is_impatient: bool,
}

impl Follower {
    /// A follower that waits no longer than `patience` for a line that may never come.
    pub fn new(sources: usize, patience: Duration) -> Follower {
        Follower {
            patience,
            sources: (0..sources).map(|_| Source::default()).collect(),
            lives: Lives::default(),
            out: Vec::new(),
            waiting_of: Vec::new(),
            waiting: BTreeMap::new(),
            next: 0,
            woken: Vec::new(),
            waits_for: BTreeSet::new(),
        }
    }

    /// Takes the next bytes of a source. Lines that need not wait any longer go to `deliver`.
    pub fn feed(
        &mut self,
        source: u32,
        bytes: &[u8],
        now: Instant,
        deliver: &mut impl FnMut(Delivered),
    ) {
        self.read(source, Some(bytes), now, deliver);
        self.settle(deliver);
        while self.waiting.len() > MOST_WAITING {
            let oldest = self.waiting.keys().next().copied();
            self.give_up(oldest, deliver);
        }
    }

    /// Reads the next bytes of a source; `None` is its end.
    fn read(
        &mut self,
        source: u32,
        bytes: Option<&[u8]>,
        now: Instant,
        deliver: &mut impl FnMut(Delivered),
    ) {
        let mut own = std::mem::take(&mut self.sources[source as usize]);
        own.bytes.extend_from_slice(bytes.unwrap_or_default());
        let (text, start, last) = (&own.bytes, own.start, &mut own.last);
        let take = |record: Record<'_>| {
            let place = |at: u64| text.len().min(at.saturating_sub(start) as usize);
            let text = &text[place(record.at)..place(record.at + record.length)];
            self.take(source, record, text, now, last, deliver);
        };
        match bytes {
            Some(bytes) => own.records.feed(bytes, take),
            None => own.records.end(take),
        }
        // Drop the beginning of a text that comes in parts and never ends.
        let end = start + text.len() as u64;
        let kept = own
            .records
            .unfinished()
            .max(end.saturating_sub(MOST_KEPT))
            .min(end);
        own.bytes.drain(..(kept - start) as usize);
        own.start = kept;
        self.sources[source as usize] = own;
    }

    /// The earliest time at which the patience for a waiting line ends.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.until).min()
    }

    /// Delivers the lines that have waited too long, the oldest first.
    pub fn expire(&mut self, now: Instant, deliver: &mut impl FnMut(Delivered)) {
        loop {
            let late = self.waiting.iter().filter(|(_, of)| of.until <= now);
            let late: Vec<u64> = late.map(|(&number, _)| number).collect();
            if late.is_empty() {
                break;
            }
            for number in late {
                self.give_up(Some(number), deliver);
            }
        }
    }

    /// Ends all sources, and delivers the remaining lines in order.
    pub fn finish(&mut self, deliver: &mut impl FnMut(Delivered)) {
        for source in 0..self.sources.len() as u32 {
            self.read(source, None, Instant::now(), deliver);
        }
        self.settle(deliver);
        let rest = self.waiting.iter();
        let mut rest: Vec<(u64, u64)> = rest.map(|(&number, of)| (of.time, number)).collect();
        rest.sort_unstable();
        for (_, number) in rest {
            self.give_up(Some(number), deliver);
        }
    }

    fn take(
        &mut self,
        source: u32,
        record: Record<'_>,
        text: &[u8],
        now: Instant,
        last: &mut Vec<Option<u64>>,
        deliver: &mut impl FnMut(Delivered),
    ) {
        let (stream, fields) = (record.stream as usize, record.fields);
        if last.len() <= stream {
            last.resize(stream + 1, None);
        }
        let Some(stamp) = fields.stamp else {
            let before = last[stream].and_then(|last| self.waiting.get_mut(&last));
            match before {
                Some(before) => {
                    before.text.push(b'\n');
                    before.text.extend_from_slice(text);
                }
                None => deliver(Delivered {
                    source,
                    life: None,
                    text: text.to_vec(),
                    is_impatient: false,
                }),
            }
            return;
        };
        let life = self.lives.of(fields.name(&stamp), stamp.instance);
        let mut previous = None;
        let mut causes = Vec::new();
        for cause in &fields.causes {
            let from = self.lives.of(fields.name(cause), cause.instance);
            if from == life {
                previous = previous.max(Some(cause.time));
            } else {
                causes.push((from, cause.time, cause.arrived));
            }
        }
        if fields.names_causes && !fields.dropped {
            previous = previous.or(Some(0));
        }
        self.out.resize(self.lives.count(), 0);
        self.waiting_of
            .resize_with(self.lives.count(), BTreeMap::new);
        let number = self.next;
        self.next += 1;
        last[stream] = Some(number);
        self.waiting_of[life as usize].insert(stamp.time, number);
        self.waiting.insert(
            number,
            Waiting {
                source,
                life,
                time: stamp.time,
                previous,
                causes,
                waits_for: None,
                text: text.to_vec(),
                until: now + self.patience,
                since: now,
            },
        );
        self.wake(life);
        self.woken.push(number);
    }

    /// Wakes the lines that wait for this life: up to the time to which its lines are delivered, or to which
    /// it is known to have no line before its next one.
    fn wake(&mut self, life: u32) {
        let out = self.out[life as usize];
        let next = self.waiting_of[life as usize].values().next();
        let next = next.and_then(|number| self.waiting.get(number));
        let silent = next.filter(|next| next.previous.is_none_or(|previous| previous <= out));
        let until = silent.map_or(out, |next| out.max(next.time.saturating_sub(1)));
        let woken = self.waits_for.range((life, 0, 0)..=(life, until, u64::MAX));
        let woken: Vec<(u32, u64, u64)> = woken.copied().collect();
        for waits in woken {
            self.waits_for.remove(&waits);
            self.woken.push(waits.2);
        }
    }

    fn wait_for(&mut self, number: u64, (life, time): (u32, u64)) {
        self.waits_for.insert((life, time, number));
        if let Some(waiting) = self.waiting.get_mut(&number) {
            waiting.waits_for = Some((life, time));
        }
    }

    /// Delivers lines until none can go.
    fn settle(&mut self, deliver: &mut impl FnMut(Delivered)) {
        while let Some(number) = self.woken.pop() {
            let Some(waiting) = self.waiting.get(&number) else {
                continue;
            };
            let life = waiting.life;
            if let Some(blocking) = self.blocking(waiting) {
                self.wait_for(number, blocking);
            } else if self.follows(waiting) {
                self.go(number, false, deliver);
            } else {
                let before = waiting.time.saturating_sub(1);
                self.wait_for(number, (life, before));
                if let Some(waiting) = self.waiting.get_mut(&number) {
                    waiting.until = waiting.until.min(waiting.since + MOMENT);
                }
            }
        }
    }

    /// The life whose lines must come before this line can go, and up to which time; `None` if none must.
    fn blocking(&self, waiting: &Waiting) -> Option<(u32, u64)> {
        let mut causes = waiting.causes.iter();
        let mut found_out = HashSet::new();
        causes.find_map(|&(from, time, _)| self.not_out(from, time, DEEPEST, &mut found_out))
    }

    /// Checks that nothing is missing of a life up to a time: neither its own lines, nor lines of causes
    /// that had arrived there by then. If something is missing, returns the life to wait for, and the time.
    /// Many paths may lead through one moment: `found_out` holds the moments that were checked.
    fn not_out(
        &self,
        life: u32,
        time: u64,
        depth: u32,
        found_out: &mut HashSet<(u32, u64)>,
    ) -> Option<(u32, u64)> {
        let out = self.out[life as usize];
        if out >= time {
            return None;
        }
        let next = self.waiting_of[life as usize].values().next();
        let next = next.and_then(|number| self.waiting.get(number));
        let is_silent = |next: &&Waiting| {
            next.time > time && next.previous.is_some_and(|previous| previous <= out)
        };
        let Some(next) = next.filter(is_silent).filter(|_| depth > 0) else {
            return Some((life, time));
        };
        // The search ends at the first missing line. So a moment that was checked before lacks none.
        if !found_out.insert((life, time)) {
            return None;
        }
        // The life sent the message between two of its lines. What had arrived by then came before it.
        let mut arrived = next
            .causes
            .iter()
            .filter(|(_, _, at)| at.is_none_or(|at| at <= time));
        arrived.find_map(|&(from, sent, _)| match sent < time {
            true => self.not_out(from, sent, depth - 1, found_out),
            false => None,
        })
    }

    /// Whether the previous line in its own life is delivered.
    fn follows(&self, waiting: &Waiting) -> bool {
        let out = self.out[waiting.life as usize];
        let is_first = self.waiting_of[waiting.life as usize].keys().next() == Some(&waiting.time);
        // The life is new, so nobody knows at which time it stood.
        let is_new = out == 0;
        // A second handler wrote the same line.
        let is_again = waiting.time <= out;
        is_again || (is_first && (is_new || out >= waiting.previous.unwrap_or(0)))
    }

    fn go(&mut self, number: u64, is_impatient: bool, deliver: &mut impl FnMut(Delivered)) {
        let Some(waiting) = self.waiting.remove(&number) else {
            return;
        };
        let life = waiting.life as usize;
        if self.waiting_of[life].get(&waiting.time) == Some(&number) {
            self.waiting_of[life].remove(&waiting.time);
        }
        if let Some((life, time)) = waiting.waits_for {
            self.waits_for.remove(&(life, time, number));
        }
        self.out[life] = self.out[life].max(waiting.time);
        self.wake(waiting.life);
        deliver(Delivered {
            source: waiting.source,
            life: Some(waiting.life),
            text: waiting.text,
            is_impatient,
        });
    }

    /// Delivers a line, and then the lines that waited only for it.
    fn give_up(&mut self, number: Option<u64>, deliver: &mut impl FnMut(Delivered)) {
        if let Some(number) = number {
            let waiting = self.waiting.get(&number);
            let is_impatient = waiting.is_some_and(|waiting| self.blocking(waiting).is_some());
            self.go(number, is_impatient, deliver);
            self.settle(deliver);
        }
    }
}
