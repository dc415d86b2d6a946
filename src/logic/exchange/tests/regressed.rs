//! Stores that forget: restored, exchanged, robbed, and what brings the clock back.

use super::*;

/// A store that was at `snapshot`'s state once, and what it became.
struct Restored {
    snapshot: Shelf,
    now: Shelf,
    /// Knows all.
    witness: Process,
    /// Was last there when the snapshot was taken.
    absent: Process,
    /// The last time handed out before the store is restored.
    last: u64,
}

fn restored() -> Restored {
    let mut now = Shelf::of_cluster(7);
    let (mut witness, mut absent) = (Process::new("witness", 1), Process::new("absent", 2));
    witness.update(&mut now);
    absent.update(&mut now);
    let snapshot = now.clone();
    let last = (0..5).map(|_| witness.update(&mut now)).last().unwrap();
    Restored {
        snapshot,
        now,
        witness,
        absent,
        last,
    }
}

fn write_elsewhere(shelf: &mut Shelf) {
    let transaction = Transaction {
        then: vec![Operation::Put(b"/elsewhere".to_vec(), Vec::new())],
        ..Transaction::default()
    };
    shelf.apply(&transaction).unwrap();
}

pub(super) fn refused(process: &mut Process, shelf: &mut Shelf) -> String {
    let error = process.take(shelf, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regressed, "{error}");
    error.to_string()
}

#[test]
fn a_restored_store_gives_nothing_to_who_knew_more_until_it_is_repaired() {
    let Restored {
        mut snapshot,
        mut witness,
        mut absent,
        last,
        ..
    } = restored();
    for _ in 0..3 {
        let message = refused(&mut witness, &mut snapshot);
        for part in [
            &*format!("lamport repair --at-least {last}"),
            &*format!("up to {last} "),
            "of cluster 7",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    // Who knows of nothing later can't tell, until the repair also moves it on.
    absent.update(&mut snapshot);
    let repaired = absent.repair(&mut snapshot, last);
    assert_eq!(repaired, last + 1);
    let given = witness.update(&mut snapshot);
    assert!(given > repaired);
    assert_eq!(absent.update(&mut snapshot), given + 1);
}

#[test]
fn who_was_served_by_another_notices_that_the_record_it_saw_itself_is_back() {
    let mut shelf = Shelf::default();
    let (mut served, mut other) = (Process::new("served", 1), Process::new("other", 2));
    other.begin(1);
    other.step(&mut shelf); // looks
    served.update(&mut shelf);
    let mut snapshot = shelf.clone();
    other.step(&mut shelf); // queues up
    served.begin(1);
    served.step(&mut shelf); // queues up behind it
    assert!(matches!(served.exchange.poll(1.5), Step::Await { .. }));
    Process::new("third", 3).update(&mut shelf); // serves all
    tell_of_grants(&mut served, &mut shelf);
    served.done();
    // It has seen no record since its own, which is there again; and the revisions have caught up.
    while snapshot.revision() <= shelf.revision() {
        write_elsewhere(&mut snapshot);
    }
    refused(&mut served, &mut snapshot);
}

#[test]
fn what_was_asked_before_a_repair_was_seen_is_asked_again() {
    let Restored {
        mut snapshot,
        mut witness,
        mut absent,
        last,
        ..
    } = restored();
    for late in [false, true] {
        let mut witness = Process {
            exchange: witness.exchange.clone(),
            ..witness
        };
        let mut snapshot = snapshot.clone();
        // One of its transactions is on the way, there or back, while the store is repaired and
        // another caller of its process reads that.
        witness.begin(1);
        let transaction = witness.transaction();
        let reply = (!late).then(|| snapshot.apply(&transaction).unwrap());
        let repaired = absent.repair(&mut snapshot, last);
        let asked = witness.exchange.known();
        let look = snapshot.apply(&witness.exchange.look_transaction());
        witness.exchange.handle_look(asked, &look.unwrap()).unwrap();
        let reply = reply.unwrap_or_else(|| snapshot.apply(&transaction).unwrap());
        witness.exchange.handle_reply(&reply);
        let given = witness.go_on(&mut snapshot).unwrap();
        assert!(given.first.get() > repaired, "{given:?}");
        assert!(witness.update(&mut snapshot) > given.last.get());
    }
    refused(&mut witness, &mut snapshot);
}

#[test]
fn a_read_that_took_from_before_the_loss_until_after_the_repair_accepts_the_repair() {
    let mut now = Shelf::of_cluster(7);
    let mut witness = Process::new("witness", 1);
    witness.update(&mut now);
    let mut snapshot = now.clone();
    let asked = witness.exchange.known();
    let last = (0..5).map(|_| witness.update(&mut now)).last().unwrap();
    let repaired = Process::new("operator", 2).repair(&mut snapshot, last);
    let look = snapshot.apply(&witness.exchange.look_transaction());
    witness.exchange.handle_look(asked, &look.unwrap()).unwrap();
    assert_eq!(witness.update(&mut snapshot), repaired + 1);
}

#[test]
fn who_forgot_the_record_when_it_was_deleted_writes_no_new_one() {
    let mut shelf = Shelf::default();
    let mut witness = Process::new("witness", 1);
    witness.update(&mut shelf);
    witness.begin(1);
    witness.transaction();
    // It never left; meanwhile everything is deleted, and its watch tells of it.
    witness.exchange.handle_refused();
    let keys = keys();
    let gone = [keys.record, keys.highest, keys.granted, keys.tail].map(Operation::Delete);
    let deleted = shelf.apply(&Transaction {
        then: gone.into(),
        ..Transaction::default()
    });
    witness.exchange.forget_before(deleted.unwrap().revision);
    let error = witness.go_on(&mut shelf).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regressed, "{error}");
    let look = shelf.apply(&witness.exchange.look_transaction()).unwrap();
    assert!(look.gets[0].is_empty() && look.gets[1].is_empty());
}

#[test]
fn another_store_is_told_by_its_id_however_high_its_numbers_are() {
    let mut restored = restored();
    let (witness, last) = (&mut restored.witness, restored.last);
    let mut other = Shelf::of_cluster(8);
    let mut fresh = Process::new("fresh", 9);
    while other.revision() < 20 {
        fresh.update(&mut other);
    }
    let message = refused(witness, &mut other);
    assert!(message.contains("cluster 7") && message.contains("cluster 8"));
    // The address was wrong, and is mended.
    assert!(witness.update(&mut restored.now) > last);
    // Or it was not: the clock moves house.
    refused(witness, &mut other);
    fresh.repair(&mut other, witness.local);
    let given = witness.update(&mut other);
    assert_eq!(given, fresh.update(&mut other) - 1);
}

#[test]
fn a_restored_store_that_catches_up_by_itself_is_refused_all_the_same() {
    let Restored {
        mut snapshot,
        mut witness,
        mut absent,
        last,
        ..
    } = restored();
    refused(&mut witness, &mut snapshot);
    // By values that the witness has handed out: they stand twice, and by repairing too short.
    absent.repair(&mut snapshot, last - 3);
    let mut caught_up = 0;
    while caught_up <= last + 5 {
        caught_up = absent.update(&mut snapshot);
    }
    refused(&mut witness, &mut snapshot);
    absent.repair(&mut snapshot, last);
    assert!(witness.update(&mut snapshot) > caught_up);
}

#[test]
fn a_repair_counts_once() {
    let Restored {
        mut snapshot,
        mut witness,
        mut absent,
        last,
        ..
    } = restored();
    absent.repair(&mut snapshot, last);
    witness.update(&mut snapshot);
    let repaired = snapshot.clone();
    let later = (0..5).map(|_| witness.update(&mut snapshot)).last();
    // Restored a second time, to the state right after the repair.
    let mut snapshot = repaired;
    let message = refused(&mut witness, &mut snapshot);
    assert!(message.contains(&format!("--at-least {}", later.unwrap())));
}

#[test]
fn an_empty_store_in_the_place_of_a_full_one_is_refused() {
    let mut restored = restored();
    let mut empty = Shelf::of_cluster(8);
    refused(&mut restored.witness, &mut empty);
    // And nothing of ours is left in it but the tail of a request that was taken back.
    let look = restored.witness.exchange.look_transaction();
    let reply = empty.apply(&look).unwrap();
    assert!(reply.gets[0].is_empty() && reply.gets[4].is_empty());
    // The right one again: as if nothing had been.
    assert!(restored.witness.update(&mut restored.now) > restored.last);
}

#[test]
fn all_keys_deleted_is_refused_by_who_knew_them() {
    let Restored {
        mut now,
        mut witness,
        last,
        ..
    } = restored();
    for key in [keys().record, keys().highest, keys().tail, keys().granted] {
        delete(&mut now, &key);
    }
    let message = refused(&mut witness, &mut now);
    assert!(message.contains(&format!("up to {last} ")), "{message}");
    let repaired = witness.repair(&mut now, 0);
    assert_eq!(repaired, last + 1, "it knows what the store does not");
    assert!(witness.update(&mut now) > repaired);
}

#[test]
fn a_stale_read_is_not_taken_for_a_loss() {
    let mut restored = restored();
    let (witness, now) = (&mut restored.witness, &mut restored.now);
    witness.exchange.forget_before(u64::MAX);
    witness.begin(1);
    // The look is answered from an older state, as etcd before 3.5.28 may do after a pause.
    let look = witness.transaction();
    let stale = restored.snapshot.apply(&look).unwrap();
    witness.exchange.handle_reply(&stale);
    let times = witness.go_on(now).unwrap();
    assert_eq!(times.last.get(), restored.last + 2);
    // And `read` shows no such thing.
    let known = witness.exchange.known();
    let error = witness.exchange.handle_look(known, &stale).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regressed);
}

#[test]
fn an_answer_that_is_overtaken_by_a_newer_one_is_no_loss() {
    let mut restored = restored();
    let (witness, now) = (&mut restored.witness, &mut restored.now);
    let asked = witness.exchange.known();
    let slow = now.apply(&witness.exchange.look_transaction()).unwrap();
    witness.update(now);
    witness.exchange.handle_look(asked, &slow).unwrap();
    witness.update(now);
}

/// It holds all that the process compares, but is not the store that the process knows.
#[test]
fn a_commit_in_a_store_that_forgot_hands_nothing_out() {
    let mut now = Shelf::of_cluster(7);
    let mut a = Process::new("a", 1);
    a.update(&mut now);
    let mut restored = now.clone();
    // Something else in the store moved its revision, and a read showed it.
    for _ in 0..3 {
        let transaction = Transaction {
            then: vec![Operation::Put(b"/other".to_vec(), b"x".to_vec())],
            ..Transaction::default()
        };
        now.apply(&transaction).unwrap();
    }
    let asked = a.exchange.known();
    let reply = now.apply(&a.exchange.look_transaction()).unwrap();
    a.exchange.handle_look(asked, &reply).unwrap();
    refused(&mut a, &mut restored);
}

#[test]
fn a_repair_shows_what_it_finds_and_only_moves_forward() {
    let mut shelf = Shelf::default();
    let mut a = Process::new("a", 1);
    let last = a.update(&mut shelf);
    write_blindly(&mut shelf, b"rubbish");
    let mut fresh = Process::new("fresh", 2);
    let reply = shelf.apply(&fresh.exchange.look_transaction()).unwrap();
    let look = |fresh: &Process, at_least| {
        let asked = Known::default();
        fresh.exchange.condition(asked, &reply, at_least)
    };
    let condition = look(&fresh, Time::ZERO).unwrap();
    assert_eq!(condition.problems.len(), 1, "{:?}", condition.problems);
    assert!(condition.problems[0].contains("rubbish"));
    assert_eq!(condition.to, time(last + 1));
    // A slip of the finger would use the range up.
    let error = look(&fresh, Time::MAX).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooFarAhead);

    fresh.repair(&mut shelf, 0);
    assert_eq!(a.update(&mut shelf), last + 2);

    // Without the highest time a person must say how far the clock had come.
    let transaction = Transaction {
        then: vec![Operation::Put(keys().highest, b"rubbish".to_vec())],
        ..Transaction::default()
    };
    shelf.apply(&transaction).unwrap();
    let reply = shelf.apply(&fresh.exchange.look_transaction()).unwrap();
    let condition = |at_least| {
        let asked = Known::default();
        let condition = fresh.exchange.condition(asked, &reply, at_least).unwrap();
        fresh.exchange.repair_transaction(&condition, 1.5)
    };
    let error = condition(Time::ZERO).unwrap_err();
    assert!(error.to_string().contains("--at-least"), "{error}");
    assert!(
        shelf
            .apply(&condition(time(50)).unwrap())
            .unwrap()
            .succeeded
    );
    assert_eq!(a.update(&mut shelf), 52);
}
