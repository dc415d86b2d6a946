//! Processes that update now and then, over a network that takes its time: how many round trips an
//! update waits.

use std::time::Duration;

use crate::crowd::{Lab, Plan};
use crate::partner::Partner;
use crate::proxy;
use crate::report::{Report, Target};
use crate::stats::percentile;
use crate::worker::{Done, Way};
use crate::{Failure, Options};

/// One way; a round trip takes twice that.
const DELAY: Duration = Duration::from_millis(25);

/// The crowds that work at the same time, each on a key of its own: a name, a way, how many, and the pause
/// of each. The first one measures the round trip itself, with the delay and etcd's own work.
const CROWDS: [(&str, Way, usize, f64); 3] = [
    ("bare put", Way::Put, 3, 0.5),
    ("x10, each 1 s", Way::Ours, 10, 1.0),
    ("x3, each 2 s", Way::Ours, 3, 2.0),
];

pub(crate) fn measure(options: &Options, report: &mut Report) -> Result<(), Failure> {
    report.section(
        "network",
        "8. A network with a round trip of 50 ms (ms an update)",
    );
    let mut lab = Lab::start()?;
    let addresses = lab.addresses();
    let members = lab.runtime.block_on(async {
        let mut members = Vec::new();
        for address in addresses {
            members.push(proxy::listen(address, DELAY).await?.to_string());
        }
        Ok::<_, Failure>(members)
    })?;
    let rounds = if options.quick { 1 } else { 3 };
    let mut latencies = CROWDS.map(|_| Vec::new());
    for _ in 0..rounds {
        let crowds = CROWDS.map(|(_, way, processes, pause)| {
            let plan = Plan {
                pause,
                ..Plan::closed_loop(way, processes, 15.0)
            };
            Lab::crowd(&plan, &lab.key(), &members)
        });
        let mut crowds = crowds.into_iter().collect::<Result<Vec<_>, _>>()?;
        for worker in crowds.iter_mut().flatten() {
            worker.say("go")?;
        }
        for (workers, latencies) in crowds.iter_mut().zip(&mut latencies) {
            let all = workers.iter_mut().map(Partner::answer);
            let all = all.collect::<Result<Vec<Done>, _>>()?;
            latencies.push(
                all.into_iter()
                    .flat_map(|done| done.latencies)
                    .collect::<Vec<_>>(),
            );
        }
    }
    for ((name, ..), latencies) in CROWDS.iter().zip(&latencies) {
        for (percentile_name, percent) in [("p50", 50.0), ("p99", 99.0)] {
            let values = latencies.iter().map(|values| percentile(values, percent));
            report.figure(format!("{name}, {percentile_name}"), "ms", values.collect());
        }
    }
    for (name, way, ..) in CROWDS {
        if way == Way::Ours {
            let target = Some(Target::AtMost(1.1));
            let ratio = format!("{name}: update / round trip, p50");
            report.ratio(&ratio, &format!("{name}, p50"), "bare put, p50", target);
            report.ratio(
                &format!("{name}: update / round trip, p99"),
                &format!("{name}, p99"),
                "bare put, p99",
                None,
            );
        }
    }
    Ok(())
}
