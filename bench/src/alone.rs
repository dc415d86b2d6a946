//! One update, with nobody else about: against the cheapest transaction that could carry it, and
//! against the read and write of the deployed script.

use std::time::Instant;

use lamport_clock::SharedClock;
use serde::Deserialize;

use crate::naive::Naive;
use crate::report::{Report, Target};
use crate::stats::{milliseconds, percentile};
use crate::support::Etcd;
use crate::{Failure, Options, load};

/// Milliseconds, of each call.
#[derive(Default)]
struct Latencies {
    update: Vec<f64>,
    bare: Vec<f64>,
    guarded: Vec<f64>,
    get_put: Vec<f64>,
}

/// The same from the Python script.
#[derive(Deserialize)]
struct PythonLatencies {
    update: Vec<f64>,
    deployed: Vec<f64>,
}

type Round = (Latencies, Option<PythonLatencies>);

pub(crate) fn measure(options: &Options, report: &mut Report) -> Result<(), Failure> {
    report.section("alone", "4. One update alone (ms a call)");
    let etcd = Etcd::start(3);
    let leader = etcd.leader();
    // A read at a follower costs a round trip to the leader, at the leader none but the members'
    // heartbeats: the script's two steps have two prices.
    for (role, member) in [("leader", leader), ("follower", (leader + 1) % 3)] {
        let rounds = on_member(options, &etcd, member)?;
        figures(report, role, &rounds);
        ratios(report, role);
        if options.python.is_some() {
            python(report, role, &rounds);
        }
    }
    Ok(())
}

/// Everything goes to one member.
fn on_member(options: &Options, etcd: &Etcd, member: usize) -> Result<Vec<Round>, Failure> {
    let uri = etcd.uri_from(member);
    let member = etcd.endpoints()[member].to_string();
    let store = format!("{uri}/bench/python");
    let mut python = options.python("alone.py", &[&store, &member])?;
    let runtime = tokio::runtime::Runtime::new()?;
    let (clock, mut bare, mut guarded, mut get_put) = runtime.block_on(async {
        let config = load::config(&format!("{uri}/bench/ours"), "bench-node")?;
        let clock = SharedClock::connect(config).await?;
        let bare = Naive::connect(&member, "/bench/bare", "bench-node").await?;
        let guarded = Naive::connect(&member, "/bench/guarded", "bench-node").await?;
        let get_put = Naive::connect(&member, "/bench/loop", "bench-node").await?;
        Ok::<_, Failure>((clock, bare, guarded, get_put))
    })?;
    let calls = if options.quick { 100 } else { 300 };
    let mut rounds = Vec::new();
    for round in 0..=options.rounds() {
        let rust = runtime.block_on(in_turns(
            &clock,
            [&mut bare, &mut guarded, &mut get_put],
            calls,
        ))?;
        let python = match &mut python {
            Some(python) => Some(python.ask(&calls.to_string())?),
            None => None,
        };
        // The first round only warms up.
        if round > 0 {
            rounds.push((rust, python));
        }
    }
    Ok(rounds)
}

fn figures(report: &mut Report, role: &str, rounds: &[Round]) {
    for (name, percent) in [("p50", 50.0), ("p99", 99.0)] {
        let mut figure = |what: &str, of: fn(&Round) -> &Vec<f64>| {
            let values = rounds.iter().map(|round| percentile(of(round), percent));
            report.figure(format!("{role}: {what}, {name}"), "ms", values.collect());
        };
        figure("update", |round| &round.0.update);
        figure("bare transaction", |round| &round.0.bare);
        figure("its transaction", |round| &round.0.guarded);
        figure("get + put", |round| &round.0.get_put);
    }
}

/// The same of the Python script: our update, and the deployed loop.
fn python(report: &mut Report, role: &str, rounds: &[Round]) {
    let rounds = || rounds.iter().filter_map(|round| round.1.as_ref());
    for (name, percent) in [("p50", 50.0), ("p99", 99.0)] {
        let mut figure = |what: &str, of: fn(&PythonLatencies) -> &Vec<f64>| {
            let values = rounds().map(|round| percentile(of(round), percent));
            report.figure(format!("{role}: {what}, {name}"), "ms", values.collect());
        };
        figure("Python update", |round| &round.update);
        figure("deployed loop", |round| &round.deployed);
    }
    let mut ratio = |over: &str, percentile: &str, target| {
        let named = |what: &str| format!("{role}: {what}, {percentile}");
        let name = format!("{role}: {over} / deployed loop, {percentile}");
        report.ratio(&name, &named(over), &named("deployed loop"), target);
    };
    let target = Some(Target::AtMost(0.55));
    ratio("update", "p50", target);
    ratio("Python update", "p50", target);
    ratio("Python update", "p99", None);
}

fn ratios(report: &mut Report, role: &str) {
    let mut ratio = |over: &str, under: &str, percentile: &str, target| {
        let named = |what: &str| format!("{role}: {what}, {percentile}");
        let name = format!("{role}: {over} / {under}, {percentile}");
        report.ratio(&name, &named(over), &named(under), target);
    };
    let bare = Target::AtMost(1.08);
    ratio("update", "bare transaction", "p50", Some(bare));
    ratio("update", "bare transaction", "p99", None);
    // What of that is etcd's, and what is ours.
    ratio("its transaction", "bare transaction", "p50", None);
    ratio("update", "its transaction", "p50", None);
    ratio("update", "get + put", "p50", None);
    ratio("update", "get + put", "p99", None);
    // How far ahead of the script anything can be that writes once.
    ratio("bare transaction", "get + put", "p50", None);
}

/// One call of each after the other, so often: whatever slows the machine meets all three.
async fn in_turns(
    clock: &SharedClock,
    [bare, guarded, get_put]: [&mut Naive; 3],
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
        if !guarded.guarded().await? {
            return Err("somebody else wrote the keys of the update's transaction".into());
        }
        latencies.guarded.push(milliseconds(begin.elapsed()));

        let begin = Instant::now();
        get_put.get_and_put().await?;
        latencies.get_put.push(milliseconds(begin.elapsed()));
    }
    Ok(latencies)
}
