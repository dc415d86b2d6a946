//! What sections that load the store share.

use std::time::{Duration, Instant};

use lamport_clock::Config;

use crate::Failure;
use crate::stats::percentile;

/// The configuration of `process` on `store`.
///
/// The deadline is longer than any wait that is measured: the figures show how long a call takes,
/// not where it is cut off.
pub(crate) fn config(store: &str, process: &str) -> Result<Config, Failure> {
    Ok(Config::new(process, store)?.with_timeout(Duration::from_secs(60))?)
}

/// What a crowd did together.
pub(crate) struct Crowd {
    /// From the first call's beginning to the last one's end.
    pub(crate) length: Duration,
    /// How many stamps each call gave.
    pub(crate) stamps_a_call: u64,
    pub(crate) calls: u64,
    /// Milliseconds, of each call that was watched.
    pub(crate) latencies: Vec<f64>,
}

impl Crowd {
    pub(crate) fn stamps_a_second(&self) -> f64 {
        self.calls as f64 * self.stamps_a_call as f64 / self.length.as_secs_f64()
    }

    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        percentile(&self.latencies, percent)
    }
}

/// What one caller has measured, call after call: where one ends the next begins, so that a call
/// costs one look at the clock.
pub(crate) struct Turns {
    stop: Instant,
    /// When the next call begins, or the last one ended.
    pub(crate) at: Instant,
    pub(crate) calls: u64,
    watched: bool,
    pub(crate) latencies: Vec<f64>,
}

impl Turns {
    pub(crate) fn until(stop: Instant) -> Turns {
        Turns {
            stop,
            at: Instant::now(),
            calls: 0,
            watched: true,
            latencies: Vec::new(),
        }
    }

    /// Of a crowd of thousands one in sixteen is watched: to write down every call would cost as
    /// much as the call.
    pub(crate) fn of_crowd(number: usize, crowd: usize, stop: Instant) -> Turns {
        Turns {
            watched: crowd < 1_000 || number.is_multiple_of(16),
            ..Turns::until(stop)
        }
    }

    /// Rests before the next call.
    pub(crate) async fn pause(&mut self, seconds: f64) {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        self.at = Instant::now();
    }

    /// Whether there is time for another call.
    pub(crate) fn go_on(&self) -> bool {
        self.at < self.stop
    }

    pub(crate) fn done(&mut self) {
        let now = Instant::now();
        self.calls += 1;
        if self.watched {
            self.latencies
                .push(crate::stats::milliseconds(now - self.at));
        }
        self.at = now;
    }
}
