//! The update protocol under a schedule made of bytes: which process goes on, what becomes of its
//! transaction, who crashes, and what a writer that knows nothing of the protocol puts under its keys.
//!
//! It asserts what `tests/model.rs` asserts, further from the beginning than a model checker comes:
//! no time has two owners, none is given after a later one was, and when the faults end, every call
//! does.
#![no_main]

use std::collections::HashMap;

use lamport_clock::logic::board::Keys;
use lamport_clock::logic::exchange::{Exchange, Step};
use lamport_clock::logic::transaction::{Get, KeyRange, Operation, Reply, Transaction};
use lamport_clock::store::shelf::Shelf;
use lamport_clock::{ErrorKind, Instance, LocalClock, ProcessId, Record, Time};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

const RECORD: &str = "/c";
/// Far more than a call takes once nothing is in its way.
const MOST_STEPS: usize = 200;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let mut world = World::default();
    // It ends with the bytes.
    while !bytes.is_empty() && world.step(&mut bytes).is_ok() {}
    world.quiesce();
});

#[derive(Default)]
struct World {
    shelf: Shelf,
    processes: Vec<Process>,
    instances: u64,
    /// Given up by their senders, and perhaps still under way.
    late: Vec<Transaction>,
    owners: HashMap<u64, u64>,
    highest: u64,
    /// A writer that knows nothing has deleted the record, or put something there that is none or
    /// lies far ahead.
    spoilt: bool,
}

struct Process {
    exchange: Exchange,
    instance: u64,
    local: u64,
    flight: Flight,
    call: Option<Call>,
}

enum Flight {
    None,
    Sent(Transaction),
    Applied(Reply),
}

#[derive(Clone, Copy)]
struct Call {
    /// The highest time that anybody had before it.
    floor: u64,
    count: u64,
}

impl World {
    fn step(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let choice: u8 = bytes.arbitrary()?;
        let who = usize::from(choice & 3);
        match choice >> 2 {
            0..40 => self.go_on(who, bytes)?,
            40..44 => self.hear_grants(who),
            44..47 => self.process(who).exchange.handle_impatience(),
            47..50 => self.lose(who, bytes.arbitrary()?),
            50..52 => self.refuse(who),
            52..54 => self.give_up(who),
            54..56 => self.crash(who),
            56..58 => self.arrive_late(bytes)?,
            58 => self.look(who),
            59 => self.repair(who),
            _ => self.write_blindly(bytes)?,
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
        Process {
            exchange: Exchange::new(Keys::new(RECORD), name, instance, LocalClock::MAX_JUMP),
            instance: self.instances,
            local: 0,
            flight: Flight::None,
            call: None,
        }
    }

    /// One step of a process: it calls, sends, has its transaction carried out, or hears the reply.
    fn go_on(&mut self, who: usize, bytes: &mut Unstructured<'_>) -> Result<()> {
        if self.process(who).call.is_none() {
            let (ticks, count) = (bytes.int_in_range(1..=9)?, bytes.int_in_range(1..=4)?);
            self.begin(who, ticks, count);
        } else {
            self.advance(who);
        }
        Ok(())
    }

    fn begin(&mut self, who: usize, ticks: u64, count: u64) {
        let floor = self.highest;
        let process = self.process(who);
        let Ok(local) = Time::new(process.local + ticks) else {
            return;
        };
        process.local = local.get();
        process.call = Some(Call { floor, count });
        process.exchange.begin(local, count);
    }

    fn advance(&mut self, who: usize) {
        match std::mem::replace(&mut self.process(who).flight, Flight::None) {
            Flight::None => self.poll(who),
            Flight::Sent(transaction) => {
                let reply = self.apply(&transaction);
                self.process(who).flight = Flight::Applied(reply);
            }
            Flight::Applied(reply) => self.process(who).exchange.handle_reply(&reply),
        }
    }

    fn poll(&mut self, who: usize) {
        let spoilt = self.spoilt;
        let process = self.process(who);
        match process.exchange.poll(1.5) {
            Step::Send(transaction) => process.flight = Flight::Sent(transaction),
            Step::Await { .. } => {}
            Step::Done(times) => {
                let call = process.call.take().expect("a call");
                let (owner, first, last) = (process.instance, times.first.get(), times.last.get());
                process.local = process.local.max(last);
                assert_eq!(last - first + 1, call.count);
                assert!(last <= Time::MAX.get());
                assert!(
                    first > call.floor,
                    "p{owner} was given {first}, and {} had been before it called",
                    call.floor
                );
                for time in first..=last {
                    let other = self.owners.insert(time, owner);
                    assert_eq!(other, None, "{time} was given to p{owner} too");
                }
                self.highest = self.highest.max(last);
            }
            Step::Failed(error) => {
                process.call = None;
                let kinds = [
                    ErrorKind::Corrupt,
                    ErrorKind::TooFarAhead,
                    ErrorKind::Exhausted,
                    ErrorKind::Regressed,
                ];
                assert!(spoilt && kinds.contains(&error.kind()), "{error}");
            }
        }
    }

    fn apply(&mut self, transaction: &Transaction) -> Reply {
        let record = |operation: &Operation| matches!(operation, Operation::Put(key, _) if key == RECORD.as_bytes());
        if !transaction.then.iter().any(record) {
            return self.shelf.apply(transaction).expect("well formed");
        }
        let before = self.value();
        let reply = self.shelf.apply(transaction).expect("well formed");
        let after = self.value();
        assert!(
            !reply.succeeded || after > before,
            "the record went from {before:?} to {after:?}"
        );
        reply
    }

    fn value(&mut self) -> Option<Time> {
        let bytes = self.found(RECORD.as_bytes())?.0;
        Record::parse(&bytes).ok().map(|record| record.value)
    }

    /// What lies under a key, and the revision that wrote it.
    fn found(&mut self, key: &[u8]) -> Option<(Vec<u8>, u64)> {
        let look = Transaction {
            then: vec![Operation::Get(Get::all(KeyRange::key(key)))],
            ..Transaction::default()
        };
        let mut reply = self.shelf.apply(&look).unwrap();
        let entry = reply.gets.remove(0).pop()?;
        Some((entry.value, entry.mod_revision))
    }

    fn hear_grants(&mut self, who: usize) {
        if let Some((bytes, revision)) = self.found(&Keys::new(RECORD).granted) {
            self.process(who).exchange.handle_granted(&bytes, revision);
        }
    }

    /// The reply is never heard; the transaction has taken effect, will, or never does.
    fn lose(&mut self, who: usize, later: bool) {
        let process = self.process(who);
        match std::mem::replace(&mut process.flight, Flight::None) {
            Flight::None => return,
            Flight::Sent(transaction) if later => self.late.push(transaction),
            Flight::Sent(_) | Flight::Applied(_) => {}
        }
        self.process(who).exchange.handle_lost();
    }

    fn refuse(&mut self, who: usize) {
        let process = self.process(who);
        if let Flight::Sent(_) = process.flight {
            process.flight = Flight::None;
            process.exchange.handle_refused();
        }
    }

    /// The deadline of a call passes; what it has sent may still arrive.
    fn give_up(&mut self, who: usize) {
        self.lose(who, true);
        self.process(who).call = None;
    }

    fn crash(&mut self, who: usize) {
        let new = self.new_process();
        let old = std::mem::replace(self.process(who), new);
        if let Flight::Sent(transaction) = old.flight {
            self.late.push(transaction);
        }
    }

    fn arrive_late(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        if !self.late.is_empty() {
            let at = bytes.choose_index(self.late.len())?;
            let transaction = self.late.swap_remove(at);
            self.apply(&transaction);
        }
        Ok(())
    }

    /// As a `read` of this process does.
    fn look(&mut self, who: usize) {
        let look = self.process(who).exchange.look_transaction();
        let reply = self.shelf.apply(&look).unwrap();
        let exchange = &mut self.process(who).exchange;
        let asked = exchange.known();
        let _ = exchange.handle_look(asked, &reply);
    }

    /// As somebody does who is told that the store has lost times, with or without reason.
    fn repair(&mut self, who: usize) {
        let highest = self.highest;
        let at_least = Time::new(highest).unwrap();
        let look = self.process(who).exchange.look_transaction();
        let reply = self.shelf.apply(&look).unwrap();
        let exchange = &self.process(who).exchange;
        let Ok(condition) = exchange.condition(exchange.known(), &reply, at_least) else {
            return;
        };
        let to = condition.to.get();
        // A slip far ahead is to be mended before, and not to be confirmed.
        if to > highest + 1_000 {
            return;
        }
        let repair = exchange.repair_transaction(&condition, 1.5).unwrap();
        assert!(self.shelf.apply(&repair).unwrap().succeeded);
        assert!(to > highest);
        self.owners.insert(to, 0);
        self.highest = to;
    }

    /// A program of another make writes the record as it likes, or rubbish beside it. It leaves the
    /// highest time alone: whoever deletes that as well has taken the clock apart.
    fn write_blindly(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let keys = Keys::new(RECORD);
        let highest = self.highest;
        let operation = match bytes.int_in_range(0..=7)? {
            0..=2 => {
                let value = bytes.int_in_range(0..=highest + 5)?;
                Operation::Put(keys.record, record(value))
            }
            3 => {
                self.spoilt = true;
                Operation::Delete(keys.record)
            }
            4 => {
                self.spoilt = true;
                let value = bytes.int_in_range(0..=Time::MAX.get() + 1)?;
                Operation::Put(keys.record, record(value))
            }
            5 => {
                self.spoilt = true;
                let length = bytes.int_in_range(0..=20)?.min(bytes.len());
                Operation::Put(keys.record, bytes.bytes(length)?.to_vec())
            }
            6 => {
                let key = bytes.choose(&[&keys.granted, &keys.tail])?.to_vec();
                if bytes.arbitrary()? {
                    Operation::Put(key, b"rubbish".to_vec())
                } else {
                    Operation::Delete(key)
                }
            }
            _ => {
                let instance = bytes.int_in_range(0..=self.instances + 1)?;
                let key = keys.request(Instance::new(instance));
                if bytes.arbitrary()? {
                    let length = bytes.int_in_range(0..=60)?.min(bytes.len());
                    Operation::Put(key, bytes.bytes(length)?.to_vec())
                } else {
                    Operation::Delete(key)
                }
            }
        };
        self.shelf
            .apply(&Transaction {
                then: vec![operation],
                ..Transaction::default()
            })
            .unwrap();
        Ok(())
    }

    /// The faults end, somebody mends the record, and every call comes to its end; then one more does.
    fn quiesce(&mut self) {
        let mended = Operation::Put(RECORD.into(), record(self.highest));
        self.shelf
            .apply(&Transaction {
                then: vec![mended],
                ..Transaction::default()
            })
            .unwrap();
        for _ in 0..2 {
            for step in 0.. {
                let busy: Vec<usize> = (0..self.processes.len())
                    .filter(|who| self.processes[*who].call.is_some())
                    .collect();
                if busy.is_empty() {
                    break;
                }
                assert!(step < MOST_STEPS, "{} calls never end", busy.len());
                for who in busy {
                    self.advance(who);
                    self.hear_grants(who);
                    if step % 10 == 9 {
                        self.process(who).exchange.handle_impatience();
                    }
                }
            }
            for who in 0..self.processes.len() {
                self.begin(who, 1, 1);
            }
        }
    }
}

fn record(value: u64) -> Vec<u8> {
    format!(r#"{{"value":{value},"process_id":"old","real_timestamp":1.5}}"#).into_bytes()
}
