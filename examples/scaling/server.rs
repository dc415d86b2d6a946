//! A model of etcd: what a transaction costs, and who waits for whom.
//!
//! Group commit: whatever has arrived when the server becomes free is one batch, written to disk
//! and replicated together, then applied one transaction after the other. The costs are those of a
//! whole cluster, since each member applies each transaction.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;

use lamport_clock::logic::transaction::{Compare, KeyRange, Operation, Reply, Transaction};
use lamport_clock::store::shelf::Shelf;

use crate::watches::{Watches, Written};

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
    /// Each key that a range visits. A sorted range visits all of its keys, whatever its limit.
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
    /// Those that wrote the record.
    pub(crate) commits: u64,
    /// Grants that watches told of.
    pub(crate) told: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// What puts and deletes add to the database until the next compaction.
    pub(crate) bytes_kept: u64,
    pub(crate) busy: Nanos,
    pub(crate) longest_queue: usize,
}

pub(crate) struct Server {
    cost: Cost,
    shelf: Shelf,
    /// The keys that exist, to know how many a range visits.
    live: BTreeSet<Vec<u8>>,
    /// By the key of the grants.
    watches: BTreeMap<Vec<u8>, Watches>,
    /// Work done between two batches, to be paid in the next.
    owed: f64,
    queue: VecDeque<Arrival>,
    free: bool,
    pub(crate) served: Served,
}

/// A transaction in the queue.
pub(crate) struct Arrival {
    pub(crate) process: usize,
    pub(crate) attempt: u64,
    pub(crate) transaction: Transaction,
}

/// A message to a process, and when it leaves.
pub(crate) struct Departure {
    pub(crate) process: usize,
    pub(crate) message: Message,
    pub(crate) at: Nanos,
}

pub(crate) enum Message {
    /// The transaction of this attempt was carried out.
    Answer(u64, Reply),
    /// The watch tells of grants.
    Granted(Written),
}

/// etcd's raft takes at most so many proposals along at once.
const MOST_IN_BATCH: usize = 512;
/// What gRPC and protobuf put around a message, a key or an operation.
const FRAME: usize = 24;

impl Server {
    pub(crate) fn new(cost: Cost) -> Server {
        Server {
            cost,
            shelf: Shelf::default(),
            live: BTreeSet::new(),
            watches: BTreeMap::new(),
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
            let granted = granted(&arrival.transaction, &reply);
            departures.push(Departure {
                process: arrival.process,
                message: Message::Answer(arrival.attempt, reply),
                at: at as Nanos,
            });
            if let Some((key, written)) = granted {
                let watches = self.watches.entry(key.clone()).or_default();
                for process in watches.write(at as Nanos, written.clone()) {
                    at += self.cost.byte_out * self.served.tell(key, &written);
                    departures.push(Departure {
                        process,
                        message: Message::Granted(written.clone()),
                        at: at as Nanos,
                    });
                }
            }
        }
        self.served.busy += at as Nanos - now;
        Some((departures, at as Nanos))
    }

    /// Opens a watch of the grants under `key`; returns what it missed since revision `after`.
    pub(crate) fn watch(
        &mut self,
        process: usize,
        key: &[u8],
        after: u64,
        now: Nanos,
    ) -> Vec<Departure> {
        let watches = self.watches.entry(key.to_vec()).or_default();
        watches.want(process, now);
        let missed = watches.since(after).map(|(at, written)| {
            self.owed += self.cost.byte_out * self.served.tell(key, written);
            Departure {
                process,
                message: Message::Granted(written.clone()),
                at: now.max(*at),
            }
        });
        missed.collect()
    }

    /// The watches of the grants under `key`.
    pub(crate) fn watches(&mut self, key: &[u8]) -> &mut Watches {
        self.watches.entry(key.to_vec()).or_default()
    }

    /// Carries one transaction out; returns the answer and what it cost.
    pub(crate) fn apply(&mut self, transaction: &Transaction) -> (Reply, f64) {
        let mut visited = 0;
        let reply = self.shelf.apply(transaction).expect("a valid transaction");
        let branch = match reply.succeeded {
            true => &transaction.then,
            false => &transaction.otherwise,
        };
        let mut kept = 0;
        let mut wrote_record = false;
        for operation in branch {
            match operation {
                Operation::Put(key, value) => {
                    kept += key.len() + value.len() + FRAME;
                    wrote_record |= key.ends_with(b"/highest");
                    self.live.insert(key.clone());
                }
                Operation::Delete(key) => {
                    kept += key.len() + FRAME;
                    self.live.remove(key);
                }
                Operation::Get(get) => visited += self.count(&get.range),
            }
        }
        // History is nothing that an update reads; without this a run would need gigabytes.
        if self.shelf.revision().is_multiple_of(256) {
            self.shelf.compact(self.shelf.revision());
        }
        let bytes_in = request_bytes(transaction);
        let bytes_out = reply_bytes(&reply);
        self.served.transactions += 1;
        self.served.commits += u64::from(wrote_record);
        self.served.bytes_in += bytes_in as u64;
        self.served.bytes_out += bytes_out as u64;
        self.served.bytes_kept += kept as u64;
        let operations = transaction.compares.len() + branch.len();
        let cost = self.cost.transaction
            + self.cost.operation * operations as f64
            + self.cost.visited * visited as f64
            + self.cost.byte_in * bytes_in as f64
            + self.cost.byte_out * bytes_out as f64;
        (reply, cost)
    }

    fn count(&self, range: &KeyRange) -> usize {
        let keys = self.live.range(range.start.clone()..range.end.clone());
        keys.count()
    }
}

impl Served {
    /// Counts a message of a watch; returns its size.
    fn tell(&mut self, key: &[u8], written: &Written) -> f64 {
        let size = key.len() + written.bytes.len() + 2 * FRAME;
        self.told += 1;
        self.bytes_out += size as u64;
        size as f64
    }
}

/// What the transaction wrote under the grants' key.
fn granted<'a>(transaction: &'a Transaction, reply: &Reply) -> Option<(&'a Vec<u8>, Written)> {
    let mut written = transaction.then.iter().filter(|_| reply.succeeded);
    written.find_map(|operation| match operation {
        Operation::Put(key, value) if key.ends_with(b"/granted") => {
            let written = Written {
                revision: reply.revision,
                bytes: value.as_slice().into(),
            };
            Some((key, written))
        }
        _ => None,
    })
}

fn request_bytes(transaction: &Transaction) -> usize {
    let compares = transaction.compares.iter().map(|compare| match compare {
        Compare::ModRevision(key, _) => key.len(),
        Compare::Value(key, value) => key.len() + value.len(),
    });
    let operations = transaction.then.iter().chain(&transaction.otherwise);
    let operations = operations.map(|operation| match operation {
        Operation::Put(key, value) => key.len() + value.len(),
        Operation::Delete(key) => key.len(),
        Operation::Get(get) => get.range.start.len() + get.range.end.len(),
    });
    FRAME
        + compares
            .chain(operations)
            .map(|size| size + FRAME)
            .sum::<usize>()
}

fn reply_bytes(reply: &Reply) -> usize {
    let entries = reply.gets.iter().flatten();
    FRAME
        + entries
            .map(|entry| entry.key.len() + entry.value.len() + FRAME)
            .sum::<usize>()
}
