//! The update protocol, model-checked: every order in which a few processes' transactions can arrive
//! and their replies be heard, with every fault at every place, as far as the sizes below go.
//!
//! The model is the real state machine (`logic::exchange`) over the real reference store; the checker
//! (stateright) only chooses what happens next. `cargo test --test model -- --nocapture` prints how many
//! states there are.
#![cfg(feature = "shared")]

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::hash::{Hash, Hasher};

use lamport_clock::logic::board::{Highest, Keys};
use lamport_clock::logic::exchange::{Exchange, Step};
use lamport_clock::logic::transaction::{Get, KeyRange, Operation, Reply, Transaction};
use lamport_clock::store::shelf::Shelf;
use lamport_clock::{ErrorKind, Instance, LocalClock, ProcessId, Time};
use stateright::{Checker, Model, Property};

/// How many there are of what.
#[derive(Clone, Debug)]
struct Sizes {
    processes: usize,
    /// Of each process.
    updates: usize,
    /// Replies that are never heard, whether or not the transaction took effect, or takes it later.
    losses: usize,
    crashes: usize,
    /// Writes by a writer of the old kind, which looks at nothing.
    blind_writes: usize,
    /// Whether who waits may lose patience, at any moment.
    impatience: bool,
    /// Whether the store may be restored to an earlier state, once, and repaired after it.
    restored: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    /// The process calls for a time.
    Call(usize),
    /// Its transaction takes effect.
    Arrive(usize),
    /// It hears the reply.
    Hear(usize),
    /// It gives its transaction up, which may take effect later.
    Lose(usize),
    /// It waits, and hears what the grants are by now.
    HearGrants(usize),
    LosePatience(usize),
    Crash(usize),
    /// A transaction that was given up takes effect after all.
    ArriveLate(usize),
    WriteBlindly,
    /// The store is as it was when it was saved.
    Restore,
    /// Somebody moves the clock above all that was handed out.
    Repair,
}

#[derive(Clone, Debug)]
struct World {
    shelf: Shelf,
    processes: Vec<Process>,
    /// Given up, and perhaps still under way.
    late: Vec<Transaction>,
    /// Which process was given a value.
    owners: BTreeMap<u64, usize>,
    losses: usize,
    crashes: usize,
    blind_writes: usize,
    saved: Option<Shelf>,
    stage: Stage,
    /// The highest value ever handed out, or moved to by a repair.
    highest: u64,
    /// The highest value that was written when the store was restored: more than was handed out, if a
    /// reply was lost. Others may know of it, and their errors name it.
    written: u64,
    /// Somebody who had been refused was given a value after the repair.
    came_back: bool,
    /// What went wrong.
    broken: Option<String>,
}

/// How far the loss has come: one after the other.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Stage {
    Well,
    Restored,
    Repaired,
}

#[derive(Clone, Debug)]
struct Process {
    exchange: Exchange,
    local: u64,
    calls: usize,
    state: State,
    /// The last value that it was given.
    own: u64,
    /// The highest value handed out before its last call, and whether it lost patience since.
    floor: u64,
    impatient: bool,
    /// Whether a transaction of its own was ever given up: it may arrive at any time, in the way of
    /// those that come later.
    disturbed: bool,
    /// At which stage it called last.
    called: Stage,
    /// Whether it was told that times were lost: then it comes once more.
    refusals: usize,
}

#[derive(Clone, Debug)]
enum State {
    Idle,
    Sent(Transaction),
    Applied(Reply),
    /// Waits for a grant newer than this revision.
    Waits(u64),
    Crashed,
}

impl World {
    /// As after `connect`: everybody has seen the empty store.
    fn new(sizes: &Sizes) -> World {
        let mut shelf = Shelf::default();
        let processes = (1..=sizes.processes).map(|i| {
            let keys = Keys::new("/c");
            let name = ProcessId::new(&format!("p{i}")).unwrap();
            let mut exchange =
                Exchange::new(keys, name, Instance::new(i as u64), LocalClock::MAX_JUMP);
            let look = shelf.apply(&exchange.look_transaction()).unwrap();
            exchange.handle_look(exchange.known(), &look).unwrap();
            Process {
                exchange,
                local: 0,
                calls: 0,
                state: State::Idle,
                own: 0,
                floor: 0,
                impatient: false,
                disturbed: false,
                called: Stage::Well,
                refusals: 0,
            }
        });
        let processes = processes.collect();
        let mut world = World {
            processes,
            shelf,
            late: Vec::new(),
            owners: BTreeMap::new(),
            losses: 0,
            crashes: 0,
            blind_writes: 0,
            saved: None,
            stage: Stage::Well,
            highest: 0,
            written: 0,
            came_back: false,
            broken: None,
        };
        if sizes.restored {
            // It is saved, and the first one goes on: to try every moment for that is too much, and
            // what is saved in the middle of a call is tried in logic/exchange/tests/evidence.rs.
            world.saved = Some(world.shelf.clone());
            world.call(0);
            while let State::Sent(transaction) = world.processes[0].state.clone() {
                let reply = world.apply(&transaction);
                world.processes[0].exchange.handle_reply(&reply);
                world.go_on(0);
            }
            world.processes[0].calls = 0;
        }
        world
    }

    fn apply(&mut self, transaction: &Transaction) -> Reply {
        let reply = self.shelf.apply(transaction).unwrap();
        // Two ways to the same state are the same state: history decides nothing.
        self.shelf.compact(self.shelf.revision());
        reply
    }

    /// What lies under the grants' key, and the revision that wrote it.
    fn grants(&self) -> Option<(Vec<u8>, u64)> {
        let keys = Keys::new("/c");
        let look = Transaction {
            then: vec![Operation::Get(Get::all(KeyRange::key(&keys.granted)))],
            ..Transaction::default()
        };
        let mut shelf = self.shelf.clone();
        let found = shelf.apply(&look).unwrap().gets.remove(0).pop()?;
        Some((found.value, found.mod_revision))
    }

    fn call(&mut self, i: usize) {
        let (highest, stage) = (self.highest, self.stage);
        let process = &mut self.processes[i];
        // Who was not there when times were lost can't know, but goes on above its own.
        let floor = match stage {
            Stage::Restored => process.own,
            Stage::Well | Stage::Repaired => highest,
        };
        process.called = stage;
        process.calls += 1;
        process.local += 1;
        process.floor = floor;
        process.impatient = false;
        process.exchange.begin(Time::new(process.local).unwrap(), 1);
        self.go_on(i);
    }

    /// Does what the protocol of process `i` says next.
    fn go_on(&mut self, i: usize) {
        let process = &mut self.processes[i];
        match process.exchange.poll(0.0) {
            Step::Send(transaction) => process.state = State::Sent(transaction),
            Step::Await { after, .. } => process.state = State::Waits(after),
            // Once it is repaired, nobody who comes then is refused.
            Step::Failed(error)
                if error.kind() == ErrorKind::Regressed
                    && self.stage > Stage::Well
                    && process.called < Stage::Repaired =>
            {
                process.state = State::Idle;
                process.refusals = 1;
            }
            Step::Failed(error) => self.broken = Some(format!("p{i} failed: {error}")),
            Step::Done(times) => {
                process.state = State::Idle;
                let value = times.last.get();
                if process.refusals > 0 && self.stage < Stage::Repaired {
                    self.broken = Some(format!("p{i} was refused, and then given {value}"));
                }
                self.came_back |= process.refusals > 0;
                self.highest = self.highest.max(value);
                process.local = process.local.max(value);
                process.own = value;
                let most = 3 + u32::from(process.impatient);
                // A blind writer costs a round trip for each of its writes.
                let undisturbed = !process.disturbed && self.blind_writes == 0;
                if undisturbed && times.round_trips > most {
                    self.broken = Some(format!("p{i} took {} round trips", times.round_trips));
                }
                if value <= process.floor {
                    let floor = process.floor;
                    self.broken = Some(format!("p{i} was given {value} after {floor}"));
                }
                if let Some(other) = self.owners.insert(value, i) {
                    self.broken = Some(format!("{value} was given to p{other} and to p{i}"));
                }
            }
        }
    }

    fn restore(&mut self) {
        self.written = self.value();
        if let Some(saved) = self.saved.take() {
            self.shelf = saved;
        }
        self.stage = Stage::Restored;
        // What was handed out since may be handed out again, to those who were not there.
        let value = self.value();
        self.owners.retain(|given, _| *given <= value);
    }

    fn is_idle(&self) -> bool {
        let mut processes = self.processes.iter();
        processes.all(|process| matches!(process.state, State::Idle))
    }

    /// As the operator does, who is none of the processes.
    fn repair(&mut self) {
        let name = ProcessId::new("operator").unwrap();
        let operator = Exchange::new(
            Keys::new("/c"),
            name,
            Instance::new(99),
            LocalClock::MAX_JUMP,
        );
        let found = self.apply(&operator.look_transaction());
        let highest = Time::new(self.highest.max(self.written)).unwrap();
        let condition = operator.condition(operator.known(), &found, highest);
        let condition = condition.unwrap();
        self.apply(&operator.repair_transaction(&condition, 0.0).unwrap());
        self.highest = condition.to.get();
        self.stage = Stage::Repaired;
        for process in &mut self.processes {
            process.disturbed = true;
        }
    }

    fn value(&mut self) -> u64 {
        let keys = Keys::new("/c");
        let look = Transaction {
            then: vec![Operation::Get(Get::all(KeyRange::key(&keys.highest)))],
            ..Transaction::default()
        };
        let found = self.apply(&look).gets.remove(0).pop();
        found.map_or(0, |entry| {
            Highest::parse(&entry.value, &keys).unwrap().value.get()
        })
    }

    fn is_over(&self, sizes: &Sizes) -> bool {
        self.processes.iter().all(|process| match process.state {
            State::Idle => process.calls >= sizes.updates,
            State::Crashed => true,
            _ => false,
        })
    }
}

impl Model for Sizes {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken.is_some() {
            return;
        }
        for (i, process) in world.processes.iter().enumerate() {
            match &process.state {
                State::Idle if process.calls < self.updates + process.refusals => {
                    actions.push(Action::Call(i))
                }
                State::Idle | State::Crashed => continue,
                State::Sent(_) => actions.push(Action::Arrive(i)),
                State::Applied(_) => actions.push(Action::Hear(i)),
                State::Waits(after) => {
                    if world
                        .grants()
                        .is_some_and(|(_, revision)| revision > *after)
                    {
                        actions.push(Action::HearGrants(i));
                    }
                    // The grant that it waits for may have been lost with the store.
                    if self.impatience || world.stage > Stage::Well {
                        actions.push(Action::LosePatience(i));
                    }
                }
            }
            let in_flight = matches!(process.state, State::Sent(_) | State::Applied(_));
            if in_flight && world.losses < self.losses {
                actions.push(Action::Lose(i));
            }
            if world.crashes < self.crashes {
                actions.push(Action::Crash(i));
            }
        }
        actions.extend((0..world.late.len()).map(Action::ArriveLate));
        if world.blind_writes < self.blind_writes {
            actions.push(Action::WriteBlindly);
        }
        match world.stage {
            Stage::Well if !self.restored => {}
            // Between calls, or there would be too many orders: random.rs restores in the middle of one.
            Stage::Well if world.is_idle() => actions.push(Action::Restore),
            Stage::Well => {}
            Stage::Restored => actions.push(Action::Repair),
            Stage::Repaired => {}
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        match action {
            Action::Call(i) => world.call(i),
            Action::Arrive(i) => {
                if let State::Sent(transaction) = &before.processes[i].state {
                    let reply = world.apply(transaction);
                    world.processes[i].state = State::Applied(reply);
                }
            }
            Action::Hear(i) => {
                if let State::Applied(reply) = &before.processes[i].state {
                    world.processes[i].exchange.handle_reply(reply);
                    world.go_on(i);
                }
            }
            Action::Lose(i) => {
                world.losses += 1;
                if let State::Sent(transaction) = &before.processes[i].state {
                    world.late.push(transaction.clone());
                }
                world.processes[i].disturbed = true;
                world.processes[i].exchange.handle_lost();
                world.go_on(i);
            }
            Action::HearGrants(i) => {
                let (bytes, revision) = before.grants()?;
                world.processes[i].exchange.handle_granted(&bytes, revision);
                world.go_on(i);
            }
            Action::LosePatience(i) => {
                world.processes[i].impatient = true;
                world.processes[i].exchange.handle_impatience();
                world.go_on(i);
            }
            Action::Crash(i) => {
                world.crashes += 1;
                if let State::Sent(transaction) = &before.processes[i].state {
                    world.late.push(transaction.clone());
                }
                world.processes[i].state = State::Crashed;
            }
            Action::ArriveLate(i) => {
                let transaction = world.late.remove(i);
                world.apply(&transaction);
            }
            Action::WriteBlindly => {
                world.blind_writes += 1;
                let record = br#"{"value":1,"process_id":"old","real_timestamp":1.0}"#;
                world.apply(&Transaction {
                    then: vec![Operation::Put(b"/c".to_vec(), record.to_vec())],
                    ..Transaction::default()
                });
            }
            Action::Restore => world.restore(),
            Action::Repair => world.repair(),
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("no promise is broken", |_, world: &World| {
                world.broken.is_none()
            }),
            Property::always("nobody waits for ever", |sizes: &Sizes, world: &World| {
                let mut actions = Vec::new();
                sizes.actions(world, &mut actions);
                !actions.is_empty() || world.is_over(sizes)
            }),
            Property::sometimes("all are served", |sizes: &Sizes, world: &World| {
                let before = usize::from(sizes.restored);
                world.owners.len() == before + sizes.processes * sizes.updates
            }),
        ];
        if self.restored {
            let name = "who was refused is served after the repair";
            properties.push(Property::sometimes(name, |_, world: &World| {
                world.came_back
            }));
        }
        properties
    }
}

/// What distinguishes two worlds is what they print.
impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        struct Into<'a, H>(&'a mut H);
        impl<H: Hasher> Write for Into<'_, H> {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                self.0.write(text.as_bytes());
                Ok(())
            }
        }
        write!(Into(hasher), "{self:?}").expect("a hasher takes everything");
    }
}

impl PartialEq for World {
    fn eq(&self, other: &World) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

const fn sizes(processes: usize, updates: usize) -> Sizes {
    Sizes {
        processes,
        updates,
        losses: 0,
        crashes: 0,
        blind_writes: 0,
        impatience: false,
        restored: false,
    }
}

/// Half a minute in all.
const SMALL: [Sizes; 4] = [
    // Nobody may lose patience, so nobody may need to.
    sizes(3, 1),
    Sizes {
        losses: 1,
        impatience: true,
        ..sizes(2, 2)
    },
    Sizes {
        crashes: 1,
        blind_writes: 1,
        impatience: true,
        ..sizes(2, 2)
    },
    Sizes {
        restored: true,
        ..sizes(2, 1)
    },
];

/// Four minutes in release mode.
const LARGE: [Sizes; 5] = [
    sizes(4, 1),
    sizes(3, 2),
    Sizes {
        losses: 1,
        impatience: true,
        ..sizes(3, 1)
    },
    Sizes {
        losses: 2,
        impatience: true,
        ..sizes(2, 2)
    },
    Sizes {
        restored: true,
        ..sizes(2, 2)
    },
];

/// `LAMPORT_MODEL=large` explores the larger sizes too.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "which sizes a test explores is no setting of the library"
)]
fn every_order_keeps_the_promises() {
    let large = std::env::var_os("LAMPORT_MODEL").is_some_and(|sizes| sizes == "large");
    let larger = if large { &LARGE[..] } else { &[] };
    for sizes in SMALL.iter().chain(larger) {
        let checker = sizes.clone().checker().threads(2).spawn_bfs().join();
        eprintln!("{} states of {sizes:?}", checker.unique_state_count());
        checker.assert_properties();
    }
}
