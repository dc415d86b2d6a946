//! The protocol under random schedules: lost replies, transactions that arrive late or twice as
//! late, crashes, blind writers, watches that lag. Each schedule follows from its seed alone.

use std::collections::{HashMap, VecDeque};

use super::*;
use crate::logic::trace::Trace;
use crate::store::Change;

/// SplitMix64 (Steele, Lea and Flood 2014): a few lines, and every seed is a schedule of its own.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// What may happen besides the protocol's own steps.
#[derive(Clone, Copy, Debug)]
struct Chaos {
    lost: bool,
    crashes: bool,
    blind: bool,
    deleted: bool,
    restored: bool,
    watches: bool,
}

/// Where the one transaction of a process is.
enum Flight {
    None,
    Sent(Transaction),
    Applied(Reply),
}

struct Process {
    exchange: Exchange,
    instance: u64,
    local: u64,
    flight: Flight,
    /// The highest value handed out anywhere before this call; `None` between calls.
    call: Option<Call>,
    /// The revision up to which its watch has told it everything.
    watched: u64,
    /// It calls once in so many turns.
    pace: usize,
    /// The last time it was given.
    own: u64,
    /// It has seen that the store had forgotten times, when there had been so many repairs: whatever
    /// becomes of that store by itself, it takes another.
    refused: Option<u64>,
}

struct Call {
    floor: u64,
    count: u64,
    faults: u32,
    blind_writes: u64,
    cold: bool,
    impatient: bool,
    /// The store had forgotten times, and nobody had repaired it.
    forgotten: bool,
    /// So many repairs there had been.
    repairs: u64,
}

struct World {
    random: Random,
    chaos: Chaos,
    shelf: Shelf,
    processes: Vec<Process>,
    next_instance: u64,
    /// Transactions whose sender has given up: they may still arrive, or never.
    late: Vec<Transaction>,
    /// Who got which value.
    owners: HashMap<u64, u64>,
    /// The highest value handed out so far.
    highest: u64,
    blind_writes: u64,
    /// The store as it was at some time.
    snapshot: Option<Shelf>,
    /// It was restored, and not repaired since.
    forgotten: bool,
    repairs: u64,
    log: VecDeque<String>,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random(seed);
        let chaos = Chaos {
            lost: random.one_in(2),
            crashes: random.one_in(3),
            blind: random.one_in(3),
            deleted: random.one_in(3),
            restored: random.one_in(3),
            watches: random.one_in(2),
        };
        let mut world = World {
            random,
            chaos,
            shelf: Shelf::default(),
            processes: Vec::new(),
            next_instance: 1,
            late: Vec::new(),
            owners: HashMap::new(),
            highest: 0,
            blind_writes: 0,
            snapshot: None,
            forgotten: false,
            repairs: 0,
            log: VecDeque::new(),
        };
        for _ in 0..2 + world.random.below(3) {
            let mut process = world.new_process();
            if world.random.one_in(2) {
                // As `connect` does, here on an empty store.
                let look = process.exchange.look_transaction();
                let reply = world.shelf.apply(&look).unwrap();
                let asked = process.exchange.known();
                process.exchange.handle_look(asked, &reply).unwrap();
            }
            world.processes.push(process);
        }
        world
    }

    fn new_process(&mut self) -> Process {
        let instance = self.next_instance;
        self.next_instance += 1;
        let name = ProcessId::new(&format!("p{instance}")).unwrap();
        let keys = Keys::new(RECORD);
        Process {
            exchange: Exchange::new(keys, name, Instance::new(instance), 1 << 48),
            instance,
            local: 0,
            flight: Flight::None,
            call: None,
            watched: self.shelf.revision(),
            pace: if self.random.one_in(3) { 25 } else { 1 },
            own: 0,
            refused: None,
        }
    }

    fn note(&mut self, line: String) {
        if self.log.len() == 400 {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    fn apply(&mut self, transaction: &Transaction) -> Reply {
        let before = self.value();
        let reply = self.shelf.apply(transaction).unwrap();
        // No transaction of ours moves the record back.
        let writes = |operations: &[Operation]| {
            operations.iter().any(
                |operation| matches!(operation, Operation::Put(key, _) if key == RECORD.as_bytes()),
            )
        };
        if reply.succeeded && writes(&transaction.then) {
            let after = self.value();
            assert!(
                after > before,
                "the record went from {before:?} to {after:?}"
            );
        }
        reply
    }

    fn value(&mut self) -> Option<u64> {
        let look = Transaction {
            then: vec![Operation::Get(Get::all(KeyRange::key(RECORD.as_bytes())))],
            ..Transaction::default()
        };
        let reply = self.shelf.apply(&look).unwrap();
        let entry = reply.gets[0].first()?;
        Some(Record::parse(&entry.value).unwrap().value.get())
    }

    fn step(&mut self) {
        if !self.late.is_empty() && self.random.one_in(12) {
            let i = self.random.below(self.late.len());
            let transaction = self.late.swap_remove(i);
            if self.random.one_in(2) {
                let reply = self.apply(&transaction);
                self.note(format!(
                    "a late transaction arrives: succeeded {}",
                    reply.succeeded
                ));
            }
            return;
        }
        if (self.chaos.blind || self.chaos.deleted) && self.random.one_in(40) {
            self.blind_writes += 1;
            let value = self.random.next() % (self.highest + 3);
            let delete = self.chaos.deleted && (!self.chaos.blind || self.random.one_in(3));
            self.note(format!("blind writer: {value}, delete {delete}"));
            let operation = if delete {
                Operation::Delete(RECORD.into())
            } else {
                let bytes = format!(r#"{{"value":{value},"process_id":"old"}}"#);
                Operation::Put(RECORD.into(), bytes.into_bytes())
            };
            let transaction = Transaction {
                then: vec![operation],
                ..Transaction::default()
            };
            self.shelf.apply(&transaction).unwrap();
            return;
        }
        if self.chaos.restored && self.random.one_in(60) {
            self.restore();
            return;
        }
        let i = self.random.below(self.processes.len());
        if self.chaos.watches && self.random.one_in(4) {
            self.watch(i);
            return;
        }
        if self.chaos.crashes && self.random.one_in(60) {
            if let Flight::Sent(transaction) =
                mem::replace(&mut self.processes[i].flight, Flight::None)
            {
                self.late.push(transaction);
            }
            self.note(format!("p{} crashes", self.processes[i].instance));
            self.processes[i] = self.new_process();
            return;
        }
        match mem::replace(&mut self.processes[i].flight, Flight::None) {
            Flight::None => self.advance(i),
            Flight::Sent(transaction) => self.deliver(i, transaction),
            Flight::Applied(reply) => {
                if self.chaos.lost && self.random.one_in(8) {
                    self.lose(i);
                } else {
                    self.note(format!(
                        "p{} hears {}",
                        self.processes[i].instance, reply.succeeded
                    ));
                    self.processes[i].exchange.handle_reply(&reply);
                }
            }
        }
    }

    fn deliver(&mut self, i: usize, transaction: Transaction) {
        if self.chaos.lost && self.random.one_in(10) {
            match self.random.below(3) {
                0 => {
                    self.note(format!("p{} is refused", self.processes[i].instance));
                    self.processes[i].exchange.handle_refused();
                    if let Some(call) = &mut self.processes[i].call {
                        call.faults += 1;
                    }
                }
                _ => {
                    self.late.push(transaction);
                    self.lose(i);
                }
            }
            return;
        }
        let reply = self.apply(&transaction);
        self.note(format!(
            "p{} arrives: succeeded {} at {}",
            self.processes[i].instance, reply.succeeded, reply.revision
        ));
        self.processes[i].flight = Flight::Applied(reply);
    }

    fn lose(&mut self, i: usize) {
        let process = &mut self.processes[i];
        process.exchange.handle_lost();
        let name = process.instance;
        if let Some(call) = &mut process.call {
            call.faults += 1;
        }
        // Its deadline may have passed with that: the next call begins anew.
        let gives_up = self.random.one_in(4);
        if gives_up {
            self.processes[i].call = None;
        }
        self.note(format!("p{name} hears nothing, gives up {gives_up}"));
    }

    /// Begins a call, or does what the protocol says next.
    fn advance(&mut self, i: usize) {
        let highest = self.highest;
        if self.processes[i].call.is_none() {
            // Some call seldom, and remember what has changed long since.
            let pace = self.processes[i].pace;
            if !self.random.one_in(pace) {
                return;
            }
            let count = 1 + self.random.below(3) as u64;
            let ticks = self.random.below(3) as u64;
            let blind_writes = self.blind_writes;
            let process = &mut self.processes[i];
            process.local += 1 + ticks;
            process.call = Some(Call {
                floor: highest,
                count,
                faults: 0,
                blind_writes,
                cold: process.exchange.seen.is_none() || process.exchange.lost,
                impatient: false,
                forgotten: self.forgotten,
                repairs: self.repairs,
            });
            process
                .exchange
                .begin(Time::new(process.local).unwrap(), count);
            let name = process.instance;
            self.note(format!("p{name} calls for {count}"));
            // Between begin and poll the watch may have its say.
            if self.random.one_in(2) {
                return;
            }
        }
        let process = &mut self.processes[i];
        match process.exchange.poll(1.5) {
            Step::Send(transaction) => process.flight = Flight::Sent(transaction),
            Step::Await { .. } => {
                // It hears what the grants are by now, later, or never: then it loses patience.
                let name = process.instance;
                match self.random.below(8) {
                    0 => {
                        process.exchange.handle_impatience();
                        if let Some(call) = &mut process.call {
                            call.impatient = true;
                        }
                        self.note(format!("p{name} loses patience"));
                    }
                    1..4 => {
                        let keys = Keys::new(RECORD);
                        let look = Transaction {
                            then: vec![Operation::Get(Get::all(KeyRange::key(&keys.granted)))],
                            ..Transaction::default()
                        };
                        if let Some(found) = self.shelf.apply(&look).unwrap().gets[0].first() {
                            let process = &mut self.processes[i];
                            process
                                .exchange
                                .handle_granted(&found.value, found.mod_revision);
                            self.note(format!("p{name} hears of grants at {}", found.mod_revision));
                        }
                    }
                    _ => {}
                }
            }
            Step::Done(times) => {
                let call = process.call.take().unwrap();
                let instance = process.instance;
                process.local = process.local.max(times.last.get());
                let own = mem::replace(&mut process.own, times.last.get());
                let refused = process.refused.take();
                self.note(format!("p{instance} has {}..={}", times.first, times.last));
                let (first, last) = (times.first.get(), times.last.get());
                assert_eq!(last - first + 1, call.count, "not as many as asked for");
                assert!(
                    refused.is_none_or(|repairs| self.repairs > repairs),
                    "p{instance} was given {first} by a store that had forgotten what it knew"
                );
                // Who was not there when times were lost can't know, but goes on above its own.
                let floor = if call.forgotten { own } else { call.floor };
                assert!(
                    first > floor,
                    "p{instance} was given {first}, and {floor} had been handed out before it called"
                );
                for value in first..=last {
                    if let Some(owner) = self.owners.insert(value, instance) {
                        panic!("{value} was given to p{owner} and to p{instance}");
                    }
                }
                self.highest = self.highest.max(last);
                let undisturbed = !self.chaos.lost && !self.chaos.restored;
                if undisturbed && call.blind_writes == self.blind_writes && call.faults == 0 {
                    let most = 3 + u32::from(call.cold) + u32::from(call.impatient);
                    assert!(
                        times.round_trips <= most || self.chaos.watches,
                        "{} round trips",
                        times.round_trips
                    );
                }
                assert!(
                    times.regressed.is_none() || self.blind_writes > 0 || self.chaos.restored,
                    "a regression was invented: {:?}",
                    times.regressed
                );
            }
            Step::Failed(error) => {
                // A record was deleted, or the store restored: somebody sees to it, sooner or later.
                assert_eq!(error.kind(), ErrorKind::Regressed, "{error}");
                assert!(self.chaos.deleted || self.chaos.restored, "{error}");
                let call = process.call.take().unwrap();
                let forgot = process.exchange.forgot.is_some();
                process.refused = forgot.then(|| process.refused.unwrap_or(call.repairs));
                let name = process.instance;
                self.note(format!("p{name} is refused: {error}"));
                if self.random.one_in(3) {
                    self.repair(i);
                }
            }
        }
    }

    /// As the operator does who has heard of the highest time that anybody was given.
    fn repair(&mut self, i: usize) {
        let at_least = Time::new(self.highest).unwrap();
        let exchange = &self.processes[i].exchange;
        let known = exchange.known();
        let reply = self.shelf.apply(&exchange.look_transaction()).unwrap();
        let condition = exchange.condition(known, &reply, at_least).unwrap();
        let repair = exchange.repair_transaction(&condition, 1.5).unwrap();
        assert!(self.shelf.apply(&repair).unwrap().succeeded);
        self.highest = condition.to.get();
        self.forgotten = false;
        self.repairs += 1;
        for process in &mut self.processes {
            if let Some(call) = &mut process.call {
                call.faults += 1;
            }
        }
        self.note(format!("repaired: {}", self.highest));
    }

    /// The store is as it was some time ago. What was handed out since is handed out again, to those
    /// who were not there: nobody could tell them.
    fn restore(&mut self) {
        let Some(snapshot) = self.snapshot.take() else {
            self.snapshot = Some(self.shelf.clone());
            return;
        };
        self.shelf = snapshot;
        let keys = Keys::new(RECORD);
        let look = Transaction {
            then: vec![Operation::Get(Get::all(KeyRange::key(&keys.highest)))],
            ..Transaction::default()
        };
        let found = self.shelf.apply(&look).unwrap();
        let highest = found.gets[0].first().map_or(Time::ZERO, |entry| {
            Highest::parse(&entry.value, &keys).unwrap().value
        });
        self.forgotten = true;
        self.owners.retain(|value, _| *value <= highest.get());
        for process in &mut self.processes {
            // What was under way ends with the servers.
            process.call = None;
            process.flight = Flight::None;
            process.exchange.handle_lost();
        }
        self.note(format!("restored to {highest}"));
    }

    /// The watch of a process hears of some more revisions; now and then it reads.
    fn watch(&mut self, i: usize) {
        if self.random.one_in(6) {
            let look = self.processes[i].exchange.look_transaction();
            let reply = self.shelf.apply(&look).unwrap();
            let exchange = &mut self.processes[i].exchange;
            let asked = exchange.known();
            let _ = exchange.handle_look(asked, &reply);
            return;
        }
        let to = self.shelf.revision();
        let from = self.processes[i].watched + 1;
        if from > to {
            return;
        }
        let to = from + self.random.below((to - from + 1) as usize) as u64;
        let keys = Keys::new(RECORD);
        let changes = self.shelf.changes(&keys.trace(), from, to).unwrap();
        let process = &mut self.processes[i];
        for change in &changes {
            tell(&mut process.exchange, &keys, change);
        }
        process.watched = to;
    }
}

/// What `shared::watch` tells the exchange of a change.
pub(super) fn tell(exchange: &mut Exchange, keys: &Keys, change: &Change) {
    let written = change.keys.iter().filter_map(|(_, entry)| entry.as_ref());
    let trace = Trace::of(keys, written);
    if trace.record.is_none() {
        if change.keys.iter().any(|(key, _)| *key == keys.record) {
            exchange.forget_before(change.revision);
        }
        return;
    }
    match Seen::of(&trace, keys, change.revision) {
        Some(seen) => exchange.observe(seen),
        None => exchange.forget_before(change.revision),
    }
}

fn run(seed: u64, steps: usize) -> std::thread::Result<u64> {
    let mut world = World::new(seed);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..steps {
            world.step();
        }
        world.owners.len() as u64
    }));
    if result.is_err() {
        eprintln!("LAMPORT_SEED={seed} {:?}, the last steps:", world.chaos);
        for line in &world.log {
            eprintln!("  {line}");
        }
    }
    result
}

/// `LAMPORT_SEED=n` replays one schedule, `LAMPORT_SCHEDULES=n` tries more of them.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "which schedules a test tries is no setting of the library"
)]
fn random_schedules_keep_the_promises() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    let seeds = match number("LAMPORT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LAMPORT_SCHEDULES").unwrap_or(120),
    };
    let mut given = 0;
    let mut failed = 0;
    for seed in seeds {
        match run(seed, 400) {
            Ok(values) => given += values,
            Err(_) => {
                failed += 1;
                if failed >= 3 {
                    break;
                }
            }
        }
    }
    eprintln!("{given} times handed out");
    assert_eq!(failed, 0, "see the seeds above");
}
