//! Lines in causal order while they are still being written (causal delivery: Birman and Joseph,
//! "Reliable Communication in the Presence of Failures", 1987): a line waits until the lines of all its
//! causes are out.
//!
//! A cause need not have a line; the send of a message that nobody logged has none. That is known once
//! its process has written a later line, which names the one before it. Until then the line waits, as
//! long as its reader has patience. For the line before in its own process it waits a moment only: it
//! stands in the same stream, if it was not filtered away, and is late by no more than what two threads
//! need to write a line each.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use crate::read::{Lives, Record, Records};

/// So many lines wait at most; beyond that the oldest goes first, whatever it waits for.
const MOST_WAITING: usize = 100_000;

/// How long a line waits for the one before of its own process.
const MOMENT: Duration = Duration::from_millis(50);

/// So many bytes of a source are kept at most for a record that is not whole yet.
const MOST_KEPT: u64 = 8 << 20;

/// A message that nobody logged may have been caused by another such one, and so on: so far is looked.
const DEEPEST: u32 = 64;

/// Puts lines in order as they come, from any number of sources.
#[derive(Debug)]
pub struct Follower {
    patience: Duration,
    sources: Vec<Source>,
    lives: Lives,
    /// By life: the time up to which everything is out.
    out: Vec<u64>,
    /// By life: the lines that wait, by time.
    waiting_of: Vec<BTreeMap<u64, u64>>,
    /// All that wait, by the number in which they came.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    /// Those to be looked at: new, or what they waited for has changed.
    woken: Vec<u64>,
    /// Those that wait for something of a life: it, the time until which all must be out, and who. Each
    /// stands there once.
    waits_for: BTreeSet<(u32, u64, u64)>,
}

#[derive(Debug, Default)]
struct Source {
    records: Records,
    /// Bytes that are not delivered yet, and where they begin.
    bytes: Vec<u8>,
    start: u64,
    /// By stream: the line that came last, if it still waits.
    last: Vec<Option<u64>>,
}

#[derive(Debug)]
struct Waiting {
    source: u32,
    life: u32,
    time: u64,
    /// The time of the line before in its life, or 0; `None`: it does not say.
    previous: Option<u64>,
    /// Where each came from, when it was sent there, and when it arrived here, if that is said.
    causes: Vec<(u32, u64, Option<u64>)>,
    /// What it waits for, as in [`Follower::waits_for`].
    waits_for: Option<(u32, u64)>,
    text: Vec<u8>,
    /// When it goes, whatever is missing.
    until: Instant,
    since: Instant,
}

/// A line whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Which source, in the order in which they were added.
    pub source: u32,
    /// The life, as a number that tells one from the other; `None`: the line has no stamp.
    pub life: Option<u32>,
    /// The line, and those without a stamp that came behind it meanwhile.
    pub text: Vec<u8>,
    /// It was let go before its causes: not all of them were seen in time.
    pub is_impatient: bool,
}

impl Follower {
    /// Waits no longer than that for a line that may never come.
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

    /// The next bytes of a source; what can go now goes to `deliver`.
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

    /// The next bytes of a source, or its end.
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
        // Of a text that came in parts, and never ends, the beginning is let go.
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

    /// When the next line's patience ends.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.until).min()
    }

    /// Time has passed: who has waited too long goes, the oldest first.
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

    /// Nothing follows: the rest goes in order.
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

    /// Something has changed for those who wait for this life, as far as it is out now, or silent until
    /// its next line.
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

    /// Lets go whoever can, until nobody can.
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

    /// A life of which a line is to come that a cause of this one needs, and the time until then.
    fn blocking(&self, waiting: &Waiting) -> Option<(u32, u64)> {
        let mut causes = waiting.causes.iter();
        let mut found_out = HashSet::new();
        causes.find_map(|&(from, time, _)| self.not_out(from, time, DEEPEST, &mut found_out))
    }

    /// `None`: no line of a life is to come, or waits, that lies at this time or before it; nor one of
    /// what arrived there by then. Else the life that is waited for, and until when. Many ways may lead through one
    /// moment: `found_out` are those that were looked at.
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
        // A line that is not printed yet ends the search. So one that was met before is printed.
        if !found_out.insert((life, time)) {
            return None;
        }
        // Between its lines it sent a message; what had arrived before that came before it.
        let mut arrived = next
            .causes
            .iter()
            .filter(|(_, _, at)| at.is_none_or(|at| at <= time));
        arrived.find_map(|&(from, sent, _)| match sent < time {
            true => self.not_out(from, sent, depth - 1, found_out),
            false => None,
        })
    }

    /// Whether the line before in its own life is out.
    fn follows(&self, waiting: &Waiting) -> bool {
        let out = self.out[waiting.life as usize];
        let is_first = self.waiting_of[waiting.life as usize].keys().next() == Some(&waiting.time);
        // Of a life that was not seen before, nobody knows where it stood.
        let is_new = out == 0;
        // A second handler wrote it, too.
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

    /// It goes, and whoever waited for it may go, too.
    fn give_up(&mut self, number: Option<u64>, deliver: &mut impl FnMut(Delivered)) {
        if let Some(number) = number {
            let waiting = self.waiting.get(&number);
            let is_impatient = waiting.is_some_and(|waiting| self.blocking(waiting).is_some());
            self.go(number, is_impatient, deliver);
            self.settle(deliver);
        }
    }
}
