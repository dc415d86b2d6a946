//! The rates and the newest update of each process. This module reads no clock: times are arguments.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Rates are averages over this many seconds.
const WINDOW: u64 = 10;

/// The most processes that are kept. Beyond that, those that are silent for the longest are forgotten.
const MOST: usize = 10_000;

/// The updates of one process in one second.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    second: u64,
    values: u64,
    updates: u64,
    ahead: Option<f64>,
}

#[derive(Debug)]
struct Process {
    value: u64,
    seen: Instant,
    buckets: VecDeque<Bucket>,
    /// The newest estimate of how far its wall clock is ahead of ours, in seconds.
    ahead: Option<f64>,
}

#[derive(Debug)]
pub(super) struct Rows {
    started: Instant,
    processes: HashMap<String, Process>,
}

/// A process as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    pub(super) process: &'a str,
    pub(super) value: u64,
    pub(super) per_second: f64,
    pub(super) updates_per_second: f64,
    /// Seconds since its last update was seen. If that update was made before the start: since the start.
    pub(super) silent: f64,
    /// Seconds by which its wall clock is ahead of ours, less the time that the news took to reach us.
    pub(super) clock_ahead: Option<f64>,
}

impl Rows {
    pub(super) fn new(started: Instant) -> Rows {
        Rows {
            started,
            processes: HashMap::new(),
        }
    }

    /// Adds a process whose value was in the record at the start.
    pub(super) fn found(&mut self, process: &str, value: u64) {
        let started = self.started;
        self.process(process, started).value = value;
    }

    /// Adds an update as it happens. It was seen at `seen`, which is `wall` by our wall clock. The process
    /// wrote it at `written` by its own wall clock. Both wall times are in seconds since 1970.
    pub(super) fn update(
        &mut self,
        process: &str,
        values: RangeInclusive<u64>,
        seen: Instant,
        wall: f64,
        written: Option<f64>,
    ) {
        let second = self.second(seen);
        let (first, value) = values.into_inner();
        let process = self.process(process, seen);
        process.value = value;
        process.seen = seen;
        if process
            .buckets
            .back()
            .is_none_or(|last| last.second != second)
        {
            process.buckets.push_back(Bucket {
                second,
                values: 0,
                updates: 0,
                ahead: None,
            });
            process.forget(second);
        }
        // The news that took the least time gives the largest difference, and the best estimate.
        let ahead = written.map(|written| written - wall);
        if let Some(bucket) = process.buckets.back_mut() {
            bucket.values += value.saturating_sub(first) + 1;
            bucket.updates += 1;
            bucket.ahead = bucket.ahead.into_iter().chain(ahead).reduce(f64::max);
        }
        let ahead = process.buckets.iter().filter_map(|bucket| bucket.ahead);
        process.ahead = ahead.reduce(f64::max).or(process.ahead);
    }

    fn process(&mut self, name: &str, seen: Instant) -> &mut Process {
        if self.processes.len() >= MOST && !self.processes.contains_key(name) {
            let silent = self
                .processes
                .iter()
                .min_by_key(|(_, process)| process.seen);
            if let Some(silent) = silent.map(|(name, _)| name.clone()) {
                self.processes.remove(&silent);
            }
        }
        self.processes
            .entry(name.to_owned())
            .or_insert_with(|| Process {
                value: 0,
                seen,
                buckets: VecDeque::new(),
                ahead: None,
            })
    }

    fn second(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.started).as_secs()
    }

    /// The seconds over which rates are counted at `now`.
    fn counted(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.started);
        // The oldest second that counts is whole, the newest is not.
        let window =
            Duration::from_secs(WINDOW - 1) + Duration::from_nanos(passed.subsec_nanos().into());
        passed.min(window).as_secs_f64().max(1.0)
    }

    /// Values per second, of all processes together.
    pub(super) fn per_second(&self, now: Instant) -> f64 {
        let second = self.second(now);
        let values = self
            .processes
            .values()
            .map(|process| process.sums(second).0);
        values.sum::<u64>() as f64 / self.counted(now)
    }

    /// All processes, those with the newest values first.
    pub(super) fn newest(&self, now: Instant) -> Vec<Row<'_>> {
        let (second, counted) = (self.second(now), self.counted(now));
        let rows = self.processes.iter().map(|(name, process)| {
            let (values, updates) = process.sums(second);
            Row {
                process: name,
                value: process.value,
                per_second: values as f64 / counted,
                updates_per_second: updates as f64 / counted,
                silent: now.saturating_duration_since(process.seen).as_secs_f64(),
                clock_ahead: process.ahead,
            }
        });
        let mut rows: Vec<Row<'_>> = rows.collect();
        rows.sort_by(|a, b| b.value.cmp(&a.value).then(a.process.cmp(b.process)));
        rows
    }
}

impl Process {
    fn forget(&mut self, second: u64) {
        while self
            .buckets
            .front()
            .is_some_and(|first| first.second + WINDOW <= second)
        {
            self.buckets.pop_front();
        }
    }

    /// The numbers of values and of updates in the window.
    fn sums(&self, second: u64) -> (u64, u64) {
        let counted = self
            .buckets
            .iter()
            .filter(|bucket| bucket.second + WINDOW > second);
        counted.fold((0, 0), |(values, updates), bucket| {
            (values + bucket.values, updates + bucket.updates)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_ten_seconds() {
        let started = Instant::now();
        let at = |seconds: f64| started + Duration::from_secs_f64(seconds);
        let mut rows = Rows::new(started);
        rows.found("old", 1);
        for second in 0..25_u64 {
            let first = 10 * second + 2;
            rows.update("api", first..=first + 3, at(second as f64 + 0.5), 0.0, None);
        }
        let now = at(25.0);
        let told = rows.newest(now);
        let names: Vec<_> = told.iter().map(|row| (row.process, row.value)).collect();
        assert_eq!(names, [("api", 245), ("old", 1)]);
        // Nine whole seconds have their update, and the one that has just begun has none.
        assert!((told[0].updates_per_second - 1.0).abs() < 1e-9);
        assert!((told[0].per_second - 4.0).abs() < 1e-9);
        assert!((rows.per_second(now) - 4.0).abs() < 1e-9);
        assert!((told[0].silent - 0.5).abs() < 1e-6 && (told[1].silent - 25.0).abs() < 1e-6);
        let later = at(40.0);
        assert_eq!(
            (rows.per_second(later), rows.newest(later)[0].per_second),
            (0.0, 0.0)
        );
    }

    #[test]
    fn the_news_that_took_the_least_tells_of_the_clock() {
        let started = Instant::now();
        let mut rows = Rows::new(started);
        // The process's wall clock is 5 s ahead. News of its updates took up to 3 s.
        for (second, delay) in [(1, 3.0), (2, 0.5), (3, 2.0)] {
            let seen = started + Duration::from_secs(second);
            let (wall, value) = (100.0 + second as f64, second);
            rows.update("api", value..=value, seen, wall, Some(wall + 5.0 - delay));
        }
        let told = |rows: &Rows| rows.newest(started)[0].clock_ahead.unwrap();
        assert!((told(&rows) - 4.5).abs() < 1e-9);
        // Later the wall clock was set right.
        let seen = started + Duration::from_secs(30);
        rows.update("api", 9..=9, seen, 130.0, Some(130.0));
        assert!(told(&rows).abs() < 1e-9);
    }

    #[test]
    fn of_too_many_processes_the_silent_are_forgotten() {
        let started = Instant::now();
        let mut rows = Rows::new(started);
        for i in 0..MOST as u64 + 5 {
            let seen = started + Duration::from_millis(i);
            rows.update(&i.to_string(), i..=i, seen, 0.0, None);
        }
        let told = rows.newest(started);
        assert_eq!((told.len(), told.last().unwrap().value), (MOST, 5));
    }
}
