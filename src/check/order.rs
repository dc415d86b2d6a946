//! The order of values against the order in time: what returned before something was called lies
//! below it.

use std::collections::{HashMap, HashSet};

use super::entries::times;
use super::history::{History, Operation, Outcome};
use super::lines::Line;
use super::log::{Entry, Log};
use super::verdict::{Kind, Verdict};

/// Where a call stands in the one order of all: an update at its time, a read right behind it.
type Place = (u64, bool);

/// A call with its place in that order; an update takes it from `low` through `high`.
#[derive(Clone, Copy)]
struct Point<'a> {
    op: &'a Operation,
    low: Place,
    high: Place,
}

impl<'a> Point<'a> {
    fn by_value(op: &'a Operation) -> Point<'a> {
        Point {
            op,
            low: (op.first(), !op.writes()),
            high: (op.last(), !op.writes()),
        }
    }

    fn by_revision(op: &'a Operation) -> Option<Point<'a>> {
        let place = (op.call.revision?, !op.writes());
        Some(Point {
            op,
            low: place,
            high: place,
        })
    }
}

pub(super) fn check(history: &History, log: Option<&Log>, verdict: &mut Verdict) {
    let mut updates: Vec<Point<'_>> = history.acknowledged().map(Point::by_value).collect();
    check_each_process(&updates, verdict);
    if values_order_reads(history, log) {
        updates.extend(history.reads().map(Point::by_value));
        sweep(updates, verdict);
    } else {
        sweep(updates, verdict);
        let by_revision = history.acknowledged().chain(history.reads());
        let by_revision: Vec<_> = by_revision.filter_map(Point::by_revision).collect();
        sweep_reads(by_revision, verdict);
    }
    check_readings(history, log, verdict);
}

/// Whether a read that shows less is an older one: not where something moved the record back that
/// follows no rule.
fn values_order_reads(history: &History, log: Option<&Log>) -> bool {
    let old_writer = |op: &Operation| {
        op.writes() && op.call.instance.is_none() && op.call.outcome != Some(Outcome::Failed)
    };
    !history.operations.iter().any(old_writer)
        && log.is_none_or(|log| {
            log.deletions == 0 && log.entries.iter().all(|entry| entry.instance.is_some())
        })
}

/// Within a process, also two calls of which one began at the moment at which the other ended.
fn check_each_process(updates: &[Point<'_>], verdict: &mut Verdict) {
    let mut processes: HashMap<&str, Vec<&Operation>> = HashMap::new();
    for point in updates {
        let own = processes.entry(&point.op.call.process).or_default();
        own.push(point.op);
    }
    let mut processes: Vec<_> = processes.into_iter().collect();
    processes.sort_unstable_by_key(|(process, _)| *process);
    for (process, mut by_call) in processes {
        let mut by_return = by_call.clone();
        by_call.sort_by_key(|op| op.call.called);
        by_return.sort_by_key(|op| (op.returned(), op.call.called));
        let mut returned = by_return.into_iter().peekable();
        let mut highest: Option<&Operation> = None;
        for op in by_call {
            let called = op.call.called;
            let earlier =
                |other: &&Operation| other.returned() <= called && other.call.called < called;
            while let Some(other) = returned.next_if(earlier) {
                highest = higher(highest, other, |op| op.last());
            }
            if let Some(other) = highest.filter(|other| other.last() >= op.first()) {
                verdict.violation(Kind::WentBack, [&other.line, &op.line], || {
                    format!(
                        "process {process} took {} and later {}",
                        times(other.first(), other.last()),
                        times(op.first(), op.last())
                    )
                });
            }
        }
    }
}

/// The first of the largest.
fn higher<T, K: Ord>(own: Option<T>, other: T, key: impl Fn(&T) -> K) -> Option<T> {
    match own {
        Some(own) if key(&own) >= key(&other) => Some(own),
        _ => Some(other),
    }
}

/// Goes through the calls in the order in which they were called, and remembers the highest update
/// and the highest read that had returned by then.
fn visit<'a>(
    mut points: Vec<Point<'a>>,
    mut look: impl FnMut(Point<'a>, Option<Point<'a>>, Option<Point<'a>>),
) {
    let mut by_return = points.clone();
    points.sort_by_key(|point| point.op.call.called);
    by_return.sort_by_key(|point| point.op.returned());
    let mut returned = by_return.into_iter().peekable();
    let (mut update, mut read) = (None, None);
    for point in points {
        let called = point.op.call.called;
        while let Some(earlier) = returned.next_if(|earlier| earlier.op.returned() < called) {
            let highest = if earlier.op.writes() {
                &mut update
            } else {
                &mut read
            };
            *highest = higher(*highest, earlier, |point| point.high);
        }
        look(point, update, read);
    }
}

fn sweep(points: Vec<Point<'_>>, verdict: &mut Verdict) {
    visit(points, |point, update, read| {
        let op = point.op;
        if !op.writes() {
            return check_read(point, update, read, verdict);
        }
        if let Some(earlier) = update.filter(|earlier| earlier.high >= point.low) {
            verdict.violation(Kind::OutOfOrder, [&earlier.op.line, &op.line], || {
                format!(
                    "{} was called after {} had returned",
                    times(op.first(), op.last()),
                    times(earlier.op.first(), earlier.op.last())
                )
            });
        }
        check_update_after_read(point, read, verdict);
    });
}

/// As [`sweep`], without what holds of updates among themselves.
fn sweep_reads(points: Vec<Point<'_>>, verdict: &mut Verdict) {
    visit(points, |point, update, read| {
        if point.op.writes() {
            check_update_after_read(point, read, verdict);
        } else {
            check_read(point, update, read, verdict);
        }
    });
}

fn check_read(
    point: Point<'_>,
    update: Option<Point<'_>>,
    read: Option<Point<'_>>,
    verdict: &mut Verdict,
) {
    let newer = [update, read];
    let newer = newer
        .into_iter()
        .flatten()
        .find(|earlier| earlier.high > point.low);
    if let Some(newer) = newer {
        verdict.violation(Kind::StaleRead, [&newer.op.line, &point.op.line], || {
            format!(
                "{} was read after {} had been {}",
                point.op.last(),
                newer.op.last(),
                if newer.op.writes() {
                    "acknowledged"
                } else {
                    "read"
                }
            )
        });
    }
}

fn check_update_after_read(point: Point<'_>, read: Option<Point<'_>>, verdict: &mut Verdict) {
    if let Some(read) = read.filter(|read| read.high > point.low) {
        verdict.violation(Kind::EarlyRead, [&read.op.line, &point.op.line], || {
            format!(
                "{} was read before {} was called",
                read.op.last(),
                times(point.op.first(), point.op.last())
            )
        });
    }
}

/// What was read was the record at some time.
fn check_readings(history: &History, log: Option<&Log>, verdict: &mut Verdict) {
    let Some(log) = log else {
        return check_readings_without_log(history, verdict);
    };
    // Of several updates of one revision the last one is the record.
    let mut records: HashMap<u64, &Entry> = HashMap::new();
    for entry in &log.entries {
        records.insert(entry.revision, entry);
    }
    let values: HashSet<u64> = records.values().map(|entry| entry.last).collect();
    for read in history.reads() {
        let Some(value) = read.call.value else {
            continue;
        };
        let at = read
            .call
            .revision
            .and_then(|revision| records.get(&revision));
        let there = match read.call.revision {
            Some(_) => at.is_some_and(|entry| entry.last == value),
            None => values.contains(&value),
        };
        if there {
            continue;
        }
        if at.is_none() && !log.is_whole_at(read.call.revision) {
            verdict.unchecked();
            continue;
        }
        let other = at.map(|entry| &entry.line);
        phantom(read, other, verdict);
    }
}

/// Within a range that somebody took the record never stood.
fn check_readings_without_log(history: &History, verdict: &mut Verdict) {
    let mut by_first: Vec<&Operation> = history.acknowledged().collect();
    by_first.sort_by_key(|op| op.first());
    for read in history.reads() {
        let after = by_first.partition_point(|op| op.first() <= read.last());
        if let Some(op) = after.checked_sub(1).map(|at| by_first[at])
            && read.last() < op.last()
        {
            phantom(read, Some(&op.line), verdict);
        }
    }
}

fn phantom(read: &Operation, other: Option<&Line>, verdict: &mut Verdict) {
    let lines = [&read.line].into_iter().chain(other);
    verdict.violation(Kind::PhantomRead, lines, || {
        format!("{} was read, and the record never stood there", read.last())
    });
}

/// By when an entry must have been written: before anybody who saw more than it returned.
pub(super) struct Deadlines<'a> {
    /// By rising place: the call at or behind it that returned first.
    earliest: Vec<(Place, &'a Operation)>,
}

impl<'a> Deadlines<'a> {
    pub(super) fn of(history: &'a History, log: &Log) -> Deadlines<'a> {
        let ordered = values_order_reads(history, Some(log));
        let reads = history.reads().filter(|_| ordered);
        let seen = history.acknowledged().chain(reads);
        let mut earliest: Vec<(Place, &Operation)> =
            seen.map(|op| (Point::by_value(op).high, op)).collect();
        earliest.sort_by_key(|(place, _)| *place);
        for i in (1..earliest.len()).rev() {
            if earliest[i].1.returned() < earliest[i - 1].1.returned() {
                earliest[i - 1].1 = earliest[i].1;
            }
        }
        Deadlines { earliest }
    }

    /// Of all calls that saw `entry` or more, the one that returned first.
    pub(super) fn before(&self, entry: &Entry) -> Option<&'a Operation> {
        let at = self
            .earliest
            .partition_point(|(place, _)| *place <= (entry.last, false));
        self.earliest.get(at).map(|(_, op)| *op)
    }
}
