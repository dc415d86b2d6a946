//! The protocol against the reference store, one transaction at a time, in orders that the tests
//! choose: races, lost replies and late commits without a thread or a clock.

use super::*;
use crate::logic::record::Record;
use crate::store::shelf::Shelf;

mod evidence;
mod random;
mod regressed;

const RECORD: &str = "/lamport_clock";

fn time(value: u64) -> Time {
    Time::new(value).unwrap()
}

fn keys() -> Keys {
    Keys::new(RECORD)
}

/// One process with a local clock as simple as can be.
struct Process {
    exchange: Exchange,
    local: u64,
}

impl Process {
    fn new(name: &str, instance: u64) -> Process {
        let process = ProcessId::new(name).unwrap();
        Process {
            exchange: Exchange::new(keys(), process, Instance::new(instance), 1 << 48),
            local: 0,
        }
    }

    fn begin(&mut self, count: u64) {
        self.local += 1;
        self.exchange.begin(time(self.local), count);
    }

    /// The transaction that the process sends next.
    fn transaction(&mut self) -> Transaction {
        match self.exchange.poll(1.5) {
            Step::Send(transaction) => transaction,
            Step::Await { .. } => {
                // The processes of most tests are of the impatient kind.
                self.exchange.handle_impatience();
                self.transaction()
            }
            other => panic!("expected a transaction, got {other:?}"),
        }
    }

    /// One transaction there and back.
    fn step(&mut self, shelf: &mut Shelf) {
        let transaction = self.transaction();
        let reply = shelf.apply(&transaction).unwrap();
        self.exchange.handle_reply(&reply);
    }

    fn done(&mut self) -> Times {
        match self.exchange.poll(1.5) {
            Step::Done(times) => {
                self.local = self.local.max(times.last.get());
                times
            }
            other => panic!("expected times, got {other:?}"),
        }
    }

    /// A whole request, alone.
    fn take(&mut self, shelf: &mut Shelf, count: u64) -> Result<Times> {
        self.begin(count);
        self.go_on(shelf)
    }

    /// The rest of a request.
    fn go_on(&mut self, shelf: &mut Shelf) -> Result<Times> {
        loop {
            match self.exchange.poll(1.5) {
                Step::Send(transaction) => {
                    let reply = shelf.apply(&transaction).unwrap();
                    self.exchange.handle_reply(&reply);
                }
                Step::Await { .. } => self.exchange.handle_impatience(),
                Step::Done(times) => {
                    self.local = self.local.max(times.last.get());
                    return Ok(times);
                }
                Step::Failed(error) => return Err(error),
            }
        }
    }

    /// Moves the clock past `at_least` and all that is found, as `lamport repair` does.
    fn repair(&mut self, shelf: &mut Shelf, at_least: u64) -> u64 {
        let known = self.exchange.known();
        let reply = shelf.apply(&self.exchange.look_transaction()).unwrap();
        let condition = self.exchange.condition(known, &reply, time(at_least));
        let condition = condition.unwrap();
        let repair = self.exchange.repair_transaction(&condition, 1.5).unwrap();
        assert!(shelf.apply(&repair).unwrap().succeeded);
        let reply = shelf.apply(&self.exchange.look_transaction()).unwrap();
        assert!(self.exchange.is_repaired(&condition, &reply));
        condition.to.get()
    }

    fn update(&mut self, shelf: &mut Shelf) -> u64 {
        self.take(shelf, 1).unwrap().last.get()
    }
}

/// p1, p2, ..., instances 1, 2, ...
fn processes(count: u64) -> Vec<Process> {
    (1..=count)
        .map(|i| Process::new(&format!("p{i}"), i))
        .collect()
}

/// So many that have had an update each, the last one the newest.
fn warm_processes(count: u64, shelf: &mut Shelf) -> Vec<Process> {
    let mut all = processes(count);
    for process in &mut all {
        process.update(shelf);
    }
    all
}

/// So many that wait in order, and the one that they lost against.
fn queue(count: u64, shelf: &mut Shelf) -> (Vec<Process>, Process) {
    let mut all = processes(count);
    let mut opener = Process::new("opener", 999);
    opener.update(shelf);
    for process in &mut all {
        process.begin(1);
        process.step(shelf); // looks
    }
    opener.update(shelf);
    for process in &mut all {
        process.step(shelf); // queues up
    }
    (all, opener)
}

/// A writer of the old kind: writes without looking.
fn write_blindly(shelf: &mut Shelf, bytes: &[u8]) {
    let transaction = Transaction {
        then: vec![Operation::Put(RECORD.into(), bytes.to_vec())],
        ..Transaction::default()
    };
    shelf.apply(&transaction).unwrap();
}

fn value_of(shelf: &mut Shelf) -> u64 {
    let look = Transaction {
        then: vec![Operation::Get(Get::all(KeyRange::key(RECORD.as_bytes())))],
        ..Transaction::default()
    };
    let reply = shelf.apply(&look).unwrap();
    Record::parse(&reply.gets[0][0].value).unwrap().value.get()
}

fn waiting(shelf: &mut Shelf) -> usize {
    let look = Transaction {
        then: vec![Operation::Get(Get::all(KeyRange::prefix(&keys().waiting)))],
        ..Transaction::default()
    };
    shelf.apply(&look).unwrap().gets[0].len()
}

#[test]
fn the_test_vectors_of_the_rule() {
    let mut shelf = Shelf::default();
    let mut alone = Process::new("a", 1);
    let values: Vec<_> = (0..3).map(|_| alone.update(&mut shelf)).collect();
    assert_eq!(values, [2, 4, 6]);

    let mut shelf = Shelf::default();
    let (mut a, mut b) = (Process::new("a", 1), Process::new("b", 2));
    let values: Vec<_> = (0..2)
        .flat_map(|_| [a.update(&mut shelf), b.update(&mut shelf)])
        .collect();
    assert_eq!(values, [2, 3, 4, 5]);
}

#[test]
fn a_warm_process_takes_one_round_trip_and_a_range_is_consecutive() {
    let mut shelf = Shelf::default();
    let mut a = Process::new("a", 1);
    a.update(&mut shelf);
    let times = a.take(&mut shelf, 10).unwrap();
    assert_eq!(times.round_trips, 1);
    assert_eq!((times.first, times.last), (time(4), time(13)));
    assert_eq!(value_of(&mut shelf), 13);
    assert_eq!(times.previous.unwrap().value, time(2));
}

#[test]
fn whoever_commits_serves_all_who_wait_in_the_order_in_which_they_came() {
    let mut shelf = Shelf::default();
    let mut all = warm_processes(5, &mut shelf);
    let before = value_of(&mut shelf);
    for process in &mut all {
        process.begin(1);
    }
    // All but the newest writer hold an old record: they queue up. p1 came first.
    for process in &mut all[..4] {
        process.step(&mut shelf);
    }
    // p4 loses patience, sees all four, and commits for them.
    all[3].step(&mut shelf);
    all[3].step(&mut shelf);
    let own = all[3].done();
    assert_eq!(own.last.get(), before + 4);
    assert_eq!(own.previous.unwrap().process_id, "p3");
    assert_eq!(waiting(&mut shelf), 0);
    for (i, nth) in [(0, 1), (1, 2), (2, 3)] {
        all[i].step(&mut shelf);
        let times = all[i].done();
        assert_eq!(times.last.get(), before + nth);
        assert_eq!(times.round_trips, 2);
        assert_eq!(times.revision, own.revision);
    }
}

/// Tells a process that waits what lies under the grants' key.
fn tell_of_grants(process: &mut Process, shelf: &mut Shelf) {
    let look = Transaction {
        then: vec![Operation::Get(Get::all(KeyRange::key(&keys().granted)))],
        ..Transaction::default()
    };
    let found = shelf.apply(&look).unwrap().gets.remove(0).remove(0);
    process
        .exchange
        .handle_granted(&found.value, found.mod_revision);
}

#[test]
fn those_behind_the_oldest_send_nothing_until_they_are_served_or_next() {
    let mut shelf = Shelf::default();
    let mut all = warm_processes(6, &mut shelf);
    // Five lose against p6's update, and queue up in order.
    for process in &mut all[..5] {
        process.begin(1);
    }
    for process in &mut all[..3] {
        process.step(&mut shelf);
    }
    let serving = all[0].transaction(); // p1 is the oldest; it saw itself alone
    for process in &mut all[3..5] {
        process.step(&mut shelf);
    }
    for process in &mut all[1..5] {
        assert!(matches!(process.exchange.poll(1.5), Step::Await { .. }));
    }
    let reply = shelf.apply(&serving).unwrap();
    all[0].exchange.handle_reply(&reply);
    all[0].done();
    // p2 was not served but is next: it looks who is there, and serves the four of them.
    for (i, process) in all[1..5].iter_mut().enumerate() {
        tell_of_grants(process, &mut shelf);
        assert_eq!(matches!(process.exchange.poll(1.5), Step::Send(_)), i == 0);
    }
    all[1].step(&mut shelf);
    all[1].step(&mut shelf);
    assert_eq!(all[1].done().round_trips, 3);
    for process in &mut all[2..5] {
        tell_of_grants(process, &mut shelf);
        assert_eq!(process.done().round_trips, 1);
    }
    assert_eq!(waiting(&mut shelf), 0);
}

#[test]
fn who_waits_in_vain_helps_itself() {
    let mut shelf = Shelf::default();
    let mut all = warm_processes(3, &mut shelf);
    for process in &mut all[..2] {
        process.begin(1);
        process.step(&mut shelf);
    }
    // p1, whose turn it is, is gone.
    assert!(matches!(all[1].exchange.poll(1.5), Step::Await { .. }));
    all[1].exchange.handle_impatience();
    all[1].step(&mut shelf); // looks
    all[1].step(&mut shelf);
    assert_eq!(all[1].done().round_trips, 3);
    assert_eq!(waiting(&mut shelf), 0);
}

#[test]
fn nobody_overtakes_one_who_waits() {
    let mut shelf = Shelf::default();
    let (mut a, mut b) = (Process::new("a", 1), Process::new("b", 2));
    a.update(&mut shelf);
    b.update(&mut shelf);
    a.begin(1);
    a.step(&mut shelf); // lost against b's update: queued
    b.begin(1);
    b.step(&mut shelf); // b knows the newest record, but a waits
    assert_eq!(waiting(&mut shelf), 2);
    b.step(&mut shelf); // b loses patience, and looks
    b.step(&mut shelf); // b commits for both
    let b = b.done().last;
    a.step(&mut shelf);
    assert!(a.done().last < b);
}

#[test]
fn a_lost_reply_costs_a_gap_and_never_a_second_owner() {
    let mut shelf = Shelf::default();
    let (mut a, mut b) = (Process::new("a", 1), Process::new("b", 2));
    a.update(&mut shelf);
    a.begin(1);
    let lost = a.transaction();
    shelf.apply(&lost).unwrap(); // committed, but the reply never arrives
    let taken = value_of(&mut shelf);
    a.exchange.handle_lost();
    let next = loop {
        match a.exchange.poll(1.5) {
            Step::Send(transaction) => {
                let reply = shelf.apply(&transaction).unwrap();
                a.exchange.handle_reply(&reply);
            }
            Step::Await { .. } => a.exchange.handle_impatience(),
            Step::Done(times) => break times.last.get(),
            Step::Failed(error) => panic!("{error}"),
        }
    };
    assert!(next > taken);
    assert!(b.update(&mut shelf) > next);
}

#[test]
fn a_late_request_under_an_old_number_is_not_taken_for_the_new_one() {
    let mut shelf = Shelf::default();
    let (mut a, mut b) = (Process::new("a", 1), Process::new("b", 2));
    a.update(&mut shelf);
    b.update(&mut shelf);
    a.begin(1);
    let late = a.transaction();
    a.exchange.handle_lost();
    a.step(&mut shelf); // queued under the new number
    shelf.apply(&late).unwrap(); // the old one arrives, and takes its place
    let granted_to_old = b.update(&mut shelf) - 1;
    a.step(&mut shelf); // finds neither its request nor a grant: asks anew
    a.step(&mut shelf);
    let times = a.done();
    assert!(times.last.get() > granted_to_old + 1, "{times:?}");
}

#[test]
fn a_crashed_process_leaves_nothing_behind() {
    let mut shelf = Shelf::default();
    let (mut a, mut b) = (Process::new("a", 1), Process::new("b", 2));
    a.update(&mut shelf);
    b.update(&mut shelf);
    a.begin(1);
    a.step(&mut shelf);
    drop(a);
    let before = value_of(&mut shelf);
    assert_eq!(b.update(&mut shelf), before + 2);
    assert_eq!(waiting(&mut shelf), 0);
    assert_eq!(b.take(&mut shelf, 1).unwrap().round_trips, 1);
}

#[test]
fn three_round_trips_are_the_most_under_any_crowd_of_a_hundred() {
    let mut shelf = Shelf::default();
    let mut all = warm_processes(100, &mut shelf);
    let mut values: Vec<u64> = Vec::new();
    for _ in 0..4 {
        for process in &mut all {
            process.begin(1);
        }
        // Everybody sends before anybody hears, three times over: the worst order there is.
        let mut open: Vec<usize> = (0..all.len()).collect();
        for _ in 0..3 {
            let sent: Vec<_> = open.iter().map(|&i| all[i].transaction()).collect();
            let replies: Vec<_> = sent.iter().map(|t| shelf.apply(t).unwrap()).collect();
            for (&i, reply) in open.iter().zip(&replies) {
                all[i].exchange.handle_reply(reply);
            }
            open.retain(|&i| match all[i].exchange.clone().poll(1.5) {
                Step::Done(_) => {
                    let times = all[i].done();
                    assert!(times.round_trips <= 3);
                    values.push(times.last.get());
                    false
                }
                Step::Send(_) | Step::Await { .. } => true,
                Step::Failed(error) => panic!("{error}"),
            });
        }
        assert!(
            open.is_empty(),
            "{} still wait after 3 round trips",
            open.len()
        );
    }
    let count = values.len();
    values.sort_unstable();
    values.dedup();
    assert_eq!((values.len(), count), (400, 400));
}

#[test]
fn a_blind_writer_moves_us_neither_back_nor_to_a_value_given_before() {
    let mut shelf = Shelf::default();
    let mut a = Process::new("a", 1);
    let mut last = 0;
    for _ in 0..5 {
        last = a.update(&mut shelf);
    }
    write_blindly(
        &mut shelf,
        br#"{"value": 3, "process_id": "old", "real_timestamp": 1.0}"#,
    );
    // Also a process that never saw the higher value starts above it.
    let mut fresh = Process::new("b", 2);
    let times = fresh.take(&mut shelf, 1).unwrap();
    assert_eq!(times.last.get(), last + 1);
    assert_eq!(times.regressed, Some(time(last)));
    assert_eq!(times.previous.unwrap().process_id, "old");
    assert_eq!(fresh.take(&mut shelf, 1).unwrap().regressed, None);
    // Forwards is no regression: the rule goes on from there.
    write_blindly(
        &mut shelf,
        br#"{"value": 500, "process_id": "old", "real_timestamp": 1.0}"#,
    );
    let times = a.take(&mut shelf, 1).unwrap();
    assert_eq!((times.last.get(), times.regressed), (501, None));
}

#[test]
fn a_record_that_cannot_be_read_is_left_as_it_is() {
    let mut shelf = Shelf::default();
    let (mut warm, mut cold) = (Process::new("a", 1), Process::new("b", 2));
    warm.update(&mut shelf);
    write_blindly(&mut shelf, b"{\"value\": -1}");
    for process in [&mut warm, &mut cold] {
        let error = process.take(&mut shelf, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("-1"), "{error}");
    }
    assert_eq!(
        waiting(&mut shelf),
        0,
        "the failed request was not taken back"
    );
    // Once somebody has mended it, all goes on.
    write_blindly(&mut shelf, b"{\"value\": 9}");
    assert_eq!(warm.update(&mut shelf), 10);
    assert_eq!(cold.update(&mut shelf), 11);
}

#[test]
fn a_record_from_far_ahead_and_the_end_of_time_are_errors() {
    let mut shelf = Shelf::default();
    let mut a = Process::new("a", 1);
    write_blindly(
        &mut shelf,
        format!("{{\"value\": {}}}", 1_u64 << 50).as_bytes(),
    );
    let error = a.take(&mut shelf, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooFarAhead);
    write_blindly(&mut shelf, b"{\"value\": 9}");
    assert_eq!(a.update(&mut shelf), 10);

    let mut shelf = Shelf::default();
    let mut a = Process::new("a", 1);
    a.local = Time::MAX.get() - 1_000;
    write_blindly(
        &mut shelf,
        format!("{{\"value\": {}}}", Time::MAX.get() - 3).as_bytes(),
    );
    assert_eq!(
        a.take(&mut shelf, 4).unwrap_err().kind(),
        ErrorKind::Exhausted
    );
    assert_eq!(a.update(&mut shelf), Time::MAX.get() - 2);
    assert_eq!(a.take(&mut shelf, 1).unwrap().last, Time::MAX);
    a.local = Time::MAX.get() - 1_000;
    assert_eq!(
        a.take(&mut shelf, 1).unwrap_err().kind(),
        ErrorKind::Exhausted
    );
}

#[test]
fn one_bad_request_does_not_stop_the_others() {
    let mut shelf = Shelf::default();
    let (mut a, mut b) = (Process::new("a", 1), Process::new("b", 2));
    a.update(&mut shelf);
    for (name, content) in [
        ("not-an-instance", "{}"),
        ("00000000000000aa", "rubbish"),
        (
            "00000000000000ab",
            r#"{"seq":1,"local":9007199254740991,"count":1,"process_id":"x"}"#,
        ),
        (
            "00000000000000ac",
            r#"{"seq":1,"local":1,"count":0,"process_id":"x"}"#,
        ),
        (
            "00000000000000ad",
            r#"{"seq":1,"local":1,"count":18446744073709551615,"process_id":"x"}"#,
        ),
    ] {
        let key = [&keys().waiting, name.as_bytes()].concat();
        let transaction = Transaction {
            then: vec![
                Operation::Put(key, content.into()),
                Operation::Put(keys().tail, content.into()),
            ],
            ..Transaction::default()
        };
        shelf.apply(&transaction).unwrap();
    }
    let before = value_of(&mut shelf);
    assert_eq!(b.update(&mut shelf), before + 1);
    assert_eq!(waiting(&mut shelf), 0);
}

#[test]
fn more_than_a_hundred_are_served_in_turn() {
    let mut shelf = Shelf::default();
    let (mut all, _) = queue(250, &mut shelf);
    // The last in the queue serves itself and the hundred oldest.
    let last = all.len() - 1;
    let first_value = value_of(&mut shelf);
    all[last].step(&mut shelf); // looks
    all[last].step(&mut shelf);
    assert!(all[last].done().last.get() <= first_value + 101);
    assert_eq!(waiting(&mut shelf), 149);
    all[120].step(&mut shelf);
    all[120].step(&mut shelf);
    all[120].done();
    assert_eq!(waiting(&mut shelf), 48);
}

#[test]
fn a_watch_keeps_the_process_warm_unless_it_shows_too_little() {
    let mut shelf = Shelf::default();
    let (mut a, mut b) = (Process::new("a", 1), Process::new("b", 2));
    a.update(&mut shelf);
    b.update(&mut shelf);
    let look = a.exchange.look_transaction();
    let reply = shelf.apply(&look).unwrap();
    a.exchange.handle_look(Known::default(), &reply).unwrap();
    assert_eq!(a.take(&mut shelf, 1).unwrap().round_trips, 1);
    a.exchange.forget_before(u64::MAX);
    assert_eq!(a.take(&mut shelf, 1).unwrap().round_trips, 2);
}

fn delete(shelf: &mut Shelf, key: &[u8]) {
    let transaction = Transaction {
        then: vec![Operation::Delete(key.to_vec())],
        ..Transaction::default()
    };
    shelf.apply(&transaction).unwrap();
}

// R1
#[test]
fn a_deleted_record_is_no_empty_store() {
    let mut shelf = Shelf::default();
    let (mut a, mut b) = (Process::new("a", 1), Process::new("b", 2));
    let reply = shelf.apply(&a.exchange.look_transaction()).unwrap();
    // connect() on an empty store
    a.exchange.handle_look(Known::default(), &reply).unwrap();
    let given: Vec<_> = (0..5).map(|_| b.update(&mut shelf)).collect();
    delete(&mut shelf, RECORD.as_bytes());
    let mut fresh = Process::new("c", 3);
    for process in [&mut a, &mut b, &mut fresh] {
        let error = process.take(&mut shelf, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Regressed);
        assert!(error.to_string().contains(RECORD), "{error}");
    }
    let repaired = fresh.repair(&mut shelf, 0);
    assert_eq!(repaired, given[4] + 1);
    assert_eq!(a.update(&mut shelf), repaired + 1);
    assert_eq!(b.update(&mut shelf), repaired + 2);
}

// R2
#[test]
fn what_is_forgotten_between_begin_and_poll_is_not_taken_for_an_empty_store() {
    let mut shelf = Shelf::default();
    let (mut a, mut b) = (Process::new("a", 1), Process::new("b", 2));
    a.update(&mut shelf);
    for _ in 0..5 {
        b.update(&mut shelf);
    }
    delete(&mut shelf, RECORD.as_bytes());
    a.begin(1);
    a.exchange.forget_before(u64::MAX); // the watch hears of the deletion (or of a blind write)
    let error = a.go_on(&mut shelf).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regressed);
}

// R3
#[test]
fn a_slow_process_is_served_among_many_fast_ones() {
    let mut shelf = Shelf::default();
    let mut fast = processes(8);
    let mut slow = Process::new("slow", 99);
    for process in &mut fast {
        process.update(&mut shelf);
    }
    slow.update(&mut shelf);
    fast[0].update(&mut shelf);
    slow.begin(1);
    let mut round_trips = 0;
    loop {
        let transaction = match slow.exchange.poll(1.5) {
            Step::Send(transaction) => transaction,
            Step::Await { .. } => {
                slow.exchange.handle_impatience();
                continue;
            }
            Step::Done(_) => break,
            Step::Failed(error) => panic!("{error}"),
        };
        let reply = shelf.apply(&transaction).unwrap();
        // While this reply travels the others make 40 rounds, each a commit for all of them.
        for _ in 0..40 {
            for process in &mut fast {
                process.begin(1);
            }
            let mut open: Vec<usize> = (0..fast.len()).collect();
            while !open.is_empty() {
                let sent: Vec<_> = open.iter().map(|&i| fast[i].transaction()).collect();
                let replies: Vec<_> = sent.iter().map(|t| shelf.apply(t).unwrap()).collect();
                for (&i, reply) in open.iter().zip(&replies) {
                    fast[i].exchange.handle_reply(reply);
                }
                open.retain(|&i| match fast[i].exchange.clone().poll(1.5) {
                    Step::Done(_) => {
                        fast[i].done();
                        false
                    }
                    _ => true,
                });
            }
        }
        slow.exchange.handle_reply(&reply);
        round_trips += 1;
        assert!(
            round_trips <= 50,
            "not served after {round_trips} round trips, no reply lost"
        );
    }
    assert!(round_trips <= 3, "{round_trips}");
}

// R4
#[test]
fn a_mended_record_in_a_restored_store_is_seen() {
    let mut shelf = Shelf::default();
    let mut a = Process::new("a", 1);
    for _ in 0..10 {
        a.update(&mut shelf);
    }
    let backup = shelf.clone();
    for _ in 0..5 {
        a.update(&mut shelf);
    }
    write_blindly(&mut shelf, b"rubbish");
    assert_eq!(
        a.take(&mut shelf, 1).unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    // Somebody mends it by the snapshot: fewer revisions than before, and five times forgotten.
    let mut shelf = backup;
    let mut b = Process::new("b", 2);
    b.update(&mut shelf);
    let error = a.take(&mut shelf, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regressed);
    b.repair(&mut shelf, a.local);
    assert_eq!(a.update(&mut shelf), a.local);
}

// R5
#[test]
fn regressions_are_not_invented() {
    let mut shelf = Shelf::default();
    let (mut a, mut b) = (Process::new("a", 1), Process::new("b", 2));
    a.update(&mut shelf);
    b.update(&mut shelf);
    a.begin(1);
    a.step(&mut shelf);
    a.step(&mut shelf);
    assert_eq!(a.done().regressed, None);
}

/// After an outage everybody's old request lies there, and the view of the one who serves is older
/// than the new ones: their requests are deleted, and nobody they wait for will ever be granted.
#[test]
fn who_waits_for_a_grant_that_never_comes_looks_again() {
    let mut shelf = Shelf::default();
    let mut all = warm_processes(5, &mut shelf);
    // Outage: c, v, x leave requests, and hear nothing of it.
    for process in &mut all[..3] {
        process.begin(1);
        let lost = process.transaction();
        shelf.apply(&lost).unwrap();
        process.exchange.handle_lost();
    }
    // c comes back first, sees the old ones.
    all[0].step(&mut shelf);
    all[0].step(&mut shelf);
    let serving = all[0].transaction();
    // v and x come back: the new numbers take the place of the old.
    all[1].step(&mut shelf);
    all[2].step(&mut shelf);
    let reply = shelf.apply(&serving).unwrap();
    all[0].exchange.handle_reply(&reply);
    all[0].done();
    for process in &mut all[1..3] {
        tell_of_grants(process, &mut shelf);
    }
    all[1].step(&mut shelf); // look
    all[1].step(&mut shelf); // help
    all[1].done();
    tell_of_grants(&mut all[2], &mut shelf);
    // From now on others keep the crowd busy; x hears each grant, and is never served.
    for _ in 0..10 {
        let (a, b) = (3, 4);
        all[a].begin(1);
        all[b].begin(1);
        all[a].step(&mut shelf);
        if !matches!(all[a].exchange.clone().poll(1.5), Step::Done(_)) {
            all[b].step(&mut shelf);
            all[a].step(&mut shelf);
        }
        tell_of_grants(&mut all[2], &mut shelf);
        if !matches!(all[2].exchange.poll(1.5), Step::Await { .. }) {
            return;
        }
        for i in [a, b] {
            while !matches!(all[i].exchange.clone().poll(1.5), Step::Done(_)) {
                all[i].step(&mut shelf);
            }
            all[i].done();
        }
    }
    panic!(
        "x still waits; requests in the store: {}",
        waiting(&mut shelf)
    );
}

#[test]
fn who_waits_is_served_although_somebody_deleted_the_tail() {
    let mut shelf = Shelf::default();
    let mut all = warm_processes(4, &mut shelf);
    // p1 leaves its request and is gone; p2 waits behind it.
    for process in &mut all[..2] {
        process.begin(1);
        process.step(&mut shelf);
    }
    assert!(matches!(all[1].exchange.poll(1.5), Step::Await { .. }));
    delete(&mut shelf, &keys().tail);
    // p3 takes itself for the only one, and says that all were served: from now on nothing stops it.
    all[2].update(&mut shelf);
    tell_of_grants(&mut all[1], &mut shelf);
    for _ in 0..30 {
        match all[1].exchange.poll(1.5) {
            Step::Done(_) => return,
            Step::Failed(error) => panic!("{error}"),
            Step::Await { .. } => {
                tell_of_grants(&mut all[1], &mut shelf);
                all[1].exchange.handle_impatience();
                all[2].update(&mut shelf);
            }
            Step::Send(transaction) => {
                let reply = shelf.apply(&transaction).unwrap();
                all[2].update(&mut shelf); // while the reply travels
                all[1].exchange.handle_reply(&reply);
            }
        }
    }
    panic!("p2 still waits, and p3 had an update for every step of it");
}

#[test]
fn a_request_that_failed_over_an_unreadable_highest_is_taken_back() {
    let mut shelf = Shelf::default();
    let mut warm = Process::new("a", 1);
    warm.update(&mut shelf);
    let spoil = Transaction {
        then: vec![Operation::Put(keys().highest, b"rubbish".to_vec())],
        ..Transaction::default()
    };
    shelf.apply(&spoil).unwrap();
    let error = warm.take(&mut shelf, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(
        waiting(&mut shelf),
        0,
        "the failed request was not taken back"
    );
}

#[test]
fn a_lost_reply_of_the_first_in_the_queue_does_not_make_all_wait_for_each_other() {
    let mut shelf = Shelf::default();
    let mut all = warm_processes(3, &mut shelf);
    for process in &mut all[..2] {
        process.begin(1);
        process.step(&mut shelf); // p1 is the oldest, p2 waits behind it
    }
    all[0].transaction(); // p1 serves; the transaction never arrives
    all[0].exchange.handle_lost();
    all[0].step(&mut shelf); // it queues up anew: behind p2, which waits for p1
    let both_wait = all[..2]
        .iter_mut()
        .all(|process| matches!(process.exchange.poll(1.5), Step::Await { .. }));
    assert!(
        !both_wait,
        "p1 waits for p2 and p2 for p1, until one loses patience"
    );
}

#[test]
fn the_next_one_need_not_wait_for_a_request_that_was_withdrawn() {
    let mut shelf = Shelf::default();
    let (mut a, mut b) = (Process::new("a", 1), Process::new("b", 2));
    a.update(&mut shelf);
    write_blindly(&mut shelf, b"{\"value\": -1}");
    assert!(a.take(&mut shelf, 1).is_err()); // queues up, reads rubbish, withdraws
    assert_eq!(waiting(&mut shelf), 0);
    write_blindly(&mut shelf, b"{\"value\": 9}");
    b.begin(1);
    b.step(&mut shelf); // looks
    for _ in 0..3 {
        match b.exchange.poll(1.5) {
            Step::Send(transaction) => {
                let reply = shelf.apply(&transaction).unwrap();
                b.exchange.handle_reply(&reply);
            }
            Step::Await { .. } => panic!("it waits, and nobody is there"),
            Step::Done(_) => return,
            Step::Failed(error) => panic!("{error}"),
        }
    }
    panic!("three transactions were not enough");
}

#[test]
fn nobody_waits_for_one_who_was_served_beside_a_hundred_others() {
    let mut shelf = Shelf::default();
    let (mut all, mut opener) = queue(101, &mut shelf);
    // The last one loses patience, and serves the hundred oldest and itself.
    all[100].step(&mut shelf); // looks
    all[100].step(&mut shelf);
    all[100].done();
    assert_eq!(waiting(&mut shelf), 0);
    opener.begin(1);
    opener.step(&mut shelf); // lost: a hundred and one came before it, all of them served
    assert!(
        !matches!(opener.exchange.poll(1.5), Step::Await { .. }),
        "it waits, and nobody is there"
    );
}
