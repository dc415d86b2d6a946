//! Checks the rule, where it can be computed: first = max(local + 1, previous) + 1. It holds exactly if one
//! transaction was enough. The time may be higher if the local clock ran ahead while others wrote.

use std::collections::{HashMap, HashSet};

use super::entries::Entries;
use super::history::{History, Operation};
use super::log::{Before, Entry, Log};
use super::verdict::{Kind, Verdict};
use lamport_clock::Instance;

pub(super) fn check(history: &History, entries: Option<&Entries<'_>>, verdict: &mut Verdict) {
    let calm = Calm::of(history);
    let Some(entries) = entries else {
        for op in history.acknowledged() {
            check_one(op, None, Came::Unknown, &calm, verdict);
        }
        return;
    };
    let old_values: HashSet<u64> = entries.log.old().map(|entry| entry.last).collect();
    for (op, entry) in entries.of(history) {
        let came = entry.map_or(Came::Unknown, |entry| came(op, entry, entries.log));
        check_one(op, entry, came, &calm, verdict);
        check_source(op, entries.log, &old_values, verdict);
    }
}

/// When each instance got its times. A local clock that stands at one of them has not run ahead.
struct Calm(HashMap<(Option<Instance>, u64), u64>);

impl Calm {
    fn of(history: &History) -> Calm {
        let own = |op: &Operation| {
            let returned = op.call.returned?;
            Some(((op.call.instance, op.last()), returned))
        };
        Calm(history.acknowledged().filter_map(own).collect())
    }

    fn is(&self, op: &Operation, local: u64) -> bool {
        let had = self.0.get(&(op.call.instance, local));
        local == 0 || had.is_some_and(|returned| *returned <= op.call.called)
    }
}

/// The times right before those of a caller.
#[derive(Clone, Copy)]
enum Came {
    /// The last time of another caller of the same process, in the same transaction.
    Caller(u64),
    InLog(Before),
    Unknown,
}

fn came(op: &Operation, entry: &Entry, log: &Log) -> Came {
    match op.first() > entry.first {
        true => Came::Caller(op.first() - 1),
        false => Came::InLog(log.before(entry)),
    }
}

impl Came {
    /// Whether a caller may have been told this time. It may be higher than what the log holds, since
    /// times that void takes gave up are in no log.
    fn allows(self, told: Option<u64>) -> bool {
        match self {
            Came::Caller(last) => told == Some(last),
            Came::InLog(before) if before.deleted && told.is_none() => true,
            Came::InLog(_) => told >= self.least(),
            Came::Unknown => true,
        }
    }

    /// The least time at which the clock and the record stood.
    fn least(self) -> Option<u64> {
        match self {
            Came::Caller(last) => Some(last),
            Came::InLog(before) => before.old.max(before.ours),
            Came::Unknown => None,
        }
    }

    /// The least that the clock stood at. Every new time lies above it.
    fn counted(self) -> Option<u64> {
        match self {
            Came::InLog(before) => before.ours,
            _ => self.least(),
        }
    }

    /// Whether no other process took times since the caller's own newest time, which it was told.
    fn is_own(self, told: Option<u64>, op: &Operation) -> bool {
        matches!(self, Came::InLog(before) if before.by == op.call.instance && told == before.ours)
    }

    fn was_deleted(self) -> bool {
        matches!(self, Came::InLog(before) if before.deleted)
    }
}

fn check_one(
    op: &Operation,
    entry: Option<&Entry>,
    came: Came,
    calm: &Calm,
    verdict: &mut Verdict,
) {
    let lines = || [&op.line].into_iter().chain(entry.map(|entry| &entry.line));
    let one_trip = op.call.round_trips == Some(1);
    let told = op.call.previous;
    if let Some(told) = told.filter(|told| !came.allows(*told)) {
        verdict.violation(Kind::Previous, lines(), || {
            format!(
                "it was told that the clock stood at {} before; in the log that is {}",
                value(told),
                value(came.least())
            )
        });
    }
    if one_trip && told.unwrap_or(came.least()) >= Some(op.first()) {
        verdict.violation(Kind::Rollback, lines(), || {
            format!(
                "{} was given where the clock stood at {}",
                op.first(),
                value(told.unwrap_or(came.least()))
            )
        });
    }
    let Some(local) = op.call.local else {
        return;
    };
    let (previous, exact) = match told {
        // The clock may have been counted from a record that is gone.
        Some(None) if came.was_deleted() => (came.counted(), false),
        // A legacy writer's record, written while the call was under way.
        Some(told) if !one_trip && told >= Some(op.first()) => (came.counted(), false),
        // If the local clock ran ahead and others wrote, the call may take a higher time than it needs.
        Some(told) => {
            let exact = calm.is(op, local) || came.is_own(told, op);
            (told, one_trip && exact)
        }
        None => (came.counted(), false),
    };
    // If the record had been moved back, it was counted from the highest known time instead.
    let global = previous.max(op.call.regressed).unwrap_or(0);
    let expected = global.max(local + 1) + 1;
    if op.first() < expected || (exact && op.first() > expected) {
        verdict.violation(Kind::Rule, lines(), || {
            format!(
                "max({local} + 1, {global}) + 1 is {expected}, and it was given {}",
                op.first()
            )
        });
    }
}

/// A caller that was told of a time at or above its own must have been told of a legacy writer's record.
fn check_source(op: &Operation, log: &Log, old_values: &HashSet<u64>, verdict: &mut Verdict) {
    let told = op.call.previous.flatten();
    let Some(told) = told.filter(|told| *told >= op.first()) else {
        return;
    };
    if !old_values.contains(&told) && log.is_whole_at(None) {
        verdict.violation(Kind::Previous, [&op.line], || {
            format!(
                "it was told of {told}, which nobody wrote, and given {}",
                op.first()
            )
        });
    }
}

fn value(value: Option<u64>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}
