//! The update protocol under a schedule made of bytes. The bytes decide which process goes on with which of
//! its calls, what becomes of its transactions and folds, which process crashes, what legacy writers put into
//! the record, and what an operator deletes, restores, exchanges and repairs.
//!
//! It asserts what `tests/model.rs` asserts, on longer schedules than a model checker can reach: no time has
//! two owners, no time is given after a later one, a watcher sees the times that the caller gets, and a call
//! takes two transactions and one more for each lost reply. A loss breaks only the promises that it must;
//! after a repair all of them hold again. When the faults end, every call ends.
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

#[path = "protocol/calls.rs"]
mod calls;
#[path = "protocol/losses.rs"]
mod losses;
#[path = "protocol/promises.rs"]
mod promises;

const RECORD: &str = "/c";
/// The most calls that one process may have under way.
const MOST_CALLS: usize = 3;
/// Far more steps than the calls of one process need when nothing is in their way.
const MOST_STEPS: usize = 100;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let mut world = World::new();
    // The schedule ends with the bytes.
    while !bytes.is_empty() && world.step(&mut bytes).is_ok() {}
    world.quiesce();
});

struct World {
    keys: Arc<Keys>,
    store: Mvcc,
    /// Another cluster, which the address of the store may lead to.
    other: Mvcc,
    saved: Option<Mvcc>,
    processes: Vec<Process>,
    instances: u64,
    /// Transactions that their senders have given up, and that may still be under way.
    late: Vec<(Kind, Arc<Transaction>)>,
    /// A wall clock. It makes every transaction differ from every other in its bytes.
    wall: f64,

    owners: HashMap<u64, u64>,
    highest: u64,
    /// The highest clock that any state of any store has shown.
    topmost: u64,
    /// How often the store lost something. Until a repair, no promise holds for all processes.
    losses: u32,
    /// Set unless a loss is yet to be repaired: times above this one have one owner.
    sound_above: Option<u64>,
    /// Whether somebody put a value into the record, or into the weights, that may stop the clock.
    spoilt: bool,
    /// How often the record was written by others.
    blind_writes: u32,
    /// The snapshot of a watcher that follows each revision, until the first loss.
    watcher: Snapshot,
    /// The last result of `state`, with the number of losses and the revision at that moment.
    looked: Option<((u32, u64), State)>,
    told: HashMap<u64, Observed>,
}

struct Process {
    protocol: Protocol,
    instance: u64,
    local: u64,
    calls: Vec<Caller>,
    fold: Option<(Question, Option<Reply>)>,
    /// All times that the process was ever given.
    given: HashSet<u64>,
    /// The highest clock that the process has seen, and after how many repairs.
    knew: (u64, u64),
    /// Whether an answer from a state that the store has lost since was under way: it may yet be heard.
    tangled: bool,
}

/// A call under way.
struct Caller {
    call: Call,
    flight: Flight,
    local: u64,
    count: u64,
    /// The highest time that anybody had before this call.
    floor: u64,
    /// The record when the call began; and whether neither it nor the local clock lay above the clock.
    record: u64,
    calm: bool,
    /// When the call began: the numbers of losses and of blind writes, and whether the store was whole.
    losses: u32,
    blind_writes: u32,
    sound: bool,
    /// Whether something had been written before the call that its process had not seen.
    behind: bool,
    repairs: u64,
    lost: u32,
    created: u32,
    /// What the process knew when the call's last transaction was sent.
    knew: (u64, u64),
    /// What the process knew when the first one was sent; and whether the last one found a whole clock.
    knew_first: Option<(u64, u64)>,
    found_whole: bool,
    /// Number of repairs that the process had noticed when the call's last reply was heard.
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
    /// The value of the base, from which takes are counted.
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

    /// Returns process `who`, which is made when it is first asked for.
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
            // So few processes take part that one other makes a crowd.
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

    /// The faults end. Somebody mends the record and repairs what was lost, and every call comes to its end.
    /// Then each process makes more updates, exactly by the rule, and the takes are folded.
    fn quiesce(&mut self) {
        self.drain();
        if self.spoilt || self.losses > 0 {
            self.state();
            let mended = record(self.topmost.max(self.highest));
            self.write(vec![Operation::Put(self.keys.record.clone(), mended)]);
            self.process(0);
            if !self.repair(0, true) {
                // The last times are near, or the times from before the loss lie too far ahead.
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

    /// An update while nobody else is active: it ends at once, with exactly the times of the rule.
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

    /// Once all processes are at rest, three keys are left, and the record shows the newest time.
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
    /// Notes the clock that the process's snapshot shows.
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
