//! The local clock from C and from Python. Those programs alternate by themselves, since a call
//! takes nanoseconds; they answer with all their rounds.

use std::collections::BTreeMap;

use crate::partner::Partner;
use crate::report::{Report, Target};
use crate::{Failure, Options};

type Rounds = BTreeMap<String, Vec<f64>>;

pub(crate) fn measure_c(options: &Options, report: &mut Report) -> Result<(), Failure> {
    report.section("c", "2. Local clock, C (ns a call)");
    let mut program = Partner::start(&options.c_program, &[])?;
    let rounds: Rounds = program.ask(if options.quick { "7" } else { "25" })?;
    for (name, rounds) in rounds {
        report.figure(name, "ns", rounds);
    }
    let target = Some(Target::AtMost(2.0));
    report.ratio(
        "C advance / fetch_add",
        "lamport_clock_advance",
        "atomic_fetch_add",
        target,
    );
    report.ratio(
        "C now / fetch_add",
        "lamport_clock_now",
        "atomic_fetch_add",
        None,
    );
    Ok(())
}

pub(crate) fn measure_python(options: &Options, report: &mut Report) -> Result<(), Failure> {
    report.section("python", "3. Local clock, Python (ns a call)");
    let Some(mut program) = options.python("local.py", &[])? else {
        return Ok(());
    };
    let rounds: Rounds = program.ask(if options.quick { "7" } else { "25" })?;
    for (name, rounds) in rounds {
        report.figure(name, "ns", rounds);
    }
    let (at_most, at_least) = (Target::AtMost(1.6), Target::AtLeast(25.0));
    report.ratio(
        "Python tick / no-op method",
        "clock.tick",
        "clock.__enter__ (no-op)",
        Some(at_most),
    );
    report.ratio(
        "Python advance / no-op method",
        "clock.advance",
        "clock.__enter__ (no-op)",
        Some(at_most),
    );
    report.ratio("Python tick / clock.now", "clock.tick", "clock.now", None);
    report.ratio(
        "Python tick / itertools.count",
        "clock.tick",
        "itertools.count",
        None,
    );
    report.ratio(
        "hlcpy / Python tick",
        "hlcpy HLC.sync",
        "clock.tick",
        Some(at_least),
    );
    Ok(())
}
