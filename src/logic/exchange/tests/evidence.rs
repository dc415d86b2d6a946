//! What a process learns aside from the answers to its requests: from watches, from grants, from other
//! callers' reads. That, too, counts when the store has forgotten.

use super::random::tell;
use super::regressed::refused;
use super::*;

/// All that the clock left in the store is deleted, and nothing else happens to it.
fn empty(shelf: &mut Shelf) {
    let keys = keys();
    for key in [keys.record, keys.highest, keys.tail, keys.granted] {
        delete(shelf, &key);
    }
}

/// A watch that has heard everything up to `from` hears the rest.
fn follow(process: &mut Process, shelf: &Shelf, from: u64) {
    let changes = shelf.changes(&keys().trace(), from + 1, shelf.revision());
    for change in changes.unwrap() {
        tell(&mut process.exchange, &keys(), &change);
    }
}

fn read(process: &mut Process, shelf: &mut Shelf) -> Result<View> {
    let asked = process.exchange.known();
    let reply = shelf.apply(&process.exchange.look_transaction()).unwrap();
    process.exchange.handle_look(asked, &reply)
}

/// One that waits to be served, in a store and in a copy of it. In the store it is served, does not
/// hear of it, and reads that times went on; then the copy is in the store's place.
fn restored_while_waiting() -> (Process, Shelf, u64) {
    let mut shelf = Shelf::of_cluster(7);
    let (mut all, mut opener) = queue(2, &mut shelf);
    let mut waiting = all.remove(1);
    assert!(matches!(waiting.exchange.poll(1.5), Step::Await { .. }));
    let copy = shelf.clone();
    let last = (0..5).map(|_| opener.update(&mut shelf)).last().unwrap();
    read(&mut waiting, &mut shelf).unwrap();
    (waiting, copy, last)
}

#[test]
fn a_watch_that_goes_on_does_not_outlive_the_repair() {
    let mut shelf = Shelf::of_cluster(7);
    let mut witness = Process::new("witness", 1);
    let last = witness.update(&mut shelf);
    let heard = shelf.revision();
    empty(&mut shelf);
    refused(&mut witness, &mut shelf);
    let repaired = Process::new("fresh", 2).repair(&mut shelf, last);
    Process::new("other", 3).update(&mut shelf);
    follow(&mut witness, &shelf, heard);
    assert!(witness.update(&mut shelf) > repaired);
}

#[test]
fn a_watch_that_tells_of_less_than_was_known_is_believed() {
    let mut shelf = Shelf::of_cluster(7);
    let (mut witness, mut fresh) = (Process::new("witness", 1), Process::new("fresh", 2));
    let last = (0..5).map(|_| witness.update(&mut shelf)).last().unwrap();
    let heard = shelf.revision();
    empty(&mut shelf);
    // Times are handed out a second time, until the store has caught up.
    let mut again = 0;
    while again <= last {
        again = fresh.update(&mut shelf);
    }
    follow(&mut witness, &shelf, heard);
    refused(&mut witness, &mut shelf);
    fresh.repair(&mut shelf, last);
    assert!(witness.update(&mut shelf) > last);
}

#[test]
fn a_grant_by_a_store_that_was_restored_meanwhile_is_not_taken() {
    let (mut waiting, mut restored, _) = restored_while_waiting();
    // Served at a time that somebody else may have been given.
    Process::new("absent", 7).update(&mut restored);
    tell_of_grants(&mut waiting, &mut restored);
    let error = waiting.go_on(&mut restored).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regressed);
}

#[test]
fn what_was_granted_before_the_repair_is_not_taken_after_it() {
    let (mut waiting, mut restored, last) = restored_while_waiting();
    let mut absent = Process::new("absent", 7);
    absent.update(&mut restored);
    let repaired = absent.repair(&mut restored, last);
    waiting.exchange.handle_impatience();
    let times = waiting.go_on(&mut restored).unwrap();
    assert!(times.first.get() > repaired, "{times:?}");
    // Also where another caller has seen the repair before.
    let (mut waiting, mut restored, last) = restored_while_waiting();
    absent = Process::new("absent", 7);
    absent.update(&mut restored);
    let granted = restored.clone();
    let repaired = absent.repair(&mut restored, last);
    read(&mut waiting, &mut restored).unwrap();
    tell_of_grants(&mut waiting, &mut { granted });
    let times = waiting.go_on(&mut restored).unwrap();
    assert!(times.first.get() > repaired, "{times:?}");
}

#[test]
fn who_is_refused_leaves_those_who_wait_their_place() {
    let mut shelf = Shelf::of_cluster(7);
    let (mut all, mut witness) = queue(1, &mut shelf);
    let mut restored = shelf.clone();
    for _ in 0..5 {
        witness.update(&mut shelf);
    }
    refused(&mut witness, &mut restored);
    Process::new("fresh", 7).update(&mut restored);
    assert_eq!(waiting(&mut restored), 0);
    tell_of_grants(&mut all[0], &mut restored);
    all[0].go_on(&mut restored).unwrap();
}

#[test]
fn a_stale_read_after_a_wrong_address_is_no_loss() {
    let mut shelf = Shelf::of_cluster(7);
    let mut witness = Process::new("witness", 1);
    witness.update(&mut shelf);
    let mut stale = shelf.clone();
    let last = witness.update(&mut shelf);
    refused(&mut witness, &mut Shelf::of_cluster(8));
    witness.begin(1);
    witness.step(&mut stale);
    assert!(witness.go_on(&mut shelf).unwrap().first.get() > last);
    witness.update(&mut shelf);
}

/// A read that comes back late was asked for by one who knew less than it knows now.
#[test]
fn a_repair_must_pass_also_what_was_learnt_since_it_was_asked_for() {
    let mut shelf = Shelf::of_cluster(7);
    let (mut witness, mut other) = (Process::new("witness", 1), Process::new("other", 2));
    witness.update(&mut shelf);
    let mut restored = shelf.clone();
    let early = (0..3).map(|_| other.update(&mut shelf)).last().unwrap();
    read(&mut witness, &mut shelf).unwrap();
    let asked = witness.exchange.known();
    let heard = shelf.revision();
    other.take(&mut shelf, 10).unwrap();
    // Past what it knew when it asked, and not past what its watch tells before the answer is there.
    Process::new("fresh", 3).repair(&mut restored, early);
    let look = witness.exchange.look_transaction();
    let reply = restored.apply(&look).unwrap();
    follow(&mut witness, &shelf, heard);
    let error = witness.exchange.handle_look(asked, &reply).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regressed);
    refused(&mut witness, &mut restored);
}
