//! What the checker found.

use std::fmt;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::Options;
use super::history::{History, Operation, Outcome};
use super::lines::Line;
use super::log::Log;
use lamport_clock::excerpt::escape;

/// What the checker found, and how much it looked at.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Updates and reservations that were answered with times.
    pub acknowledged: usize,
    /// Updates and reservations that certainly had no effect.
    pub failed: usize,
    /// Updates and reservations whose effect is unknown, including those that never returned.
    pub unknown: usize,
    /// Reads that were answered.
    pub reads: usize,
    /// Counts of what is in the log; `None` if there was no log.
    pub log: Option<LogCounts>,
    /// Lines whose writer was killed while it wrote.
    pub cut_short: usize,
    /// The call that lasted longest, and how long.
    pub longest: Option<(Duration, Line)>,
    /// How many calls lasted longer than the [deadline](Options::deadline), if there was one.
    pub overran: Option<usize>,
    /// The first violations, at most [`Verdict::KEPT`].
    pub violations: Vec<Violation>,
    /// How many violations there are in all.
    pub violated: usize,
}

/// Counts of what is in the log.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct LogCounts {
    /// The updates in it.
    pub entries: usize,
    /// The updates by legacy writers.
    pub by_legacy_writers: usize,
    /// The updates by processes that the history does not hold.
    pub by_others: usize,
    /// Whether the log holds everything from the first revision on.
    pub complete: bool,
    /// Answered calls that could not be looked up, since the log is not whole there.
    pub unchecked: usize,
}

/// A promise that was broken, and the lines that show it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Violation {
    /// The promise that was broken.
    pub kind: Kind,
    /// How it was broken, for the person who reads it.
    pub message: String,
    /// The two lines that contradict each other; only one if the other is missing.
    pub lines: Vec<Line>,
}

/// Which promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The clock went back, or the store's revision did not rise.
    Rollback,
    /// A time was handed out twice.
    Repeated,
    /// An acknowledged update is not in the log.
    Lost,
    /// An acknowledged update stands in the log under another instance, or at another revision.
    Mismatch,
    /// An update that certainly had no effect is in the log.
    Failed,
    /// The log holds an update from before its process called for one.
    Uncalled,
    /// The log holds an update of a process that is not in the history, though that is said to be whole.
    Stranger,
    /// An update was told of a lower time than stands before it in the log, or of one that nobody wrote.
    Previous,
    /// The time is not max(local + 1, previous) + 1. If the update took more than one transaction, it is
    /// below that.
    Rule,
    /// A later update of a process is not larger.
    WentBack,
    /// An update that was called after another had returned, anywhere, is not larger.
    OutOfOrder,
    /// A read shows less than a call that had returned before the read was called.
    StaleRead,
    /// A read shows an update that was called only after the read had returned.
    EarlyRead,
    /// A read shows a time at which the clock never stood.
    PhantomRead,
}

impl Kind {
    /// Its name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Rollback => "rollback",
            Kind::Repeated => "repeated",
            Kind::Lost => "lost",
            Kind::Mismatch => "mismatch",
            Kind::Failed => "failed",
            Kind::Uncalled => "uncalled",
            Kind::Stranger => "stranger",
            Kind::Previous => "previous",
            Kind::Rule => "rule",
            Kind::WentBack => "went_back",
            Kind::OutOfOrder => "out_of_order",
            Kind::StaleRead => "stale_read",
            Kind::EarlyRead => "early_read",
            Kind::PhantomRead => "phantom_read",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Verdict {
    /// At most this many violations are kept; the others are only counted.
    pub const KEPT: usize = 100;

    /// Whether no promise is broken.
    pub fn is_good(&self) -> bool {
        self.violated == 0
    }

    /// Whether there was anything that could break a promise. If no call was answered and no update is in
    /// the log, an unbroken promise says nothing.
    pub fn has_judged(&self) -> bool {
        let logged = self.log.as_ref().map_or(0, |log| log.entries);
        self.acknowledged + self.reads + logged > 0
    }

    /// The violation to look at first.
    pub fn first_violation(&self) -> Option<&Violation> {
        self.violations.first()
    }

    pub(super) fn counting(history: &History, log: Option<&Log>, options: &Options) -> Verdict {
        let mut verdict = Verdict {
            cut_short: history.cut_short.len() + log.map_or(0, |log| log.cut_short.len()),
            overran: options.deadline.map(|_| 0),
            log: log.map(|log| LogCounts {
                entries: log.entries.len(),
                by_legacy_writers: log.entries.len() - log.ours().count(),
                complete: log.is_whole_at(None),
                ..LogCounts::default()
            }),
            ..Verdict::default()
        };
        for operation in &history.operations {
            verdict.count(operation, options);
        }
        verdict
    }

    fn count(&mut self, operation: &Operation, options: &Options) {
        match (operation.writes(), operation.call.outcome) {
            (true, Some(Outcome::Ok)) => self.acknowledged += 1,
            (true, Some(Outcome::Failed)) => self.failed += 1,
            (true, Some(Outcome::Unknown) | None) => self.unknown += 1,
            (false, Some(Outcome::Ok)) => self.reads += 1,
            (false, _) => {}
        }
        let Some(returned) = operation.call.returned else {
            return;
        };
        let lasted = Duration::from_nanos(returned - operation.call.called);
        if self.longest.as_ref().is_none_or(|(most, _)| lasted > *most) {
            self.longest = Some((lasted, operation.line.clone()));
        }
        if let (Some(overran), Some(deadline)) = (&mut self.overran, options.deadline) {
            *overran += usize::from(lasted > deadline);
        }
    }

    pub(super) fn violation<'a>(
        &mut self,
        kind: Kind,
        lines: impl IntoIterator<Item = &'a Line>,
        message: impl FnOnce() -> String,
    ) {
        self.violated += 1;
        if self.violations.len() < Verdict::KEPT {
            self.violations.push(Violation {
                kind,
                message: escape(&message()).into_owned(),
                lines: lines.into_iter().cloned().collect(),
            });
        }
    }

    /// Counts a call that could not be looked up in the log.
    pub(super) fn unchecked(&mut self) {
        if let Some(log) = &mut self.log {
            log.unchecked += 1;
        }
    }
}

const NOTHING_JUDGED: &str = "nothing was judged: no call was answered, and no update is logged";

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)?;
        for line in &self.lines {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "updates: {} acknowledged, {} failed, {} unknown; reads: {}",
            self.acknowledged, self.failed, self.unknown, self.reads
        )?;
        if let Some(log) = &self.log {
            writeln!(
                f,
                "log: {} entries, {} by legacy writers, {} by others",
                log.entries, log.by_legacy_writers, log.by_others
            )?;
            if !log.complete {
                writeln!(
                    f,
                    "the log is incomplete: {} calls could not be looked up in it",
                    log.unchecked
                )?;
            }
        }
        if self.cut_short > 0 {
            writeln!(
                f,
                "{} lines were cut short: their writer was killed",
                self.cut_short
            )?;
        }
        if let Some((lasted, line)) = &self.longest {
            write!(
                f,
                "longest call: {lasted:?}, {}:{}",
                escape(&line.file),
                line.line
            )?;
            match self.overran {
                Some(overran) => writeln!(f, "; {overran} overran the deadline")?,
                None => writeln!(f)?,
            }
        }
        match self.first_violation() {
            None if !self.has_judged() => f.write_str(NOTHING_JUDGED),
            None => f.write_str("no promise is broken"),
            Some(first) => write!(f, "VIOLATIONS: {}; the first is {first}", self.violated),
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Longest<'a> {
            seconds: f64,
            line: &'a Line,
        }

        let longest = self.longest.as_ref().map(|(lasted, line)| Longest {
            seconds: lasted.as_secs_f64(),
            line,
        });
        let mut object = serializer.serialize_struct("Verdict", 11)?;
        object.serialize_field("ok", &(self.is_good() && self.has_judged()))?;
        object.serialize_field("acknowledged", &self.acknowledged)?;
        object.serialize_field("failed", &self.failed)?;
        object.serialize_field("unknown", &self.unknown)?;
        object.serialize_field("reads", &self.reads)?;
        object.serialize_field("log", &self.log)?;
        object.serialize_field("cut_short", &self.cut_short)?;
        object.serialize_field("longest", &longest)?;
        object.serialize_field("overran", &self.overran)?;
        object.serialize_field("violated", &self.violated)?;
        object.serialize_field("first_violation", &self.first_violation())?;
        object.end()
    }
}
