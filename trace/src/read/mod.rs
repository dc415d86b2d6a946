//! Reads events from the bytes of any log. The form of a line is detected, never asked for: first the
//! prefixes that container engines and clusters add, then JSON or text.

mod fields;
mod json;
mod lives;
mod peel;
mod records;
mod wall;

pub(crate) use self::fields::Fields;
use self::fields::Named;
pub(crate) use self::lives::Lives;
pub(crate) use self::records::{Record, Records};
use crate::events::{COMPLETE, Events, Hollow, KIND_SHIFT, NO_WALL, Place, UNSAID};

/// At most this many events that went back are listed; more are only counted.
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

/// The state of one stream, such as that of one container in a file that several share.
#[derive(Clone, Debug, Default)]
struct Stream {
    /// The newest event; if `hollow`, the newest line without a stamp that stands apart from its event.
    last: Option<u32>,
    hollow: bool,
    /// The life of its newest line.
    life: Option<u32>,
    /// Where its newest record ends. A line that begins here follows without a gap.
    end: u64,
}

impl Reader {
    /// A reader that also remembers each event's line number, which takes four more bytes for each event.
    pub fn numbering() -> Reader {
        Reader {
            numbering: true,
            ..Reader::default()
        }
    }

    /// Begins another source, which answers call `name`.
    pub fn begin(&mut self, name: &str) {
        self.end();
        self.events.sources.push(name.into());
        self.records = Records::default();
        self.streams.clear();
    }

    /// Takes the next bytes of the source.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut records = std::mem::take(&mut self.records);
        records.feed(bytes, |record| self.record(record));
        self.records = records;
    }

    /// Ends the last source, and returns the events of all.
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
                let life = self.own_life(&mut stream, fields, &stamp);
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
            let from = self.lives.of(fields.name(cause), cause.instance);
            if from == life {
                // The line that is named as the previous one is not earlier: a broken rule.
                match stamp.time.checked_sub(cause.time) {
                    Some(0) | None => {
                        complete = false;
                        self.went_back(event, cause.time);
                    }
                    // A message that the life sent to itself.
                    Some(_) if cause.arrived.is_some() => {}
                    Some(far) => match u32::try_from(far) {
                        Ok(far) if back == 0 || far < back => back = far,
                        Ok(_) => {}
                        Err(_) => complete = false,
                    },
                }
                continue;
            }
            // Either the previous line or a message from another run of the process: nobody can tell, since
            // one of the two stamps names no instance.
            let is_unsaid = cause.instance == 0 || stamp.instance == 0;
            if is_unsaid && fields.name(cause) == fields.name(stamp) {
                complete = false;
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
        // A line that names no previous line can be judged only by the order of its file.
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
            self.steps.resize(self.lives.count(), 0);
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

    /// The life of a line; mostly that of the previous line in its stream.
    fn own_life(&mut self, stream: &mut Stream, fields: &Fields, stamp: &Named) -> u32 {
        let process = fields.name(stamp);
        let before = stream
            .life
            .filter(|&life| self.lives.is(life, process, stamp.instance));
        let mut life = match before {
            Some(life) => life,
            None => self.lives.of(process, stamp.instance),
        };
        if stamp.instance == 0 && self.begins(stream, before, fields, stamp) {
            let goes_back = self.goes_back(stream, before, stamp);
            let goes_on = before.is_some();
            life = self
                .lives
                .begun(life, stamp.time, fields.wall, goes_on, goes_back);
        }
        if let Some(last) = stream.life.filter(|_| before.is_none()) {
            self.lives.stand_together(last, life);
        }
        stream.life = Some(life);
        life
    }

    /// Whether a line without an instance is the first one of a run: it says that no line came before it, or
    /// it names no causes and its time goes back.
    fn begins(&self, stream: &Stream, before: Option<u32>, fields: &Fields, stamp: &Named) -> bool {
        if fields.names_causes {
            let is_own =
                |cause: &Named| cause.arrived.is_none() && fields.name(cause) == fields.name(stamp);
            return !fields.dropped && !fields.causes.iter().any(is_own);
        }
        self.goes_back(stream, before, stamp)
    }

    /// Whether the newest line of the stream is of this life and has a later time.
    fn goes_back(&self, stream: &Stream, life: Option<u32>, stamp: &Named) -> bool {
        let newest = stream.last.filter(|_| !stream.hollow);
        let newest = newest.map(|newest| self.events.point(newest));
        newest.is_some_and(|newest| Some(newest.life) == life && newest.time > stamp.time)
    }

    /// Once all sources are read: settles to which life each line and each cause belongs.
    fn name_lives(&mut self) {
        let (lives, own, causes) = self.lives.settle();
        self.events.lives = lives;
        for (life, step) in (0..).zip(&self.steps) {
            let known = &mut self.events.lives[own[life as usize] as usize].step;
            *known = if *known == 0 || *step == 0 {
                (*known).max(*step)
            } else {
                (*known).min(*step)
            };
        }
        self.events.rename_lives(&own, &causes);
    }
}

/// The parts of a record that a person is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Its text, without the stamp and the causes.
    pub message: String,
    /// The lines without a stamp behind it, each with a newline before it: a traceback, say.
    pub rest: String,
    /// The level, as the logger calls it.
    pub level: Option<String>,
    /// The thread or task, if the line names it.
    pub lane: Option<String>,
}

/// Describes an event by its lines, including those without a stamp behind it. The message is that of
/// the first line alone.
///
/// ```
/// let line = br#"{"lamport":"2@api","level":"info","message":"out of tea"}"#;
/// assert_eq!(lamport_trace::describe(line).message, "out of tea");
/// let two = lamport_trace::describe(b"api-1  | out of tea 2@api <-\napi-1  |   in the kitchen");
/// assert_eq!((&*two.message, &*two.rest), ("out of tea", "\n  in the kitchen"));
/// ```
pub fn describe(text: &[u8]) -> Description {
    let mut fields = Fields {
        with_text: true,
        ..Fields::default()
    };
    let (mut part, mut rest) = (Vec::new(), String::new());
    let mut lines = text.split(|&byte| byte == b'\n');
    if text.starts_with(b"__CURSOR=") {
        fields.read_export(text);
    } else {
        for line in lines.by_ref() {
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
        let mut behind = Fields::default();
        for line in lines {
            let plain = behind.read_line(line).unwrap_or(line.into());
            rest.push('\n');
            rest.push_str(&String::from_utf8_lossy(&plain));
        }
    }
    fields.settle();
    let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    Description {
        message: fields
            .message
            .unwrap_or_else(|| String::from_utf8_lossy(first).into_owned()),
        rest,
        level: fields.level,
        lane: fields.lane,
    }
}
