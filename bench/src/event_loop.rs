//! Thousands of updates at once from one event loop of Python's, beside the threads that asyncio has
//! for blocking calls.

use serde::Deserialize;

use crate::report::{Report, Target};
use crate::support::Etcd;
use crate::{Failure, Options};

const UPDATES: &str = "5000";

/// What the Python script answers, in ms for all updates together.
#[derive(Deserialize)]
struct Round {
    awaited: f64,
    executor: f64,
    bare: f64,
}

pub(crate) fn measure(options: &Options, report: &mut Report) -> Result<(), Failure> {
    report.section("asyncio", "9. 5,000 updates at once in asyncio");
    let etcd = Etcd::start(3);
    let stores = [
        ("etcd", format!("{}/bench/asyncio", etcd.uri()), Some(8.0)),
        // Over a store that takes microseconds asyncio's own work is most of it.
        ("memory", "memory:".to_owned(), None),
    ];
    for (store, uri, target) in stores {
        let Some(mut script) = options.python("event_loop.py", &[&uri])? else {
            return Ok(());
        };
        let mut rounds: Vec<Round> = Vec::new();
        // The first round only warms up.
        for _ in 0..=options.rounds() {
            rounds.push(script.ask(UPDATES)?);
        }
        let mut figure = |what: &str, of: fn(&Round) -> f64| {
            let values = rounds.iter().skip(1).map(of);
            report.figure(format!("{store}: {what}"), "ms", values.collect());
        };
        figure("await update()", |round| round.awaited);
        figure("run_in_executor(update)", |round| round.executor);
        figure("tasks that await a future", |round| round.bare);
        let ratio = format!("{store}: run_in_executor / await");
        let over = format!("{store}: run_in_executor(update)");
        let under = format!("{store}: await update()");
        report.ratio(&ratio, &over, &under, target.map(Target::AtLeast));
    }
    Ok(())
}
