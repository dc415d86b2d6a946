//! One of many competing processes: this program, started again as `worker`.
//!
//! It connects, says that it is ready, waits for the common signal (a line), updates in a closed
//! loop for the given time, and answers with what it did.

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use lamport_clock::SharedClock;
use serde::{Deserialize, Serialize};

use crate::load::{Turns, config};
use crate::naive::Naive;
use crate::{Failure, stats};

/// What one process did.
#[derive(Serialize, Deserialize)]
pub(crate) struct Done {
    /// Updates that ended within the time.
    pub(crate) in_time: u64,
    /// Milliseconds of each update, also of the last one, which may end later.
    pub(crate) latencies: Vec<f64>,
    /// Transactions of all its updates.
    pub(crate) round_trips: u64,
}

/// Whose way a process takes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Way {
    Ours,
    Naive,
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Way::Ours => "ours",
            Way::Naive => "naive",
        }
    }
}

enum Clock {
    Ours(SharedClock),
    Naive(Box<Naive>),
}

impl Clock {
    async fn update(&mut self) -> Result<u32, Failure> {
        match self {
            Clock::Ours(clock) => Ok(clock.update().await?.round_trips),
            Clock::Naive(naive) => naive.compare_and_swap().await,
        }
    }
}

/// `worker ours|naive MEMBER,MEMBER,... KEY PROCESS MILLISECONDS`
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let [way, members, key, process, length] = arguments else {
        return Err("a worker takes a way, members, a key, a name and milliseconds".into());
    };
    let length = Duration::from_millis(length.parse()?);
    // One thread: hundreds of processes share few cores.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut clock = if way == Way::Ours.name() {
            let config = config(&format!("etcd://{members}{key}"), process)?;
            Clock::Ours(SharedClock::connect(config).await?)
        } else {
            let member = members.split(',').next().unwrap_or(members);
            Clock::Naive(Box::new(Naive::connect(member, key, process).await?))
        };
        say(&"ready")?;
        let mut signal = String::new();
        std::io::stdin().lock().read_line(&mut signal)?;

        let begin = Instant::now();
        let mut turns = Turns::until(begin + length);
        let (mut round_trips, mut in_time) = (0, 0);
        while turns.go_on() {
            round_trips += u64::from(clock.update().await?);
            turns.done();
            in_time += u64::from(turns.go_on());
        }
        say(&Done {
            in_time,
            latencies: turns.latencies,
            round_trips,
        })
    })
}

fn say(what: &impl Serialize) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(what)?)?;
    out.flush()?;
    Ok(())
}

/// What so many processes did together in `length`.
pub(crate) struct Together {
    pub(crate) updates_a_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) slowest: f64,
    pub(crate) fastest: f64,
    pub(crate) round_trips: f64,
}

impl Together {
    pub(crate) fn of(all: &[Done], length: Duration) -> Together {
        let counts: Vec<f64> = all.iter().map(|done| done.in_time as f64).collect();
        let latencies: Vec<f64> = all.iter().flat_map(|done| done.latencies.clone()).collect();
        let round_trips: u64 = all.iter().map(|done| done.round_trips).sum();
        Together {
            updates_a_second: counts.iter().sum::<f64>() / length.as_secs_f64(),
            p50: stats::percentile(&latencies, 50.0),
            p99: stats::percentile(&latencies, 99.0),
            slowest: stats::min(&counts),
            fastest: stats::max(&counts),
            round_trips: round_trips as f64 / latencies.len() as f64,
        }
    }
}
