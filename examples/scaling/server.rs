//! A model of etcd: what a transaction costs, and who waits for whom.
//!
//! Group commit: whatever has arrived when the server becomes free is one batch, written to disk
//! and replicated together, then applied one transaction after the other. The costs are those of a
//! whole cluster, since each member applies each transaction.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use lamport_clock::Record;
use lamport_clock::protocol::{At, Compare, KeyRange, Operation, Question, Reply, Transaction};
use lamport_clock::store::mvcc::Mvcc;

/// Virtual time, in nanoseconds.
pub(crate) type Nanos = u64;

/// What things cost, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) name: &'static str,
    /// One batch: the leader's and a follower's fsync, and the way between them.
    pub(crate) batch: f64,
    /// More for a batch that follows another at once: the disks are still busy with that one.
    pub(crate) followed: f64,
    /// One transaction: gRPC, raft, applying.
    pub(crate) transaction: f64,
    /// Each operation and each compare.
    pub(crate) operation: f64,
    /// Each key that a range finds.
    pub(crate) visited: f64,
    /// Each byte of a request: transport, three logs, applying. Both branches travel.
    pub(crate) byte_in: f64,
    /// Each byte of a reply.
    pub(crate) byte_out: f64,
}

/// What the server has done since the counters were reset.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Served {
    pub(crate) transactions: u64,
    /// Transactions that were folds, and those of them that came in time.
    pub(crate) folds: u64,
    pub(crate) folded: u64,
    /// Reads before a fold.
    pub(crate) reads: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// What puts and deletes add to the database until the next compaction.
    pub(crate) bytes_kept: u64,
    pub(crate) busy: Nanos,
    pub(crate) longest_queue: usize,
}

pub(crate) struct Server {
    cost: Cost,
    keys: Mvcc,
    /// Work done between two batches, to be paid in the next.
    owed: f64,
    queue: VecDeque<Arrival>,
    free: bool,
    pub(crate) served: Served,
}

/// A transaction in the queue.
pub(crate) struct Arrival {
    pub(crate) process: usize,
    pub(crate) purpose: Purpose,
    pub(crate) transaction: Arc<Transaction>,
}

/// What an answer is for.
pub(crate) enum Purpose {
    /// This attempt of a call.
    Attempt(u64),
    Fold(Box<Question>),
    /// A look before a fold.
    Look,
}

/// An answer, and when it leaves.
pub(crate) struct Departure {
    pub(crate) process: usize,
    pub(crate) purpose: Purpose,
    pub(crate) reply: Reply,
    /// The value of the record that was written.
    pub(crate) recorded: Option<u64>,
    pub(crate) at: Nanos,
}

/// etcd's raft takes at most so many proposals along at once.
const MOST_IN_BATCH: usize = 512;
/// What gRPC and protobuf put around a message, a key or an operation.
const FRAME: usize = 24;

impl Server {
    pub(crate) fn new(cost: Cost) -> Server {
        Server {
            cost,
            keys: Mvcc::default(),
            owed: 0.0,
            queue: VecDeque::new(),
            free: true,
            served: Served::default(),
        }
    }

    /// Takes a transaction in; true if the server was idle, so that a batch should start.
    pub(crate) fn arrive(&mut self, arrival: Arrival) -> bool {
        self.queue.push_back(arrival);
        self.served.longest_queue = self.served.longest_queue.max(self.queue.len());
        self.free
    }

    /// Carries out all that wait; returns the answers and when the server is free again, or `None`
    /// if nobody waits.
    ///
    /// They are applied here in the order of their arrival, which is also the order in which their
    /// answers leave: nobody can tell that it was not done at those moments.
    pub(crate) fn batch(&mut self, now: Nanos) -> Option<(Vec<Departure>, Nanos)> {
        let followed = !self.free;
        self.free = self.queue.is_empty();
        if self.free {
            return None;
        }
        let mut at = now as f64 + self.cost.batch + mem::take(&mut self.owed);
        if followed {
            at += self.cost.followed;
        }
        let size = self.queue.len().min(MOST_IN_BATCH);
        let arrivals: Vec<Arrival> = self.queue.drain(..size).collect();
        let mut departures = Vec::with_capacity(size);
        for arrival in arrivals {
            let (reply, cost) = self.apply(&arrival.transaction);
            at += cost;
            if let Purpose::Fold(_) = arrival.purpose {
                self.served.folds += 1;
                self.served.folded += u64::from(reply.succeeded);
            }
            departures.push(Departure {
                process: arrival.process,
                purpose: arrival.purpose,
                recorded: recorded(&arrival.transaction, &reply),
                reply,
                at: at as Nanos,
            });
        }
        self.served.busy += at as Nanos - now;
        Some((departures, at as Nanos))
    }

    /// Answers a read at once, as the member that is asked has it: no batch carries it, and it costs one
    /// member what a transaction costs all three.
    pub(crate) fn look(&mut self, process: usize, range: &KeyRange, now: Nanos) -> Departure {
        let (reply, cost) = self.read(range);
        self.owed += cost;
        self.served.reads += 1;
        Departure {
            process,
            purpose: Purpose::Look,
            reply,
            recorded: None,
            at: now + cost as Nanos,
        }
    }

    /// Reads a range; returns the answer and what it cost.
    pub(crate) fn read(&mut self, range: &KeyRange) -> (Reply, f64) {
        let reply = self.keys.read(range, At::Anywhere).expect("a valid read");
        let bytes = reply_bytes(&reply);
        self.served.bytes_in += FRAME as u64;
        self.served.bytes_out += bytes as u64;
        let cost = self.cost.transaction
            + self.cost.operation
            + self.cost.visited * reply.entries.len() as f64
            + self.cost.byte_out * bytes as f64;
        (reply, cost / 3.0)
    }

    /// Carries one transaction out; returns the answer and what it cost.
    pub(crate) fn apply(&mut self, transaction: &Transaction) -> (Reply, f64) {
        let reply = self.keys.apply(transaction).expect("a valid transaction");
        let branch = transaction.branch(reply.succeeded);
        let kept = branch.iter().map(|operation| match operation {
            Operation::Put(key, value) => key.len() + value.len() + FRAME,
            Operation::Delete(key) => key.len() + FRAME,
            Operation::Get(_) => 0,
        });
        let kept: usize = kept.sum();
        // History is nothing that an update reads; without this a run would need gigabytes.
        if self.keys.revision().is_multiple_of(256) {
            self.keys.compact(self.keys.revision());
        }
        let bytes_in = request_bytes(transaction);
        let bytes_out = reply_bytes(&reply);
        self.served.transactions += 1;
        self.served.bytes_in += bytes_in as u64;
        self.served.bytes_out += bytes_out as u64;
        self.served.bytes_kept += kept as u64;
        let operations = transaction.compares.len() + branch.len();
        let cost = self.cost.transaction
            + self.cost.operation * operations as f64
            + self.cost.visited * reply.entries.len() as f64
            + self.cost.byte_in * bytes_in as f64
            + self.cost.byte_out * bytes_out as f64;
        (reply, cost)
    }
}

/// What the transaction wrote into a record.
fn recorded(transaction: &Transaction, reply: &Reply) -> Option<u64> {
    let written = transaction.branch(reply.succeeded).iter();
    let mut written = written.filter_map(|operation| match operation {
        Operation::Put(key, value) => Some((key, value)),
        _ => None,
    });
    // A clock's other keys lie below it, and a record is always put before them. The puts that the
    // server is calibrated with are none.
    let (key, value) = written.next()?;
    let is_record = !key.ends_with(b"/base") && !key.ends_with(b"/taken");
    let record = is_record.then(|| Record::parse(value).ok()).flatten()?;
    Some(record.value.get())
}

fn request_bytes(transaction: &Transaction) -> usize {
    let compares = transaction.compares.iter().map(|compare| match compare {
        Compare::ModRevision(key, _) | Compare::VersionAtLeast(key, _) => key.len(),
        Compare::Value(key, value) => key.len() + value.len(),
    });
    let operations = transaction.then.iter().chain(&transaction.otherwise);
    let operations = operations.map(|operation| match operation {
        Operation::Put(key, value) => key.len() + value.len(),
        Operation::Delete(key) => key.len(),
        Operation::Get(range) => range.start.len() + range.end.len(),
    });
    FRAME
        + compares
            .chain(operations)
            .map(|size| size + FRAME)
            .sum::<usize>()
}

fn reply_bytes(reply: &Reply) -> usize {
    let entries = reply.entries.iter();
    FRAME
        + entries
            .map(|entry| entry.key.len() + entry.value.len() + FRAME)
            .sum::<usize>()
}
