//! One update, with nobody else about: against the cheapest transaction that could carry it, and
//! against the read and write of the deployed script.

use std::time::Instant;

use lamport_clock::SharedClock;
use serde::Deserialize;

use crate::naive::Naive;
use crate::partner::Partner;
use crate::report::{Report, Target};
use crate::stats::{milliseconds, percentile};
use crate::support::Etcd;
use crate::{Failure, Options, load};

/// Milliseconds, of each call.
#[derive(Default)]
struct Latencies {
    update: Vec<f64>,
    bare: Vec<f64>,
    get_put: Vec<f64>,
}

/// The same from the Python script.
#[derive(Deserialize)]
struct PythonLatencies {
    update: Vec<f64>,
    deployed: Vec<f64>,
}

pub(crate) fn measure(options: &Options, report: &mut Report) -> Result<(), Failure> {
    report.section(
        "alone",
        "4. One update alone (ms a call, on the member that leads)",
    );
    let etcd = Etcd::start(3);
    let leader = etcd.leader();
    let member = etcd.endpoints()[leader].to_string();
    let script = options.scripts.join("alone.py").display().to_string();
    let uri = format!("{}/bench/python", etcd.uri_from(leader));
    let mut python = Partner::start(&options.python, &[&script, &uri, &member])?;
    let calls = if options.quick { 150 } else { 400 };

    let runtime = tokio::runtime::Runtime::new()?;
    let (clock, mut bare, mut get_put) = runtime.block_on(async {
        let config = load::config(
            &format!("{}/bench/ours", etcd.uri_from(leader)),
            "bench-node",
        )?;
        let clock = SharedClock::connect(config).await?;
        let bare = Naive::connect(&member, "/bench/bare", "bench-node").await?;
        let get_put = Naive::connect(&member, "/bench/loop", "bench-node").await?;
        Ok::<_, Failure>((clock, bare, get_put))
    })?;
    let mut rounds: Vec<(Latencies, PythonLatencies)> = Vec::new();
    for round in 0..=options.rounds() {
        let rust = runtime.block_on(in_turns(&clock, &mut bare, &mut get_put, calls))?;
        let python = python.ask(&(calls / 2).to_string())?;
        // The first round only warms up.
        if round > 0 {
            rounds.push((rust, python));
        }
    }

    for (name, percent) in [("p50", 50.0), ("p99", 99.0)] {
        let mut figure = |what: &str, of: fn(&(Latencies, PythonLatencies)) -> &Vec<f64>| {
            let values = rounds.iter().map(|round| percentile(of(round), percent));
            report.figure(format!("{what}, {name}"), "ms", values.collect());
        };
        figure("update", |round| &round.0.update);
        figure("bare transaction", |round| &round.0.bare);
        figure("get + put", |round| &round.0.get_put);
        figure("Python update", |round| &round.1.update);
        figure("deployed loop in Python", |round| &round.1.deployed);
    }
    let mut ratio = |over: &str, under: &str, percentile: &str, target| {
        let (figure, other) = (
            format!("{over}, {percentile}"),
            format!("{under}, {percentile}"),
        );
        report.ratio(
            &format!("{over} / {under}, {percentile}"),
            &figure,
            &other,
            target,
        );
    };
    let (bare, deployed) = (Target::AtMost(1.10), Target::AtMost(0.55));
    ratio("update", "bare transaction", "p50", Some(bare));
    ratio("update", "bare transaction", "p99", None);
    ratio("update", "get + put", "p50", Some(deployed));
    ratio("update", "get + put", "p99", None);
    ratio(
        "Python update",
        "deployed loop in Python",
        "p50",
        Some(deployed),
    );
    ratio("Python update", "deployed loop in Python", "p99", None);
    Ok(())
}

/// One call of each after the other, so often: whatever slows the machine meets all three.
async fn in_turns(
    clock: &SharedClock,
    bare: &mut Naive,
    get_put: &mut Naive,
    calls: usize,
) -> Result<Latencies, Failure> {
    let mut latencies = Latencies::default();
    for _ in 0..calls {
        let begin = Instant::now();
        clock.update().await?;
        latencies.update.push(milliseconds(begin.elapsed()));

        let begin = Instant::now();
        if !bare.attempt().await? {
            return Err("somebody else wrote the record of the bare transaction".into());
        }
        latencies.bare.push(milliseconds(begin.elapsed()));

        let begin = Instant::now();
        get_put.get_and_put().await?;
        latencies.get_put.push(milliseconds(begin.elapsed()));
    }
    Ok(latencies)
}
