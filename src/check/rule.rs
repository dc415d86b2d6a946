//! The rule, where it can be computed: first = max(local + 1, previous) + 1.

use super::entries::Entries;
use super::history::{History, Operation};
use super::log::{Before, Entry};
use super::verdict::{Kind, Verdict};

pub(super) fn check(history: &History, entries: Option<&Entries<'_>>, verdict: &mut Verdict) {
    match entries {
        Some(entries) => {
            for (op, entry) in entries.of(history) {
                let before = entry.map_or(Before::Unknown, |entry| before(op, entry, entries));
                check_one(op, entry, before, verdict);
            }
        }
        None => {
            for op in history.acknowledged() {
                check_one(op, None, Before::Unknown, verdict);
            }
        }
    }
}

/// What the record was before the times of this caller.
fn before(op: &Operation, entry: &Entry, entries: &Entries<'_>) -> Before {
    if op.first() > entry.first {
        // Those of another caller of the same process, in the same transaction.
        return Before::Value(op.first() - 1);
    }
    entries.log.before(entry)
}

fn check_one(op: &Operation, entry: Option<&Entry>, before: Before, verdict: &mut Verdict) {
    let lines = || [&op.line].into_iter().chain(entry.map(|entry| &entry.line));
    let in_log = match before {
        Before::Value(value) => Some(Some(value)),
        Before::Nothing => Some(None),
        Before::Unknown => None,
    };
    if let (Some(told), Some(in_log)) = (op.call.previous, in_log)
        && told != in_log
    {
        verdict.violation(Kind::Previous, lines(), || {
            format!(
                "it was told that the record stood at {} before; in the log that is {}",
                value(told),
                value(in_log)
            )
        });
    }
    let (Some(local), Some(previous)) = (op.call.local, in_log.or(op.call.previous)) else {
        return;
    };
    // Where the record had been moved back, it was counted from the highest time known instead.
    let global = previous.max(op.call.regressed).unwrap_or(0);
    let expected = global.max(local + 1) + 1;
    if op.first() != expected {
        verdict.violation(Kind::Rule, lines(), || {
            format!(
                "max({local} + 1, {global}) + 1 is {expected}, and it was given {}",
                op.first()
            )
        });
    }
}

fn value(value: Option<u64>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}
