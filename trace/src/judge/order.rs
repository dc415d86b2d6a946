//! Compares the order of values with the order in time: a call that returned before another was called
//! must have a lower value.

use std::collections::HashMap;

use super::entries::times;
use super::history::{History, Operation, Outcome};
use super::log::{Entry, Log};
use super::verdict::{Kind, Verdict};

/// The place of a call in one order of all calls: an update at its time, a read right behind it.
type Place = (u64, bool);

/// A call with its places in that order. An update takes all from `low` through `high`.
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
    let readings = Readings::of(history, log);
    if !readings.were_deleted {
        updates.extend(history.reads().map(Point::by_value));
    }
    sweep(updates, &readings, verdict);
    if readings.were_deleted || readings.legacy_writers {
        let by_revision = history.acknowledged().chain(history.reads());
        let by_revision: Vec<_> = by_revision.filter_map(Point::by_revision).collect();
        sweep_by_revision(by_revision, &readings, verdict);
    }
}

/// Tells apart reads that showed the clock from reads that may have shown a legacy writer's record above
/// it. Such a record may have been moved back since.
struct Readings {
    /// Whether a legacy writer wrote: one that follows no rule.
    legacy_writers: bool,
    /// Whether keys were deleted. A process that did not know their values need not see them later.
    were_deleted: bool,
    /// By revision, if the log has it: whether a legacy writer wrote it.
    old: HashMap<u64, bool>,
}

impl Readings {
    fn of(history: &History, log: Option<&Log>) -> Readings {
        let legacy_writer = |op: &Operation| {
            op.writes() && op.call.instance.is_none() && op.call.outcome != Some(Outcome::Failed)
        };
        let written = |entry: &Entry| (entry.revision, entry.instance.is_none());
        let old: HashMap<u64, bool> = log.map_or_else(HashMap::new, |log| {
            log.entries.iter().map(written).collect()
        });
        Readings {
            legacy_writers: history.operations.iter().any(legacy_writer)
                || old.values().any(|old| *old),
            were_deleted: log.is_some_and(|log| log.deletions > 0),
            old,
        }
    }

    /// Whether later calls can never show less than this read.
    fn stays(&self, read: &Operation) -> bool {
        if !self.legacy_writers {
            return true;
        }
        let revision = read.call.revision;
        let old = revision.and_then(|revision| self.old.get(&revision));
        old.is_some_and(|old| !old)
    }
}

/// Within a process, a call counts as later even if it began at the moment at which the other ended.
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

/// The larger one by `key`; the first one if both are equal.
fn higher<T, K: Ord>(own: Option<T>, other: T, key: impl Fn(&T) -> K) -> Option<T> {
    match own {
        Some(own) if key(&own) >= key(&other) => Some(own),
        _ => Some(other),
    }
}

/// Visits the calls in the order in which they were called. `look` gets each call with the highest update
/// that had returned by then, and with the highest such read, of those that `counts` accepts.
fn visit<'a>(
    mut points: Vec<Point<'a>>,
    counts: impl Fn(&Operation) -> bool,
    mut look: impl FnMut(Point<'a>, Option<Point<'a>>, Option<Point<'a>>),
) {
    let mut by_return = points.clone();
    points.sort_by_key(|point| point.op.call.called);
    by_return.retain(|point| point.op.writes() || counts(point.op));
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

fn sweep(points: Vec<Point<'_>>, readings: &Readings, verdict: &mut Verdict) {
    visit(
        points,
        |read| readings.stays(read),
        |point, update, read| {
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
        },
    );
}

/// Like [`sweep`], but does not compare updates with each other: for logs where values give no order.
fn sweep_by_revision(points: Vec<Point<'_>>, readings: &Readings, verdict: &mut Verdict) {
    visit(
        points.clone(),
        |_| true,
        |point, _, read| {
            if point.op.writes() {
                check_update_after_read(point, read, verdict);
            }
        },
    );
    // A legacy writer's record may stay above the clock after its revision is no longer the newest.
    visit(
        points,
        |read| readings.stays(read),
        |point, update, read| {
            if !point.op.writes() && readings.stays(point.op) {
                check_read(point, update, read, verdict);
            }
        },
    );
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

/// When an entry must have been written: before any call returned that saw its time or more.
pub(super) struct Deadlines<'a> {
    /// Sorted by place. For each place: of the calls at it or behind it, the one that returned first.
    earliest: Vec<(Place, &'a Operation)>,
}

impl<'a> Deadlines<'a> {
    pub(super) fn of(history: &'a History, log: &Log) -> Deadlines<'a> {
        let readings = Readings::of(history, Some(log));
        let counts = |read: &&Operation| !readings.were_deleted && readings.stays(read);
        let reads = history.reads().filter(counts);
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
