//! The events: one for each line with a stamp, with the causes that the line names. They lie in flat
//! arrays, so that a million of them leave memory for a person's other programs.

use lamport_clock::Instance;

/// A moment of one life: a time at which its local clock stood. It need not have a line in the log. The
/// send of a message that nobody logged is a moment, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// The life, an index of [`Events::lives`].
    pub life: u32,
    /// The logical time.
    pub time: u64,
}

/// One run of a process, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// The process.
    pub process: Box<str>,
    /// Which run of the process; [`Instance::UNKNOWN`] if no line says so.
    pub instance: Instance,
    /// The finest precision of the wall clock times in its lines, in nanoseconds; 0 if they have none.
    pub step: u64,
}

/// A message, or other information, that came from another life before an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The moment at which it left the other life.
    pub from: Point,
    /// The receiver's time when it arrived. `None` if no line says so; it is later than the previous line.
    pub arrived: Option<u64>,
}

/// The kind of an event, if its line names one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum EventKind {
    /// The line names no kind.
    #[default]
    Local,
    /// A message left.
    Send,
    /// A message arrived.
    Receive,
    /// A time was taken from the shared clock.
    Update,
    /// The shared clock was read.
    Read,
}

/// Where a text stands in its source. Offsets count the decompressed bytes that the reader was fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// An index of [`Events::sources`].
    pub source: u32,
    /// The offset of its first byte.
    pub offset: u64,
    /// Its length in bytes, without the end of its last line.
    pub length: u32,
}

/// A line without a stamp that does not directly follow the line to which it belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hollow {
    /// The event before it in its stream; `None` if there is none.
    pub(crate) behind: Option<u32>,
    pub(crate) place: Place,
}

/// How much was read, and how much of it was not understood.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Lines.
    pub lines: u64,
    /// Lines with a stamp.
    pub events: u64,
    /// Events that name all their causes.
    pub complete: u64,
    /// Lines without a stamp. Each is kept with the event before it.
    pub unstamped: u64,
    /// Events that were read again, since two handlers wrote them.
    pub duplicates: u64,
    /// Lines in which a stamp, a cause or an instance is malformed.
    pub malformed: u64,
    /// Lines longer than a mebibyte. The part beyond it was not read.
    pub too_long: u64,
    /// Lines that begin like JSON and are not valid JSON.
    pub broken_json: u64,
    /// Events whose time is not later than that of the previous event in their life.
    pub went_back: u64,
}

/// All events, numbered as they were read. [`Events::order`] gives the order of their stamps.
#[derive(Clone, Debug, Default)]
pub struct Events {
    pub(crate) times: Vec<u64>,
    pub(crate) lives_of: Vec<u32>,
    pub(crate) walls: Vec<i64>,
    pub(crate) offsets: Vec<u64>,
    pub(crate) lengths: Vec<u32>,
    /// How much smaller the time of the previous line is that the event names; 0 if it names none.
    pub(crate) back: Vec<u32>,
    pub(crate) flags: Vec<u8>,
    /// Where the causes of each event end in the three arrays below.
    pub(crate) causes_end: Vec<u32>,
    pub(crate) cause_lives: Vec<u32>,
    pub(crate) cause_times: Vec<u64>,
    /// The event's time minus the time of arrival; [`UNSAID`] if no line says when the cause arrived.
    pub(crate) cause_ages: Vec<u32>,
    /// The number of each event's first line in its source, from 1; empty unless the reader numbers lines.
    pub(crate) numbers: Vec<u32>,
    /// Sorted by the event that they stand behind.
    pub(crate) hollow: Vec<Hollow>,
    pub(crate) lives: Vec<Life>,
    pub(crate) sources: Vec<Box<str>>,
    pub(crate) order: Vec<u32>,
    /// The events of all lives, one life after the other, each in order; and where each life ends.
    pub(crate) by_life: Vec<u32>,
    pub(crate) by_life_end: Vec<u32>,
    pub(crate) counts: Counts,
    pub(crate) went_back: Vec<(u32, u64)>,
}

pub(crate) const UNSAID: u32 = u32::MAX;
pub(crate) const NO_WALL: i64 = i64::MIN;

/// Offsets hold the source's number in the bits from this one on.
const SOURCE_SHIFT: u32 = 44;

pub(crate) const COMPLETE: u8 = 1;
pub(crate) const DUPLICATE: u8 = 2;
pub(crate) const INVERTED: u8 = 4;
pub(crate) const HAS_HOLLOW: u8 = 8;
pub(crate) const KIND_SHIFT: u32 = 4;

impl Events {
    /// How many events there are, duplicates included.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// How much was read, and how much of it was not understood.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The names of the sources, as the reader was given them.
    pub fn sources(&self) -> &[Box<str>] {
        &self.sources
    }

    /// All lives, including those that appear only as causes in the lines of others.
    pub fn lives(&self) -> &[Life] {
        &self.lives
    }

    /// The events by time, then process, then instance. This order never puts an effect before its cause,
    /// as long as the stamps are honest: see [`broken`](crate::broken).
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// The events of a life in order, without duplicates.
    pub fn of_life(&self, life: u32) -> &[u32] {
        let life = life as usize;
        let start = if life == 0 {
            0
        } else {
            self.by_life_end[life - 1]
        };
        &self.by_life[start as usize..self.by_life_end[life] as usize]
    }

    /// The life and the time of an event.
    pub fn point(&self, event: u32) -> Point {
        let event = event as usize;
        Point {
            life: self.lives_of[event],
            time: self.times[event],
        }
    }

    /// The wall clock's time of an event, in nanoseconds since 1970.
    pub fn wall(&self, event: u32) -> Option<i64> {
        let wall = self.walls[event as usize];
        (wall != NO_WALL).then_some(wall)
    }

    /// Where the event's lines stand: its own, and those without a stamp right behind it.
    pub fn place(&self, event: u32) -> Place {
        let offset = self.offsets[event as usize];
        Place {
            source: (offset >> SOURCE_SHIFT) as u32,
            offset: offset & ((1 << SOURCE_SHIFT) - 1),
            length: self.lengths[event as usize],
        }
    }

    /// The number of the event's line in its source, from 1. `None` unless the reader [was asked to
    /// number](crate::Reader::numbering) lines.
    pub fn line_number(&self, event: u32) -> Option<u32> {
        self.numbers.get(event as usize).copied()
    }

    /// The lines without a stamp that belong behind an event but do not directly follow it. For `None`:
    /// those before the first event of their stream.
    pub fn behind(&self, event: Option<u32>) -> impl Iterator<Item = Place> + '_ {
        let has_some = event.is_none_or(|event| self.has(event, HAS_HOLLOW));
        let start = match has_some {
            true => self.hollow.partition_point(|hollow| hollow.behind < event),
            false => self.hollow.len(),
        };
        let behind = self.hollow[start..].iter();
        behind
            .take_while(move |hollow| hollow.behind == event)
            .map(|hollow| hollow.place)
    }

    /// The kind of the event.
    pub fn kind(&self, event: u32) -> EventKind {
        match self.flags[event as usize] >> KIND_SHIFT {
            1 => EventKind::Send,
            2 => EventKind::Receive,
            3 => EventKind::Update,
            4 => EventKind::Read,
            _ => EventKind::Local,
        }
    }

    /// Whether the event names all its causes.
    pub fn is_complete(&self, event: u32) -> bool {
        self.has(event, COMPLETE)
    }

    /// Whether the event was read before.
    pub fn is_duplicate(&self, event: u32) -> bool {
        self.has(event, DUPLICATE)
    }

    /// Whether its wall clock shows an earlier time than that of one of its causes. It is `false` until
    /// [`look_at_walls`] has compared them.
    ///
    /// [`look_at_walls`]: crate::look_at_walls
    pub fn is_inverted(&self, event: u32) -> bool {
        self.has(event, INVERTED)
    }

    fn has(&self, event: u32, flag: u8) -> bool {
        self.flags[event as usize] & flag != 0
    }

    /// The time of the previous line in its life, if the event names that line.
    pub fn previous(&self, event: u32) -> Option<u64> {
        let back = u64::from(self.back[event as usize]);
        (back != 0).then(|| self.times[event as usize] - back)
    }

    /// The causes of the event that came from other lives since the previous line.
    pub fn causes(&self, event: u32) -> impl ExactSizeIterator<Item = Cause> + '_ {
        let event = event as usize;
        let start = if event == 0 {
            0
        } else {
            self.causes_end[event - 1]
        };
        (start as usize..self.causes_end[event] as usize).map(move |i| Cause {
            from: Point {
                life: self.cause_lives[i],
                time: self.cause_times[i],
            },
            arrived: match self.cause_ages[i] {
                UNSAID => None,
                age => Some(self.times[event] - u64::from(age)),
            },
        })
    }

    /// The newest event of the point's life that is not later than the point.
    pub fn at(&self, point: Point) -> Option<u32> {
        let events = self.of_life(point.life);
        let after = self.count_until(events, point.time);
        after.checked_sub(1).map(|i| events[i])
    }

    /// The update that took this time. Another line may have the same stamp, if it was logged while the
    /// update was under way. Searches all events.
    pub fn update_at(&self, point: Point) -> Option<u32> {
        let is_it =
            |&event: &u32| self.kind(event) == EventKind::Update && self.point(event) == point;
        (0..self.len() as u32).find(is_it)
    }

    /// How many of these events, which are in order, are not later than `time`. Searches from the end,
    /// where causes mostly are.
    pub(crate) fn count_until(&self, events: &[u32], time: u64) -> usize {
        let (mut end, mut step) = (events.len(), 1);
        while end > 0 {
            let start = end.saturating_sub(step);
            if self.times[events[start] as usize] <= time {
                let until = |&event: &u32| self.times[event as usize] <= time;
                return start + events[start..end].partition_point(until);
            }
            (end, step) = (start, step * 2);
        }
        0
    }

    /// The first event of the point's life that is not earlier than the point.
    pub fn from(&self, point: Point) -> Option<u32> {
        let events = self.of_life(point.life);
        let before = events.partition_point(|&event| self.times[event as usize] < point.time);
        events.get(before).copied()
    }

    pub(crate) fn offset(source: u32, offset: u64) -> u64 {
        u64::from(source) << SOURCE_SHIFT | offset
    }

    /// Replaces lives that turned out to be others: `own` for lines, `causes` for the causes that lines name.
    pub(crate) fn rename_lives(&mut self, own: &[u32], causes: &[u32]) {
        let is_same = |renamed: &[u32]| (0..).zip(renamed).all(|(life, &renamed)| life == renamed);
        if !is_same(own) {
            for life in &mut self.lives_of {
                *life = own[*life as usize];
            }
        }
        if !is_same(causes) {
            for life in &mut self.cause_lives {
                *life = causes[*life as usize];
            }
        }
    }

    /// Once everything is read: sorts the events, marks duplicates and indexes the events of each life.
    pub(crate) fn put_in_order(&mut self) {
        let mut ranks: Vec<u32> = (0..self.lives.len() as u32).collect();
        ranks.sort_by_key(|&life| {
            let life = &self.lives[life as usize];
            (&life.process, life.instance)
        });
        let mut rank = vec![0; self.lives.len()];
        for (i, &life) in ranks.iter().enumerate() {
            rank[life as usize] = i as u32;
        }
        drop(ranks);
        let (times, lives, flags) = (&self.times, &self.lives_of, &self.flags);
        // A stable sort keeps equal stamps as they were read, and is fast for sorted files. Of duplicates,
        // the line that names all its causes comes first, and so is the one that counts.
        self.order = (0..times.len() as u32).collect();
        self.order.sort_by_key(|&event| {
            let event = event as usize;
            let is_less = flags[event] & COMPLETE == 0;
            (times[event], rank[lives[event] as usize], is_less)
        });
        // A stable sort keeps the lines behind one event as they were read.
        self.hollow.sort_by_key(|hollow| hollow.behind);
        for hollow in &self.hollow {
            if let Some(behind) = hollow.behind {
                self.flags[behind as usize] |= HAS_HOLLOW;
            }
        }
        let mut newest = None;
        let mut ends = vec![0_u32; self.lives.len()];
        for &event in &self.order {
            let i = event as usize;
            let point = Some((self.times[i], self.lives_of[i]));
            if point == newest {
                self.flags[i] |= DUPLICATE;
                self.counts.duplicates += 1;
            } else {
                ends[self.lives_of[i] as usize] += 1;
            }
            newest = point;
        }
        let mut next = 0;
        for end in &mut ends {
            (next, *end) = (next + *end, next);
        }
        self.by_life = vec![0; next as usize];
        for &event in &self.order {
            if self.flags[event as usize] & DUPLICATE == 0 {
                let end = &mut ends[self.lives_of[event as usize] as usize];
                self.by_life[*end as usize] = event;
                *end += 1;
            }
        }
        self.by_life_end = ends;
    }
}
