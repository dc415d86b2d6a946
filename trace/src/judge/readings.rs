//! Compares what reads showed with what was written: a read shows the newest time at some moment.

use std::collections::{HashMap, HashSet};

use super::history::{History, Operation};
use super::lines::Line;
use super::log::{Entry, Log};
use super::verdict::{Kind, Verdict};

pub(super) fn check(history: &History, log: Option<&Log>, verdict: &mut Verdict) {
    let whole = Whole::of(history);
    let Some(log) = log else {
        return check_without_log(history, &whole, verdict);
    };
    let by_revision: HashMap<u64, &Entry> = log
        .entries
        .iter()
        .map(|entry| (entry.revision, entry))
        .collect();
    let old_values: HashSet<u64> = log.old().map(|entry| entry.last).collect();
    let ours = InOrder::of(log);
    for read in history.reads() {
        let Some(value) = read.call.value else {
            continue;
        };
        let at = read
            .call
            .revision
            .and_then(|revision| by_revision.get(&revision).copied());
        let (there, beside) = match (read.call.revision, at) {
            (_, Some(entry)) => (entry.last == value, Some(entry)),
            (Some(revision), None) => ours.may_stand(revision, value),
            (None, None) => {
                let around = ours.around(value).filter(|entry| entry.last != value);
                let taken = around.filter(|entry| whole.is_one_trip(entry.first));
                (taken.is_none() || old_values.contains(&value), taken)
            }
        };
        if there {
            continue;
        }
        if at.is_none() && !log.is_whole_at(read.call.revision) {
            verdict.unchecked();
            continue;
        }
        phantom(read, beside.map(|entry| &entry.line), verdict);
    }
}

/// The entries of writers that follow the rule, sorted by revision and so by time.
struct InOrder<'a>(Vec<&'a Entry>);

impl<'a> InOrder<'a> {
    fn of(log: &'a Log) -> InOrder<'a> {
        let mut ours: Vec<&Entry> = log.ours().collect();
        ours.sort_by_key(|entry| entry.revision);
        InOrder(ours)
    }

    /// Whether the clock may have stood at `value` at a revision without an update in the log. Such a
    /// revision comes from a fold, or from an update that took times and gave them up. If it can't have
    /// stood there, also returns the entry that shows this.
    fn may_stand(&self, revision: u64, value: u64) -> (bool, Option<&'a Entry>) {
        let after = self.0.partition_point(|entry| entry.revision <= revision);
        let below = after.checked_sub(1).map(|at| self.0[at]);
        let above = self.0.get(after).copied();
        if let Some(below) = below.filter(|below| below.last > value) {
            return (false, Some(below));
        }
        // The process that gave times up takes the next ones, and these may begin among those given up.
        match above.filter(|above| above.last <= value) {
            Some(above) => (false, Some(above)),
            None => (true, None),
        }
    }

    /// The update that took `value`.
    fn around(&self, value: u64) -> Option<&'a Entry> {
        let after = self.0.partition_point(|entry| entry.first <= value);
        let entry = after.checked_sub(1).map(|at| self.0[at])?;
        (value <= entry.last).then_some(entry)
    }
}

/// The first times of updates that took one transaction: none of their times was given up before.
struct Whole(HashSet<u64>);

impl Whole {
    fn of(history: &History) -> Whole {
        let one_trip = |op: &&Operation| op.call.round_trips == Some(1);
        Whole(
            history
                .acknowledged()
                .filter(one_trip)
                .map(Operation::first)
                .collect(),
        )
    }

    fn is_one_trip(&self, first: u64) -> bool {
        self.0.contains(&first)
    }
}

/// Checks that no read shows a time within a range that was taken at once: the clock never stood there.
fn check_without_log(history: &History, whole: &Whole, verdict: &mut Verdict) {
    let mut by_first: Vec<&Operation> = history.acknowledged().collect();
    by_first.sort_by_key(|op| op.first());
    for read in history.reads() {
        let after = by_first.partition_point(|op| op.first() <= read.last());
        if let Some(op) = after.checked_sub(1).map(|at| by_first[at])
            && read.last() < op.last()
            && (whole.is_one_trip(op.first()) || same_revision(read, op))
        {
            phantom(read, Some(&op.line), verdict);
        }
    }
}

fn same_revision(read: &Operation, op: &Operation) -> bool {
    read.call.revision.is_some() && read.call.revision == op.call.revision
}

fn phantom(read: &Operation, other: Option<&Line>, verdict: &mut Verdict) {
    let lines = [&read.line].into_iter().chain(other);
    verdict.violation(Kind::PhantomRead, lines, || {
        format!("{} was read, and the clock never stood there", read.last())
    });
}
