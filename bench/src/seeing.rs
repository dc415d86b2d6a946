//! A million lines of three services in one order, beside what else merges logs.

use std::collections::BTreeMap;

use crate::report::{Report, Target};
use crate::{Failure, Options};

type Rounds = BTreeMap<String, Vec<f64>>;

pub(crate) fn measure(options: &Options, report: &mut Report) -> Result<(), Failure> {
    let lines = if options.quick { "100000" } else { "1000000" };
    report.section(
        "seeing",
        &format!("10. {lines} lines of three services in one order"),
    );
    let lamport = options.lamport.display().to_string();
    let Some(mut program) = options.python("seeing.py", &[&lamport, lines])? else {
        return Ok(());
    };
    let rounds: Rounds = program.ask(if options.quick { "3" } else { "5" })?;
    let tools = ["Python merge", "hl", "lnav"].map(|tool| (tool, format!("{tool}, s")));
    let tools: Vec<_> = tools
        .into_iter()
        .filter(|(_, figure)| rounds.contains_key(figure))
        .collect();
    for (name, rounds) in rounds {
        let unit = match name.rsplit_once(", ") {
            Some((_, "MiB")) => "MiB",
            Some((_, "effects before causes")) => "of 1",
            Some((_, "ms")) => "ms",
            _ => "s",
        };
        report.figure(name, unit, rounds);
    }
    let at_most = |most| Some(Target::AtMost(most));
    for (name, figure, target) in [
        ("order, s", "lamport order, s", at_most(1.5)),
        ("order, s of CPU", "lamport order, s of CPU", at_most(1.2)),
        ("order, MiB", "lamport order, MiB", at_most(64.0)),
        (
            "effects before causes",
            "lamport order, effects before causes",
            at_most(0.0),
        ),
        (
            "follow, ms behind the last cause",
            "follow: behind the last cause, ms",
            at_most(100.0),
        ),
        ("diff, s", "diff of 2 x 100,000 events, s", at_most(1.0)),
    ] {
        let rounds = report.rounds_of(figure);
        report.ratio_of(name, rounds, target);
    }
    report.ratio("order / cat", "lamport order, s", "cat, s", None);
    for (tool, figure) in tools {
        report.ratio(
            &format!("{tool} / order"),
            &figure,
            "lamport order, s",
            None,
        );
    }
    report.ratio(
        "explain / reading",
        "lamport explain, s",
        "lamport order --clocks, s",
        None,
    );
    Ok(())
}
