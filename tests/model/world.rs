//! The processes, the store and what may happen to them, one step at a time; and what must hold.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use lamport_clock::protocol::{
    At, Call, Compare, Fold, Keys, Operation, Protocol, Question, RepairPlan, Reply, Reservation,
    Snapshot, Step, Transaction,
};
use lamport_clock::store::mvcc::Mvcc;
use lamport_clock::{ErrorKind, Instance, LocalClock, ProcessId, Time};

use crate::keys::{self, BASE, Clock, RECORD, TAKEN, WEIGHTS};
use crate::sizes::Size;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// A process calls for so many times.
    Call(usize, usize, u64),
    /// It has to look first.
    Look(usize, usize),
    /// Its transaction takes effect.
    Arrive(usize, usize),
    /// It hears the reply.
    Hear(usize, usize),
    /// It gives its transaction up, which may take effect later.
    Lose(usize, usize),
    /// Its transaction takes effect, and the reply is lost.
    LoseReply(usize, usize),
    /// It rests, and begins to fold what it took.
    Rest(usize),
    /// Its fold takes effect, and it hears the reply.
    Fold(usize),
    LoseFold(usize),
    LoseFoldReply(usize),
    /// A transaction that was given up takes effect after all.
    ArriveLate(usize),
    Tick(usize),
    LegacyGet,
    LegacyPut,
    Crash(usize),
    Delete(u8),
    Save,
    /// The store is as it was when it was saved; with `true` its revisions go on later.
    Restore(bool),
    /// An operator looks, with the highest time that anybody knows, and moves the clock.
    RepairLook,
    Repair,
}

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
    /// How many repairs had been accepted when the newest transaction was sent.
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

    pub(crate) fn actions(&self, size: &Size, actions: &mut Vec<Action>) {
        if self.broken.is_some() {
            return;
        }
        for (i, process) in self.processes.iter().enumerate() {
            let calls = |k: usize| process.slots[k].is_some();
            for (k, slot) in process.slots.iter().enumerate() {
                match slot {
                    None if process.calls > 0 && (k == 0 || calls(0)) => {
                        actions.extend(size.counts.iter().map(|n| Action::Call(i, k, *n)));
                    }
                    None => {}
                    Some(slot) => match (&slot.sent, &slot.reply) {
                        (None, _) => actions.push(Action::Look(i, k)),
                        (Some(_), Some(_)) => actions.push(Action::Hear(i, k)),
                        (Some(_), None) => {
                            actions.push(Action::Arrive(i, k));
                            if self.left.losses > 0 {
                                actions.push(Action::Lose(i, k));
                                actions.push(Action::LoseReply(i, k));
                            }
                        }
                    },
                }
            }
            if process.fold.is_some() {
                actions.push(Action::Fold(i));
                if self.left.losses > 0 {
                    actions.push(Action::LoseFold(i));
                    actions.push(Action::LoseFoldReply(i));
                }
            } else if size.folds && !(size.is_quiet() && calls(0)) && self.can_fold(i) {
                actions.push(Action::Rest(i));
            }
            if self.left.ticks > 0 {
                actions.push(Action::Tick(i));
            }
            let has_begun = process.calls < size.calls;
            if self.left.crashes > 0 && has_begun {
                actions.push(Action::Crash(i));
            }
        }
        actions.extend((0..self.late.len()).map(Action::ArriveLate));
        if self.left.legacy_writes > 0 {
            actions.push(match self.legacy_read {
                None => Action::LegacyGet,
                Some(_) => Action::LegacyPut,
            });
        }
        if self.given.is_empty() {
            return;
        }
        if self.left.deletions > 0 {
            let there = |mask: &&u8| {
                let names = named(**mask);
                names
                    .iter()
                    .all(|key| keys::entry(&self.store, key).is_some())
            };
            actions.extend(
                size.deleted
                    .iter()
                    .filter(there)
                    .map(|mask| Action::Delete(*mask)),
            );
        }
        if self.left.saves > 0 {
            actions.push(Action::Save);
        }
        let has_newer = |saved: &Mvcc| saved.revision() < self.store.revision();
        if self.left.restores > 0 && self.saved.as_ref().is_some_and(has_newer) {
            actions.push(Action::Restore(false));
            if size.bump {
                actions.push(Action::Restore(true));
            }
        }
        if self.left.repairs > 0 && self.era > 0 {
            actions.push(match self.repair {
                None => Action::RepairLook,
                Some(_) => Action::Repair,
            });
        }
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

    pub(crate) fn act(&mut self, size: &Size, action: Action) {
        match action {
            Action::Call(i, k, count) => self.call(i, k, count),
            Action::Look(i, k) => {
                let process = &mut self.processes[i];
                let range = process.protocol.keys().all();
                let reply = self.store.read(&range, At::Now).unwrap();
                let asked = process.protocol.known();
                let looked = process.protocol.handle_look(asked, &reply, true);
                if let Some(slot) = &mut process.slots[k] {
                    slot.found.clear();
                    slot.knew = None;
                }
                match looked {
                    Ok(_) => self.go_on(size, i, k),
                    Err(error) => self.fail(i, k, error.kind()),
                }
            }
            Action::Arrive(i, k) => {
                self.arrive(i, k);
                if size.pipeline == 1 {
                    self.hear(size, i, k);
                }
            }
            Action::Hear(i, k) => self.hear(size, i, k),
            Action::Lose(i, k) => {
                if let Some(Slot {
                    sent: Some(sent), ..
                }) = &self.processes[i].slots[k]
                {
                    self.late.push(sent.clone());
                }
                self.lose(size, i, k);
            }
            Action::LoseReply(i, k) => {
                self.arrive(i, k);
                self.lose(size, i, k);
            }
            Action::Rest(i) => {
                let fold = self.rested(i);
                self.processes[i].fold = fold;
                if size.is_quiet() {
                    self.fold(i);
                }
            }
            Action::Fold(i) => self.fold(i),
            Action::LoseFold(i) => {
                self.left.losses -= 1;
                if let Some(fold) = self.processes[i].fold.take() {
                    self.late.push(fold.transaction().clone());
                }
            }
            Action::LoseFoldReply(i) => {
                self.left.losses -= 1;
                if let Some(fold) = self.processes[i].fold.take() {
                    self.apply(fold.transaction());
                }
            }
            Action::ArriveLate(late) => {
                let transaction = self.late.remove(late);
                self.apply(&transaction);
            }
            Action::Tick(i) => {
                self.left.ticks -= 1;
                self.processes[i].local += size.tick;
            }
            Action::LegacyGet => self.legacy_read = Some(keys::record(&self.store)),
            Action::LegacyPut => self.legacy_put(),
            Action::Crash(i) => self.crash(size, i),
            Action::Delete(mask) => self.delete(mask),
            Action::Save => {
                self.left.saves -= 1;
                self.saved = Some(self.store.clone());
            }
            Action::Restore(bump) => {
                self.left.restores -= 1;
                self.era += 1;
                let later = self.store.revision() + 20;
                self.store = self.saved.clone().expect("it was saved");
                while bump && self.store.revision() < later {
                    self.put("/other", b"x");
                }
            }
            Action::RepairLook => self.look_for_repair(),
            Action::Repair => self.go_on_with_repair(),
        }
    }

    fn call(&mut self, i: usize, k: usize, count: u64) {
        let after_repair = self.repaired.is_some_and(|(_, era)| era == self.era);
        let process = &mut self.processes[i];
        process.calls -= 1;
        process.local += 1;
        let slot = Slot {
            call: process.protocol.begin(time(process.local), count),
            count,
            local: process.local,
            floor: self.highest,
            legacy: self.legacy,
            after_repair,
            sent: None,
            reply: None,
            transactions: 0,
            creations: 0,
            lost: 0,
            found: Vec::new(),
            knew: None,
            repairs: 0,
        };
        process.slots[k] = Some(slot);
        self.poll(i, k);
    }

    /// Does what the protocol of the call says next.
    fn poll(&mut self, i: usize, k: usize) {
        let process = &mut self.processes[i];
        let Some(slot) = &mut process.slots[k] else {
            return;
        };
        let known = process.protocol.known().time().get();
        match process.protocol.poll(&mut slot.call, 0.0) {
            Step::Look => slot.sent = None,
            Step::Send(transaction) => {
                // One more where others created the clock in the same moment.
                let creates = transaction
                    .compares
                    .contains(&Compare::ModRevision(BASE.into(), 0));
                slot.transactions += 1;
                slot.creations += usize::from(creates);
                slot.knew.get_or_insert(known);
                slot.repairs = process.protocol.repairs();
                slot.sent = Some(transaction);
            }
            Step::Done(times) => self.hand_out(i, k, &times),
            Step::Failed(error) => self.fail(i, k, error.kind()),
        }
    }

    fn arrive(&mut self, i: usize, k: usize) {
        let Some(Slot {
            sent: Some(transaction),
            ..
        }) = self.processes[i].slots[k].clone()
        else {
            return;
        };
        let (clock, record) = (keys::clock(&self.store), keys::record(&self.store));
        let before = self.store.revision();
        let reply = self.apply(&transaction);
        let watched = self.watched();
        let wrote = transaction
            .branch(reply.succeeded)
            .iter()
            .any(|operation| !matches!(operation, Operation::Get(_)));
        // The first update of all creates the clock.
        let before_it = match clock {
            Clock::At(clock) => Some(clock),
            Clock::Empty => Some(0),
            Clock::Lost => None,
        };
        if let (Some(clock), true) = (before_it, wrote) {
            if let Clock::At(after) = keys::clock(&self.store)
                && after <= clock
            {
                self.breaks(format!("an update moved the clock from {clock} to {after}"));
            }
            if let Some(slot) = &mut self.processes[i].slots[k] {
                slot.found.push(Found {
                    clock,
                    record,
                    before,
                    after: reply.revision,
                    era: self.era,
                    watched,
                });
            }
        }
        if let Some(slot) = &mut self.processes[i].slots[k] {
            slot.reply = Some(reply);
        }
    }

    /// What a watcher makes of the newest revision.
    fn watched(&self) -> Option<(u64, u64)> {
        let keys = Arc::new(Keys::new(RECORD));
        let reply = self.store.read(&keys.all(), At::Now).unwrap();
        let update = Snapshot::of(&keys, &reply).update().ok().flatten()?;
        Some((update.first.get(), update.value.get()))
    }

    fn hear(&mut self, size: &Size, i: usize, k: usize) {
        let process = &mut self.processes[i];
        let Some(slot) = &mut process.slots[k] else {
            return;
        };
        let Some(reply) = slot.reply.take() else {
            return;
        };
        // What was asked before a repair was accepted is as good as lost.
        slot.lost += usize::from(slot.repairs != process.protocol.repairs());
        process.protocol.handle_reply(&mut slot.call, &reply);
        if size.crowd > 0
            && process.fold.is_none()
            && process.protocol.fold_due().is_some()
            && let Some(seen) = process.protocol.snapshot().cloned()
        {
            // Every so-manieth take, here of a crowd that fits the model.
            let takes = keys::entry(&self.store, TAKEN).zip(keys::entry(&self.store, BASE));
            let takes = takes.map_or(0, |(taken, base)| {
                taken.version.saturating_sub(keys::number(&base, "taken"))
            });
            if takes.is_multiple_of(size.crowd) {
                process.fold = process.protocol.fold(Fold::InACrowd, &seen, 0.0);
            }
        }
        self.go_on(size, i, k);
    }

    fn go_on(&mut self, _size: &Size, i: usize, k: usize) {
        self.poll(i, k);
    }

    fn lose(&mut self, size: &Size, i: usize, k: usize) {
        self.left.losses -= 1;
        let process = &mut self.processes[i];
        if let Some(slot) = &mut process.slots[k] {
            slot.reply = None;
            slot.lost += 1;
            slot.found.clear();
            slot.knew = None;
            process.protocol.handle_lost(&mut slot.call);
        }
        self.go_on(size, i, k);
    }

    fn fold(&mut self, i: usize) {
        let Some(fold) = self.processes[i].fold.take() else {
            return;
        };
        let before = keys::clock(&self.store);
        let legacy = keys::record(&self.store);
        let reply = self.apply(fold.transaction());
        if reply.succeeded && self.watched().is_some() {
            self.breaks("a watcher sees an update in a fold".to_owned());
        }
        if let (Clock::At(before), Clock::At(after)) = (before, keys::clock(&self.store))
            && self.era == 0
            && after > before.max(legacy)
        {
            self.breaks(format!("a fold moved the clock from {before} to {after}"));
        }
        self.processes[i].protocol.handle_fold(&fold, &reply);
    }

    fn fail(&mut self, i: usize, k: usize, kind: ErrorKind) {
        let process = &mut self.processes[i];
        let Some(slot) = process.slots[k].take() else {
            return;
        };
        process.refused = true;
        if kind != ErrorKind::Regressed || self.era == 0 {
            self.breaks(format!("p{i} failed: {kind:?}"));
        } else if slot.after_repair
            && let Some((to, era)) = self.repaired
            && era == self.era
            && self.processes[i].protocol.known().time().get() < to
        {
            self.breaks(format!("p{i} was refused after the repair"));
        }
    }

    fn hand_out(&mut self, i: usize, k: usize, times: &Reservation) {
        let Some(slot) = self.processes[i].slots[k].take() else {
            return;
        };
        let (first, last) = (times.first.get(), times.last.get());
        let problems = self.problems(i, &slot, first, last);
        for problem in problems {
            self.breaks(format!("p{i} was given {first}..{last}: {problem}"));
        }
        self.given.extend(first..=last);
        self.highest = self.highest.max(last);
        self.served += 1;
        let process = &mut self.processes[i];
        process.mine.extend(first..=last);
        process.local = process.local.max(last);
        self.came_back |= process.refused;
    }

    /// What is wrong with these times.
    fn problems(&self, i: usize, slot: &Slot, first: u64, last: u64) -> Vec<String> {
        let mut problems = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                problems.push(what);
            }
        };
        must(
            last + 1 - first == slot.count,
            format!("{} were asked for", slot.count),
        );
        let trips = slot.transactions;
        must(
            trips <= 2 + slot.lost + slot.creations,
            format!("{trips} transactions, {} lost", slot.lost),
        );
        must(
            first > slot.local,
            format!("the local clock stood at {}", slot.local),
        );
        let repaired = self.repaired.filter(|(_, era)| *era == self.era);
        let is_well = self.era == 0 || (slot.after_repair && repaired.is_some());
        if is_well {
            must(
                first > slot.floor,
                format!("{} was there before the call", slot.floor),
            );
        }
        if self.era == 0 {
            let legacy = slot.legacy;
            must(
                first > legacy,
                format!("a legacy writer had written {legacy} before the call"),
            );
        }
        if let (Some((to, _)), true) = (repaired, slot.after_repair) {
            must(first > to, format!("the clock was repaired to {to}"));
        }
        // Exact, to the digit, unless others wrote between a void take and the next transaction.
        let found = &slot.found;
        let calm = found.windows(2).all(|pair| pair[0].after == pair[1].before);
        if let Some(start) = found.first()
            && self.era == 0
            && calm
            && slot.lost == 0
        {
            let rule = slot.local.max(start.clock).max(start.record) + 1;
            // A local clock that ran ahead of what was known takes more than it needs, once others wrote.
            let knew = slot.knew.unwrap_or(0);
            let ahead = slot.local > knew + 1 && start.clock > knew;
            must(
                first == rule || (ahead && first > rule),
                format!("the rule says {rule}"),
            );
        }
        if let Some(newest) = found.last()
            && newest.era == self.era
        {
            let seen = newest.watched;
            must(
                seen == Some((first, last)),
                format!("a watcher saw {seen:?}"),
            );
        }
        if (first..=last).any(|value| self.given.contains(&value)) {
            must(self.era > 0, "again".to_owned());
            let knew = slot.knew.unwrap_or(0);
            must(first > knew, format!("again, by one who knew of {knew}"));
            let own = (first..=last).any(|value| self.processes[i].mine.contains(&value));
            must(!own, "again, by the same process".to_owned());
            if let Some((to, _)) = repaired {
                must(first <= to, "again, after the repair".to_owned());
            } else {
                must(
                    !self.visible,
                    "again, after a loss that everybody can see".to_owned(),
                );
            }
        }
        problems
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
