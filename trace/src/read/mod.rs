//! From the bytes of any log to events. What a line is, is found out, never asked: the layers that
//! engines and clusters put before it, then JSON or text.

mod fields;
mod peel;
mod wall;

use std::collections::HashMap;

use lamport_clock::Instance;

pub(crate) use self::fields::Fields;
use self::fields::Named;
use crate::events::{COMPLETE, Events, Hollow, KIND_SHIFT, Life, NO_WALL, Place, UNSAID};

/// Of a longer line the rest is not looked at: a mebibyte.
const LONGEST: usize = 1 << 20;

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
    fields: Fields,
    processes: Vec<Box<str>>,
    names: HashMap<Box<str>, u32>,
    lives: HashMap<(u32, u64), u32>,
    /// Processes and instances by life; the lives are made of it in the end.
    known: Vec<(u32, u64)>,
    steps: Vec<u64>,
    streams: HashMap<Box<[u8]>, Stream>,
    /// The stream of a file that has only one.
    sole: Stream,
    /// A line whose end has not come yet.
    begun: Vec<u8>,
    /// How long it is, read or not.
    begun_length: u64,
    at: u64,
    export: Option<Export>,
    numbering: bool,
    /// The line that is being read, from 1.
    number: u32,
}

/// What is known of one stream: a container's, in a file that several share.
#[derive(Clone, Debug, Default)]
struct Stream {
    /// The newest event, or hollow line where there is none.
    last: Option<u32>,
    /// The life of it, and the name of its process.
    life: Option<(u32, u32)>,
    /// The end of what belongs to it without a gap.
    end: u64,
    hollow: bool,
    /// The beginning of a text that came in parts, and where it stands.
    part: Vec<u8>,
    part_at: u64,
    part_number: u32,
}

/// An entry of journald's export form, which has several lines.
#[derive(Debug, Default)]
struct Export {
    at: u64,
    number: u32,
    text: Vec<u8>,
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
        self.streams.clear();
        self.sole = Stream::default();
        (self.at, self.number) = (0, 0);
    }

    /// The next bytes of the source.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        if self.begun_length > 0 {
            let end = memchr::memchr(b'\n', bytes);
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            let room = LONGEST.saturating_sub(self.begun.len());
            self.begun
                .extend_from_slice(&piece[..piece.len().min(room)]);
            self.begun_length += piece.len() as u64;
            let Some(end) = end else { return };
            self.end_line();
            bytes = &bytes[end + 1..];
        }
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            if end > LONGEST {
                self.events.counts.too_long += 1;
            }
            self.line(&bytes[..end.min(LONGEST)], end as u64);
            bytes = &bytes[end + 1..];
        }
        if !bytes.is_empty() {
            self.begun
                .extend_from_slice(&bytes[..bytes.len().min(LONGEST)]);
            self.begun_length = bytes.len() as u64;
        }
    }

    /// All sources are read.
    pub fn finish(mut self) -> Events {
        self.end();
        self.name_lives();
        self.events.put_in_order();
        self.events
    }

    fn end(&mut self) {
        if self.begun_length > 0 {
            self.end_line();
        }
        if let Some(export) = self.export.take() {
            self.exported(export);
        }
        let mut streams: Vec<Stream> = self.streams.drain().map(|(_, stream)| stream).collect();
        streams.push(std::mem::take(&mut self.sole));
        for mut stream in streams {
            // A text whose last part never came.
            if !stream.part.is_empty() {
                let (text, at) = (std::mem::take(&mut stream.part), stream.part_at);
                self.fields.clear();
                self.fields.read_text(&text);
                let length = self.at.saturating_sub(at + 1);
                let number = stream.part_number;
                self.record(&mut stream, at, length, number);
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.begun);
        let length = std::mem::replace(&mut self.begun_length, 0);
        if length > LONGEST as u64 {
            self.events.counts.too_long += 1;
        }
        self.line(&line, length);
        self.begun = line;
        self.begun.clear();
    }

    /// A whole line, as far as it is looked at, and how long it is.
    fn line(&mut self, line: &[u8], length: u64) {
        let at = self.at;
        self.at += length + 1;
        self.events.counts.lines += 1;
        self.number = self.number.saturating_add(1);
        if at == 0 && line.starts_with(b"__CURSOR=") {
            self.export = Some(Export::default());
        }
        if let Some(export) = &mut self.export {
            if export.text.is_empty() {
                (export.at, export.number) = (at, self.number);
            }
            if !line.is_empty() {
                if export.text.len() < LONGEST {
                    export.text.extend_from_slice(line);
                    export.text.push(b'\n');
                }
            } else {
                let entry = std::mem::take(export);
                self.exported(entry);
            }
            return;
        }
        let text = self.fields.read_line(line);
        let mut stream = self.take_stream();
        match text {
            None => self.record(&mut stream, at, length, self.number),
            Some(text) => self.piece(&mut stream, at, length, &text),
        }
        self.put_stream(stream);
    }

    /// A text, or a part of one.
    fn piece(&mut self, stream: &mut Stream, at: u64, length: u64, text: &[u8]) {
        if !self.fields.partial && stream.part.is_empty() {
            self.fields.read_text(text);
            return self.record(stream, at, length, self.number);
        }
        if stream.part.is_empty() {
            (stream.part_at, stream.part_number) = (at, self.number);
        }
        let room = LONGEST.saturating_sub(stream.part.len());
        stream.part.extend_from_slice(&text[..text.len().min(room)]);
        if !self.fields.partial {
            let joined = std::mem::take(&mut stream.part);
            self.fields.read_text(&joined);
            let (begin, number) = (stream.part_at, stream.part_number);
            self.record(stream, begin, at + length - begin, number);
        }
    }

    fn exported(&mut self, export: Export) {
        if export.text.is_empty() {
            return;
        }
        self.fields.read_export(&export.text);
        let mut stream = self.take_stream();
        // To the blank line behind it.
        let length = self.at.saturating_sub(2).saturating_sub(export.at);
        self.record(&mut stream, export.at, length, export.number);
        self.put_stream(stream);
    }

    /// The fields hold a record, which stands there.
    fn record(&mut self, stream: &mut Stream, at: u64, length: u64, number: u32) {
        self.fields.settle();
        let counts = &mut self.events.counts;
        counts.malformed += u64::from(self.fields.malformed);
        counts.broken_json += u64::from(self.fields.broken_json);
        let end = at + length;
        let Some(stamp) = self.fields.stamp else {
            counts.unstamped += 1;
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
            if !grown {
                let behind = match stream.hollow {
                    true => stream
                        .last
                        .and_then(|last| self.events.hollow[last as usize].behind),
                    false => stream.last,
                };
                self.events.hollow.push(Hollow {
                    behind,
                    place: Place {
                        source: self.source(),
                        offset: at,
                        length: length.try_into().unwrap_or(u32::MAX),
                    },
                });
                stream.last = Some(self.events.hollow.len() as u32 - 1);
                stream.hollow = true;
            }
            stream.end = end + 1;
            return;
        };
        if self.numbering {
            self.events.numbers.push(number);
        }
        let life = self.life_in(stream, &stamp);
        self.event(stream, life, &stamp, at, length);
        stream.end = end + 1;
    }

    fn event(&mut self, stream: &mut Stream, life: u32, stamp: &Named, at: u64, length: u64) {
        let event = self.events.times.len() as u32;
        let mut complete = self.fields.names_causes && !self.fields.dropped;
        let mut back = 0;
        for i in 0..self.fields.causes.len() {
            let cause = self.fields.causes[i];
            let from = self.life(&cause);
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
            && !self.fields.names_causes
            && stamp.instance != 0
            && newest.time > stamp.time
        {
            self.went_back(event, newest.time);
        }
        let wall = self.fields.wall;
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
        let kind = (self.fields.kind as u8) << KIND_SHIFT;
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

    fn take_stream(&mut self) -> Stream {
        if self.fields.stream.is_empty() {
            return std::mem::take(&mut self.sole);
        }
        self.streams
            .get_mut(&*self.fields.stream)
            .map(std::mem::take)
            .unwrap_or_default()
    }

    fn put_stream(&mut self, stream: Stream) {
        if self.fields.stream.is_empty() {
            self.sole = stream;
            return;
        }
        match self.streams.get_mut(&*self.fields.stream) {
            Some(place) => *place = stream,
            None => {
                self.streams
                    .insert(self.fields.stream.as_slice().into(), stream);
            }
        }
    }

    /// The life of a stamp; mostly the same as that of the stream's line before.
    fn life_in(&mut self, stream: &mut Stream, stamp: &Named) -> u32 {
        if let Some((life, name)) = stream.life
            && self.known[life as usize] == (name, stamp.instance)
            && *self.processes[name as usize] == *self.fields.name(stamp)
        {
            return life;
        }
        let life = self.life(stamp);
        stream.life = Some((life, self.known[life as usize].0));
        life
    }

    fn life(&mut self, stamp: &Named) -> u32 {
        let name = self.fields.name(stamp);
        let name = match self.names.get(name) {
            Some(&name) => name,
            None => {
                let number = self.processes.len() as u32;
                self.processes.push(name.into());
                self.names.insert(name.into(), number);
                number
            }
        };
        let known = (name, stamp.instance);
        *self.lives.entry(known).or_insert_with(|| {
            self.known.push(known);
            self.steps.push(0);
            self.known.len() as u32 - 1
        })
    }

    /// Where all that names an instance of a process names the same one, the rest is of it, too.
    fn name_lives(&mut self) {
        let mut sole: Vec<Option<u32>> = vec![None; self.processes.len()];
        let mut is_sole = vec![true; self.processes.len()];
        for (life, &(name, instance)) in self.known.iter().enumerate() {
            if instance != 0 {
                is_sole[name as usize] &= sole[name as usize].is_none();
                sole[name as usize] = Some(life as u32);
            }
        }
        let mut renamed = Vec::new();
        for (life, &(name, instance)) in self.known.iter().enumerate() {
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
            .known
            .iter()
            .zip(&self.steps)
            .map(|(&(name, instance), &step)| Life {
                process: self.processes[name as usize].clone(),
                instance: Instance::new(instance),
                step,
            })
            .collect();
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
    let mut fields = Fields::default();
    fields.with_text = true;
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
    let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    Description {
        message: fields
            .message
            .unwrap_or_else(|| String::from_utf8_lossy(first).into_owned()),
        level: fields.level,
        lane: fields.lane,
    }
}
