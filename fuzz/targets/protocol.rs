//! The update protocol under a schedule made of bytes: which process goes on with which of its calls,
//! what becomes of its transactions and folds, who crashes, what legacy writers put into the record,
//! and what an operator deletes, restores, exchanges and repairs.
//!
//! It asserts what `tests/model.rs` asserts, further from the beginning than a model checker comes:
//! no time has two owners, none is given after a later one was, a watcher sees what the caller gets,
//! and a call takes two transactions and one for each lost reply. A loss takes away what it must and no
//! more; after a repair all of it holds again. When the faults end, every call does.
#![no_main]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lamport_clock::protocol::{
    At, Call, Entry, Fold, Keys, Observed, Operation, Protocol, Question, Reply, Reservation,
    Snapshot, Step, Transaction,
};
use lamport_clock::store::mvcc::Mvcc;
use lamport_clock::{ErrorKind, Instance, LocalClock, ProcessId, Time};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

const RECORD: &str = "/c";
/// How many calls one process may have under way.
const MOST_CALLS: usize = 3;
/// Far more than the calls of one process take once nothing is in their way.
const MOST_STEPS: usize = 100;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let mut world = World::new();
    // It ends with the bytes.
    while !bytes.is_empty() && world.step(&mut bytes).is_ok() {}
    world.quiesce();
});

struct World {
    keys: Arc<Keys>,
    store: Mvcc,
    /// Another cluster, which the address may lead to.
    other: Mvcc,
    saved: Option<Mvcc>,
    processes: Vec<Process>,
    instances: u64,
    /// Given up by their senders, and perhaps still under way.
    late: Vec<(Kind, Arc<Transaction>)>,
    /// A wall clock: no two transactions are the same to the byte.
    wall: f64,

    owners: HashMap<u64, u64>,
    highest: u64,
    /// The highest clock that any state of any store has shown.
    topmost: u64,
    /// How often the store lost something. Nothing holds for all until it is repaired.
    losses: u32,
    /// What the store has lost was made good: times above this one have one owner.
    sound_above: Option<u64>,
    /// Somebody put something into the record, or into the weights, that may stop the clock.
    spoilt: bool,
    /// How often the record was written by others.
    blind_writes: u32,
    /// What a watcher makes of each revision, until the first loss.
    watcher: Snapshot,
    /// The state of the store after so many losses, at a revision.
    looked: Option<((u32, u64), State)>,
    told: HashMap<u64, Observed>,
}

struct Process {
    protocol: Protocol,
    instance: u64,
    local: u64,
    calls: Vec<Caller>,
    fold: Option<(Question, Option<Reply>)>,
    /// All that it was ever given.
    given: HashSet<u64>,
    /// The highest clock it has seen, and after how many repairs.
    knew: (u64, u64),
    /// An answer of a state that was lost since was under way: it may yet be heard.
    tangled: bool,
}

/// A call under way.
struct Caller {
    call: Call,
    flight: Flight,
    local: u64,
    count: u64,
    /// The highest time that anybody had before it.
    floor: u64,
    /// The record as it lay there, and whether nothing lies above the clock that it would have to see.
    record: u64,
    calm: bool,
    /// How many losses and blind writes there had been, and whether the store was whole.
    losses: u32,
    blind_writes: u32,
    sound: bool,
    repairs: u64,
    lost: u32,
    created: u32,
    /// What the process knew when the last transaction was sent, and whether that found a whole clock.
    knew: (u64, u64),
    /// The same of the first one.
    knew_first: Option<(u64, u64)>,
    found_whole: bool,
    /// How many repairs had been noticed when its last reply was heard.
    heard_after: u64,
}

enum Flight {
    None,
    Sent(Kind, Arc<Transaction>),
    Applied(Reply),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Create,
    Update,
    Fold,
    Repair,
}

/// A shared clock as it lies in the store.
#[derive(Clone, Copy, Debug, PartialEq)]
struct State {
    clock: std::result::Result<Option<u64>, ErrorKind>,
    record: Option<u64>,
    /// What the base counts from.
    based: Option<u64>,
}

impl World {
    fn new() -> World {
        let keys = Arc::new(Keys::new(RECORD));
        World {
            watcher: Snapshot::empty(&keys),
            looked: None,
            keys,
            store: Mvcc::of_cluster(1),
            other: Mvcc::of_cluster(2),
            saved: None,
            processes: Vec::new(),
            instances: 0,
            late: Vec::new(),
            wall: 0.0,
            owners: HashMap::new(),
            highest: 0,
            topmost: 0,
            losses: 0,
            sound_above: Some(0),
            spoilt: false,
            blind_writes: 0,
            told: HashMap::new(),
        }
    }

    fn step(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let choice: u8 = bytes.arbitrary()?;
        let who = usize::from(choice & 3);
        match choice >> 2 {
            0..24 => self.go_on(who, 0, bytes)?,
            24..32 => {
                let which = bytes.int_in_range(0..=MOST_CALLS - 1)?;
                self.go_on(who, which, bytes)?;
            }
            32..40 => self.fold(who, bytes)?,
            40..43 => {
                let which = bytes.int_in_range(0..=MOST_CALLS - 1)?;
                self.lose(who, which, bytes.arbitrary()?);
            }
            43..45 => self.refuse(who, bytes.int_in_range(0..=MOST_CALLS - 1)?),
            45..47 => self.give_up(who, bytes.int_in_range(0..=MOST_CALLS - 1)?),
            47..49 => self.lose_fold(who, bytes.arbitrary()?),
            49..51 => self.crash(who),
            51..53 => self.arrive_late(bytes)?,
            53 => drop(self.look(who, bytes.arbitrary()?)),
            54..58 => self.write_blindly(bytes)?,
            58 => self.saved = Some(self.store.clone()),
            59 => self.restore(bytes.int_in_range(0..=3)?),
            60 => self.delete(bytes.int_in_range(1..=15)?),
            61 => self.exchange(),
            _ => drop(self.repair(who, bytes.arbitrary()?)),
        }
        Ok(())
    }

    /// Process `who`, made when it is first asked for.
    fn process(&mut self, who: usize) -> &mut Process {
        while self.processes.len() <= who {
            let process = self.new_process();
            self.processes.push(process);
        }
        &mut self.processes[who]
    }

    fn new_process(&mut self) -> Process {
        self.instances += 1;
        let name = ProcessId::new(&format!("p{}", self.instances)).unwrap();
        let instance = Instance::new(self.instances);
        let keys = Keys::new(RECORD);
        Process {
            // So few take part that one other is a crowd.
            protocol: Protocol::new(keys, name, instance, LocalClock::MAX_JUMP).with_crowd(1),
            instance: self.instances,
            local: 0,
            calls: Vec::new(),
            fold: None,
            given: HashSet::new(),
            knew: (0, 0),
            tangled: false,
        }
    }

    /// One step of a call: it begins, sends, has its transaction carried out, or hears the reply.
    fn go_on(&mut self, who: usize, which: usize, bytes: &mut Unstructured<'_>) -> Result<()> {
        if self.process(who).calls.len() <= which {
            let (ticks, count) = (bytes.int_in_range(1..=9)?, bytes.int_in_range(1..=9)?);
            self.begin(who, ticks, count);
        } else {
            self.advance(who, which);
        }
        Ok(())
    }

    fn begin(&mut self, who: usize, ticks: u64, count: u64) {
        let state = self.state();
        let (floor, losses, blind_writes) = (self.highest, self.losses, self.blind_writes);
        let sound = self.sound_above.is_some();
        let process = self.process(who);
        let Ok(local) = Time::new(process.local + ticks) else {
            return;
        };
        process.local = local.get();
        let record = state.record.unwrap_or(0);
        let clock = state.clock.ok().flatten();
        process.calls.push(Caller {
            call: process.protocol.begin(local, count),
            flight: Flight::None,
            local: local.get(),
            count,
            floor,
            record,
            calm: clock.is_some_and(|clock| local.get() <= clock && record <= clock),
            losses,
            blind_writes,
            sound,
            repairs: process.protocol.repairs(),
            lost: 0,
            created: 0,
            knew: (0, 0),
            knew_first: None,
            found_whole: true,
            heard_after: 0,
        });
    }

    fn advance(&mut self, who: usize, which: usize) {
        let caller = &mut self.processes[who].calls[which];
        match std::mem::replace(&mut caller.flight, Flight::None) {
            Flight::None => self.poll(who, which),
            Flight::Sent(kind, transaction) => {
                let whole = self.state().clock.is_ok();
                let reply = self.apply(kind, &transaction);
                let caller = &mut self.processes[who].calls[which];
                caller.found_whole = whole;
                caller.flight = Flight::Applied(reply);
            }
            Flight::Applied(reply) => {
                let process = &mut self.processes[who];
                let caller = &mut process.calls[which];
                caller.heard_after = process.protocol.repairs();
                process.protocol.handle_reply(&mut caller.call, &reply);
                process.learn();
            }
        }
    }

    fn poll(&mut self, who: usize, which: usize) {
        self.wall += 1.0;
        let process = &mut self.processes[who];
        let caller = &mut process.calls[which];
        match process.protocol.poll(&mut caller.call, self.wall) {
            Step::Look => {
                if self.look(who, true) {
                    return;
                }
                let caller = self.processes[who].calls.remove(which);
                self.assert_may_fail(&self.processes[who], &caller, ErrorKind::Regressed);
            }
            Step::Send(transaction) => {
                let taken = |operation: &Operation| matches!(operation, Operation::Put(key, _) if *key == self.keys.taken);
                // In a crowd a take asks nothing.
                let creates =
                    !transaction.compares.is_empty() && transaction.then.iter().any(taken);
                let kind = match creates {
                    true => Kind::Create,
                    false => Kind::Update,
                };
                caller.created += u32::from(kind == Kind::Create);
                caller.knew = process.knew;
                caller.knew_first.get_or_insert(process.knew);
                caller.flight = Flight::Sent(kind, transaction);
            }
            Step::Done(times) => {
                let caller = process.calls.remove(which);
                self.done(who, &caller, &times);
            }
            Step::Failed(error) => {
                let caller = process.calls.remove(which);
                self.assert_may_fail(&self.processes[who], &caller, error.kind());
            }
        }
    }

    fn done(&mut self, who: usize, caller: &Caller, times: &Reservation) {
        let process = &mut self.processes[who];
        let (owner, first, last) = (process.instance, times.first.get(), times.last.get());
        process.local = process.local.max(last);
        assert_eq!(last - first + 1, caller.count);
        assert!(last <= Time::MAX.get());
        assert!(first > caller.local, "{first} is not above the local clock");
        assert!(
            caller.found_whole,
            "{first} was given though everybody could see a loss"
        );

        // Whatever is lost, a process repeats neither its own times nor those it knew of.
        for time in first..=last {
            assert!(
                process.given.insert(time),
                "{time} was given to p{owner} twice"
            );
        }
        let (knew, repairs) = caller.knew;
        assert_eq!(
            repairs, caller.heard_after,
            "an answer of before a repair counts"
        );
        assert!(
            last > knew,
            "p{owner} was given {last}, and had known of {knew}"
        );
        // Its own void take, if nothing followed that, is as if it had not been.
        let (knew, repairs) = caller.knew_first.expect("it has sent something");
        let is_known = repairs == caller.heard_after && first <= knew;
        assert!(
            !is_known,
            "p{owner} was given {first}, and had known of {knew}"
        );
        self.assert_bounded(&self.processes[who], caller, times);

        for time in first..=last {
            let other = self.owners.insert(time, owner);
            let is_sound = self.sound_above.is_some_and(|above| time > above);
            assert!(
                other.is_none() || !is_sound,
                "{time} was given to p{owner} too"
            );
        }
        if caller.sound && caller.losses == self.losses {
            let floor = caller.floor;
            assert!(
                first > floor,
                "p{owner} was given {first}, and {floor} had been before it called"
            );
        }
        self.highest = self.highest.max(last);
        if self.losses > 0 {
            return;
        }
        let seen = &self.told[&times.revision];
        assert_eq!((seen.first, seen.value), (times.first, times.last));
        assert_eq!(seen.instance, Some(Instance::new(owner)));
        if caller.blind_writes == self.blind_writes {
            assert!(first > caller.record, "{first} is not above the record");
            let previous = times.previous.as_ref().map(|holder| holder.value);
            assert!(previous < Some(times.first), "{previous:?} before {first}");
        }
    }

    fn assert_bounded(&self, process: &Process, caller: &Caller, times: &Reservation) {
        // A transaction under way when a repair was noticed is as good as lost.
        let repairs = u32::try_from(process.protocol.repairs() - caller.repairs).unwrap();
        let lost = caller.lost + caller.created + repairs;
        assert!(
            times.round_trips <= 2 + lost,
            "{} round trips",
            times.round_trips
        );
        if self.losses > 0 {
            return;
        }
        let writes = self.blind_writes - caller.blind_writes;
        assert!(
            caller.created <= 1 + caller.lost + writes,
            "created again and again"
        );
        if caller.calm && writes == 0 {
            assert!(
                times.round_trips <= 1 + lost,
                "{} round trips",
                times.round_trips
            );
        }
    }

    fn assert_may_fail(&self, process: &Process, caller: &Caller, kind: ErrorKind) {
        let untold = !caller.sound || caller.losses < self.losses || process.tangled;
        let excused = match kind {
            ErrorKind::Regressed => self.losses > 0 && untold,
            ErrorKind::Corrupt => self.spoilt || untold,
            ErrorKind::TooFarAhead | ErrorKind::Exhausted => self.spoilt || untold,
            _ => false,
        };
        assert!(excused, "a call of p{} failed: {kind:?}", process.instance);
    }

    /// Carries out a transaction, and holds what it did against what it may do.
    fn apply(&mut self, kind: Kind, transaction: &Transaction) -> Reply {
        let before = self.state();
        let reply = self.store.apply(transaction).expect("well formed");
        let after = self.state();
        self.follow();
        if self.losses > 0 || kind == Kind::Repair {
            return reply;
        }
        let (Ok(was), Ok(is)) = (before.clock, after.clock) else {
            // The last time lies behind it, or somebody has spoilt it.
            assert!(self.spoilt, "{kind:?}: {before:?} became {after:?}");
            return reply;
        };
        assert!(is >= was, "the clock went from {was:?} to {is:?}");
        if self.spoilt {
            return reply;
        }
        let recorded = before.record.unwrap_or(0);
        match kind {
            // Above a legacy record, it counts from there what was taken since.
            Kind::Fold if reply.succeeded && was < before.record => {
                assert!(is >= was.max(Some(recorded)));
            }
            Kind::Fold => assert_eq!(is, was),
            Kind::Create if reply.succeeded => assert!(was.is_none() && is > Some(recorded)),
            Kind::Create => assert_eq!(is, was),
            Kind::Update => assert!(is > was),
            Kind::Repair => unreachable!(),
        }
        if reply.succeeded && !transaction.compares.is_empty() {
            assert!(after.record >= before.record, "the record was moved back");
            // A crowd's fold leaves to the weights what they add.
            assert!(
                after.record == after.based || (kind == Kind::Fold && after.based < after.record),
                "a base is written with its record"
            );
            // In a crowd others take while it is on its way.
            assert!(after.record == is || (kind == Kind::Fold && after.record < is));
        }
        reply
    }

    /// What lies in the store, by its own reading and not by anybody's memory.
    fn state(&mut self) -> State {
        let at = (self.losses, self.store.revision());
        if let Some((looked, state)) = self.looked
            && looked == at
        {
            return state;
        }
        let snapshot = self.snapshot(At::Now);
        let clock = snapshot.clock();
        let clock = clock.map(|clock| clock.map(Time::get));
        if let Ok(Some(clock)) = clock {
            self.topmost = self.topmost.max(clock);
        }
        let record = snapshot.record().ok().flatten();
        let state = State {
            clock: clock.map_err(|error| error.kind()),
            record: record.map(|record| record.value.get()),
            based: snapshot.base().map(|base| base.value.get()),
        };
        self.looked = Some((at, state));
        state
    }

    fn snapshot(&self, at: At) -> Snapshot {
        let reply = self.store.read(&self.keys.all(), at).expect("kept");
        let snapshot = Snapshot::of(&self.keys, &reply);
        match at {
            At::Revision(revision) => snapshot.as_of(revision),
            At::Now | At::Anywhere => snapshot,
        }
    }

    /// A watcher hears of what was written.
    fn follow(&mut self) {
        if self.losses > 0 {
            return;
        }
        let next = self.watcher.revision + 1;
        let changes = self.store.changes(&self.keys.all(), next, u64::MAX);
        for change in changes.expect("kept") {
            self.watcher.advance(&change);
            let lost = change
                .keys
                .iter()
                .any(|(key, entry)| entry.is_none() && *key == self.keys.record);
            assert_eq!(self.watcher.is_loss(&change), lost, "{change:?}");
            if let Ok(Some(update)) = self.watcher.update() {
                self.told.insert(change.revision, update);
            }
        }
    }

    /// A fold begins, is carried out, or its answer is heard.
    fn fold(&mut self, who: usize, bytes: &mut Unstructured<'_>) -> Result<()> {
        self.process(who);
        match self.processes[who].fold.take() {
            None => {
                let form = *bytes.choose(&[Fold::AtRest, Fold::InACrowd])?;
                let newest = self.store.revision();
                let seen = match bytes.int_in_range(0..=3)? {
                    // From a server that is late.
                    0 => self.snapshot(At::Revision(
                        newest.saturating_sub(bytes.int_in_range(0..=3)?),
                    )),
                    1 => self.snapshot(At::Now),
                    _ => match self.processes[who].protocol.snapshot() {
                        Some(seen) => Snapshot::clone(seen),
                        None => return Ok(()),
                    },
                };
                self.begin_fold(who, form, seen);
            }
            Some((question, None)) => {
                let reply = self.apply(Kind::Fold, question.transaction());
                self.processes[who].fold = Some((question, Some(reply)));
            }
            Some((question, Some(reply))) => {
                let process = &mut self.processes[who];
                process.protocol.handle_fold(&question, &reply);
                process.learn();
            }
        }
        Ok(())
    }

    fn begin_fold(&mut self, who: usize, form: Fold, seen: Snapshot) {
        self.wall += 1.0;
        let protocol = &self.processes[who].protocol;
        let question = protocol.fold(form, &Arc::new(seen), self.wall);
        self.processes[who].fold = question.map(|question| (question, None));
    }

    /// The reply is never heard; the transaction has taken effect, will, or never does.
    fn lose(&mut self, who: usize, which: usize, later: bool) {
        let process = self.process(who);
        let Some(caller) = process.calls.get_mut(which) else {
            return;
        };
        let late = match std::mem::replace(&mut caller.flight, Flight::None) {
            Flight::None => return,
            Flight::Sent(kind, transaction) => later.then_some((kind, transaction)),
            Flight::Applied(_) => None,
        };
        caller.lost += 1;
        process.protocol.handle_lost(&mut caller.call);
        self.late.extend(late);
    }

    fn refuse(&mut self, who: usize, which: usize) {
        let process = self.process(who);
        let Some(caller) = process.calls.get_mut(which) else {
            return;
        };
        if let Flight::Sent(kind, _) = caller.flight {
            caller.flight = Flight::None;
            caller.created -= u32::from(kind == Kind::Create);
            process.protocol.handle_refused(&mut caller.call);
        }
    }

    /// The deadline of a call passes; what it has sent may still arrive.
    fn give_up(&mut self, who: usize, which: usize) {
        self.lose(who, which, true);
        let calls = &mut self.process(who).calls;
        if which < calls.len() {
            calls.remove(which);
        }
    }

    fn lose_fold(&mut self, who: usize, later: bool) {
        if let Some((question, None)) = self.process(who).fold.take()
            && later
        {
            self.late.push((Kind::Fold, question.transaction().clone()));
        }
    }

    fn crash(&mut self, who: usize) {
        self.lose_fold(who, true);
        let new = self.new_process();
        let old = std::mem::replace(self.process(who), new);
        for caller in old.calls {
            if let Flight::Sent(kind, transaction) = caller.flight {
                self.late.push((kind, transaction));
            }
        }
    }

    fn arrive_late(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        if !self.late.is_empty() {
            let at = bytes.choose_index(self.late.len())?;
            let (kind, transaction) = self.late.swap_remove(at);
            self.apply(kind, &transaction);
        }
        Ok(())
    }

    /// As a `read` of this process does. Whether it was shown a clock that it can go on with.
    fn look(&mut self, who: usize, certain: bool) -> bool {
        self.process(who);
        let reply = self.store.read(&self.keys.all(), At::Now).unwrap();
        let process = &mut self.processes[who];
        let asked = process.protocol.known();
        let shown = process.protocol.handle_look(asked, &reply, certain);
        process.learn();
        match shown {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Regressed, "{error}");
                assert!(self.losses > 0, "{error}");
                false
            }
        }
    }

    /// As somebody does who is told that the store has lost times, with or without reason. Whether it
    /// moved the clock past all there ever was.
    fn repair(&mut self, who: usize, told: bool) -> bool {
        self.state();
        self.wall += 1.0;
        self.process(who);
        let protocol = self.processes[who].protocol.clone();
        let at_least = if told {
            self.topmost.max(self.highest)
        } else {
            0
        };
        let at_least = Time::new(at_least).expect("a clock");
        let reply = self.store.read(&self.keys.all(), At::Now).unwrap();
        let Ok(plan) = protocol.plan_repair(protocol.known(), &reply, at_least) else {
            return false;
        };
        assert!(plan.to > at_least);
        // A slip far ahead is to be mended before, and not to be confirmed.
        if plan.to.get() > self.topmost.max(self.highest) + 1_000 {
            return false;
        }
        let mut seen = plan.found.clone();
        for _ in 0..2 {
            let Ok(question) = protocol.repair(&plan, &seen, self.wall) else {
                return false;
            };
            let reply = self.apply(Kind::Repair, question.transaction());
            assert!(reply.succeeded, "nobody wrote in between");
            seen = question.leaves(&reply);
            if protocol.repair_done(&plan, &seen).is_some() {
                self.repaired(plan.to.get(), told);
                return told;
            }
        }
        panic!("a repair takes two transactions");
    }

    fn repaired(&mut self, to: u64, told: bool) {
        let state = self.state();
        assert_eq!((state.clock, state.record), (Ok(Some(to)), Some(to)));
        let was_sound = self.sound_above.is_some();
        let other = self.owners.insert(to, 0);
        if told || was_sound {
            assert_eq!(other, None, "{to} was given before the repair");
            assert!(to > self.highest, "{to} lies below {}", self.highest);
        }
        self.highest = self.highest.max(to);
        if told && !was_sound {
            self.sound_above = Some(to);
        }
    }

    fn lost(&mut self) {
        self.losses += 1;
        self.sound_above = None;
        for process in &mut self.processes {
            let applied = |caller: &Caller| matches!(caller.flight, Flight::Applied(_));
            process.tangled |=
                process.calls.iter().any(applied) || matches!(process.fold, Some((_, Some(_))));
        }
    }

    /// An operator restores a snapshot, and may raise the revision as etcd's tools can.
    fn restore(&mut self, revisions: u8) {
        if let Some(saved) = self.saved.clone()
            && saved.revision() < self.store.revision()
        {
            self.state();
            self.lost();
            self.store = saved;
            for _ in 0..revisions {
                self.write(vec![Operation::Put(b"/elsewhere".to_vec(), Vec::new())]);
            }
        }
    }

    /// The address leads to another cluster, or back again.
    fn exchange(&mut self) {
        self.state();
        self.lost();
        std::mem::swap(&mut self.store, &mut self.other);
        self.saved = None;
    }

    /// An operator deletes some of the keys.
    fn delete(&mut self, which: u8) {
        let keys = self.keys.clone();
        let mut doomed = Vec::new();
        for (bit, key) in [&keys.record, &keys.base, &keys.taken]
            .into_iter()
            .enumerate()
        {
            if which >> bit & 1 == 1 {
                doomed.push(key.clone());
            }
        }
        if which >> 3 == 1 {
            doomed.extend((0..Keys::WEIGHTS).map(|bit| keys.weight(bit)));
        }
        let found = self.store.read(&keys.all(), At::Now).unwrap().entries;
        let is_loss = |entry: &Entry| doomed.contains(&entry.key) && entry.key != keys.record;
        if found.iter().any(is_loss) {
            self.state();
            self.lost();
        } else {
            // The record alone is no loss.
            self.blind_writes += 1;
        }
        self.write(doomed.into_iter().map(Operation::Delete).collect());
    }

    fn write(&mut self, then: Vec<Operation>) {
        let transaction = Transaction {
            then,
            ..Transaction::default()
        };
        self.store.apply(&transaction).unwrap();
        self.follow();
    }

    /// A program of another make writes the record as it likes, or something where only clocks write.
    fn write_blindly(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let keys = self.keys.clone();
        self.blind_writes += 1;
        let mut beside = None;
        let operation = match bytes.int_in_range(0..=9)? {
            0..=3 => {
                let value = bytes.int_in_range(0..=self.highest + 5)?;
                Operation::Put(keys.record.clone(), record(value))
            }
            4 => {
                self.spoilt = true;
                let value = bytes.int_in_range(0..=Time::MAX.get() + 1)?;
                Operation::Put(keys.record.clone(), record(value))
            }
            5 => {
                self.spoilt = true;
                let length = bytes.int_in_range(0..=20)?.min(bytes.len());
                Operation::Put(keys.record.clone(), bytes.bytes(length)?.to_vec())
            }
            // Somebody unknown has taken: a gap.
            6 => Operation::Put(keys.taken.clone(), b"rubbish".to_vec()),
            kind @ (7 | 8) => {
                // A few times, or nearly all there are.
                self.spoilt |= kind == 8;
                let most = if kind == 8 { Keys::WEIGHTS } else { 6 };
                let weight = keys.weight(bytes.int_in_range(0..=most - 1)?);
                beside = Some(Operation::Put(weight, Vec::new()));
                Operation::Put(keys.taken.clone(), Vec::new())
            }
            // How far the clock had come is gone with it.
            _ => {
                self.state();
                self.lost();
                Operation::Put(keys.base.clone(), b"rubbish".to_vec())
            }
        };
        if self.state().clock == Ok(None)
            && !matches!(&operation, Operation::Put(key, _) if *key == keys.record)
        {
            // There is no clock yet: what lies there before it is none.
            self.lost();
        }
        self.write([Some(operation), beside].into_iter().flatten().collect());
        self.state();
        Ok(())
    }

    /// The faults end, somebody mends the record and repairs what was lost, and every call comes to its
    /// end; then one more of each process does, as the rule says, and what was taken is folded.
    fn quiesce(&mut self) {
        self.drain();
        if self.spoilt || self.losses > 0 {
            self.state();
            let mended = record(self.topmost.max(self.highest));
            self.write(vec![Operation::Put(self.keys.record.clone(), mended)]);
            self.process(0);
            if !self.repair(0, true) {
                // The last times are near, or those of before too far away.
                return;
            }
            for process in &mut self.processes {
                process.tangled = false;
            }
            self.spoilt = false;
        }
        for _ in 0..2 {
            for who in 0..self.processes.len() {
                self.update_alone(who);
            }
        }
        self.rest();
    }

    fn drain(&mut self) {
        for who in 0..self.processes.len() {
            if let Some((question, None)) = self.processes[who].fold.take() {
                self.apply(Kind::Fold, question.transaction());
            }
            for step in 0.. {
                let Some(which) = self.processes[who].calls.len().checked_sub(1) else {
                    break;
                };
                assert!(step < MOST_STEPS, "{} calls never end", which + 1);
                self.advance(who, which);
            }
        }
        self.late.clear();
    }

    /// With nobody else about: at once, and exact.
    fn update_alone(&mut self, who: usize) {
        let state = self.state();
        let Ok(clock) = state.clock else {
            panic!("{state:?}");
        };
        if clock.unwrap_or(0) > Time::MAX.get() - 1_000 {
            return;
        }
        self.begin(who, 1, 2);
        let local = self.processes[who].local;
        let expected = local.max(clock.unwrap_or(0)).max(state.record.unwrap_or(0)) + 2;
        self.drain_one(who);
        assert_eq!(
            self.processes[who].local, expected,
            "{state:?}, from {local}"
        );
    }

    fn drain_one(&mut self, who: usize) {
        for step in 0.. {
            if self.processes[who].calls.is_empty() {
                break;
            }
            assert!(step < MOST_STEPS, "a call never ends");
            self.advance(who, 0);
        }
    }

    /// All are at rest: three keys are left, and the record shows the newest time.
    fn rest(&mut self) {
        for who in 0..self.processes.len() {
            if self.processes[who].protocol.fold_due().is_none() {
                continue;
            }
            let seen = self.snapshot(At::Anywhere);
            self.begin_fold(who, Fold::AtRest, seen);
            if let Some((question, None)) = self.processes[who].fold.take() {
                let reply = self.apply(Kind::Fold, question.transaction());
                self.processes[who].protocol.handle_fold(&question, &reply);
            }
        }
        let state = self.state();
        if !self.processes.is_empty() && state.clock.is_ok_and(|clock| clock.is_some()) {
            assert_eq!(state.clock, Ok(state.record));
            let left = self.store.read(&self.keys.all(), At::Now).unwrap().entries;
            assert_eq!(left.len(), 3, "{left:?}");
        }
    }
}

impl Process {
    /// What its snapshot tells it.
    fn learn(&mut self) {
        let repairs = self.protocol.repairs();
        if self.knew.1 != repairs {
            self.knew = (0, repairs);
        }
        let seen = self.protocol.snapshot();
        if let Some(Ok(Some(clock))) = seen.map(|seen| seen.clock()) {
            self.knew.0 = self.knew.0.max(clock.get());
        }
    }
}

fn record(value: u64) -> Vec<u8> {
    format!(r#"{{"value":{value},"process_id":"old","real_timestamp":1.5}}"#).into_bytes()
}
