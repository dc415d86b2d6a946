//! The protocol step by step: races as transcripts.

use super::*;
use crate::clock::{LocalClock, Time};
use crate::error::{ErrorKind, Result};
use crate::store::mvcc::Mvcc;

mod answers;
mod late;
mod losses;

fn process(name: &str, instance: u64) -> Protocol {
    let process = ProcessId::new(name).unwrap();
    let instance = Instance::new(instance);
    Protocol::new(Keys::new("/c"), process, instance, LocalClock::MAX_JUMP)
}

fn time(value: u64) -> Time {
    Time::new(value).unwrap()
}

/// A look whose answer counts as certain.
fn look(process: &mut Protocol, store: &Mvcc) -> Result<Arc<Snapshot>> {
    let asked = process.known();
    let reply = store.read(&process.keys().all(), At::Now).unwrap();
    process.handle_look(asked, &reply, true)
}

/// The transaction that the call sends next.
fn sent(process: &Protocol, call: &mut Call) -> Arc<Transaction> {
    match process.poll(call, 1.5) {
        Step::Send(transaction) => transaction,
        other => panic!("{other:?}"),
    }
}

/// Runs a call to its end.
fn finish(process: &mut Protocol, call: &mut Call, store: &mut Mvcc) -> Result<Reservation> {
    for _ in 0..10 {
        match process.poll(call, 1.5) {
            Step::Look => drop(look(process, store)?),
            Step::Send(transaction) => {
                let reply = store.apply(&transaction).unwrap();
                process.handle_reply(call, &reply);
            }
            Step::Done(times) => return Ok(times),
            Step::Failed(error) => return Err(error),
        }
    }
    panic!("the call does not end");
}

fn update(process: &mut Protocol, store: &mut Mvcc, local: u64) -> Result<Reservation> {
    let mut call = process.begin(time(local), 1);
    finish(process, &mut call, store)
}

/// The value of the next update, or the kind of its error.
fn value(process: &mut Protocol, store: &mut Mvcc) -> Result<u64, ErrorKind> {
    let times = update(process, store, 1).map_err(|error| error.kind())?;
    Ok(times.last.get())
}

fn write(store: &mut Mvcc, operation: Operation) {
    let write = Transaction {
        then: vec![operation],
        ..Transaction::default()
    };
    store.apply(&write).unwrap();
}

/// Moves the clock past `at_least`, as an operator does.
fn repair(store: &mut Mvcc, at_least: u64) -> u64 {
    let operator = process("operator", 99);
    let reply = store.read(&operator.keys().all(), At::Now).unwrap();
    let plan = operator.plan_repair(operator.known(), &reply, time(at_least));
    let plan = plan.unwrap();
    let mut seen = plan.found.clone();
    for _ in 0..2 {
        let question = operator.repair(&plan, &seen, 1.5).unwrap();
        let reply = store.apply(question.transaction()).unwrap();
        seen = question.leaves(&reply);
    }
    assert!(operator.repair_done(&plan, &seen).is_some());
    plan.to.get()
}

/// Each key of the clock with the value in its JSON, or with its version if there is none.
fn shown(store: &Mvcc) -> Vec<String> {
    let reply = store.read(&Keys::new("/c").all(), At::Now).unwrap();
    let line = |entry: &Entry| {
        let json: serde_json::Value = serde_json::from_slice(&entry.value).unwrap_or_default();
        let key = String::from_utf8_lossy(&entry.key).into_owned();
        match &json["value"] {
            serde_json::Value::Null => format!("{key} v{}", entry.version),
            value => format!("{key} {value}"),
        }
    };
    reply.entries.iter().map(line).collect()
}

#[test]
fn three_race_and_each_takes_one_transaction() {
    let mut store = Mvcc::default();
    let mut all = [process("a", 1), process("b", 2), process("c", 3)];
    value(&mut all[0], &mut store).unwrap();
    for process in &mut all {
        look(process, &store).unwrap();
    }
    assert_eq!(shown(&store), ["/c 2", "/c/base 2", "/c/taken v1"]);
    // All three send before any transaction arrives.
    let mut calls = [1, 2, 3].map(|count| all[0].begin(time(1), count));
    let sent: Vec<_> = all
        .iter()
        .zip(&mut calls)
        .map(|(p, call)| sent(p, call))
        .collect();
    let replies: Vec<_> = sent.iter().map(|t| store.apply(t).unwrap()).collect();
    // a's compares held. b and c took; c took three times: one by `taken`, two by a weight.
    assert_eq!(
        shown(&store),
        [
            "/c 3",
            "/c/base 3",
            "/c/taken v3",
            "/c/taken/00 v1",
            "/c/taken/01 v1"
        ]
    );
    let mut given = Vec::new();
    for ((process, call), reply) in all.iter_mut().zip(&mut calls).zip(&replies) {
        process.handle_reply(call, reply);
        match process.poll(call, 1.5) {
            Step::Done(times) => {
                given.push((times.first.get(), times.last.get(), times.round_trips))
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(given, [(3, 3, 1), (4, 5, 1), (6, 8, 1)]);
    // c rests and took last, so c folds.
    let c = &mut all[2];
    assert_eq!(c.fold_due(), Some(Fold::AtRest));
    let fold = c
        .fold(Fold::AtRest, &c.snapshot().unwrap().clone(), 1.5)
        .unwrap();
    let reply = store.apply(fold.transaction()).unwrap();
    c.handle_fold(&fold, &reply);
    assert_eq!(shown(&store), ["/c 8", "/c/base 8", "/c/taken v3"]);
    assert_eq!(c.fold_due(), None);
    assert_eq!(value(c, &mut store), Ok(9));
}

#[test]
fn the_rule_to_the_digit() {
    let mut store = Mvcc::default();
    let (mut a, mut b) = (process("a", 1), process("b", 2));
    let mut local = [0, 0];
    let mut values = Vec::new();
    for turn in [0, 0, 0, 1, 0, 1, 1] {
        let process = if turn == 0 { &mut a } else { &mut b };
        local[turn] += 1;
        local[turn] = update(process, &mut store, local[turn]).unwrap().last.get();
        values.push(local[turn]);
    }
    assert_eq!(values, [2, 4, 6, 7, 8, 9, 11]);
    // A local clock that ran ahead while others wrote needs a second transaction, and the value is exact.
    let times = update(&mut a, &mut store, 20).unwrap();
    assert_eq!((times.last.get(), times.round_trips), (21, 2));
}

#[test]
fn who_ran_ahead_while_others_wrote_takes_enough_the_next_time() {
    let mut store = Mvcc::default();
    let (mut a, mut b) = (process("a", 1), process("b", 2));
    assert_eq!(value(&mut a, &mut store), Ok(2));
    assert_eq!(update(&mut b, &mut store, 1).unwrap().round_trips, 1);
    let times = update(&mut a, &mut store, 9).unwrap();
    assert_eq!((times.last.get(), times.round_trips), (10, 2));
    // It may be higher than the rule says, which is 21 here.
    assert_eq!(update(&mut b, &mut store, 4).unwrap().last.get(), 11);
    let times = update(&mut a, &mut store, 20).unwrap();
    assert_eq!((times.last.get(), times.round_trips), (21, 1));
    // Without other writers the value is exact.
    assert_eq!(update(&mut a, &mut store, 30).unwrap().last.get(), 31);
}

#[test]
fn a_legacy_record_is_no_running_ahead() {
    let mut store = Mvcc::default();
    let (mut a, mut b) = (process("a", 1), process("b", 2));
    value(&mut a, &mut store).unwrap();
    assert_eq!(update(&mut b, &mut store, 1).unwrap().last.get(), 3);
    assert_eq!(update(&mut a, &mut store, 9).unwrap().last.get(), 10);
    let record = br#"{"value": 200, "process_id": "old", "real_timestamp": 1.0}"#;
    write(&mut store, Operation::Put(b"/c".to_vec(), record.to_vec()));
    look(&mut a, &store).unwrap();
    assert_eq!(update(&mut b, &mut store, 4).unwrap().last.get(), 201);
    let times = update(&mut a, &mut store, 11).unwrap();
    assert_eq!((times.last.get(), times.round_trips), (202, 1));
}

#[test]
fn in_a_crowd_nobody_asks_whether_somebody_wrote() {
    let mut store = Mvcc::default();
    let mut a = process("a", 1);
    value(&mut a, &mut store).unwrap();
    let mut others: Vec<_> = (2..11).map(|instance| process("b", instance)).collect();
    for other in &mut others {
        look(other, &store).unwrap();
    }
    // The first one writes the record, and eight take.
    for other in &mut others {
        value(other, &mut store).unwrap();
    }
    assert_eq!(update(&mut a, &mut store, 3).unwrap().last.get(), 12);
    let (mut left_alone, mut calm) = (a.clone(), store.clone());

    value(&mut others[0], &mut store).unwrap();
    let mut call = a.begin(time(13), 1);
    assert_eq!(sent(&a, &mut call).compares, []);
    let times = finish(&mut a, &mut call, &mut store).unwrap();
    assert_eq!((times.last.get(), times.round_trips), (14, 1));

    // If the crowd has gone, the update needs one more transaction, and the value is the rule's.
    let times = update(&mut left_alone, &mut calm, 13).unwrap();
    assert_eq!((times.last.get(), times.round_trips), (14, 2));
    assert_eq!(shown(&calm)[0], "/c 14");
}

#[test]
fn the_first_update_of_all_creates_the_clock_with_its_times() {
    let mut store = Mvcc::default();
    let (mut a, mut b) = (process("a", 1), process("b", 2));
    let mut three = a.begin(time(1), 3);
    let times = finish(&mut a, &mut three, &mut store).unwrap();
    assert_eq!(
        (times.first.get(), times.last.get(), times.round_trips),
        (2, 4, 1)
    );
    assert_eq!(times.previous, None);
    let newest = look(&mut b, &store).unwrap().newest().unwrap();
    assert_eq!(
        (newest.first.get(), newest.value.get(), &*newest.process),
        (2, 4, "a")
    );
    let previous = update(&mut b, &mut store, 1).unwrap().previous.unwrap();
    assert_eq!((previous.value.get(), &*previous.process), (4, "a"));
}

#[test]
fn a_legacy_record_is_gone_above_in_one_more_round_trip() {
    let mut store = Mvcc::default();
    let (mut a, mut b) = (process("a", 1), process("b", 2));
    value(&mut a, &mut store).unwrap();
    look(&mut b, &store).unwrap();
    let record = br#"{"value": 40, "process_id": "old", "real_timestamp": 1.0}"#;
    write(&mut store, Operation::Put(b"/c".to_vec(), record.to_vec()));
    let times = update(&mut b, &mut store, 1).unwrap();
    assert_eq!((times.last.get(), times.round_trips), (41, 2));
    assert_eq!(times.previous.unwrap().process, "old");
    // A legacy write that moves the record back moves no clock back, and is reported once.
    let record = br#"{"value": 3, "process_id": "old", "real_timestamp": 1.0}"#;
    write(&mut store, Operation::Put(b"/c".to_vec(), record.to_vec()));
    let times = update(&mut b, &mut store, 1).unwrap();
    assert_eq!((times.last.get(), times.regressed), (42, Some(time(41))));
    assert_eq!(update(&mut b, &mut store, 1).unwrap().regressed, None);
}

#[test]
fn a_record_far_above_the_clock_is_refused_and_stays() {
    let mut store = Mvcc::default();
    let mut a = process("a", 1);
    value(&mut a, &mut store).unwrap();
    let far = format!(r#"{{"value": {}}}"#, LocalClock::MAX_JUMP + 10);
    write(
        &mut store,
        Operation::Put(b"/c".to_vec(), far.clone().into_bytes()),
    );
    // The first try starts from the old snapshot and so still writes a take; the later ones only look.
    for _ in 0..3 {
        assert_eq!(value(&mut a, &mut store), Err(ErrorKind::TooFarAhead));
    }
    assert_eq!(
        shown(&store)[0],
        format!("/c {}", LocalClock::MAX_JUMP + 10)
    );
    // A process that comes late is not refused: the bound is for the record, not for how far the clock has
    // come.
    let to = repair(&mut store, LocalClock::MAX_JUMP);
    assert_eq!(value(&mut process("new", 9), &mut store), Ok(to + 1));
}

#[test]
fn no_time_is_left_past_the_last_one() {
    let mut store = Mvcc::default();
    let mut a = process("a", 1);
    value(&mut a, &mut store).unwrap();
    let base = store
        .read(&KeyRange::key(b"/c/base"), At::Now)
        .unwrap()
        .entries
        .remove(0);
    let text = String::from_utf8(base.value).unwrap();
    let end = text.replacen(
        "\"value\":2",
        &format!("\"value\":{}", Time::MAX.get() - 1),
        1,
    );
    write(
        &mut store,
        Operation::Put(b"/c/base".to_vec(), end.into_bytes()),
    );
    let mut late = process("late", 2);
    let mut two = late.begin(time(1), 2);
    let error = finish(&mut late, &mut two, &mut store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exhausted);
    assert_eq!(value(&mut late, &mut store), Ok(Time::MAX.get()));
    assert_eq!(value(&mut late, &mut store), Err(ErrorKind::Exhausted));
}

#[test]
fn two_lives_under_one_name_and_instance_share_nothing() {
    // Like a cloned machine, or a checkpoint that is restored while the original goes on.
    let mut store = Mvcc::default();
    let mut one = process("a", 1);
    value(&mut one, &mut store).unwrap();
    let mut two = one.clone();
    let mut values = Vec::new();
    for _ in 0..5 {
        values.push(value(&mut one, &mut store).unwrap());
        values.push(value(&mut two, &mut store).unwrap());
    }
    let mut distinct = values.clone();
    distinct.dedup();
    assert_eq!(values, distinct);
    assert!(values.is_sorted());
}

#[test]
fn a_taken_that_cannot_be_read_is_somebody_unknown() {
    let mut store = Mvcc::default();
    let (mut a, mut b) = (process("a", 1), process("b", 2));
    value(&mut a, &mut store).unwrap();
    write(
        &mut store,
        Operation::Put(b"/c/taken".to_vec(), b"hello".to_vec()),
    );
    let times = update(&mut b, &mut store, 1).unwrap();
    assert_eq!(times.last.get(), 4);
    let previous = times.previous.unwrap();
    assert_eq!((previous.value.get(), &*previous.process), (3, ""));
}
