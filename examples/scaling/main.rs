//! How the shared clock scales: one to ten thousand processes in virtual time.
//!
//! The library's own state machines over the library's own reference store; only the network, the
//! time that a server takes, and the waiting are simulated. `docs/SCALING.md` tells what it shows
//! and what it leaves out. The same seed gives the same figures on every machine.
//!
//! ```sh
//! cargo run --release -p lamport-clock --no-default-features --features shared --example scaling -- --quick
//! ```

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

use crate::scenarios::Scenario;
use crate::server::Nanos;
use crate::world::World;

mod calibration;
mod process;
mod random;
mod scenarios;
mod server;
mod tally;
mod world;

const USAGE: &str = "usage: scaling [--quick] [--seed N] [--json FILE]";

/// What a scenario came to; rates are per second of virtual time.
#[derive(Debug, Default, Serialize)]
struct Measured {
    seconds: f64,
    updates: f64,
    /// Calls that ended with their deadline.
    timeouts: f64,
    /// Attempts that were given up before their answer came.
    given_up: f64,
    /// Latency of the calls that were served, in milliseconds.
    p50: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
    /// How long after its value was handed out the record showed it, or a later one: 99 % at most.
    late: Option<f64>,
    /// Attempts per request.
    round_trips: f64,
    most_round_trips: u32,
    /// Updates of the caller that got the fewest, and the most.
    slowest: u32,
    fastest: u32,
    transactions: f64,
    /// Transactions of folds, and those of them that came in time.
    folds: f64,
    folded: f64,
    /// Plain reads before folds.
    reads: f64,
    bytes_in: f64,
    bytes_out: f64,
    /// What stays in the database until the next compaction.
    bytes_kept: f64,
    /// The part of the time in which the server worked.
    busy: f64,
    longest_queue: usize,
}

#[derive(Serialize)]
struct Line<'a> {
    seed: u64,
    #[serde(flatten)]
    scenario: &'a Scenario,
    #[serde(flatten)]
    measured: &'a Measured,
}

fn main() {
    let mut seed = 1;
    let mut quick = false;
    let mut json = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => quick = true,
            "--seed" => seed = arguments.next().and_then(|n| n.parse().ok()).expect(USAGE),
            "--json" => json = Some(arguments.next().expect(USAGE)),
            _ => {
                eprintln!("{USAGE}");
                std::process::exit(2);
            }
        }
    }

    println!("seed {seed}; the promises are checked on every update of every run\n");
    calibrate();
    let scenarios = scenarios::all(quick);
    let results = run(&scenarios, seed);
    let mut group = "";
    for (scenario, measured) in scenarios.iter().zip(&results) {
        if scenario.group != group {
            group = scenario.group;
            println!("\n{group}\n{HEAD}");
        }
        println!("{}", row(scenario, measured));
    }
    if let Some(path) = json {
        let lines = scenarios.iter().zip(&results).map(|(scenario, measured)| {
            let line = Line {
                seed,
                scenario,
                measured,
            };
            serde_json::to_string(&line).expect("numbers and texts") + "\n"
        });
        std::fs::write(&path, lines.collect::<String>())
            .unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

/// Puts per second that were measured on real servers stand in `docs/SCALING.md`.
fn calibrate() {
    for cost in [scenarios::SMALL, scenarios::LARGE] {
        let rates = [1, 8, 64, 512, 1000].map(|in_flight| {
            let rate = calibration::puts_per_second(cost, in_flight);
            format!("{in_flight}: {rate:.0}")
        });
        println!(
            "{} server, puts/s by puts in flight: {}",
            cost.name,
            rates.join(", ")
        );
    }
}

/// Runs all scenarios on the cores there are; the largest, which stand last, begin first.
fn run(scenarios: &[Scenario], seed: u64) -> Vec<Measured> {
    let left = AtomicUsize::new(scenarios.len());
    let results: Vec<Mutex<Measured>> = scenarios.iter().map(|_| Mutex::default()).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores.min(scenarios.len()) {
            scope.spawn(|| {
                while let Ok(behind) =
                    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                {
                    let i = behind - 1;
                    let measured = World::new(&scenarios[i], seed).run();
                    *results[i].lock().expect("nobody panicked with it") = measured;
                    eprint!(".");
                }
            });
        }
    });
    eprintln!();
    let results = results.into_iter();
    results
        .map(|result| result.into_inner().expect("nobody panicked with it"))
        .collect()
}

const HEAD: &str = "| callers | updates/s | timeouts/s | p50 ms | p99 ms | max ms \
| round trips, mean (most) | slowest-fastest | record late, p99 ms | etcd txn/s | folds/s | reads/s \
| in / out / kept MB/s | busy |\n\
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|";

fn row(scenario: &Scenario, m: &Measured) -> String {
    let ms = |value: Option<f64>| match value {
        Some(ms) if ms >= 100.0 => whole(ms),
        Some(ms) => format!("{ms:.1}"),
        None => "–".into(),
    };
    let rate = |rate: f64| match rate {
        0.0 => "0".into(),
        _ if rate >= 100.0 => whole(rate),
        _ => format!("{rate:.1}"),
    };
    let mb = |bytes: f64| format!("{:.2}", bytes / 1e6);
    let cells = [
        scenario.label(),
        rate(m.updates),
        rate(m.timeouts),
        ms(m.p50),
        ms(m.p99),
        ms(m.max),
        format!("{:.2} ({})", m.round_trips, m.most_round_trips),
        format!("{}-{}", m.slowest, m.fastest),
        ms(m.late),
        rate(m.transactions),
        rate(m.folds),
        rate(m.reads),
        [m.bytes_in, m.bytes_out, m.bytes_kept].map(mb).join(" / "),
        format!("{:.0} %", m.busy * 100.0),
    ];
    format!("| {} |", cells.join(" | "))
}

/// A large number, thousands parted.
fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let (head, tail) = digits.split_at(digits.len().saturating_sub(3));
    match head {
        "" => tail.to_owned(),
        _ => format!("{head},{tail}"),
    }
}
