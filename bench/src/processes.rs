//! Many processes that compete for one record, each with its own connection.

use std::time::Duration;

use crate::machine::Cpu;
use crate::partner::Partner;
use crate::report::{Report, Target};
use crate::support::Etcd;
use crate::worker::{Done, Together, Way};
use crate::{Failure, Options};

/// How many compete, and for how long: longer than the naive loop's worst waits, which could not
/// be seen otherwise.
const CROWDS: [(usize, u64); 6] = [(1, 4), (3, 4), (10, 4), (50, 10), (100, 8), (300, 8)];
/// Beyond this the naive loop hardly moves.
const MOST_NAIVE: usize = 50;

/// One run's figures and what it cost.
struct Outcome {
    together: Together,
    /// Milliseconds of CPU an update, of the three members and of the processes.
    etcd_cpu: f64,
    process_cpu: f64,
}

pub(crate) fn measure(options: &Options, report: &mut Report) -> Result<(), Failure> {
    report.section(
        "processes",
        "6. Many processes, closed loop, spread over the members",
    );
    let mut lab = Lab {
        etcd: Etcd::start(3),
        runs: 0,
    };
    let rounds = if options.quick { 1 } else { 3 };
    let mut outcomes: Vec<_> = CROWDS.map(|_| (Vec::new(), Vec::new())).into();
    // Every size in every round: crowds are compared with one process alone, too.
    for _ in 0..rounds {
        for ((processes, seconds), (ours, naive)) in CROWDS.into_iter().zip(&mut outcomes) {
            let length = match options.quick {
                true => Duration::from_millis(seconds * 400),
                false => Duration::from_secs(seconds),
            };
            ours.push(lab.compete(Way::Ours, processes, length)?);
            if processes <= MOST_NAIVE {
                naive.push(lab.compete(Way::Naive, processes, length)?);
            }
        }
    }
    for ((processes, _), (ours, naive)) in CROWDS.into_iter().zip(&outcomes) {
        figures(report, "ours", processes, ours);
        if !naive.is_empty() {
            figures(report, "naive", processes, naive);
        }
    }
    ratios(report);
    Ok(())
}

fn figures(report: &mut Report, way: &str, processes: usize, outcomes: &[Outcome]) {
    let mut figure = |what: &str, unit, of: fn(&Outcome) -> f64| {
        let name = format!("{way} x{processes}, {what}");
        report.figure(name, unit, outcomes.iter().map(of).collect());
    };
    figure("rate", "a second", |outcome| {
        outcome.together.updates_a_second
    });
    figure("p50", "ms", |outcome| outcome.together.p50);
    figure("p99", "ms", |outcome| outcome.together.p99);
    figure("slowest process", "updates", |outcome| {
        outcome.together.slowest
    });
    figure("fastest process", "updates", |outcome| {
        outcome.together.fastest
    });
    figure("round trips an update", "", |outcome| {
        outcome.together.round_trips
    });
    figure("etcd's CPU an update", "ms", |outcome| outcome.etcd_cpu);
    figure("processes' CPU an update", "ms", |outcome| {
        outcome.process_cpu
    });
}

fn ratios(report: &mut Report) {
    let of = |processes: usize, what: &str| format!("ours x{processes}, {what}");
    for (processes, _) in CROWDS {
        if processes <= MOST_NAIVE {
            let naive = |what: &str| format!("naive x{processes}, {what}");
            let (rate, p99) = match processes {
                50 => (Some(Target::AtLeast(10.0)), Some(Target::AtMost(0.05))),
                _ => (None, None),
            };
            let name = |what: &str| format!("x{processes}: {what} / naive");
            report.ratio(&name("rate"), &of(processes, "rate"), &naive("rate"), rate);
            report.ratio(&name("p99"), &of(processes, "p99"), &naive("p99"), p99);
        }
        if processes > 1 {
            let target = (processes == 50).then_some(Target::AtLeast(0.5));
            let (slowest, fastest) = (
                of(processes, "slowest process"),
                of(processes, "fastest process"),
            );
            let name = format!("x{processes}: slowest / fastest process");
            report.ratio(&name, &slowest, &fastest, target);
            let target = match processes {
                100 => Some(Target::AtLeast(1.5)),
                300 => Some(Target::AtLeast(1.0)),
                _ => None,
            };
            let name = format!("x{processes}: rate / one process alone");
            report.ratio(&name, &of(processes, "rate"), &of(1, "rate"), target);
        }
    }
}

struct Lab {
    etcd: Etcd,
    runs: usize,
}

impl Lab {
    /// Lets so many processes compete for a record of their own.
    fn compete(
        &mut self,
        way: Way,
        processes: usize,
        length: Duration,
    ) -> Result<Outcome, Failure> {
        self.runs += 1;
        let key = format!("/bench/{}", self.runs);
        let this = std::env::current_exe()?;
        let milliseconds = length.as_millis().to_string();
        let mut workers = (0..processes)
            .map(|i| {
                let members = self.etcd.uri_from(i % 3);
                let members = members.trim_start_matches("etcd://");
                let name = format!("mx-node{i}");
                let arguments = ["worker", way.name(), members, &key, &name, &milliseconds];
                Partner::start(&this, &arguments)
            })
            .collect::<Result<Vec<_>, _>>()?;
        for worker in &mut workers {
            worker.answer::<String>()?;
        }
        let before = Cpu::of_members_and_ended_children();
        let waiting: f64 = workers.iter().map(|worker| worker.cpu()).sum();
        for worker in &mut workers {
            worker.say("go")?;
        }
        let all = workers
            .iter_mut()
            .map(Partner::answer)
            .collect::<Result<Vec<Done>, _>>()?;
        let members = Cpu::of_members_and_ended_children();
        drop(workers);
        let after = Cpu::of_members_and_ended_children();
        let updates: usize = all.iter().map(|done| done.latencies.len()).sum();
        let updates = updates as f64;
        let process_cpu = after.ended_children - before.ended_children - waiting;
        Ok(Outcome {
            together: Together::of(&all, length),
            etcd_cpu: (members.members - before.members) * 1e3 / updates,
            process_cpu: process_cpu * 1e3 / updates,
        })
    }
}
