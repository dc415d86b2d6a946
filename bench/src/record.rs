//! How late the record is: from when a value was handed out until the record shows it, or a later
//! one; and what it costs to keep it that near.

use crate::crowd::{Lab, Outcome, Plan};
use crate::report::{Report, Target};
use crate::worker::Way;
use crate::{Failure, Options};

/// How many processes, with which pause between two updates, for how long (seconds); how late the
/// record may be (p99, ms), and with how many transactions more an update.
const CASES: [(usize, f64, f64, f64, f64); 3] = [
    (3, 0.5, 12.0, 30.0, 1.0),
    (200, 0.3, 5.0, 300.0, 0.1),
    (50, 0.0, 4.0, 200.0, 0.05),
];

pub(crate) fn measure(options: &Options, report: &mut Report) -> Result<(), Failure> {
    report.section("record", "7. How late the record is");
    let mut lab = Lab::start()?;
    let rounds = if options.quick { 1 } else { 3 };
    let mut outcomes = CASES.map(|_| Vec::new());
    for _ in 0..rounds {
        for ((processes, pause, seconds, ..), outcomes) in CASES.into_iter().zip(&mut outcomes) {
            let plan = Plan {
                pause,
                watched: true,
                ..Plan::closed_loop(Way::Ours, processes, seconds)
            };
            outcomes.push(lab.run(&plan)?);
        }
    }
    for ((processes, pause, _, late, extra), outcomes) in CASES.into_iter().zip(&outcomes) {
        let named = |what: &str| match pause {
            0.0 => format!("x{processes}, closed loop: {what}"),
            _ => format!("x{processes}, each {pause} s: {what}"),
        };
        let each = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).collect::<Vec<_>>();
        report.figure(named("rate"), "a second", each(Outcome::updates_a_second));
        report.figure(named("record late, p50"), "ms", each(|it| it.late(50.0)));
        report.figure(named("plain reads an update"), "", each(Outcome::reads));
        let p99 = each(|it| it.late(99.0));
        report.ratio_of(
            &named("record late, p99 (ms)"),
            p99,
            Some(Target::AtMost(late)),
        );
        let name = named("extra transactions an update");
        report.ratio_of(&name, each(Outcome::extra), Some(Target::AtMost(extra)));
    }
    Ok(())
}
