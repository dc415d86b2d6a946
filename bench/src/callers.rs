//! Many callers in one process, in a closed loop: how many stamps, and how long each waits.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use lamport_clock::{SharedClock, blocking};
use serde::Deserialize;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::load::{Crowd, Turns, config};
use crate::naive::Naive;
use crate::report::{Report, Target};
use crate::support::Etcd;
use crate::{Failure, Options};

const TASKS: [usize; 5] = [1, 10, 100, 1_000, 10_000];
const THREADS: [usize; 5] = [1, 4, 16, 64, 256];
const RESERVES: [u64; 3] = [1, 1_000, 1_000_000];
/// More bare transactions at once than this and etcd refuses some.
const MOST_BARE: usize = 1_000;

/// What the Python script answers.
#[derive(Deserialize)]
struct Python {
    seconds: f64,
    latencies: Vec<f64>,
}

pub(crate) fn measure(options: &Options, report: &mut Report) -> Result<(), Failure> {
    report.section("callers", "5. Many callers in one process, closed loop");
    let mut lab = Lab {
        etcd: Etcd::start(3),
        runtime: Runtime::new()?,
        length: Duration::from_millis(if options.quick { 400 } else { 1_000 }),
        runs: 0,
    };
    let rounds = if options.quick { 1 } else { 3 };
    tasks(&mut lab, rounds, report)?;
    reserves(&mut lab, rounds, report)?;
    threads(&mut lab, rounds, report)?;
    python(&mut lab, options, rounds, report)
}

fn tasks(lab: &mut Lab, rounds: usize, report: &mut Report) -> Result<(), Failure> {
    let mut crowds = TASKS.map(|_| (Vec::new(), Vec::new()));
    // Every size in every round: crowds are compared with one caller alone, too.
    for _ in 0..rounds {
        for (tasks, (ours, bare)) in TASKS.into_iter().zip(&mut crowds) {
            ours.push(lab.tasks(tasks, 1)?);
            if tasks <= MOST_BARE {
                bare.push(lab.bare(tasks)?);
            }
        }
    }
    for (tasks, (ours, bare)) in TASKS.into_iter().zip(&crowds) {
        figures(report, &format!("update x{tasks} tasks"), ours);
        if !bare.is_empty() {
            figures(report, &format!("bare transaction x{tasks}"), bare);
            report.ratio(
                &format!("update x{tasks} tasks / bare transactions"),
                &format!("update x{tasks} tasks, rate"),
                &format!("bare transaction x{tasks}, rate"),
                None,
            );
        }
    }
    for tasks in TASKS.into_iter().filter(|&tasks| tasks > 1) {
        report.ratio(
            &format!("update x{tasks} tasks / alone, p50"),
            &format!("update x{tasks} tasks, p50"),
            "update x1 tasks, p50",
            (tasks <= 1_000).then_some(Target::AtMost(1.5)),
        );
    }
    let rates = report.rounds_of("update x10000 tasks, rate");
    let name = "stamps a second, 10000 tasks";
    report.ratio_of(name, rates, Some(Target::AtLeast(1.5e6)));
    Ok(())
}

fn reserves(lab: &mut Lab, rounds: usize, report: &mut Report) -> Result<(), Failure> {
    const TASKS: usize = 10_000;
    let mut crowds = RESERVES.map(|_| Vec::new());
    for _ in 0..rounds {
        for (count, crowds) in RESERVES.into_iter().zip(&mut crowds) {
            crowds.push(lab.tasks(TASKS, count)?);
        }
    }
    let name = |count: u64| format!("reserve({count}) x{TASKS} tasks");
    for (count, crowds) in RESERVES.into_iter().zip(&crowds) {
        figures(report, &name(count), crowds);
    }
    report.ratio(
        "reserve(1000) / reserve(1)",
        &format!("{}, rate", name(1_000)),
        &format!("{}, rate", name(1)),
        Some(Target::AtLeast(100.0)),
    );
    Ok(())
}

fn threads(lab: &mut Lab, rounds: usize, report: &mut Report) -> Result<(), Failure> {
    for threads in THREADS {
        let crowds = (0..rounds).map(|_| lab.threads(threads));
        let crowds = crowds.collect::<Result<Vec<_>, _>>()?;
        figures(report, &format!("update x{threads} threads"), &crowds);
    }
    Ok(())
}

/// As many threads in Python and in Rust, in turns.
fn python(
    lab: &mut Lab,
    options: &Options,
    rounds: usize,
    report: &mut Report,
) -> Result<(), Failure> {
    const THREADS: usize = 64;
    let store = format!("{}/bench/python", lab.etcd.uri());
    let Some(mut script) = options.python("threads.py", &[&store])? else {
        return Ok(());
    };
    let (mut rust, mut python) = (Vec::new(), Vec::new());
    for round in 0..=rounds.max(2) {
        let ours = lab.threads(THREADS)?;
        let theirs: Python = script.ask(&format!("{THREADS} {}", lab.length.as_secs_f64()))?;
        // The first round only warms up.
        if round > 0 {
            rust.push(ours);
            python.push(Crowd {
                length: Duration::from_secs_f64(theirs.seconds),
                stamps_a_call: 1,
                calls: theirs.latencies.len() as u64,
                latencies: theirs.latencies,
            });
        }
    }
    figures(report, "update x64 Rust threads beside", &rust);
    figures(report, "update x64 Python threads", &python);
    report.ratio(
        "64 threads, Python / Rust",
        "update x64 Python threads, rate",
        "update x64 Rust threads beside, rate",
        Some(Target::AtLeast(0.8)),
    );
    Ok(())
}

fn figures(report: &mut Report, name: &str, crowds: &[Crowd]) {
    let rates = crowds.iter().map(Crowd::stamps_a_second);
    report.figure(format!("{name}, rate"), "a second", rates.collect());
    for (percentile, percent) in [("p50", 50.0), ("p99", 99.0)] {
        let values = crowds.iter().map(|crowd| crowd.percentile(percent));
        report.figure(format!("{name}, {percentile}"), "ms", values.collect());
    }
}

/// Waits for all tasks of a crowd that began together.
async fn gather(
    begin: Instant,
    stamps_a_call: u64,
    tasks: Vec<JoinHandle<Result<Turns, Failure>>>,
) -> Result<Crowd, Failure> {
    let (mut end, mut calls, mut latencies) = (begin, 0, Vec::new());
    for task in tasks {
        let turns = task.await??;
        end = end.max(turns.at);
        calls += turns.calls;
        latencies.extend(turns.latencies);
    }
    Ok(Crowd {
        length: end - begin,
        stamps_a_call,
        calls,
        latencies,
    })
}

struct Lab {
    etcd: Etcd,
    runtime: Runtime,
    length: Duration,
    runs: usize,
}

impl Lab {
    /// A record that nobody else uses.
    fn store(&mut self) -> String {
        self.runs += 1;
        format!("{}/bench/{}", self.etcd.uri(), self.runs)
    }

    /// So many tasks on one clock, each taking `count` times a call.
    fn tasks(&mut self, tasks: usize, count: u64) -> Result<Crowd, Failure> {
        let (config, length) = (config(&self.store(), "bench-node")?, self.length);
        self.runtime.block_on(async {
            let clock = SharedClock::connect(config).await?;
            clock.reserve(count).await?;
            let begin = Instant::now();
            let callers: Vec<_> = (0..tasks)
                .map(|i| {
                    let clock = clock.clone();
                    tokio::spawn(async move {
                        let mut turns = Turns::of_crowd(i, tasks, begin + length);
                        while turns.go_on() {
                            clock.reserve(count).await?;
                            turns.done();
                        }
                        Ok::<_, Failure>(turns)
                    })
                })
                .collect();
            gather(begin, count, callers).await
        })
    }

    /// So many bare transactions in flight on one connection, each on a key of its own: what etcd
    /// gives to callers who do not share their round trips.
    fn bare(&mut self, tasks: usize) -> Result<Crowd, Failure> {
        self.runs += 1;
        let (key, member) = (
            format!("/bench/{}", self.runs),
            self.etcd.endpoints()[0].to_string(),
        );
        let length = self.length;
        self.runtime.block_on(async {
            let first = Naive::connect(&member, &key, "bench-node").await?;
            let begin = Instant::now();
            let callers: Vec<_> = (0..tasks)
                .map(|i| {
                    let mut naive = first.beside(&format!("{key}/{i}"));
                    tokio::spawn(async move {
                        let mut turns = Turns::of_crowd(i, tasks, begin + length);
                        while turns.go_on() {
                            naive.attempt().await?;
                            turns.done();
                        }
                        Ok::<_, Failure>(turns)
                    })
                })
                .collect();
            gather(begin, 1, callers).await
        })
    }

    /// So many threads on one clock, through the blocking face.
    fn threads(&mut self, threads: usize) -> Result<Crowd, Failure> {
        let clock = blocking::SharedClock::connect(config(&self.store(), "bench-node")?)?;
        clock.update()?;
        let (ready, length) = (Barrier::new(threads), self.length);
        let results: Vec<Result<(Instant, Turns), Failure>> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        ready.wait();
                        let begin = Instant::now();
                        let mut turns = Turns::until(begin + length);
                        while turns.go_on() {
                            clock.update()?;
                            turns.done();
                        }
                        Ok((begin, turns))
                    })
                })
                .collect();
            let ended = running.into_iter().map(|thread| thread.join());
            ended
                .map(|result| result.expect("no call panics"))
                .collect()
        });
        let (mut begin, mut end) = (None, None);
        let (mut calls, mut latencies) = (0, Vec::new());
        for result in results {
            let (began, turns) = result?;
            begin = Some(begin.map_or(began, |begin: Instant| begin.min(began)));
            end = end.max(Some(turns.at));
            calls += turns.calls;
            latencies.extend(turns.latencies);
        }
        let length = end.zip(begin).map(|(end, begin)| end - begin);
        Ok(Crowd {
            length: length.unwrap_or_default(),
            stamps_a_call: 1,
            calls,
            latencies,
        })
    }
}
