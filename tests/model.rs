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

use lamport_clock::logic::board::Keys;
use lamport_clock::logic::exchange::{Exchange, Step};
use lamport_clock::logic::transaction::{Get, KeyRange, Operation, Reply, Transaction};
use lamport_clock::store::shelf::Shelf;
use lamport_clock::{Instance, LocalClock, ProcessId, Time};
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
    /// What went wrong.
    broken: Option<String>,
}

#[derive(Clone, Debug)]
struct Process {
    exchange: Exchange,
    local: u64,
    calls: usize,
    state: State,
    /// The highest value handed out before its last call, and whether it lost patience since.
    floor: u64,
    impatient: bool,
    /// Whether a transaction of its own was ever given up: it may arrive at any time, in the way of
    /// those that come later.
    disturbed: bool,
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
                floor: 0,
                impatient: false,
                disturbed: false,
            }
        });
        let processes = processes.collect();
        World {
            processes,
            shelf,
            late: Vec::new(),
            owners: BTreeMap::new(),
            losses: 0,
            crashes: 0,
            blind_writes: 0,
            broken: None,
        }
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

    /// Does what the protocol of process `i` says next.
    fn go_on(&mut self, i: usize) {
        let process = &mut self.processes[i];
        match process.exchange.poll(0.0) {
            Step::Send(transaction) => process.state = State::Sent(transaction),
            Step::Await { after, .. } => process.state = State::Waits(after),
            Step::Failed(error) => self.broken = Some(format!("p{i} failed: {error}")),
            Step::Done(times) => {
                process.state = State::Idle;
                let value = times.last.get();
                process.local = process.local.max(value);
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

    fn is_over(&self, sizes: &Sizes) -> bool {
        self.processes.iter().all(|process| match process.state {
            State::Idle => process.calls == sizes.updates,
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
                State::Idle if process.calls < self.updates => actions.push(Action::Call(i)),
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
                    if self.impatience {
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
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        match action {
            Action::Call(i) => {
                let floor = world.owners.keys().next_back().copied().unwrap_or(0);
                let process = &mut world.processes[i];
                process.calls += 1;
                process.local += 1;
                process.floor = floor;
                process.impatient = false;
                process.exchange.begin(Time::new(process.local).unwrap(), 1);
                world.go_on(i);
            }
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
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no promise is broken", |_, world: &World| {
                world.broken.is_none()
            }),
            Property::always("nobody waits for ever", |sizes: &Sizes, world: &World| {
                let mut actions = Vec::new();
                sizes.actions(world, &mut actions);
                !actions.is_empty() || world.is_over(sizes)
            }),
            Property::sometimes("all are served", |sizes: &Sizes, world: &World| {
                world.owners.len() == sizes.processes * sizes.updates
            }),
        ]
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
    }
}

/// Half a minute in all.
const SMALL: [Sizes; 3] = [
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
];

/// Four minutes in release mode.
const LARGE: [Sizes; 4] = [
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
