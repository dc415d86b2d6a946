//! The store's own log of the record: what `lamport watch --from 1 --json` and
//! `lamport history --json` print.

use serde::Deserialize;

use super::lines::{self, Line};
use lamport_clock::excerpt::quote;
use lamport_clock::{Instance, Result, Time};

/// The updates that the store kept, in its order, and the places where some may be missing.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub(super) entries: Vec<Entry>,
    pub(super) cut_short: Vec<Line>,
    /// Ranges of revisions of which nothing is known. The end of a range is not part of it.
    gaps: Vec<(u64, u64)>,
    /// Whether updates are missing at places that are not known.
    holes: bool,
    pub(super) deletions: usize,
}

/// One update in the log.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) first: u64,
    pub(super) last: u64,
    /// `None`: a legacy writer wrote it.
    pub(super) instance: Option<Instance>,
    pub(super) revision: u64,
    pub(super) before: Before,
    pub(super) line: Line,
}

/// What the log says of the clock right before an entry. The clock itself may have stood higher, since
/// times that a void take gave up are in no log.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Before {
    /// The highest time by a writer that follows the rule.
    pub(super) ours: Option<u64>,
    /// The instance that wrote the entry right before; `None` if a legacy writer did, or nobody.
    pub(super) by: Option<Instance>,
    /// The time that a legacy writer wrote right before the entry.
    pub(super) old: Option<u64>,
    /// Whether keys were deleted right before it, or may have been.
    pub(super) deleted: bool,
}

#[derive(Deserialize)]
struct Wire {
    value: Option<u64>,
    first: Option<u64>,
    #[serde(default)]
    instance: Option<Instance>,
    revision: Option<u64>,
    notice: Option<String>,
    from: Option<u64>,
    until: Option<u64>,
    before: Option<u64>,
    error: Option<String>,
}

impl Log {
    /// Reads the log in a file, which the verdict calls `file`. If a line is not one of a log, returns
    /// [`InvalidArgument`](lamport_clock::ErrorKind::InvalidArgument) with file and line.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Log> {
        let mut log = Log::default();
        let mut reading = Reading {
            log: &mut log,
            told_from: None,
            next: 0,
            before: Before::default(),
        };
        let cut_short = lines::read(file, bytes, |wire, line| reading.take(wire, line))?;
        if reading.told_from.is_none() {
            // The log does not say where it begins, so it counts as whole from its first entry on.
            let start = log.entries.first().map_or(0, |entry| entry.revision);
            log.lose(0, start);
        }
        if !cut_short.is_empty() {
            log.holes = true;
        }
        log.cut_short = cut_short;
        log.put_gaps_in_order();
        Ok(log)
    }

    /// Whether the log is sure to hold an update at `revision`; without a revision, any update.
    pub(super) fn is_whole_at(&self, revision: Option<u64>) -> bool {
        let known = |revision| {
            let after = self.gaps.partition_point(|&(from, _)| from <= revision);
            after == 0 || self.gaps[after - 1].1 <= revision
        };
        !self.holes && revision.map_or(self.gaps.is_empty(), known)
    }

    /// What came before an entry, as far as the log says.
    pub(super) fn before(&self, entry: &Entry) -> Before {
        Before {
            old: entry.before.old.filter(|_| !self.holes),
            deleted: entry.before.deleted || self.holes,
            ..entry.before
        }
    }

    /// The updates by legacy writers.
    pub(super) fn old(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.instance.is_none())
    }

    /// The updates by writers that follow the rule.
    pub(super) fn ours(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.instance.is_some())
    }

    fn lose(&mut self, from: u64, until: u64) {
        // Revisions begin at 1.
        if from.max(1) < until {
            self.gaps.push((from, until));
        }
    }

    /// Sorts and merges the gaps, so that they can be searched.
    fn put_gaps_in_order(&mut self) {
        self.gaps.sort_unstable();
        let mut apart: Vec<(u64, u64)> = Vec::new();
        for &(from, until) in &self.gaps {
            match apart.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(until),
                _ => apart.push((from, until)),
            }
        }
        self.gaps = apart;
    }
}

struct Reading<'a> {
    log: &'a mut Log,
    /// The revision from which on the log says that it is whole.
    told_from: Option<u64>,
    /// The revision after that of the newest entry.
    next: u64,
    before: Before,
}

impl Reading<'_> {
    fn take(&mut self, wire: Wire, line: Line) -> Result<(), String> {
        match &wire.notice {
            Some(notice) => self.notice(notice, &wire),
            None => self.entry(wire, line),
        }
    }

    fn entry(&mut self, wire: Wire, line: Line) -> Result<(), String> {
        let (Some(last), Some(revision)) = (wire.value, wire.revision) else {
            if wire.error.is_some() {
                // The command that printed the log failed here.
                self.lose(self.next, u64::MAX);
                return Ok(());
            }
            return Err("neither an update with value and revision nor a notice".to_owned());
        };
        let first = wire.first.unwrap_or(last);
        if first > last || last > Time::MAX.get() {
            return Err(format!("{first} to {last} are no times of an update"));
        }
        self.log.entries.push(Entry {
            first,
            last,
            instance: wire.instance,
            revision,
            before: self.before,
            line,
        });
        let highest = self.before.ours;
        self.before = match wire.instance {
            Some(_) => Before {
                ours: highest.max(Some(last)),
                by: wire.instance,
                ..Before::default()
            },
            None => Before {
                ours: highest,
                old: Some(last),
                ..Before::default()
            },
        };
        self.next = revision.saturating_add(1);
        Ok(())
    }

    fn notice(&mut self, notice: &str, wire: &Wire) -> Result<(), String> {
        let needed = |number: Option<u64>, name: &str| {
            number.ok_or_else(|| format!("the notice {} has no \"{name}\"", quote(notice)))
        };
        match notice {
            "watching" => self.begin(needed(wire.from, "from")?),
            "compacted" => self.begin(needed(wire.before, "before")?),
            "missed" => self.lose(needed(wire.from, "from")?, needed(wire.until, "until")?),
            "deleted" => {
                self.log.deletions += 1;
                self.before.old = None;
                self.before.deleted = true;
            }
            "unreadable" => match wire.revision {
                Some(revision) => self.lose(revision, revision.saturating_add(1)),
                // `lamport history` counts unreadable records without saying where they are.
                None => self.log.holes = true,
            },
            "interrupted" => {}
            _ => return Err(format!("the notice {} is not known", quote(notice))),
        }
        Ok(())
    }

    fn begin(&mut self, from: u64) {
        if self.told_from.is_none() {
            self.told_from = Some(from);
            self.log.lose(0, from);
        }
    }

    fn lose(&mut self, from: u64, until: u64) {
        self.log.lose(from, until);
        self.before.old = None;
        self.before.deleted = true;
    }
}
