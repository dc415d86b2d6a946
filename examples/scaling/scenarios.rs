//! What is simulated: which servers, how many callers, at which pace.

use serde::Serialize;

use crate::Nanos;
use crate::calibration::LOOPBACK;
use crate::server::Cost;
use crate::world::SECOND;

/// Three members and their clients on two shared cores: what etcd's ceiling was measured on.
pub(crate) const SMALL: Cost = Cost {
    name: "small",
    batch: 1_000_000.0,
    followed: 1_000_000.0,
    transaction: 85_000.0,
    operation: 4_000.0,
    visited: 1_500.0,
    byte_in: 12.0,
    byte_out: 6.0,
};

/// Three machines of their own with 8 cores and an SSD each: etcd's documentation names more than
/// 30,000 requests a second under heavy load, and less than a millisecond for one under light load.
pub(crate) const LARGE: Cost = Cost {
    name: "large",
    batch: 700_000.0,
    followed: 700_000.0,
    transaction: 25_000.0,
    operation: 1_000.0,
    visited: 400.0,
    byte_in: 3.0,
    byte_out: 1.5,
};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Scenario {
    /// The table that it belongs to.
    pub(crate) group: &'static str,
    /// What sets it apart in its table, besides the number of callers.
    pub(crate) what: String,
    #[serde(skip)]
    pub(crate) cost: Cost,
    pub(crate) callers: usize,
    /// Callers that share one process, and so its round trips.
    pub(crate) per_process: usize,
    /// Shared clocks, each under a key of its own.
    pub(crate) clocks: usize,
    /// From one call of a caller to its next; `None`: at once.
    pub(crate) interval: Option<Nanos>,
    /// Over how long the first calls are spread; `None`: one second.
    pub(crate) spread: Option<Nanos>,
    /// One way to the server, without its tail.
    pub(crate) way: Nanos,
    pub(crate) warm_up: Nanos,
    /// It is watched for at least so long, and until so many transactions were served, but ...
    pub(crate) least_window: Nanos,
    pub(crate) enough: u64,
    /// ... never for longer than this.
    pub(crate) most_window: Nanos,
}

impl Scenario {
    pub(crate) fn label(&self) -> String {
        match self.what.as_str() {
            "" => self.callers.to_string(),
            what => format!("{} {what}", self.callers),
        }
    }

    fn new(group: &'static str, cost: Cost, callers: usize, interval: Option<Nanos>) -> Scenario {
        Scenario {
            group,
            what: String::new(),
            cost,
            callers,
            per_process: 1,
            clocks: 1,
            interval,
            spread: interval,
            way: SECOND / 2_000,
            // An overloaded clock shows what it is only after the deadline of a call.
            warm_up: if callers > 1_000 {
                5 * SECOND
            } else {
                2 * SECOND
            },
            least_window: SECOND * 5 / 2,
            enough: 8_000,
            most_window: if callers > 1_000 {
                4 * SECOND
            } else {
                30 * SECOND
            },
        }
    }

    fn called(self, what: &str) -> Scenario {
        Scenario {
            what: what.into(),
            ..self
        }
    }
}

/// Every scenario, table by table.
pub(crate) fn all(quick: bool) -> Vec<Scenario> {
    const SIZES: [usize; 9] = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000];
    let sizes = if quick { &SIZES[..6] } else { &SIZES[..] };
    let mut all = Vec::new();
    let crowds = [50, 100].map(|callers| Scenario {
        way: LOOPBACK,
        ..Scenario::new("small server, loopback, closed loop", SMALL, callers, None)
    });
    all.extend(crowds);
    for (group, cost, interval) in [
        ("small server, closed loop", SMALL, None),
        ("large server, closed loop", LARGE, None),
        ("small server, every 2 s", SMALL, Some(2 * SECOND)),
        ("large server, every 2 s", LARGE, Some(2 * SECOND)),
    ] {
        let scenarios = sizes
            .iter()
            .map(|&callers| Scenario::new(group, cost, callers, interval));
        all.extend(scenarios);
    }
    if quick {
        for scenario in &mut all {
            scenario.warm_up /= 2;
            scenario.least_window /= 3;
            scenario.enough = 1_000;
            scenario.most_window /= 2;
        }
    } else {
        all.extend(ten_thousand("ten thousand containers, small server", SMALL));
        all.extend(ten_thousand("ten thousand containers, large server", LARGE));
    }
    all
}

/// What the user of 10,000 containers can turn.
fn ten_thousand(group: &'static str, cost: Cost) -> Vec<Scenario> {
    let every = |seconds| Scenario::new(group, cost, 10_000, Some(seconds * SECOND));
    let keys = |clocks, seconds| {
        let scenario = every(seconds).called(&format!("every {seconds} s, {clocks} keys"));
        Scenario { clocks, ..scenario }
    };
    let shared = |per_process, seconds| {
        let what = format!("every {seconds} s, {per_process} to a process");
        Scenario {
            per_process,
            ..every(seconds).called(&what)
        }
    };
    vec![
        every(5).called("every 5 s"),
        every(10).called("every 10 s"),
        every(30).called("every 30 s"),
        every(60).called("every 60 s"),
        Scenario {
            spread: Some(SECOND / 10),
            warm_up: 0,
            least_window: 6 * SECOND,
            most_window: 6 * SECOND,
            ..every(60).called("every 60 s, all at once")
        },
        keys(10, 2),
        keys(10, 10),
        shared(50, 2),
        shared(200, 2),
    ]
}
