//! Many processes that compete for one clock in a closed loop, beside as many that do one
//! unconditional put each, which is the limit, beside our transactions alone, and beside the naive loop.

use crate::crowd::{Lab, Outcome, Plan};
use crate::report::{Report, Target};
use crate::worker::Way;
use crate::{Failure, Options};

/// How many compete, and for how many seconds.
const CROWDS: [(usize, f64); 6] = [
    (1, 2.0),
    (3, 3.0),
    (10, 3.0),
    (50, 5.0),
    (100, 5.0),
    (300, 5.0),
];
/// Beyond this the naive loop hardly moves.
const MOST_NAIVE: usize = 50;
/// At most so many local events before an update, where there are any.
const TICKS: u64 = 20;

/// One size, each way, once a round.
#[derive(Default)]
struct Rounds {
    ours: Vec<Outcome>,
    ticking: Vec<Outcome>,
    puts: Vec<Outcome>,
    takes: Vec<Outcome>,
    naive: Vec<Outcome>,
}

pub(crate) fn measure(options: &Options, report: &mut Report) -> Result<(), Failure> {
    report.section(
        "processes",
        "6. Many processes, closed loop, spread over the members",
    );
    let mut lab = Lab::start()?;
    let (rounds, part) = if options.quick { (1, 0.4) } else { (3, 1.0) };
    let mut crowds: Vec<_> = CROWDS.map(|_| Rounds::default()).into();
    // Every size and way in every round: whatever slows the machine meets all.
    for _ in 0..rounds {
        for ((processes, seconds), crowd) in CROWDS.into_iter().zip(&mut crowds) {
            let plan = |way| Plan::closed_loop(way, processes, seconds * part);
            crowd.ours.push(lab.run(&plan(Way::Ours))?);
            crowd.puts.push(lab.run(&plan(Way::Put))?);
            crowd.takes.push(lab.run(&plan(Way::Take))?);
            if processes <= MOST_NAIVE {
                crowd.naive.push(lab.run(&plan(Way::Naive))?);
            }
            let ticking = Plan {
                ticks: TICKS,
                seconds: seconds * part / 2.0,
                ..plan(Way::Ours)
            };
            crowd.ticking.push(lab.run(&ticking)?);
        }
    }
    for ((processes, _), crowd) in CROWDS.into_iter().zip(&crowds) {
        figures(report, "ours", processes, &crowd.ours);
        figures(report, "put", processes, &crowd.puts);
        figures(report, "take", processes, &crowd.takes);
        if processes <= MOST_NAIVE {
            figures(report, "naive", processes, &crowd.naive);
        }
    }
    for ((processes, _), crowd) in CROWDS.into_iter().zip(&crowds) {
        round_trips(report, processes, crowd);
    }
    for (processes, _) in CROWDS {
        ratios(report, processes);
    }
    for ((processes, _), crowd) in CROWDS.into_iter().zip(&crowds) {
        fairness(report, processes, crowd);
        if processes == 100 {
            costs(report, &crowd.ours);
        }
    }
    Ok(())
}

fn each(outcomes: &[Outcome], of: fn(&Outcome) -> f64) -> Vec<f64> {
    outcomes.iter().map(of).collect()
}

fn figures(report: &mut Report, way: &str, processes: usize, outcomes: &[Outcome]) {
    let mut figure = |what: &str, unit, of: fn(&Outcome) -> f64| {
        let name = format!("{way} x{processes}, {what}");
        report.figure(name, unit, each(outcomes, of));
    };
    figure("rate", "a second", Outcome::updates_a_second);
    figure("p50", "ms", |outcome| outcome.latency(50.0));
    figure("p99", "ms", |outcome| outcome.latency(99.0));
    figure("etcd's CPU an update", "ms", |outcome| outcome.etcd_cpu);
    figure("processes' CPU an update", "ms", |outcome| {
        outcome.process_cpu
    });
}

/// Transactions an update, as the members have counted them.
fn round_trips(report: &mut Report, processes: usize, crowd: &Rounds) {
    let name = |what: &str| format!("x{processes}: {what}");
    report.ratio_of(
        &name("round trips an update"),
        each(&crowd.ours, Outcome::round_trips),
        Some(Target::AtMost(1.005)),
    );
    report.ratio_of(
        &name("transactions that wrote nothing"),
        each(&crowd.ours, Outcome::vain),
        None,
    );
    report.ratio_of(
        &name("folds and all, beyond one an update"),
        each(&crowd.ours, Outcome::extra),
        None,
    );
    report.ratio_of(
        &name("up to 20 ticks: round trips an update"),
        each(&crowd.ticking, Outcome::round_trips),
        Some(Target::AtMost(1.3)),
    );
    report.ratio_of(
        &name("up to 20 ticks: the most of one update"),
        each(&crowd.ticking, Outcome::most_round_trips),
        Some(Target::AtMost(2.0)),
    );
}

fn ratios(report: &mut Report, processes: usize) {
    let of = |way: &str, what: &str| format!("{way} x{processes}, {what}");
    let mut ratio = |peer: &str, what: &str, target| {
        let name = format!("x{processes}: {what} / {peer}");
        report.ratio(&name, &of("ours", what), &of(peer, what), target);
        // What of it is etcd's.
        if peer == "put" {
            let name = format!("x{processes}: {what} of our transactions alone / {peer}");
            report.ratio(&name, &of("take", what), &of(peer, what), None);
        }
    };
    let (rate, p99) = match processes {
        1 => (None, None),
        3 | 10 => (Some(Target::AtLeast(0.75)), Some(Target::AtMost(1.6))),
        _ => (Some(Target::AtLeast(0.6)), Some(Target::AtMost(1.6))),
    };
    ratio("put", "rate", rate);
    ratio("put", "p99", p99);
    if processes <= MOST_NAIVE {
        let rate = match processes {
            3 => Some(Target::AtLeast(1.8)),
            50 => Some(Target::AtLeast(20.0)),
            _ => None,
        };
        ratio("naive", "rate", rate);
        ratio("naive", "p99", None);
    }
}

fn fairness(report: &mut Report, processes: usize, crowd: &Rounds) {
    // Two at one member at least.
    if processes < 10 {
        return;
    }
    let ways = [
        ("ours", &crowd.ours, Some(Target::AtLeast(0.6))),
        ("puts", &crowd.puts, None),
    ];
    for (way, outcomes, target) in ways {
        let name = format!("x{processes}: {way}, slowest / fastest at a member");
        report.ratio_of(&name, each(outcomes, Outcome::fairness), target);
    }
}

/// What etcd sends and keeps for an update.
fn costs(report: &mut Report, outcomes: &[Outcome]) {
    report.ratio_of(
        "x100: bytes that etcd sends for an update",
        each(outcomes, Outcome::sent),
        Some(Target::AtMost(600.0)),
    );
    report.ratio_of(
        "x100: bytes of history kept for an update",
        each(outcomes, Outcome::kept),
        Some(Target::AtMost(300.0)),
    );
}
