//! Compares what callers were told with the store's log: each answer must stand there once, and nothing
//! else may.

use std::collections::{HashMap, HashSet};

use super::Options;
use super::history::{History, Operation};
use super::log::{Entry, Log};
use super::order;
use super::verdict::{Kind, Verdict};
use lamport_clock::Instance;

/// The log, and the answers that were found in it.
pub(super) struct Entries<'a> {
    pub(super) log: &'a Log,
    /// The entry of each acknowledged update, in the order of [`History::acknowledged`].
    found: Vec<Option<&'a Entry>>,
    /// For each entry of the log: whether a caller was answered with times of it.
    answered: Vec<bool>,
}

/// Checks the log by itself. Revisions must rise. So must the times of the writers that follow the rule,
/// whatever legacy writers write in between.
pub(super) fn check_order(log: &Log, verdict: &mut Verdict) {
    let mut before: Option<&Entry> = None;
    let mut highest: Option<&Entry> = None;
    for entry in &log.entries {
        if let Some(before) = before.filter(|before| before.revision >= entry.revision) {
            verdict.violation(Kind::Rollback, [&before.line, &entry.line], || {
                format!(
                    "the store's revision went from {} to {}",
                    before.revision, entry.revision
                )
            });
        }
        if entry.instance.is_some() {
            if let Some(other) = highest.filter(|other| other.last >= entry.first) {
                let kind = match other.first <= entry.last {
                    true => Kind::Repeated,
                    false => Kind::Rollback,
                };
                verdict.violation(kind, [&other.line, &entry.line], || {
                    format!("{} is written after {}", times(entry.first, entry.last), {
                        times(other.first, other.last)
                    })
                });
            }
            if highest.is_none_or(|highest| highest.last < entry.last) {
                highest = Some(entry);
            }
        }
        before = Some(entry);
    }
}

/// Checks that no two acknowledged updates have a time in common.
pub(super) fn check_apart(history: &History, verdict: &mut Verdict) {
    let mut by_first: Vec<&Operation> = history.acknowledged().collect();
    by_first.sort_by_key(|op| op.first());
    let mut highest: Option<&Operation> = None;
    for op in by_first {
        if let Some(other) = highest.filter(|other| other.last() >= op.first()) {
            verdict.violation(Kind::Repeated, [&other.line, &op.line], || {
                format!(
                    "{} was handed out twice",
                    times(op.first(), op.last().min(other.last()))
                )
            });
        }
        if highest.is_none_or(|highest| highest.last() < op.last()) {
            highest = Some(op);
        }
    }
}

impl<'a> Entries<'a> {
    /// Looks up every acknowledged update in the log.
    pub(super) fn matched(history: &History, log: &'a Log, verdict: &mut Verdict) -> Entries<'a> {
        // Sorted here, since the order of the log may be wrong.
        let mut by_first: Vec<usize> = (0..log.entries.len())
            .filter(|&i| log.entries[i].instance.is_some())
            .collect();
        by_first.sort_by_key(|&i| log.entries[i].first);
        let mut entries = Entries {
            log,
            found: Vec::new(),
            answered: vec![false; log.entries.len()],
        };
        for op in history.acknowledged() {
            let found = entries.look_up(op, &by_first, verdict);
            entries.found.push(found);
        }
        check_legacy_writers(history, log, verdict);
        entries
    }

    fn look_up(
        &mut self,
        op: &Operation,
        by_first: &[usize],
        verdict: &mut Verdict,
    ) -> Option<&'a Entry> {
        let log = self.log;
        let after = by_first.partition_point(|&i| log.entries[i].first <= op.first());
        let nearest = after.checked_sub(1).map(|at| by_first[at]);
        // Several callers of one process may share an entry: each has a part of it.
        let Some(i) = nearest.filter(|&i| op.last() <= log.entries[i].last) else {
            if !log.is_whole_at(op.call.revision) {
                verdict.unchecked();
                return None;
            }
            let beside = nearest.or_else(|| by_first.first().copied());
            let beside = beside.map(|i| &log.entries[i].line);
            verdict.violation(Kind::Lost, [&op.line].into_iter().chain(beside), || {
                let place = if beside.is_some() {
                    "nearest is"
                } else {
                    "it has none at all of"
                };
                format!(
                    "{} was acknowledged and is not in the log: {place} the second line",
                    times(op.first(), op.last())
                )
            });
            return None;
        };
        let entry = &log.entries[i];
        let same_revision = op
            .call
            .revision
            .is_none_or(|revision| revision == entry.revision);
        if entry.instance != op.call.instance || !same_revision {
            verdict.violation(Kind::Mismatch, [&op.line, &entry.line], || {
                format!(
                    "{} stands in the log under another instance or revision",
                    times(op.first(), op.last())
                )
            });
            return None;
        }
        self.answered[i] = true;
        Some(entry)
    }

    /// Each acknowledged update with its entry, where there is one.
    pub(super) fn of<'b>(
        &'b self,
        history: &'b History,
    ) -> impl Iterator<Item = (&'b Operation, Option<&'a Entry>)> {
        history.acknowledged().zip(self.found.iter().copied())
    }

    /// Each entry whose times no caller got must still come from a call. That call may have an unknown
    /// outcome. It may also have succeeded and written twice, since a call repeats a lost update.
    pub(super) fn check_causes(&self, history: &History, options: &Options, verdict: &mut Verdict) {
        let callers = Callers::of(history);
        let deadlines = order::Deadlines::of(history, self.log);
        for (entry, answered) in self.log.entries.iter().zip(&self.answered) {
            let Some(instance) = entry.instance.filter(|_| !answered) else {
                continue;
            };
            if let Some(earliest) = callers.earliest.get(&instance) {
                let later = deadlines
                    .before(entry)
                    .filter(|op| op.returned() < earliest.call.called);
                if let Some(later) = later {
                    verdict.violation(Kind::Uncalled, [&later.line, &entry.line], || {
                        format!(
                            "{} stands below what the first line saw before process {} called for any",
                            times(entry.first, entry.last),
                            earliest.call.process
                        )
                    });
                }
            } else if let Some(failed) = callers.failed.get(&instance) {
                verdict.violation(Kind::Failed, [&failed.line, &entry.line], || {
                    format!(
                        "{} was written by a process none of whose updates had an effect",
                        times(entry.first, entry.last)
                    )
                });
            } else {
                if let Some(log) = &mut verdict.log {
                    log.by_others += 1;
                }
                if options.whole {
                    verdict.violation(Kind::Stranger, [&entry.line], || {
                        format!("nobody in the history is instance {instance}")
                    });
                }
            }
        }
    }
}

/// The calls for times, by instance.
struct Callers<'a> {
    /// The first call that may have had an effect.
    earliest: HashMap<Instance, &'a Operation>,
    /// Any call that had no effect.
    failed: HashMap<Instance, &'a Operation>,
}

impl<'a> Callers<'a> {
    fn of(history: &'a History) -> Callers<'a> {
        let mut callers = Callers {
            earliest: HashMap::new(),
            failed: HashMap::new(),
        };
        for op in history.operations.iter().filter(|op| op.writes()) {
            let Some(instance) = op.call.instance else {
                continue;
            };
            if op.failed() {
                callers.failed.entry(instance).or_insert(op);
                continue;
            }
            let earliest = callers.earliest.entry(instance).or_insert(op);
            if op.call.called < earliest.call.called {
                *earliest = op;
            }
        }
        callers
    }
}

/// Checks legacy writers: what they wrote must be in the log. Nothing else is asked of them.
fn check_legacy_writers(history: &History, log: &Log, verdict: &mut Verdict) {
    let at: HashSet<(u64, u64)> = log
        .old()
        .map(|entry| (entry.revision, entry.last))
        .collect();
    let values: HashSet<u64> = log.old().map(|entry| entry.last).collect();
    for op in history.acknowledged_to_legacy_writers() {
        let found = match op.call.revision {
            Some(revision) => at.contains(&(revision, op.last())),
            None => values.contains(&op.last()),
        };
        if found {
            continue;
        }
        if !log.is_whole_at(op.call.revision) {
            verdict.unchecked();
            continue;
        }
        verdict.violation(Kind::Lost, [&op.line], || {
            format!("{} by a legacy writer is not in the log", op.last())
        });
    }
}

/// One time or a range, for messages.
pub(super) fn times(first: u64, last: u64) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}..{last}")
    }
}
