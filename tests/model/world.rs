//! The processes, the store, and what others do to it: what may happen, step by step, is in `actions`,
//! what must hold in `promises`.

mod actions;
mod calls;
mod promises;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use lamport_clock::protocol::{
    At, Call, Fold, Keys, Operation, Protocol, Question, RepairPlan, Reply, Snapshot, Step,
    Transaction,
};
use lamport_clock::store::mvcc::Mvcc;
use lamport_clock::{Instance, LocalClock, ProcessId, Time};

pub(crate) use self::actions::Action;
use crate::keys::{self, BASE, Clock, RECORD, TAKEN, WEIGHTS};
use crate::sizes::Size;

#[derive(Clone, Debug)]
pub(crate) struct World {
    store: Mvcc,
    processes: Vec<Process>,
    /// Transactions that were given up, and perhaps still are under way.
    late: Vec<Arc<Transaction>>,
    /// Every value that was handed out.
    given: BTreeSet<u64>,
    highest: u64,
    /// The highest value of a legacy writer.
    legacy: u64,
    /// The legacy writer's local clock, and what it has read.
    legacy_local: u64,
    legacy_read: Option<u64>,
    /// How often the store lost something.
    era: usize,
    /// Whether everybody can see the last loss.
    visible: bool,
    saved: Option<Mvcc>,
    repair: Option<(Box<Protocol>, RepairPlan, Arc<Snapshot>)>,
    /// To where the clock was repaired, and in which era.
    repaired: Option<(u64, usize)>,
    left: Left,
    served: usize,
    pub(crate) came_back: bool,
    pub(crate) broken: Option<String>,
}

/// What may still happen.
#[derive(Clone, Debug)]
struct Left {
    losses: usize,
    crashes: usize,
    ticks: usize,
    legacy_writes: usize,
    deletions: usize,
    saves: usize,
    restores: usize,
    repairs: usize,
}

#[derive(Clone, Debug)]
struct Process {
    protocol: Protocol,
    instance: u64,
    local: u64,
    calls: usize,
    slots: Vec<Option<Slot>>,
    fold: Option<Question>,
    /// Every value that this life was given.
    mine: BTreeSet<u64>,
    refused: bool,
}

/// A call under way.
#[derive(Clone, Debug)]
struct Slot {
    call: Call,
    count: u64,
    local: u64,
    /// The highest value, and the highest one of a legacy writer, that was there before the call.
    floor: u64,
    legacy: u64,
    /// Whether it was called after a repair.
    after_repair: bool,
    /// `None`: it has to look.
    sent: Option<Arc<Transaction>>,
    reply: Option<Reply>,
    transactions: usize,
    /// How many of these were to create the clock, in a race with others.
    creations: usize,
    lost: usize,
    /// What it found, of each transaction whose reply was heard: since the last look or loss.
    found: Vec<Found>,
    /// What it knew when it sent the first of these.
    knew: Option<u64>,
    /// How many repairs had been seen when the newest transaction was sent.
    repairs: u64,
}

/// The store as an update of a call found it, and what a watcher saw of it.
#[derive(Clone, Debug)]
struct Found {
    clock: u64,
    record: u64,
    before: u64,
    after: u64,
    era: usize,
    watched: Option<(u64, u64)>,
}

impl World {
    pub(crate) fn new(size: &Size) -> World {
        let mut world = World {
            store: Mvcc::of_cluster(1),
            processes: Vec::new(),
            late: Vec::new(),
            given: BTreeSet::new(),
            highest: 0,
            legacy: 0,
            legacy_local: size.legacy_local,
            legacy_read: None,
            era: 0,
            visible: false,
            saved: None,
            repair: None,
            repaired: None,
            left: Left {
                losses: size.losses,
                crashes: size.crashes,
                ticks: size.ticks,
                legacy_writes: size.legacy_writes,
                deletions: size.deletions,
                saves: size.saves,
                restores: size.restores,
                repairs: size.repairs,
            },
            served: 0,
            came_back: false,
            broken: None,
        };
        for i in 0..size.processes {
            world.processes.push(Process {
                protocol: protocol(10 * (i as u64 + 1)).with_crowd(size.others),
                instance: 10 * (i as u64 + 1),
                local: 0,
                calls: size.calls,
                slots: vec![None; size.pipeline],
                fold: None,
                mine: BTreeSet::new(),
                refused: false,
            });
        }
        if size.created {
            let mut creator = protocol(99);
            let look = world.store.read(&creator.keys().all(), At::Now).unwrap();
            creator.handle_look(creator.known(), &look, true).unwrap();
            let mut call = creator.begin(Time::ZERO, 1);
            if let Step::Send(create) = creator.poll(&mut call, 0.0) {
                world.apply(&create);
            }
        }
        world
    }

    /// What lies in the store.
    pub(crate) fn stored(&self) -> String {
        let range = Keys::new(RECORD).all();
        let reply = self.store.read(&range, At::Now).unwrap();
        format!("{:#?}", reply.entries)
    }

    pub(crate) fn served(&self) -> usize {
        self.served
    }

    /// Carries out a transaction of ours, and checks that the clock only moves on.
    fn apply(&mut self, transaction: &Transaction) -> Reply {
        let before = keys::clock(&self.store);
        let reply = self.store.apply(transaction).unwrap();
        // Two ways to the same state are the same state: history decides nothing.
        self.store.compact(self.store.revision());
        if let (Clock::At(before), Clock::At(after)) = (before, keys::clock(&self.store))
            && after < before
        {
            self.breaks(format!("the clock went from {before} back to {after}"));
        }
        reply
    }

    fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// What a process that rests would fold, as the driver asks for it.
    fn rested(&self, i: usize) -> Option<Question> {
        let protocol = &self.processes[i].protocol;
        protocol.fold_due()?;
        let keys = protocol.keys();
        let seen = protocol.sole_take().unwrap_or_else(|| {
            let reply = self.store.read(&keys.all(), At::Anywhere).unwrap();
            Arc::new(Snapshot::of(keys, &reply))
        });
        protocol.fold(Fold::AtRest, &seen, 0.0)
    }

    fn can_fold(&self, i: usize) -> bool {
        self.rested(i).is_some()
    }

    /// Whether nobody does anything any more.
    pub(crate) fn is_over(&self, size: &Size) -> bool {
        let idle = |i: usize| {
            let process = &self.processes[i];
            let calls = process.slots.iter().any(Option::is_some);
            process.calls == 0 && !calls && process.fold.is_none() && !self.can_fold(i)
        };
        self.broken.is_none()
            && size.folds
            && self.legacy_read.is_none()
            && (0..self.processes.len()).all(idle)
    }

    /// Whether the record shows the newest value, and nothing else is left to read.
    pub(crate) fn record_is_current(&self, size: &Size) -> bool {
        if size.is_faulty() {
            // A fold that was lost, or the crash before it: the next update writes the record.
            return true;
        }
        let weights = WEIGHTS
            .iter()
            .any(|key| keys::entry(&self.store, key).is_some());
        let shown = keys::record(&self.store);
        let is_newest = shown >= self.highest.max(self.legacy)
            || (size.legacy_writes > 0 && shown >= self.legacy);
        is_newest && !weights
    }

    /// What a watcher makes of the newest revision.
    fn watched(&self) -> Option<(u64, u64)> {
        let keys = Arc::new(Keys::new(RECORD));
        let reply = self.store.read(&keys.all(), At::Now).unwrap();
        let update = Snapshot::of(&keys, &reply).update().ok().flatten()?;
        Some((update.first.get(), update.value.get()))
    }

    fn legacy_put(&mut self) {
        let value = (self.legacy_local + 1).max(self.legacy_read.take().unwrap_or(0)) + 1;
        self.left.legacy_writes -= 1;
        self.legacy_local = value;
        self.legacy = self.legacy.max(value);
        let record = format!(r#"{{"value":{value},"process_id":"old","real_timestamp":1.0}}"#);
        self.put(RECORD, record.as_bytes());
        if self.watched() != Some((value, value)) {
            self.breaks("a watcher misses a legacy writer".to_owned());
        }
    }

    fn put(&mut self, key: &str, value: &[u8]) {
        let put = Transaction {
            then: vec![Operation::Put(key.into(), value.to_vec())],
            ..Transaction::default()
        };
        self.store.apply(&put).unwrap();
        self.store.compact(self.store.revision());
    }

    fn crash(&mut self, size: &Size, i: usize) {
        self.left.crashes -= 1;
        let process = &mut self.processes[i];
        for slot in process.slots.iter_mut().filter_map(Option::take) {
            if let (Some(sent), None) = (slot.sent, slot.reply) {
                self.late.push(sent);
            }
        }
        if let Some(fold) = process.fold.take() {
            self.late.push(fold.transaction().clone());
        }
        process.instance += 1;
        process.protocol = protocol(process.instance).with_crowd(size.others);
        process.local = 0;
        process.mine.clear();
        process.slots = vec![None; size.pipeline];
    }

    fn delete(&mut self, mask: u8) {
        self.left.deletions -= 1;
        let delete = Transaction {
            then: named(mask)
                .iter()
                .map(|key| Operation::Delete((*key).into()))
                .collect(),
            ..Transaction::default()
        };
        self.store.apply(&delete).unwrap();
        self.store.compact(self.store.revision());
        // The record alone missing is no loss.
        if mask != 1 {
            self.era += 1;
        }
        let there = |key| keys::entry(&self.store, key).is_some();
        self.visible = there(BASE) != there(TAKEN);
    }

    fn look_for_repair(&mut self) {
        let operator = protocol(98);
        let known = self
            .processes
            .iter()
            .map(|process| process.protocol.known().time().get());
        let highest = known.max().unwrap_or(0).max(self.highest);
        let reply = self.store.read(&operator.keys().all(), At::Now).unwrap();
        let plan = operator
            .plan_repair(operator.known(), &reply, time(highest))
            .unwrap();
        let seen = plan.found.clone();
        self.repair = Some((Box::new(operator), plan, seen));
    }

    fn go_on_with_repair(&mut self) {
        let Some((operator, plan, seen)) = self.repair.take() else {
            return;
        };
        let question = operator.repair(&plan, &seen, 0.0).unwrap();
        let reply = self.apply(question.transaction());
        let after = question.leaves(&reply);
        if operator.repair_done(&plan, &after).is_some() {
            self.left.repairs -= 1;
            self.repaired = Some((plan.to.get(), self.era));
            self.highest = self.highest.max(plan.to.get());
        } else if reply.succeeded {
            self.repair = Some((operator, plan, after));
        }
    }
}

fn protocol(instance: u64) -> Protocol {
    let name = ProcessId::new(&format!("p{instance}")).unwrap();
    let keys = Keys::new(RECORD);
    Protocol::new(keys, name, Instance::new(instance), LocalClock::MAX_JUMP)
}

fn time(value: u64) -> Time {
    Time::new(value).unwrap()
}

fn named(mask: u8) -> Vec<&'static str> {
    let all = [RECORD, BASE, TAKEN].into_iter().chain(WEIGHTS);
    let named = all.enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
    named.map(|(_, key)| key).collect()
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
