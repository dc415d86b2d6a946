//! Many processes on one clock, each with its own connection, spread over the members.

use std::time::Duration;

use lamport_clock::SharedClock;
use tokio::runtime::Runtime;

use crate::members::{Counts, Shown, Written, revision, watch_record};
use crate::partner::Partner;
use crate::support::Etcd;
use crate::worker::{Done, Order, Way};
use crate::{Failure, load, machine, stats};

/// What a crowd is to do.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) way: Way,
    pub(crate) processes: usize,
    pub(crate) seconds: f64,
    /// As of an [`Order`].
    pub(crate) pause: f64,
    pub(crate) ticks: u64,
    /// Whether to look how late the record is.
    pub(crate) watched: bool,
}

impl Plan {
    /// As fast as each can.
    pub(crate) fn closed_loop(way: Way, processes: usize, seconds: f64) -> Plan {
        Plan {
            way,
            processes,
            seconds,
            pause: 0.0,
            ticks: 0,
            watched: false,
        }
    }
}

/// What a crowd did, and what it cost.
pub(crate) struct Outcome {
    seconds: f64,
    all: Vec<Done>,
    latencies: Vec<f64>,
    counted: Counts,
    written: Written,
    /// Milliseconds for each value handed out, if it was watched.
    late: Vec<f64>,
    /// Milliseconds of CPU an update, of the three members and of the processes.
    pub(crate) etcd_cpu: f64,
    pub(crate) process_cpu: f64,
}

impl Outcome {
    fn updates(&self) -> f64 {
        self.latencies.len() as f64
    }

    pub(crate) fn updates_a_second(&self) -> f64 {
        self.all.iter().map(|done| done.in_time as f64).sum::<f64>() / self.seconds
    }

    pub(crate) fn latency(&self, percent: f64) -> f64 {
        stats::percentile(&self.latencies, percent)
    }

    /// The slowest process of a member over the fastest one of the same member, where that is least.
    pub(crate) fn fairness(&self) -> f64 {
        let of_member = |member: usize| {
            let there = self.all.iter().skip(member).step_by(MEMBERS);
            let counts: Vec<f64> = there.map(|done| done.in_time as f64).collect();
            stats::min(&counts) / stats::max(&counts)
        };
        stats::min(&[0, 1, 2].map(of_member))
    }

    /// Transactions of updates, as the store has them in its history: all that wrote, without the
    /// folds, for which nobody waits. A transaction of an update writes in either branch, so none is
    /// missing here.
    pub(crate) fn round_trips(&self) -> f64 {
        (self.written.transactions - self.written.folds) as f64 / self.updates()
    }

    /// Transactions that wrote nothing: those that the members were asked for beyond the history. These
    /// are folds that came too late: of all folds that are sent at a time one is carried out. Were one
    /// an update's, it would stand here, and in [`extra`](Outcome::extra).
    pub(crate) fn vain(&self) -> f64 {
        (self.counted.transactions - self.written.transactions as f64) / self.updates()
    }

    pub(crate) fn most_round_trips(&self) -> f64 {
        let most = self.all.iter().map(|done| done.most_round_trips).max();
        f64::from(most.unwrap_or_default())
    }

    /// Transactions beyond one an update, folds and all.
    pub(crate) fn extra(&self) -> f64 {
        self.counted.transactions / self.updates() - 1.0
    }

    pub(crate) fn reads(&self) -> f64 {
        self.counted.reads / self.updates()
    }

    /// Bytes that the members sent to clients.
    pub(crate) fn sent(&self) -> f64 {
        self.counted.sent / self.updates()
    }

    /// Bytes by which the database of a member grew.
    pub(crate) fn kept(&self) -> f64 {
        self.counted.in_use / self.updates()
    }

    pub(crate) fn late(&self, percent: f64) -> f64 {
        stats::percentile(&self.late, percent)
    }
}

/// A store of three members, and crowds on it one after the other.
pub(crate) struct Lab {
    pub(crate) etcd: Etcd,
    pub(crate) runtime: Runtime,
    runs: usize,
}

const MEMBERS: usize = 3;
/// A record that does not show a value after so long is counted as never.
const NEVER: Duration = Duration::from_secs(5);

impl Lab {
    pub(crate) fn start() -> Result<Lab, Failure> {
        Ok(Lab {
            etcd: Etcd::start(MEMBERS),
            runtime: Runtime::new()?,
            runs: 0,
        })
    }

    /// A key that nobody else uses.
    pub(crate) fn key(&mut self) -> String {
        self.runs += 1;
        format!("/bench/{}", self.runs)
    }

    /// Starts processes at `members`, each on another one in front, until all are connected.
    pub(crate) fn crowd(
        plan: &Plan,
        key: &str,
        members: &[String],
    ) -> Result<Vec<Partner>, Failure> {
        let this = std::env::current_exe()?;
        let workers = (0..plan.processes).map(|i| {
            let mut members = members.to_vec();
            members.rotate_left(i % MEMBERS);
            let order = Order {
                way: plan.way,
                members: members.join(","),
                key: key.to_owned(),
                process: format!("mx-node{i}"),
                seconds: plan.seconds,
                pause: plan.pause,
                ticks: plan.ticks,
                tell: plan.watched,
            };
            Partner::start(&this, &["worker", &serde_json::to_string(&order)?])
        });
        let mut workers = workers.collect::<Result<Vec<_>, _>>()?;
        for worker in &mut workers {
            worker.answer::<String>()?;
        }
        Ok(workers)
    }

    /// Lets a crowd work on a clock of its own.
    pub(crate) fn run(&mut self, plan: &Plan) -> Result<Outcome, Failure> {
        let key = self.key();
        let members = self.addresses();
        let own = members[0].as_str();
        if matches!(plan.way, Way::Ours | Way::Take) {
            self.create(&key)?;
        }
        let mut workers = Lab::crowd(plan, &key, &members)?;
        let record = match plan.watched {
            true => Some(self.runtime.block_on(watch_record(own, &key))?),
            false => None,
        };
        let begin = self.runtime.block_on(revision(own))?;
        // The creation has come to rest by now.
        settle();
        let counts = Counts::of(&self.etcd)?;
        let etcd_cpu = machine::cpu_of_members();
        let waiting: f64 = workers.iter().map(Partner::cpu).sum();
        for worker in &mut workers {
            worker.say("go")?;
        }
        let mut shown = record.map(|record| Shown::watch(self.runtime.handle(), record));
        let all = workers.iter_mut().map(Partner::answer);
        let all = all.collect::<Result<Vec<Done>, _>>()?;
        let etcd_cpu = machine::cpu_of_members() - etcd_cpu;
        let handed_out = || all.iter().flat_map(|done| &done.handed_out);
        let newest = handed_out().map(|(value, _)| *value).max();
        if let (Some(shown), Some(newest)) = (&mut shown, newest) {
            self.runtime.block_on(shown.wait_for(newest, NEVER));
        }
        settle();
        let counted = Counts::of(&self.etcd)?.since(&counts);
        let process_cpu = workers.iter().map(Partner::cpu).sum::<f64>() - waiting;
        drop(workers);
        let written = match plan.way {
            Way::Ours => self.runtime.block_on(Written::read(own, &key, begin))?,
            Way::Naive | Way::Put | Way::Take => Written::default(),
        };
        let latencies: Vec<f64> = all.iter().flat_map(|done| done.latencies.clone()).collect();
        let updates = latencies.len() as f64;
        let late = match &shown {
            Some(shown) => handed_out()
                .map(|(value, at)| shown.late(*value, *at))
                .collect(),
            None => Vec::new(),
        };
        Ok(Outcome {
            seconds: plan.seconds,
            late,
            latencies,
            counted,
            written,
            etcd_cpu: etcd_cpu * 1e3 / updates,
            process_cpu: process_cpu * 1e3 / updates,
            all,
        })
    }

    /// Creates a clock: once in its life that takes a transaction more.
    fn create(&self, key: &str) -> Result<(), Failure> {
        let config = load::config(&format!("{}{key}", self.etcd.uri()), "mx-creator")?;
        self.runtime.block_on(async {
            let clock = SharedClock::connect(config).await?;
            clock.update().await?;
            clock.close().await;
            Ok(())
        })
    }

    /// Where the members are.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.etcd
            .endpoints()
            .iter()
            .map(ToString::to_string)
            .collect()
    }
}

/// A member writes its figures down every tenth of a second, and tells nobody; folds at rest are over
/// by then too.
#[allow(clippy::disallowed_methods, reason = "there is no event to wait for")]
fn settle() {
    std::thread::sleep(Duration::from_millis(250));
}
