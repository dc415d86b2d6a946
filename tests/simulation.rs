//! The real driver over a store that fails in every way that it may, in virtual time: hundreds of
//! short lives of a clock, each from a seed, and the checker decides.
//!
//! A seed that fails is printed with the command that runs it again, just so. `make soak SECONDS=600`
//! tries seeds that nobody has tried for as long as asked.

#![cfg(feature = "shared")]

#[path = "simulation/link.rs"]
mod link;
#[path = "simulation/nemesis.rs"]
mod nemesis;
#[path = "simulation/process.rs"]
mod process;
#[path = "support/random.rs"]
mod random;
#[path = "simulation/recorder.rs"]
mod recorder;
#[path = "simulation/scenario.rs"]
mod scenario;
#[path = "simulation/server.rs"]
mod server;
#[path = "simulation/wide.rs"]
mod wide;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use scenario::{About, Came, run};

/// Seeds of each test in `make test`: half a minute in all, debug build.
const SEEDS: u64 = 200;

/// What a variable holds, for people who run one test by hand.
#[allow(
    clippy::disallowed_methods,
    reason = "which seeds a test tries is no setting of the library"
)]
fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is '{text}', not a number")),
    )
}

/// Which seeds to try: one alone, new ones for so many seconds, or the usual ones.
fn seeds() -> Box<dyn Iterator<Item = u64>> {
    if let Some(seed) = variable("LAMPORT_SEED") {
        return Box::new(std::iter::once(seed));
    }
    let Some(seconds) = variable("LAMPORT_SOAK") else {
        return Box::new(0..SEEDS);
    };
    let (began, length) = (Instant::now(), Duration::from_secs(seconds));
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let first = since.as_secs() << 20;
    Box::new((first..).take_while(move |_| began.elapsed() < length))
}

/// Ends the process if a seed does not end: time stands still where a loop neither waits nor stops,
/// and then nothing in the simulation can tell.
fn guard(test: &'static str) -> mpsc::Sender<u64> {
    let (begun, seeds) = mpsc::channel();
    std::thread::spawn(move || {
        let mut seed = None;
        loop {
            match seeds.recv_timeout(Duration::from_secs(60)) {
                Ok(next) => seed = Some(next),
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let seed = seed.unwrap_or(0);
                    eprintln!("seed {seed} does not end\n\n{}", again(seed, test));
                    std::process::abort();
                }
            }
        }
    });
    begun
}

fn again(seed: u64, test: &str) -> String {
    format!(
        "run it again, and see its history: LAMPORT_SEED={seed} cargo test -p lamport-clock --no-default-features \
         --features shared --test simulation {test}"
    )
}

/// Runs every seed, and prints what they came to.
fn simulate(test: &'static str, about: About) -> Came {
    let guard = guard(test);
    let began = Instant::now();
    let (mut tried, mut sum) = (0, Came::default());
    for seed in seeds() {
        guard.send(seed).expect("the guard outlives us");
        let came = run(seed, about).unwrap_or_else(|broken| {
            if variable("LAMPORT_SEED").is_some() {
                eprintln!("{}\nthe log:\n{}\n", broken.history, broken.log);
            }
            panic!("seed {seed}: {}\n\n{}", broken.what, again(seed, test));
        });
        tried += 1;
        sum.calls += came.calls;
        sum.acknowledged += came.acknowledged;
        sum.unknown += came.unknown;
        sum.reads += came.reads;
        sum.losses += came.losses;
    }
    eprintln!(
        "{test}: {tried} seeds, {} calls ({} updates acknowledged, {} unknown, {} reads), {} losses, \
         in {:.1?}",
        sum.calls,
        sum.acknowledged,
        sum.unknown,
        sum.reads,
        sum.losses,
        began.elapsed()
    );
    sum
}

#[test]
fn every_promise_holds_whatever_fails() {
    let came = simulate("every_promise_holds_whatever_fails", About::Faults);
    assert!(came.acknowledged > 0);
}

#[test]
fn every_promise_holds_with_several_updates_of_one_process_under_way() {
    let test = "every_promise_holds_with_several_updates_of_one_process_under_way";
    let came = simulate(test, About::Pipelining);
    assert!(came.acknowledged > 0);
}

#[test]
fn who_knows_of_lost_times_hands_out_none_until_a_repair() {
    let test = "who_knows_of_lost_times_hands_out_none_until_a_repair";
    let came = simulate(test, About::Losses);
    assert!(came.losses > 0 || variable("LAMPORT_SEED").is_some());
}

#[test]
fn a_seed_runs_again_just_so() {
    for seed in 0..20 {
        for about in [About::Faults, About::Pipelining, About::Losses] {
            let history = || in_any_order(&run(seed, about).unwrap().history);
            assert!(history() == history(), "seed {seed}, {about:?}");
        }
    }
}

/// The calls of a history, whichever came first of those at one moment: in which order a closed clock
/// wakes those who wait for it is drawn by tokio.
fn in_any_order(history: &str) -> Vec<String> {
    let calls = history.lines().map(|line| {
        let mut call: serde_json::Value = serde_json::from_str(line).unwrap();
        for name in ["called", "returned"] {
            if let Some(nanoseconds) = call[name].as_u64() {
                call[name] = (nanoseconds / 1_000_000).into();
            }
        }
        call.to_string()
    });
    let mut calls: Vec<String> = calls.collect();
    calls.sort();
    calls
}
