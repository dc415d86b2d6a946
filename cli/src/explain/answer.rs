//! Which of two events came first, with the proof.

use serde::Serialize;

use super::{MomentObject, Told};
use crate::Ending;
use crate::order::short_stamp;
use crate::output::Look;
use lamport_clock::excerpt::escape;
use lamport_trace::{Answer, Edge, EventKind, Missing, Point, Unknown};

#[derive(Serialize)]
struct StepObject {
    sent: MomentObject,
    arrived: MomentObject,
    /// The line that names the message; `None` if the shared clock gives the order instead.
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
    /// The order by the shared clock, if messages prove no order.
    shared_clock: Option<ClockObject>,
}

#[derive(Serialize)]
struct ClockObject {
    answer: &'static str,
    path: Vec<StepObject>,
}

impl Told<'_> {
    pub(super) fn answer(
        &mut self,
        a: Point,
        b: Point,
        answer: &Answer,
        by_clock: Option<[u32; 2]>,
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
                shared_clock: match by_clock {
                    Some(updates) => Some(self.clock_object(updates)?),
                    None => None,
                },
            };
            return self.output.object(&object);
        }
        if let Some(updates) = by_clock {
            self.tell_order(updates)?;
            self.output
                .line("that is by the shared clock; by messages alone:")?;
            return self.tell_answer(a, b, answer);
        }
        self.tell_answer(a, b, answer)?;
        if !matches!(answer, Answer::Concurrent | Answer::Unknown(_)) {
            return Ok(());
        }
        let is_update = |event: u32| self.events.kind(event) == EventKind::Update;
        self.output.line(match (0..self.events.len() as u32).any(is_update) {
            true => {
                "that is by messages; the shared clock orders updates: name both by the times that they \
                 took, 42@api, for the line that tells of an update is another event"
            }
            false => {
                "that is by messages; times taken from a shared clock are in order by their values: to \
                 have them counted, add what lamport history --json --limit N prints to the logs"
            }
        })
    }

    /// Whether the first of two updates came before or after the second, and both in that order. The
    /// shared clock's values rise, so the update with the smaller one came first.
    fn in_order(&self, [a, b]: [u32; 2]) -> (&'static str, [u32; 2]) {
        match self.events.point(a).time < self.events.point(b).time {
            true => ("before", [a, b]),
            false => ("after", [b, a]),
        }
    }

    fn tell_order(&mut self, updates: [u32; 2]) -> Result<(), Ending> {
        let (word, in_order) = self.in_order(updates);
        let [a, b] = updates.map(|event| short_stamp(self.events, self.events.point(event)));
        let said = format!("{a} came {word} {b}");
        self.output.line(self.output.paint(Look::Green, said))?;
        for event in in_order {
            let shown = self.shown_event(event)?;
            self.output.line(format_args!("  {shown}"))?;
        }
        Ok(())
    }

    fn clock_object(&mut self, updates: [u32; 2]) -> Result<ClockObject, Ending> {
        let (answer, [first, second]) = self.in_order(updates);
        Ok(ClockObject {
            answer,
            path: vec![StepObject {
                sent: self.moment_of(first)?,
                arrived: self.moment_of(second)?,
                told_by: None,
            }],
        })
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
            let what = self.output.paint(Look::Faint, "by a message:");
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
        let object = |&(life, stretch): &(u32, Unknown)| {
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
