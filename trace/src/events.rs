//! What was read: each line with a stamp is an event, and names its causes. Flat arrays, since a
//! million of them must fit where a person's other programs live.

use lamport_clock::Instance;

/// A moment of one life: where its local clock stood. There need not be a line that tells of it; the
/// send of a message that nobody logged is one, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// Which life, an index of [`Events::lives`].
    pub life: u32,
    /// When, in logical time.
    pub time: u64,
}

/// One run of a process, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// The process.
    pub process: Box<str>,
    /// Which run of it; [`Instance::UNKNOWN`] where no line says.
    pub instance: Instance,
    /// The finest step of the wall clock times in its lines, in nanoseconds; 0 where it has none.
    pub step: u64,
}

/// A message, or what else came from another life before an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Where it came from.
    pub from: Point,
    /// When it arrived, if that is said; else some time after the line before.
    pub arrived: Option<u64>,
}

/// What an event is, where its line says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum EventKind {
    /// Not said.
    #[default]
    Local,
    /// A message left.
    Send,
    /// A message arrived.
    Receive,
    /// A time was taken from the shared clock.
    Update,
    /// The shared clock was looked at.
    Read,
}

/// Where a text stands: in a source as it was fed, decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// An index of [`Events::sources`].
    pub source: u32,
    /// The first byte.
    pub offset: u64,
    /// How many bytes, without the last line's end.
    pub length: u32,
}

/// A line without a stamp that does not stand right behind the line it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hollow {
    /// The event before it in its stream; `None`: it has none.
    pub(crate) behind: Option<u32>,
    pub(crate) place: Place,
}

/// What was read, and what was not understood.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Lines.
    pub lines: u64,
    /// Lines with a stamp.
    pub events: u64,
    /// Events that name their causes, all of them.
    pub complete: u64,
    /// Lines without a stamp, kept behind the line before.
    pub unstamped: u64,
    /// The same event once more, as two handlers write it.
    pub duplicates: u64,
    /// Lines where a stamp, a cause or an instance should be and something else is.
    pub malformed: u64,
    /// Lines that are longer than a mebibyte; what is behind that was not looked at.
    pub too_long: u64,
    /// Lines that begin as JSON and are none.
    pub broken_json: u64,
    /// Events that lie before, or at, the one before them in their life.
    pub went_back: u64,
}

/// All events, in the order in which they were read, with the order that their stamps give.
#[derive(Clone, Debug, Default)]
pub struct Events {
    pub(crate) times: Vec<u64>,
    pub(crate) lives_of: Vec<u32>,
    pub(crate) walls: Vec<i64>,
    pub(crate) offsets: Vec<u64>,
    pub(crate) lengths: Vec<u32>,
    /// How far back the line before lies; 0: it is the first one.
    pub(crate) back: Vec<u32>,
    pub(crate) flags: Vec<u8>,
    /// Where the causes of each event end in the three arrays below.
    pub(crate) causes_end: Vec<u32>,
    pub(crate) cause_lives: Vec<u32>,
    pub(crate) cause_times: Vec<u64>,
    /// How long before the event's own time they arrived; [`UNSAID`].
    pub(crate) cause_ages: Vec<u32>,
    /// The number of each event's first line in its source, from 1; empty unless asked for.
    pub(crate) numbers: Vec<u32>,
    /// By the event that they stand behind.
    pub(crate) hollow: Vec<Hollow>,
    pub(crate) lives: Vec<Life>,
    pub(crate) sources: Vec<Box<str>>,
    pub(crate) order: Vec<u32>,
    /// The events of each life in order, one life behind the other, and where each ends.
    pub(crate) by_life: Vec<u32>,
    pub(crate) by_life_end: Vec<u32>,
    pub(crate) counts: Counts,
    pub(crate) went_back: Vec<(u32, u64)>,
}

pub(crate) const UNSAID: u32 = u32::MAX;
pub(crate) const NO_WALL: i64 = i64::MIN;

/// The source's number in the upper bits of an offset.
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

    /// What was read, and what was not understood.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The files, as they were named.
    pub fn sources(&self) -> &[Box<str>] {
        &self.sources
    }

    /// The lives, also those that only others tell of.
    pub fn lives(&self) -> &[Life] {
        &self.lives
    }

    /// The events in one order that never puts an effect before its cause: by time, then process, then
    /// instance. As long as the stamps are honest, see [`broken`](crate::broken).
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

    /// When and where an event was.
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

    /// Which line of its source the event is, from 1, where the reader [was asked to
    /// number](crate::Reader::numbering) them.
    pub fn line_number(&self, event: u32) -> Option<u32> {
        self.numbers.get(event as usize).copied()
    }

    /// The lines without a stamp that stand elsewhere and belong behind an event; `None`: those that
    /// stand before the first event of their stream.
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

    /// What the event is.
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

    /// Whether its wall clock shows less than that of one of its causes did. [`look_at_walls`]
    /// finds out.
    ///
    /// [`look_at_walls`]: crate::look_at_walls
    pub fn is_inverted(&self, event: u32) -> bool {
        self.has(event, INVERTED)
    }

    fn has(&self, event: u32, flag: u8) -> bool {
        self.flags[event as usize] & flag != 0
    }

    /// The time of the line before in its life, where the event names it.
    pub fn previous(&self, event: u32) -> Option<u64> {
        let back = u64::from(self.back[event as usize]);
        (back != 0).then(|| self.times[event as usize] - back)
    }

    /// What came from elsewhere since the line before.
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

    /// The newest event of a life at a time or before it.
    pub fn at(&self, point: Point) -> Option<u32> {
        let events = self.of_life(point.life);
        let after = self.count_until(events, point.time);
        after.checked_sub(1).map(|i| events[i])
    }

    /// The update that took this time. A line may have the same stamp: one that was logged while the
    /// update was under way. Looks at all events.
    pub fn update_at(&self, point: Point) -> Option<u32> {
        let is_it =
            |&event: &u32| self.kind(event) == EventKind::Update && self.point(event) == point;
        (0..self.len() as u32).find(is_it)
    }

    /// How many of these, in order, lie at a time or before it. Looks from the end, where causes mostly
    /// are.
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

    /// The first event of a life at a time or after it.
    pub fn from(&self, point: Point) -> Option<u32> {
        let events = self.of_life(point.life);
        let before = events.partition_point(|&event| self.times[event as usize] < point.time);
        events.get(before).copied()
    }

    pub(crate) fn offset(source: u32, offset: u64) -> u64 {
        u64::from(source) << SOURCE_SHIFT | offset
    }

    /// Lives that turned out to be others: those of lines, and those that lines name as causes.
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

    /// Everything is read: one order, each event once, and each life's events found at once.
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
        // Stable, so what has one stamp stays as it was read; and fast where files are in order. Of what
        // two handlers wrote, the line that names all its causes counts.
        self.order = (0..times.len() as u32).collect();
        self.order.sort_by_key(|&event| {
            let event = event as usize;
            let is_less = flags[event] & COMPLETE == 0;
            (times[event], rank[lives[event] as usize], is_less)
        });
        // Stable, so they stay as they were read.
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
