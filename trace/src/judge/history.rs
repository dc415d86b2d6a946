//! What callers saw: one line for each call, and a line before the call if the caller may be killed.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::lines::{self, Line};
use lamport_clock::{Error, ErrorKind, Instance, Result, Time};

/// One call as its recorder writes it, a line of a history.
///
/// A line that is written before the call has neither `returned` nor `outcome`. The line that is written
/// after the call, with the same process, instance, operation and moment, replaces it. If that line never
/// comes, the call never returned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The process that called.
    pub process: String,
    /// Its instance; `None` for a legacy writer, for which nothing is promised.
    #[serde(default)]
    pub instance: Option<Instance>,
    /// What was called.
    pub operation: Action,
    /// Just before the call, in nanoseconds of a monotonic clock that all recorders share.
    pub called: u64,
    /// Just after the call returned, by the same clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<u64>,
    /// How the call ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The first time that it took, if not `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// The last time that it took, or what was read: `None` if there was no record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
    /// The value of the record before the call; `Some(None)` if there was no record.
    #[serde(
        default,
        deserialize_with = "known",
        skip_serializing_if = "Option::is_none"
    )]
    pub previous: Option<Option<u64>>,
    /// The time from which it was counted instead, as [`Update::regressed`](lamport_clock::SharedClock).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regressed: Option<u64>,
    /// The store's revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// How many transactions it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trips: Option<u32>,
    /// The local time before the call, if nothing else touched the clock until it returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<u64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The [kind](ErrorKind::name) of failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// One time was taken.
    Update,
    /// Several times were taken.
    Reserve,
    /// The record was read.
    Read,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what was asked.
    Ok,
    /// It certainly had no effect.
    Failed,
    /// It may have had its effect, or may yet have it.
    Unknown,
}

/// The calls of all recorders, with the lines that they stand in.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub(super) operations: Vec<Operation>,
    pub(super) cut_short: Vec<Line>,
    /// By the start of a call: where calls that still wait for their second line are in `operations`.
    begun: HashMap<Begun, Vec<usize>>,
}

type Begun = (String, Option<Instance>, Action, u64);

#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) call: Call,
    pub(super) line: Line,
}

impl Call {
    /// A call of `process` as it begins.
    pub fn begun(
        process: &str,
        instance: Option<Instance>,
        operation: Action,
        called: u64,
    ) -> Call {
        Call {
            process: process.to_owned(),
            instance,
            operation,
            called,
            returned: None,
            outcome: None,
            first: None,
            value: None,
            previous: None,
            regressed: None,
            revision: None,
            round_trips: None,
            local: None,
            error: None,
            kind: None,
        }
    }

    /// Checks the call by itself. The error says what is wrong with it.
    fn check_form(&self) -> Result<(), String> {
        let times = [
            self.first,
            self.value,
            self.previous.flatten(),
            self.regressed,
            self.local,
        ];
        if let Some(value) = times.into_iter().flatten().find(|&t| t > Time::MAX.get()) {
            return Err(format!("{value} is no logical time"));
        }
        let Some(outcome) = self.outcome else {
            return match self.returned {
                Some(_) => Err("it returned without an outcome".to_owned()),
                None => Ok(()),
            };
        };
        let Some(returned) = self.returned else {
            return Err("it has an outcome but did not return".to_owned());
        };
        if returned < self.called {
            return Err(format!(
                "it returned at {returned}, before it was called at {}",
                self.called
            ));
        }
        if outcome == Outcome::Ok && self.operation != Action::Read {
            let Some(value) = self.value else {
                return Err("an update that is ok has a value".to_owned());
            };
            if self.first.is_some_and(|first| first > value) {
                return Err("its first time lies above its value".to_owned());
            }
        }
        Ok(())
    }
}

impl History {
    /// Adds the calls of a file, which the verdict calls `file`. If a line is not one of a history, returns
    /// [`ErrorKind::InvalidArgument`] with file and line.
    pub fn read(&mut self, file: &str, bytes: &[u8]) -> Result<()> {
        let cut_short = lines::read(file, bytes, |call, line| self.add(call, line))?;
        self.cut_short.extend(cut_short);
        Ok(())
    }

    /// Adds a call that was recorded in this process. The verdict gives its number, from 1, as its line.
    pub fn push(&mut self, call: Call) -> Result<()> {
        let text = serde_json::to_string(&call).expect("texts and numbers always serialise");
        let line = Line {
            file: "history".into(),
            line: self.operations.len() + 1,
            text: text.into(),
        };
        self.add(call, line)
            .map_err(|why| Error::new(ErrorKind::InvalidArgument, why))
    }

    fn add(&mut self, call: Call, line: Line) -> Result<(), String> {
        call.check_form()?;
        let begun = (
            call.process.clone(),
            call.instance,
            call.operation,
            call.called,
        );
        let operation = Operation { call, line };
        if operation.call.outcome.is_none() {
            let open = self.begun.entry(begun).or_default();
            open.push(self.operations.len());
        } else if let Some(open) = self.begun.get_mut(&begun)
            && let Some(i) = open.pop()
        {
            self.operations[i] = operation;
            return Ok(());
        }
        self.operations.push(operation);
        Ok(())
    }

    /// The updates and reservations that were answered with times, by writers that follow the rule.
    pub(super) fn acknowledged(&self) -> impl Iterator<Item = &Operation> {
        self.operations
            .iter()
            .filter(|op| op.writes() && op.is_ok() && op.call.instance.is_some())
    }

    /// The updates and reservations that were answered with times, by legacy writers.
    pub(super) fn acknowledged_to_legacy_writers(&self) -> impl Iterator<Item = &Operation> {
        self.operations
            .iter()
            .filter(|op| op.writes() && op.is_ok() && op.call.instance.is_none())
    }

    pub(super) fn reads(&self) -> impl Iterator<Item = &Operation> {
        self.operations
            .iter()
            .filter(|op| !op.writes() && op.is_ok())
    }
}

impl Operation {
    pub(super) fn writes(&self) -> bool {
        self.call.operation != Action::Read
    }

    pub(super) fn is_ok(&self) -> bool {
        self.call.outcome == Some(Outcome::Ok)
    }

    pub(super) fn failed(&self) -> bool {
        self.call.outcome == Some(Outcome::Failed)
    }

    /// The first time taken, or the time read; 0: there was no record.
    pub(super) fn first(&self) -> u64 {
        self.call.first.unwrap_or(self.last())
    }

    pub(super) fn last(&self) -> u64 {
        self.call.value.unwrap_or(0)
    }

    /// When the call returned; `u64::MAX` if it never did.
    pub(super) fn returned(&self) -> u64 {
        self.call.returned.unwrap_or(u64::MAX)
    }
}

/// Keeps `null`, which is an answer, apart from a missing field.
fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
