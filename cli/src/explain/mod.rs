//! `lamport explain`: which event came before which, with the proof.

mod answer;
mod find;

use serde::Serialize;

use super::Ending;
use super::args::Explain;
use super::input::{self, Texts};
use super::order::{place, short_stamp, stamp};
use super::output::{Look, Output, counted};
use super::stop::Stop;
use lamport_clock::excerpt::short;
use lamport_clock::{Error, ErrorKind, Settings};
use lamport_trace::{Answer, Events, Graph, Hop, Point, Reader, describe};

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
    if let [first, second] = pair {
        let (a, b) = (told.find(first)?, told.find(second)?);
        let answer = Graph::new(&events).compare(a, b);
        let by_clock = match answer {
            Answer::Concurrent | Answer::Unknown(_) => {
                let updates = told.find_update(first)?.zip(told.find_update(second)?);
                updates.map(|(a, b)| [a, b])
            }
            _ => None,
        };
        return told.answer(a, b, &answer, by_clock);
    }
    let graph = Graph::new(&events);
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

/// A point in the time of a process, with the line of the event there if the logs have one.
#[derive(Serialize)]
pub(super) struct MomentObject {
    stamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Serialize)]
struct HopObject {
    messages: u32,
    #[serde(flatten)]
    moment: MomentObject,
}

pub(super) struct Told<'a> {
    pub(super) events: &'a Events,
    pub(super) texts: Texts,
    pub(super) output: &'a Output,
}

impl Told<'_> {
    pub(super) fn moment(&mut self, point: Point) -> Result<MomentObject, Ending> {
        let event = self
            .events
            .at(point)
            .filter(|&event| self.events.point(event) == point);
        match event {
            Some(event) => self.moment_of(event),
            None => Ok(MomentObject {
                stamp: stamp(self.events, point),
                file: None,
                line: None,
                text: None,
            }),
        }
    }

    pub(super) fn moment_of(&mut self, event: u32) -> Result<MomentObject, Ending> {
        let place = self.events.place(event);
        let text = String::from_utf8_lossy(self.texts.get(place)?).into_owned();
        Ok(MomentObject {
            stamp: stamp(self.events, self.events.point(event)),
            file: Some(self.events.sources()[place.source as usize].to_string()),
            line: self.events.line_number(event),
            text: Some(text),
        })
    }

    /// The point as a text for people: `7@billing (billing.log:12): charged`.
    pub(super) fn shown(&mut self, point: Point) -> Result<String, Ending> {
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

    pub(super) fn shown_event(&mut self, event: u32) -> Result<String, Ending> {
        let place = place(self.events, &mut self.texts, event)?;
        let message = describe(self.texts.get(self.events.place(event))?).message;
        Ok(format!("{place}: {}", short(message.trim())))
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

    /// The newest event at the point or before it if `before`, or else the first one at it or after it.
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
                .aside(format_args!("{} with it", counted(found, "line", "lines")));
        }
        Ok(())
    }
}
