//! `lamport explain`: what came before what, with the proof.

use serde::Serialize;

use super::Ending;
use super::args::Explain;
use super::input::{self, Texts};
use super::order::{no_such_event, place, short_stamp, stamp};
use super::output::{Look, Output, count};
use super::stop::Stop;
use lamport_clock::excerpt::{escape, short};
use lamport_clock::{Error, ErrorKind, Settings, Stamp};
use lamport_trace::{Answer, Edge, Events, Graph, Hop, Missing, Point, Reader, describe};

pub(super) fn explain(
    args: &Explain,
    settings: &Settings,
    output: &Output,
    stop: &Stop,
) -> Result<(), Ending> {
    super::refuse_connection_settings(settings, "'lamport explain'", "it looks at files alone")?;
    let about = [&args.causes, &args.effects, &args.cut, &args.trace];
    let is_pair = about.iter().all(|question| question.is_none());
    let (pair, files) = args
        .words
        .split_at(if is_pair { args.words.len().min(2) } else { 0 });
    if files.is_empty() {
        return Err(Ending::Usage(Error::new(
            ErrorKind::InvalidArgument,
            "two events and the logs that tell of them are needed: lamport explain 2@api 9@shop *.log",
        )));
    }
    let (events, texts) = input::read(files, Reader::numbering(), output, stop)?;
    let mut told = Told {
        events: &events,
        texts,
        output,
    };
    if let [a, b] = pair {
        let (a, b) = (told.find(a)?, told.find(b)?);
        let answer = Graph::new(&events).compare(a, b);
        let by_clock = match answer {
            Answer::Concurrent | Answer::Unknown(_) => {
                Some(Graph::with_shared_clock(&events).compare(a, b))
            }
            _ => None,
        };
        let is_proof = |answer: &Answer| matches!(answer, Answer::Before(_) | Answer::After(_));
        return told.answer(a, b, &answer, by_clock.filter(is_proof).as_ref());
    }
    let graph = match args.clock {
        true => Graph::with_shared_clock(&events),
        false => Graph::new(&events),
    };
    if let Some(name) = &args.causes {
        let point = told.find(name)?;
        return told.hops(point, &graph.causes_by_hops(point, args.hops), "before");
    }
    if let Some(name) = &args.effects {
        let point = told.find(name)?;
        return told.hops(point, &graph.effects_by_hops(point, args.hops), "after");
    }
    if let Some(name) = &args.cut {
        let point = told.find(name)?;
        return told.cut(point, &graph.causes(point));
    }
    told.trace(args.trace.as_deref().unwrap_or_default(), stop)
}

/// An event, or a moment of which no line tells.
#[derive(Serialize)]
struct MomentObject {
    stamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Serialize)]
struct StepObject {
    sent: MomentObject,
    arrived: MomentObject,
    /// The line that names the message; none for the order of the shared clock.
    told_by: Option<MomentObject>,
}

#[derive(Serialize)]
struct MissingObject {
    process: String,
    instance: Option<String>,
    after: u64,
    until: Option<u64>,
}

#[derive(Serialize)]
struct AnswerObject {
    answer: &'static str,
    a: MomentObject,
    b: MomentObject,
    path: Vec<StepObject>,
    missing: Vec<MissingObject>,
    /// What the order of the shared clock proves where no message does.
    shared_clock: Option<ClockObject>,
}

#[derive(Serialize)]
struct ClockObject {
    answer: &'static str,
    path: Vec<StepObject>,
}

#[derive(Serialize)]
struct HopObject {
    messages: u32,
    #[serde(flatten)]
    moment: MomentObject,
}

struct Told<'a> {
    events: &'a Events,
    texts: Texts,
    output: &'a Output,
}

impl Told<'_> {
    /// The moment that a person names, by its stamp or its line.
    fn find(&self, name: &str) -> Result<Point, Ending> {
        if let Ok(stamp) = name.parse::<Stamp>() {
            return self.find_stamp(name, &stamp);
        }
        let line = name
            .rsplit_once(':')
            .and_then(|(file, line)| Some((file, line.parse::<u32>().ok()?)));
        let Some((file, line)) = line else {
            return Err(no_such_event(
                name,
                "name it by its stamp, 42@api, or by its line, api.log:12",
            ));
        };
        let mut found = None;
        for event in 0..self.events.len() as u32 {
            let source = &*self.events.sources()[self.events.place(event).source as usize];
            let is_file = source == file || source.ends_with(&format!("/{file}"));
            // A line without a stamp belongs to the event before it.
            if is_file && self.events.line_number(event) <= Some(line) {
                found = Some(event);
            }
        }
        match found {
            Some(event) => Ok(self.events.point(event)),
            None => Err(no_such_event(name, "no line with a stamp stands there")),
        }
    }

    fn find_stamp(&self, name: &str, named: &Stamp) -> Result<Point, Ending> {
        let time = named.time.get();
        let lives = (0_u32..).zip(self.events.lives());
        let mut points: Vec<Point> = lives
            .filter(|(_, life)| *life.process == *named.process.as_str())
            .filter(|(_, life)| named.instance.get() == 0 || named.instance == life.instance)
            .map(|(life, _)| Point { life, time })
            .collect();
        if points.is_empty() {
            return Err(no_such_event(name, "no line tells of that process"));
        }
        if points.len() > 1 {
            // Those of whom a line tells just that.
            let is_told = |point: &Point| {
                self.events.at(*point).map(|event| self.events.point(event)) == Some(*point)
            };
            let told: Vec<Point> = points.iter().copied().filter(is_told).collect();
            points = if told.is_empty() { points } else { told };
        }
        match points[..] {
            [point] => Ok(point),
            _ => {
                let stamps: Vec<String> = points
                    .iter()
                    .take(4)
                    .map(|&point| stamp(self.events, point))
                    .collect();
                let why = format!(
                    "several instances of that process have such a time: {}",
                    stamps.join(", ")
                );
                Err(no_such_event(name, &why))
            }
        }
    }

    fn moment(&mut self, point: Point) -> Result<MomentObject, Ending> {
        let event = self
            .events
            .at(point)
            .filter(|&event| self.events.point(event) == point);
        let text = match event {
            Some(event) => Some(
                String::from_utf8_lossy(self.texts.get(self.events.place(event))?).into_owned(),
            ),
            None => None,
        };
        Ok(MomentObject {
            stamp: stamp(self.events, point),
            file: event.map(|event| {
                self.events.sources()[self.events.place(event).source as usize].to_string()
            }),
            line: event.and_then(|event| self.events.line_number(event)),
            text,
        })
    }

    /// The moment for people: `7@billing (billing.log:12): charged`.
    fn shown(&mut self, point: Point) -> Result<String, Ending> {
        match self
            .events
            .at(point)
            .filter(|&event| self.events.point(event) == point)
        {
            Some(event) => self.shown_event(event),
            None => Ok(format!(
                "{} (no line tells of it)",
                short_stamp(self.events, point)
            )),
        }
    }

    fn shown_event(&mut self, event: u32) -> Result<String, Ending> {
        let place = place(self.events, &mut self.texts, event)?;
        let message = describe(self.texts.get(self.events.place(event))?).message;
        Ok(format!("{place}: {}", short(message.trim())))
    }

    fn answer(
        &mut self,
        a: Point,
        b: Point,
        answer: &Answer,
        by_clock: Option<&Answer>,
    ) -> Result<(), Ending> {
        if self.output.json {
            let (word, path) = proof(answer);
            let object = AnswerObject {
                answer: word,
                a: self.moment(a)?,
                b: self.moment(b)?,
                path: self.steps(path)?,
                missing: match answer {
                    Answer::Unknown(missing) => self.missing(missing),
                    _ => Vec::new(),
                },
                shared_clock: match by_clock.map(proof) {
                    Some((answer, path)) => Some(ClockObject {
                        answer,
                        path: self.steps(path)?,
                    }),
                    None => None,
                },
            };
            return self.output.object(&object);
        }
        self.tell_answer(a, b, answer)?;
        let Some(by_clock) = by_clock else {
            return Ok(());
        };
        let said = "but the order in which times were taken from the shared clock proves:";
        self.output.line(self.output.paint(Look::Green, said))?;
        self.tell_answer(a, b, by_clock)
    }

    fn tell_answer(&mut self, a: Point, b: Point, answer: &Answer) -> Result<(), Ending> {
        let (first, second) = (short_stamp(self.events, a), short_stamp(self.events, b));
        let (look, said) = match answer {
            Answer::Before(_) => (Look::Green, format!("{first} came before {second}")),
            Answer::After(_) => (Look::Green, format!("{first} came after {second}")),
            Answer::Same => (Look::Green, format!("{first} and {second} are one event")),
            Answer::Concurrent => (
                Look::Green,
                format!(
                    "{first} and {second} are concurrent: no message can have told the one of the other"
                ),
            ),
            Answer::Unknown(_) => (
                Look::Yellow,
                format!(
                    "unknown: lines are missing that would tell whether {first} and {second} are related"
                ),
            ),
        };
        self.output.line(self.output.paint(look, said))?;
        match answer {
            Answer::Before(path) => self.path(a, b, path),
            Answer::After(path) => self.path(b, a, path),
            Answer::Unknown(missing) => self.tell_missing(missing),
            Answer::Same | Answer::Concurrent => {
                let first = self.shown(a)?;
                self.output.line(format_args!("  {first}"))?;
                let second = self.shown(b)?;
                self.output.line(format_args!("  {second}"))
            }
        }
    }

    fn path(&mut self, from: Point, to: Point, path: &[Edge]) -> Result<(), Ending> {
        let mut at = from;
        let start = self.shown(from)?;
        self.output.line(format_args!("  {start}"))?;
        for edge in path {
            if edge.from != at {
                let sent = self.shown(edge.from)?;
                self.output
                    .line(format_args!("  then, in the same process, {sent}"))?;
            }
            let what = match edge.told_by {
                Some(_) => "a message",
                None => "the shared clock",
            };
            let arrived = match edge.told_by {
                Some(event) if self.events.point(event) != edge.to => {
                    let by = self.shown_event(event)?;
                    format!(
                        "arrived at {}, as is told by {by}",
                        short_stamp(self.events, edge.to)
                    )
                }
                _ => self.shown(edge.to)?,
            };
            let what = self.output.paint(Look::Faint, format_args!("by {what}:"));
            self.output.line(format_args!("  {what} {arrived}"))?;
            at = match edge.told_by {
                Some(event) => self.events.point(event),
                None => edge.to,
            };
        }
        if at != to {
            let end = self.shown(to)?;
            self.output
                .line(format_args!("  then, in the same process, {end}"))?;
        }
        Ok(())
    }

    fn steps(&mut self, path: &[Edge]) -> Result<Vec<StepObject>, Ending> {
        path.iter().map(|edge| self.step(edge)).collect()
    }

    fn step(&mut self, edge: &Edge) -> Result<StepObject, Ending> {
        Ok(StepObject {
            sent: self.moment(edge.from)?,
            arrived: self.moment(edge.to)?,
            told_by: match edge.told_by {
                Some(event) => Some(self.moment(self.events.point(event))?),
                None => None,
            },
        })
    }

    fn missing(&self, missing: &Missing) -> Vec<MissingObject> {
        let object = |&(life, stretch): &(u32, lamport_trace::Unknown)| {
            let life = &self.events.lives()[life as usize];
            MissingObject {
                process: life.process.to_string(),
                instance: (life.instance.get() != 0).then(|| life.instance.to_string()),
                after: stretch.after,
                until: (stretch.until != u64::MAX).then_some(stretch.until),
            }
        };
        missing.of.iter().map(object).collect()
    }

    fn tell_missing(&self, missing: &Missing) -> Result<(), Ending> {
        const SHOWN: usize = 5;
        for object in self.missing(missing).iter().take(SHOWN) {
            let process = escape(&object.process);
            let (after, until) = (object.after, object.until);
            let stretch = match (after, until) {
                (0, Some(until)) => format!("up to {until}"),
                (after, Some(until)) => format!("after {after}, up to {until}"),
                (after, None) => format!("after {after}"),
            };
            self.output.line(format_args!(
                "  the lines of {process} {stretch}, with the causes that they name, would settle it"
            ))?;
        }
        let more = missing.of.len().saturating_sub(SHOWN);
        if more > 0 {
            self.output
                .line(format_args!("  and {more} more such stretches"))?;
        }
        Ok(())
    }

    fn hops(&mut self, point: Point, hops: &[Hop], which: &str) -> Result<(), Ending> {
        if self.output.json {
            for hop in hops {
                let moment = self.moment_near(hop.at, which == "before")?;
                let messages = hop.messages;
                self.output.object(&HopObject { messages, moment })?;
            }
            return Ok(());
        }
        let (at, stamp) = (self.shown(point)?, short_stamp(self.events, point));
        self.output.line(format_args!("  {at}"))?;
        for hop in hops {
            let near = self.near(hop.at, which == "before");
            let line = match near {
                Some(event) => self.shown_event(event)?,
                None => self.shown(hop.at)?,
            };
            let far = match hop.messages {
                1 => "1 message".to_owned(),
                messages => format!("{messages} messages"),
            };
            let far = self
                .output
                .paint(Look::Faint, format_args!("{far} {which}:"));
            self.output.line(format_args!("  {far} {line}"))?;
        }
        if hops.is_empty() {
            self.output.line(format_args!(
                "no message leads {} {stamp}",
                if which == "before" { "to" } else { "away from" }
            ))?;
        }
        Ok(())
    }

    /// The line nearest to a moment, on the far side.
    fn near(&self, point: Point, before: bool) -> Option<u32> {
        match before {
            true => self.events.at(point),
            false => self.events.from(point),
        }
    }

    fn moment_near(&mut self, point: Point, before: bool) -> Result<MomentObject, Ending> {
        let near = self
            .near(point, before)
            .map(|event| self.events.point(event));
        self.moment(near.unwrap_or(point))
    }

    fn cut(&mut self, point: Point, known: &[Option<u64>]) -> Result<(), Ending> {
        for (life, time) in (0_u32..).zip(known) {
            let Some(time) = *time else { continue };
            let at = Point { life, time };
            if self.output.json {
                let moment = self.moment_near(at, true)?;
                self.output.object(&moment)?;
                continue;
            }
            let line = match self.events.at(at) {
                Some(event) => self.shown_event(event)?,
                None => self.shown(at)?,
            };
            let mark = if at == point { "at" } else { "  " };
            self.output.line(format_args!("{mark} {line}"))?;
        }
        let unknown = known.iter().filter(|time| time.is_none()).count();
        if unknown > 0 && !self.output.json {
            self.output.aside(format_args!(
                "nothing of {unknown} others is known to have come before"
            ));
        }
        Ok(())
    }

    fn trace(&mut self, id: &str, stop: &Stop) -> Result<(), Ending> {
        let finder = memchr::memmem::Finder::new(id.as_bytes());
        let mut found = 0;
        for (i, &event) in self.events.order().iter().enumerate() {
            if i % 4096 == 0 && stop.requested() {
                return Err(Ending::Interrupted);
            }
            if finder
                .find(self.texts.get(self.events.place(event))?)
                .is_none()
            {
                continue;
            }
            found += 1;
            if self.output.json {
                let moment = self.moment(self.events.point(event))?;
                self.output.object(&moment)?;
            } else {
                let line = self.shown_event(event)?;
                let look = Look::Lane(self.events.point(event).life as usize);
                self.output.line(self.output.paint(look, line))?;
            }
        }
        if !self.output.json {
            self.output
                .aside(format_args!("{} lines contain it", count(found)));
        }
        Ok(())
    }
}

/// The answer's name, and the messages that prove it.
fn proof(answer: &Answer) -> (&'static str, &[Edge]) {
    match answer {
        Answer::Before(path) => ("before", path),
        Answer::After(path) => ("after", path),
        Answer::Same => ("same", &[]),
        Answer::Concurrent => ("concurrent", &[]),
        Answer::Unknown(_) => ("unknown", &[]),
    }
}
