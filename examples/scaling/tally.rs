//! What is counted while a scenario is watched.

use crate::Measured;
use crate::process::{Caller, TIMEOUT};
use crate::server::{Nanos, Served};
use crate::world::SECOND;

#[derive(Default)]
pub(crate) struct Tally {
    /// False until the scenario has warmed up: nothing is counted.
    pub(crate) measuring: bool,
    latencies: Vec<Nanos>,
    /// How long after its value was handed out the record showed it, or a later one.
    late: Vec<Nanos>,
    counts: Vec<u32>,
    round_trips: u64,
    requests: u64,
    most_round_trips: u32,
    timeouts: u64,
    given_up: u64,
}

impl Tally {
    pub(crate) fn new(callers: usize) -> Tally {
        Tally {
            counts: vec![0; callers],
            ..Tally::default()
        }
    }

    pub(crate) fn gave_up(&mut self) {
        self.given_up += u64::from(self.measuring);
    }

    pub(crate) fn timed_out(&mut self, callers: usize) {
        self.timeouts += callers as u64 * u64::from(self.measuring);
    }

    pub(crate) fn recorded(&mut self, late: Nanos) {
        if self.measuring {
            self.late.push(late);
        }
    }

    pub(crate) fn served(&mut self, callers: &[Caller], now: Nanos, round_trips: u32) {
        if !self.measuring {
            return;
        }
        self.requests += 1;
        self.round_trips += u64::from(round_trips);
        self.most_round_trips = self.most_round_trips.max(round_trips);
        for caller in callers {
            let took = now - caller.called;
            if took > TIMEOUT {
                // It has heard of its deadline; its time is a gap.
                self.timeouts += 1;
            } else {
                self.latencies.push(took);
                self.counts[caller.id] += 1;
            }
        }
    }

    pub(crate) fn measured(mut self, window: Nanos, served: Served) -> Measured {
        self.latencies.sort_unstable();
        self.late.sort_unstable();
        let milliseconds = |sorted: &[Nanos], part: f64| {
            let last = sorted.len().saturating_sub(1);
            let nanos = sorted.get((last as f64 * part) as usize);
            nanos.map(|&nanos| nanos as f64 / 1e6)
        };
        let seconds = window as f64 / SECOND as f64;
        let per_second = |count: u64| count as f64 / seconds;
        Measured {
            seconds,
            updates: per_second(self.latencies.len() as u64),
            timeouts: per_second(self.timeouts),
            given_up: per_second(self.given_up),
            p50: milliseconds(&self.latencies, 0.5),
            p99: milliseconds(&self.latencies, 0.99),
            max: milliseconds(&self.latencies, 1.0),
            late: milliseconds(&self.late, 0.99),
            round_trips: self.round_trips as f64 / self.requests.max(1) as f64,
            most_round_trips: self.most_round_trips,
            slowest: self.counts.iter().copied().min().unwrap_or(0),
            fastest: self.counts.iter().copied().max().unwrap_or(0),
            transactions: per_second(served.transactions),
            folds: per_second(served.folds),
            folded: per_second(served.folded),
            reads: per_second(served.reads),
            bytes_in: per_second(served.bytes_in),
            bytes_out: per_second(served.bytes_out),
            bytes_kept: per_second(served.bytes_kept),
            // A batch counts with its beginning, and the last one ends after the window.
            busy: (served.busy as f64 / window as f64).min(1.0),
            longest_queue: served.longest_queue,
        }
    }
}
