//! Transactions that are on their way while the store is exchanged, and their answers: the protocol
//! without a driver, and a map that can be copied.

use lamport_clock::protocol::{Call, Keys, Protocol, Step};
use lamport_clock::store::mvcc::Mvcc;
use lamport_clock::{Instance, ProcessId};

use super::*;

/// One update without a driver.
fn update(protocol: &mut Protocol, store: &mut Mvcc) -> Result<Time, ErrorKind> {
    let local = Time::new(1).unwrap();
    let mut call = protocol.begin(local, 1);
    loop {
        match protocol.poll(&mut call, 1.5) {
            Step::Look => {
                let asked = protocol.known();
                let reply = store.read(&protocol.keys().all(), At::Now).unwrap();
                protocol
                    .handle_look(asked, &reply, true)
                    .map_err(|error| error.kind())?;
            }
            Step::Send(transaction) => {
                let reply = store.apply(&transaction).unwrap();
                protocol.handle_reply(&mut call, &reply);
            }
            Step::Done(times) => return Ok(times.last),
            Step::Failed(error) => return Err(error.kind()),
        }
    }
}

fn protocol(process: &str, instance: u64) -> Protocol {
    let process = ProcessId::new(process).unwrap();
    Protocol::new(Keys::new("/c"), process, Instance::new(instance), 1 << 32)
}

/// The transaction with which a call begins.
fn send(protocol: &Protocol, call: &mut Call) -> Arc<Transaction> {
    match protocol.poll(call, 1.5) {
        Step::Send(transaction) => transaction,
        other => panic!("{other:?}"),
    }
}

fn repair(operator: &mut Protocol, store: &mut Mvcc, at_least: Time) {
    let found = store.read(&operator.keys().all(), At::Now).unwrap();
    let plan = operator
        .plan_repair(operator.known(), &found, at_least)
        .unwrap();
    let question = operator.repair(&plan, &plan.found, 1.5).unwrap();
    assert!(store.apply(question.transaction()).unwrap().succeeded);
}

#[test]
fn an_answer_from_before_a_repair_that_was_seen_is_no_loss() {
    let mut store = Mvcc::default();
    let mut clock = protocol("a", 1);
    update(&mut clock, &mut store).unwrap();
    let mut restored = store.clone();
    let last = (0..9)
        .map(|_| update(&mut clock, &mut store).unwrap())
        .max()
        .unwrap();

    // A look that is slow, and a repair that comes before any other answer.
    let asked = clock.known();
    let late = restored.read(&clock.keys().all(), At::Now).unwrap();
    let mut operator = protocol("operator", 2);
    repair(&mut operator, &mut restored, last);
    // The store goes on until its revisions have passed those that are known.
    for _ in 0..20 {
        update(&mut operator, &mut restored).unwrap();
    }
    let mine = update(&mut clock, &mut restored).unwrap();
    assert!(mine > last);

    let error = clock.handle_look(asked, &late, true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(update(&mut clock, &mut restored).unwrap() > mine);
}

#[test]
fn what_was_asked_before_a_repair_is_given_to_nobody() {
    let mut store = Mvcc::default();
    let mut clock = protocol("a", 1);
    update(&mut clock, &mut store).unwrap();
    let mut restored = store.clone();
    let mut slow = clock.begin(Time::new(1).unwrap(), 1);
    let transaction = send(&clock, &mut slow);
    let last = (0..9)
        .map(|_| update(&mut clock, &mut store).unwrap())
        .max()
        .unwrap();

    // It arrives at a store that is as it was when it was sent, and is answered late.
    let late = restored.apply(&transaction).unwrap();
    assert!(late.succeeded);
    assert_eq!(update(&mut clock, &mut restored), Err(ErrorKind::Regressed));
    repair(&mut protocol("operator", 2), &mut restored, last);
    let newest = update(&mut clock, &mut restored).unwrap();
    clock.handle_reply(&mut slow, &late);
    assert!(!matches!(clock.poll(&mut slow, 1.5), Step::Done(_)));
    // It is tried again, and gets times of its own.
    let transaction = send(&clock, &mut slow);
    let reply = restored.apply(&transaction).unwrap();
    clock.handle_reply(&mut slow, &reply);
    match clock.poll(&mut slow, 1.5) {
        Step::Done(times) => assert!(times.first > newest),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_process_is_not_given_the_same_by_a_store_before_and_after_a_restore() {
    let mut store = Mvcc::default();
    let mut clock = protocol("a", 1);
    update(&mut clock, &mut store).unwrap();
    let mut restored = store.clone();
    let mut calls = [1, 2].map(|_| clock.begin(Time::new(1).unwrap(), 1));
    let [one, other] = &mut calls;
    let transactions = [send(&clock, one), send(&clock, other)];
    let replies = [
        store.apply(&transactions[0]).unwrap(),
        restored.apply(&transactions[1]).unwrap(),
    ];
    clock.handle_reply(one, &replies[0]);
    clock.handle_reply(other, &replies[1]);
    assert!(matches!(clock.poll(one, 1.5), Step::Done(_)));
    match clock.poll(other, 1.5) {
        Step::Failed(error) => assert_eq!(error.kind(), ErrorKind::Regressed),
        step => panic!("{step:?}"),
    }
}

#[test]
fn a_revision_that_a_restored_store_uses_again_is_not_taken_for_the_one_before() {
    let mut store = Mvcc::default();
    let (mut a, mut b) = (protocol("a", 1), protocol("b", 2));
    update(&mut a, &mut store).unwrap();
    let mut restored = store.clone();
    update(&mut a, &mut store).unwrap();
    // Somebody who knows of nothing takes more at the same revision.
    let mut call = b.begin(Time::new(1).unwrap(), 10);
    let asked = b.known();
    let reply = restored.read(&b.keys().all(), At::Now).unwrap();
    b.handle_look(asked, &reply, true).unwrap();
    let transaction = send(&b, &mut call);
    let reply = restored.apply(&transaction).unwrap();
    assert_eq!((reply.succeeded, reply.revision), (true, store.revision()));
    b.handle_reply(&mut call, &reply);
    let Step::Done(others) = b.poll(&mut call, 1.5) else {
        panic!("{call:?}");
    };
    assert!(update(&mut a, &mut restored).unwrap() > others.last);
}
