//! Any values that others may put under the clock's keys. A process reads them and goes on, or refuses them
//! with a message. The transactions that it then sends do what they promise.
//!
//! Each line of the input is a put. Its first byte names the key: `r` the record, `b` the base, `t` taken, a
//! digit the weight of that power of two. The other bytes are the value. `-` before that name makes the line
//! a delete. `&` before the line makes it part of the transaction of the line before.
#![no_main]

use std::sync::Arc;

use lamport_clock::protocol::{
    At, Base, Fold, Keys, Operation, Protocol, Reply, Snapshot, Step, Taken, Transaction,
};
use lamport_clock::store::mvcc::Mvcc;
use lamport_clock::{Error, ErrorKind, Instance, LocalClock, ProcessId, Time};
use lamport_clock_fuzz::assert_message;
use libfuzzer_sys::fuzz_target;

const KINDS: [ErrorKind; 4] = [
    ErrorKind::Corrupt,
    ErrorKind::Regressed,
    ErrorKind::TooFarAhead,
    ErrorKind::Exhausted,
];

fuzz_target!(|bytes: &[u8]| {
    let keys = Arc::new(Keys::new("/c"));
    let mut store = Mvcc::default();
    let mut watcher = Snapshot::empty(&keys);
    for then in transactions(bytes, &keys) {
        let revision = write(&mut store, then);
        for change in store
            .changes(&keys.all(), watcher.revision + 1, u64::MAX)
            .unwrap()
        {
            watcher.advance(&change);
            watcher.is_deletion(&change);
            if let Err(error) = watcher.update() {
                assert_refused(&error);
            }
            assert_eq!(watcher.revision, revision);
        }
    }
    let reply = store.read(&keys.all(), At::Now).unwrap();
    let snapshot = Snapshot::of(&keys, &reply);
    look_at(&snapshot, &keys, &reply);
    assert_eq!(snapshot.newest(), watcher.newest());

    // All of these start from the same state.
    go_on(&keys, store.clone(), &reply);
    fold(&keys, store.clone(), &reply);
    for at_least in [0, 7, Time::MAX.get() - 1] {
        repair(&keys, store.clone(), &reply, Time::new(at_least).unwrap());
    }
});

/// The transactions that the lines describe. No transaction writes a key twice.
fn transactions(bytes: &[u8], keys: &Keys) -> Vec<Vec<Operation>> {
    let mut transactions: Vec<Vec<Operation>> = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').take(60) {
        let (joins, line) = match line.strip_prefix(b"&") {
            Some(line) => (true, line),
            None => (false, line),
        };
        let (deletes, line) = match line.strip_prefix(b"-") {
            Some(line) => (true, line),
            None => (false, line),
        };
        let Some((which, value)) = line.split_first() else {
            continue;
        };
        let key = match which {
            b'r' => keys.record.clone(),
            b'b' => keys.base.clone(),
            b't' => keys.taken.clone(),
            b'0'..=b'9' => keys.weight(u32::from(which - b'0')),
            // The highest weight; any other byte is a key that nobody uses.
            b'h' => keys.weight(Keys::WEIGHTS - 1),
            _ => [&keys.taken[..], b"/", value].concat(),
        };
        let operation = match deletes {
            true => Operation::Delete(key.clone()),
            false => Operation::Put(key.clone(), value.to_vec()),
        };
        let writes = |operation: &Operation| matches!(operation, Operation::Put(other, _) | Operation::Delete(other) if *other == key);
        match transactions.last_mut() {
            Some(last) if joins && !last.iter().any(writes) => last.push(operation),
            _ => transactions.push(vec![operation]),
        }
    }
    transactions
}

fn write(store: &mut Mvcc, then: Vec<Operation>) -> u64 {
    let transaction = Transaction {
        then,
        ..Transaction::default()
    };
    store.apply(&transaction).unwrap().revision
}

fn assert_refused(error: &Error) {
    assert!(KINDS.contains(&error.kind()), "{error}");
    assert_message(&error.to_string(), 1_500);
}

/// Asserts that each value that can be read is the same after it is written and read again, and that an error
/// is one line.
fn look_at(snapshot: &Snapshot, keys: &Keys, reply: &Reply) {
    for error in [
        snapshot.clock().err(),
        snapshot.record().err(),
        snapshot.update().err(),
    ] {
        error.iter().for_each(assert_refused);
    }
    for entry in &reply.entries {
        if let Ok(base) = Base::parse(&entry.value, keys) {
            let text = serde_json::to_vec(&base).unwrap();
            assert_eq!(Base::parse(&text, keys).unwrap(), base);
        }
        if let Some(taken) = Taken::parse(&entry.value) {
            let text = serde_json::to_vec(&taken).unwrap();
            assert_eq!(Taken::parse(&text), Some(taken));
        }
    }
}

fn protocol(keys: &Keys, instance: u64) -> Protocol {
    let name = ProcessId::new("a").unwrap();
    let keys = Keys::clone(keys);
    Protocol::new(keys, name, Instance::new(instance), LocalClock::MAX_JUMP)
}

fn clock(store: &Mvcc, keys: &Arc<Keys>) -> Option<Time> {
    let reply = store.read(&keys.all(), At::Now).unwrap();
    Snapshot::of(keys, &reply).clock().ok().flatten()
}

/// A process that first reads this state is given times above all that is counted there, or says what is
/// wrong. So is one that first sees the state in the answer to its own transaction.
fn go_on(keys: &Arc<Keys>, mut store: Mvcc, reply: &Reply) {
    let before = clock(&store, keys);
    let mut process = protocol(keys, 1);
    let mut call = process.begin(Time::new(3).unwrap(), 2);
    for _ in 0..8 {
        match process.poll(&mut call, 1.5) {
            Step::Look => {
                if let Err(error) = process.handle_look(process.known(), reply, true) {
                    return assert_refused(&error);
                }
            }
            Step::Send(transaction) => {
                let reply = store.apply(&transaction).unwrap();
                process.handle_reply(&mut call, &reply);
            }
            Step::Done(times) => {
                assert!(before < Some(times.first) && times.first.get() > 3);
                assert_eq!(clock(&store, keys), Some(times.last));
                assert!(times.round_trips <= 3, "{} round trips", times.round_trips);
                return;
            }
            Step::Failed(error) => return assert_refused(&error),
        }
    }
    panic!("a call never ends");
}

/// A fold leaves the clock where it is, or where a record has moved it.
fn fold(keys: &Arc<Keys>, mut store: Mvcc, reply: &Reply) {
    let mut process = protocol(keys, 1);
    if process.handle_look(process.known(), reply, true).is_err() {
        return;
    }
    // Another write of the record lets the comparison of the call fail, so that the call takes.
    let mut call = process.begin(Time::new(1).unwrap(), 1);
    if let Step::Send(transaction) = process.poll(&mut call, 1.5) {
        let found = reply.entries.iter().find(|entry| entry.key == keys.record);
        let record = match found {
            Some(found) => found.value.clone(),
            None => br#"{"value":1}"#.to_vec(),
        };
        write(
            &mut store,
            vec![Operation::Put(keys.record.clone(), record)],
        );
        let reply = store.apply(&transaction).unwrap();
        process.handle_reply(&mut call, &reply);
    }
    for form in [Fold::InACrowd, Fold::AtRest] {
        let Some(seen) = process.snapshot().cloned() else {
            return;
        };
        let Some(question) = process.fold(form, &seen, 2.5) else {
            continue;
        };
        let before = clock(&store, keys);
        let reply = store.apply(question.transaction()).unwrap();
        let after = clock(&store, keys);
        process.handle_fold(&question, &reply);
        assert!(after >= before, "{before:?} became {after:?}");
        if let Ok(Some(record)) = process.snapshot().unwrap().record() {
            assert!(!reply.succeeded || Some(record.value) == after);
        }
    }
}

/// A repair mends every state that it does not refuse, and moves the clock past all times that it is told of.
fn repair(keys: &Arc<Keys>, mut store: Mvcc, reply: &Reply, at_least: Time) {
    let mut process = protocol(keys, 2);
    let plan = match process.plan_repair(process.known(), reply, at_least) {
        Ok(plan) => plan,
        Err(error) => return assert_refused(&error),
    };
    for problem in &plan.problems {
        assert_message(problem, 1_500);
    }
    assert!(plan.to > at_least && Some(plan.to) > clock(&store, keys));
    let mut seen = plan.found.clone();
    for _ in 0..2 {
        let question = match process.repair(&plan, &seen, 1.5) {
            Ok(transaction) => transaction,
            Err(error) => {
                let kinds = [ErrorKind::InvalidArgument, ErrorKind::Corrupt];
                assert!(kinds.contains(&error.kind()), "{error}");
                return assert_message(&error.to_string(), 1_500);
            }
        };
        let reply = store.apply(question.transaction()).unwrap();
        assert!(reply.succeeded, "nobody wrote in between");
        seen = question.leaves(&reply);
        if process.repair_done(&plan, &seen).is_some() {
            break;
        }
    }
    assert_eq!(clock(&store, keys), Some(plan.to));
    let reply = store.read(&keys.all(), At::Now).unwrap();
    let snapshot = process.handle_look(process.known(), &reply, true).unwrap();
    assert_eq!(
        snapshot.record().unwrap().map(|record| record.value),
        Some(plan.to)
    );
    assert_eq!(snapshot.newest().map(|newest| newest.value), Some(plan.to));
}
