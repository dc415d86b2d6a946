//! From the bytes of any log to events. What a line is, is found out, never asked: the layers that
//! engines and clusters put before it, then JSON or text.

mod fields;
mod json;
mod peel;
mod records;
mod wall;

use std::collections::HashMap;

use lamport_clock::Instance;

pub(crate) use self::fields::Fields;
use self::fields::Named;
pub(crate) use self::records::{Record, Records};
use crate::events::{COMPLETE, Events, Hollow, KIND_SHIFT, Life, NO_WALL, Place, UNSAID};

/// How often a source may say that an event went back before it is only counted.
const MOST_TOLD: usize = 1_000;

/// Reads sources, one after the other, each in pieces of any size.
///
/// ```
/// let mut reader = lamport_trace::Reader::default();
/// reader.begin("api.log");
/// reader.feed(b"asked billing 2@api\n");
/// reader.begin("billing.log");
/// reader.feed(b"charged 4@billing <2@api\n  3 pounds\n");
/// let events = reader.finish();
/// assert_eq!(events.order(), [0, 1]);
/// assert_eq!(events.counts().unstamped, 1);
/// assert_eq!(events.causes(1).len(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Reader {
    events: Events,
    records: Records,
    lives: Lives,
    steps: Vec<u64>,
    streams: Vec<Stream>,
    numbering: bool,
}

/// Who has been named, in the order in which that happened.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    processes: Vec<Box<str>>,
    names: HashMap<Box<str>, u32>,
    lives: HashMap<(u32, u64), u32>,
    /// Process and instance by life.
    known: Vec<(u32, u64)>,
}

/// What is known of one stream: a container's, in a file that several share.
#[derive(Clone, Debug, Default)]
struct Stream {
    /// The newest event, or the newest line without a stamp that stands apart.
    last: Option<u32>,
    hollow: bool,
    /// The life of it, and the name of its process.
    life: Option<(u32, u32)>,
    /// The end of what belongs to it without a gap.
    end: u64,
}

impl Reader {
    /// A reader that also remembers the number of each event's line: four bytes more for each.
    pub fn numbering() -> Reader {
        Reader {
            numbering: true,
            ..Reader::default()
        }
    }

    /// Another source begins; `name` is how answers call it.
    pub fn begin(&mut self, name: &str) {
        self.end();
        self.events.sources.push(name.into());
        self.records = Records::default();
        self.streams.clear();
    }

    /// The next bytes of the source.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut records = std::mem::take(&mut self.records);
        records.feed(bytes, |record| self.record(record));
        self.records = records;
    }

    /// All sources are read.
    pub fn finish(mut self) -> Events {
        self.end();
        self.name_lives();
        self.events.put_in_order();
        self.events
    }

    fn end(&mut self) {
        let mut records = std::mem::take(&mut self.records);
        records.end(|record| self.record(record));
        self.events.counts.lines += records.lines;
        self.events.counts.too_long += records.too_long;
    }

    fn record(&mut self, record: Record<'_>) {
        let Record {
            at, length, fields, ..
        } = record;
        let counts = &mut self.events.counts;
        counts.malformed += u64::from(fields.malformed);
        counts.broken_json += u64::from(fields.broken_json);
        let number = record.stream as usize;
        if self.streams.len() <= number {
            self.streams.resize_with(number + 1, Stream::default);
        }
        let mut stream = std::mem::take(&mut self.streams[number]);
        match fields.stamp {
            Some(stamp) => {
                if self.numbering {
                    self.events.numbers.push(record.number);
                }
                let life = self.life_in(&mut stream, fields, &stamp);
                self.event(&mut stream, life, fields, &stamp, at, length);
            }
            None => self.unstamped(&mut stream, at, length),
        }
        stream.end = at + length + 1;
        self.streams[number] = stream;
    }

    /// A line without a stamp belongs to the one before it in its stream.
    fn unstamped(&mut self, stream: &mut Stream, at: u64, length: u64) {
        self.events.counts.unstamped += 1;
        let end = at + length;
        let is_behind = stream.last.is_some() && stream.end == at;
        let grown = stream.last.filter(|_| is_behind).is_some_and(|last| {
            let length = match stream.hollow {
                true => &mut self.events.hollow[last as usize].place.length,
                false => &mut self.events.lengths[last as usize],
            };
            let begin = at.saturating_sub(u64::from(*length) + 1);
            let grown = u32::try_from(end - begin);
            grown.map(|grown| *length = grown).is_ok()
        });
        if grown {
            return;
        }
        let behind = match stream.hollow {
            true => stream
                .last
                .and_then(|last| self.events.hollow[last as usize].behind),
            false => stream.last,
        };
        let place = Place {
            source: self.source(),
            offset: at,
            length: length.try_into().unwrap_or(u32::MAX),
        };
        self.events.hollow.push(Hollow { behind, place });
        (stream.last, stream.hollow) = (Some(self.events.hollow.len() as u32 - 1), true);
    }

    fn event(
        &mut self,
        stream: &mut Stream,
        life: u32,
        fields: &Fields,
        stamp: &Named,
        at: u64,
        length: u64,
    ) {
        let event = self.events.times.len() as u32;
        let mut complete = fields.names_causes && !fields.dropped;
        let mut back = 0;
        for cause in &fields.causes {
            let from = self.life(fields, cause);
            if from == life {
                // A line before that is not before: told with the other broken rules.
                match stamp.time.checked_sub(cause.time) {
                    Some(0) | None => self.went_back(event, cause.time),
                    // A message to itself.
                    Some(_) if cause.arrived.is_some() => {}
                    Some(far) => match u32::try_from(far) {
                        Ok(far) if back == 0 || far < back => back = far,
                        Ok(_) => {}
                        Err(_) => complete = false,
                    },
                }
                continue;
            }
            let age = cause
                .arrived
                .and_then(|arrived| stamp.time.checked_sub(arrived));
            let age = age
                .and_then(|age| u32::try_from(age).ok())
                .unwrap_or(UNSAID);
            self.events.cause_lives.push(from);
            self.events.cause_times.push(cause.time);
            self.events.cause_ages.push(age);
        }
        // Who does not name the line before can only be judged by the order of its file.
        let newest = stream
            .last
            .filter(|_| !stream.hollow)
            .map(|last| self.events.point(last));
        if let Some(newest) = newest.filter(|newest| newest.life == life)
            && !fields.names_causes
            && stamp.instance != 0
            && newest.time > stamp.time
        {
            self.went_back(event, newest.time);
        }
        let wall = fields.wall;
        if let Some(wall) = wall {
            let step = &mut self.steps[life as usize];
            *step = if *step == 0 {
                wall.step
            } else {
                wall.step.min(*step)
            };
        }
        let offset = Events::offset(self.source(), at);
        let events = &mut self.events;
        events.times.push(stamp.time);
        events.lives_of.push(life);
        events.walls.push(wall.map_or(NO_WALL, |wall| wall.at));
        events.offsets.push(offset);
        events.lengths.push(length.try_into().unwrap_or(u32::MAX));
        events.back.push(back);
        let kind = (fields.kind as u8) << KIND_SHIFT;
        events
            .flags
            .push(kind | if complete { COMPLETE } else { 0 });
        events.causes_end.push(events.cause_lives.len() as u32);
        events.counts.events += 1;
        events.counts.complete += u64::from(complete);
        (stream.last, stream.hollow) = (Some(event), false);
    }

    fn went_back(&mut self, event: u32, from: u64) {
        if self.events.went_back.len() < MOST_TOLD {
            self.events.went_back.push((event, from));
        }
        self.events.counts.went_back += 1;
    }

    fn source(&self) -> u32 {
        self.events.sources.len().saturating_sub(1) as u32
    }

    /// The life of a stamp; mostly the same as that of the stream's line before.
    fn life_in(&mut self, stream: &mut Stream, fields: &Fields, stamp: &Named) -> u32 {
        let lives = &self.lives;
        if let Some((life, name)) = stream.life
            && lives.known[life as usize] == (name, stamp.instance)
            && *lives.processes[name as usize] == *fields.name(stamp)
        {
            return life;
        }
        let life = self.life(fields, stamp);
        stream.life = Some((life, self.lives.known[life as usize].0));
        life
    }

    fn life(&mut self, fields: &Fields, stamp: &Named) -> u32 {
        let life = self.lives.of(fields.name(stamp), stamp.instance);
        self.steps.resize(self.lives.known.len(), 0);
        life
    }

    /// Where all that names an instance of a process names the same one, the rest is of it, too.
    fn name_lives(&mut self) {
        let mut sole: Vec<Option<u32>> = vec![None; self.lives.processes.len()];
        let mut is_sole = vec![true; self.lives.processes.len()];
        for (life, &(name, instance)) in self.lives.known.iter().enumerate() {
            if instance != 0 {
                is_sole[name as usize] &= sole[name as usize].is_none();
                sole[name as usize] = Some(life as u32);
            }
        }
        let mut renamed = Vec::new();
        for (life, &(name, instance)) in self.lives.known.iter().enumerate() {
            let sole = sole[name as usize].filter(|_| is_sole[name as usize]);
            renamed.push(sole.filter(|_| instance == 0).unwrap_or(life as u32));
            let (step, sole_step) = (self.steps[life], &mut self.steps[renamed[life] as usize]);
            *sole_step = if *sole_step == 0 || step == 0 {
                step.max(*sole_step)
            } else {
                step.min(*sole_step)
            };
        }
        if renamed
            .iter()
            .enumerate()
            .any(|(life, &renamed)| renamed != life as u32)
        {
            self.events.rename_lives(&renamed);
        }
        self.events.lives = self
            .lives
            .known
            .iter()
            .zip(&self.steps)
            .map(|(&(name, instance), &step)| Life {
                process: self.lives.processes[name as usize].clone(),
                instance: Instance::new(instance),
                step,
            })
            .collect();
    }
}

impl Lives {
    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn of(&mut self, process: &str, instance: u64) -> u32 {
        let name = match self.names.get(process) {
            Some(&name) => name,
            None => {
                let name = self.processes.len() as u32;
                self.processes.push(process.into());
                self.names.insert(process.into(), name);
                name
            }
        };
        *self.lives.entry((name, instance)).or_insert_with(|| {
            self.known.push((name, instance));
            self.known.len() as u32 - 1
        })
    }
}

/// What a person is shown of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Its text, without what is told apart: the stamp and its causes.
    pub message: String,
    /// The level, as the logger calls it.
    pub level: Option<String>,
    /// The thread or task, if it is said.
    pub lane: Option<String>,
}

/// What the lines of an event, with those without a stamp behind it, say. The message is the first
/// line's alone.
///
/// ```
/// let line = br#"{"lamport":"2@api","level":"info","message":"out of tea"}"#;
/// assert_eq!(lamport_trace::describe(line).message, "out of tea");
/// assert_eq!(lamport_trace::describe(b"out of tea 2@api <-").message, "out of tea");
/// ```
pub fn describe(text: &[u8]) -> Description {
    let mut fields = Fields {
        with_text: true,
        ..Fields::default()
    };
    let mut part = Vec::new();
    if text.starts_with(b"__CURSOR=") {
        fields.read_export(text);
    } else {
        for line in text.split(|&byte| byte == b'\n') {
            let Some(text) = fields.read_line(line) else {
                break;
            };
            let goes_on = fields.partial;
            part.extend_from_slice(&text);
            if !goes_on {
                fields.read_text(&part);
                break;
            }
        }
    }
    fields.settle();
    let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    Description {
        message: fields
            .message
            .unwrap_or_else(|| String::from_utf8_lossy(first).into_owned()),
        level: fields.level,
        lane: fields.lane,
    }
}
