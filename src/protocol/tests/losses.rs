//! Telling a loss from a stale or late answer, making it good by a repair, and keys that are never
//! overwritten.

use super::*;

#[test]
fn a_stale_read_is_not_taken_for_a_loss() {
    let mut store = Mvcc::default();
    let mut a = process("a", 1);
    value(&mut a, &mut store).unwrap();
    let stale = store.clone();
    value(&mut a, &mut store).unwrap();
    let asked = a.known();
    let reply = stale.read(&a.keys().all(), At::Now).unwrap();
    let error = a.handle_look(asked, &reply, false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regressed);
    assert_eq!(value(&mut a, &mut store), Ok(4));
}

#[test]
fn an_answer_that_is_overtaken_by_a_newer_one_is_no_loss() {
    let mut store = Mvcc::default();
    let mut a = process("a", 1);
    value(&mut a, &mut store).unwrap();
    let asked = a.known();
    let early = store.read(&a.keys().all(), At::Now).unwrap();
    value(&mut a, &mut store).unwrap();
    assert!(a.handle_look(asked, &early, true).is_ok());
    assert_eq!(value(&mut a, &mut store), Ok(4));
}

#[test]
fn another_store_is_told_by_its_id_however_high_its_numbers_are() {
    let (mut right, mut wrong) = (Mvcc::of_cluster(1), Mvcc::of_cluster(2));
    let (mut a, mut b) = (process("a", 1), process("b", 2));
    value(&mut a, &mut right).unwrap();
    for _ in 0..9 {
        value(&mut b, &mut wrong).unwrap();
    }
    assert_eq!(value(&mut a, &mut wrong), Err(ErrorKind::Regressed));
    let before = shown(&wrong);
    assert_eq!(value(&mut a, &mut wrong), Err(ErrorKind::Regressed));
    assert_eq!(shown(&wrong), before, "nothing more is written there");
    // Back at the right address all is well, without a repair.
    assert_eq!(value(&mut a, &mut right), Ok(3));
}

#[test]
fn a_stale_read_after_a_wrong_address_is_no_loss() {
    let (mut right, mut wrong) = (Mvcc::of_cluster(1), Mvcc::of_cluster(2));
    let (mut a, mut b) = (process("a", 1), process("b", 2));
    value(&mut a, &mut right).unwrap();
    let stale = right.clone();
    value(&mut a, &mut right).unwrap();
    value(&mut b, &mut wrong).unwrap();
    assert_eq!(value(&mut a, &mut wrong), Err(ErrorKind::Regressed));
    let asked = a.known();
    let reply = stale.read(&a.keys().all(), At::Now).unwrap();
    assert!(a.handle_look(asked, &reply, false).is_err());
    assert_eq!(value(&mut a, &mut right), Ok(4));
}

#[test]
fn a_restored_store_that_catches_up_by_itself_is_refused_all_the_same() {
    let mut store = Mvcc::of_cluster(1);
    let (mut a, mut b) = (process("a", 1), process("b", 2));
    value(&mut a, &mut store).unwrap();
    let mut restored = store.clone();
    for _ in 0..3 {
        value(&mut a, &mut store).unwrap();
    }
    assert_eq!(value(&mut a, &mut restored), Err(ErrorKind::Regressed));
    for _ in 0..20 {
        value(&mut b, &mut restored).unwrap();
    }
    assert_eq!(value(&mut a, &mut restored), Err(ErrorKind::Regressed));
    // Only a repair makes the loss good.
    let to = repair(&mut restored, 10);
    assert_eq!(value(&mut a, &mut restored), Ok(to + 1));
}

#[test]
fn a_commit_in_a_store_that_lost_updates_hands_nothing_out() {
    let mut store = Mvcc::of_cluster(1);
    let mut a = process("a", 1);
    value(&mut a, &mut store).unwrap();
    let mut restored = store.clone();
    let mut call = a.begin(time(1), 1);
    let update = sent(&a, &mut call);
    // Another call of this process learns of more before the answer of the restored store comes.
    value(&mut a, &mut store).unwrap();
    let reply = restored.apply(&update).unwrap();
    assert!(reply.succeeded);
    let known = a.known();
    a.handle_reply(&mut call, &reply);
    // The question's watermark is older than that and shows no loss; the order of the times does.
    assert!(
        matches!(a.poll(&mut call, 1.5), Step::Failed(error) if error.kind() == ErrorKind::Regressed)
    );
    assert!(a.known().time() >= known.time());
}

#[test]
fn a_clock_counted_past_its_end_is_repaired_only_above_what_a_person_says() {
    let mut store = Mvcc::default();
    let (mut a, mut b) = (process("a", 1), process("b", 2));
    let end = Time::MAX.get();
    let record = format!(r#"{{"value":{},"process_id":"old"}}"#, end - 10);
    write(
        &mut store,
        Operation::Put(b"/c".to_vec(), record.into_bytes()),
    );
    value(&mut a, &mut store).unwrap();
    look(&mut b, &store).unwrap();
    value(&mut a, &mut store).unwrap();
    assert_eq!(value(&mut b, &mut store), Ok(end - 7), "a take");
    let weight = a.keys().weight(Keys::WEIGHTS - 1);
    write(&mut store, Operation::Put(weight, Vec::new()));
    assert_eq!(value(&mut a, &mut store), Err(ErrorKind::Exhausted));
    // The base alone does not show what b was given.
    let reply = store.read(&a.keys().all(), At::Now).unwrap();
    let error = a.plan_repair(a.known(), &reply, Time::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exhausted);
    assert!(error.to_string().ends_with("lamport repair --at-least N"));
    assert_eq!(repair(&mut store, end - 7), end - 6);
    assert_eq!(value(&mut a, &mut store), Ok(end - 5));
}

#[test]
fn a_store_that_went_back_before_the_clock_was_there_is_seen_as_it_is() {
    let mut restored = Mvcc::of_cluster(1);
    let mut store = restored.clone();
    write(
        &mut store,
        Operation::Put(b"/elsewhere".to_vec(), Vec::new()),
    );
    let (mut a, mut b) = (process("a", 1), process("b", 2));
    look(&mut a, &store).unwrap();
    // The creation has the revision of the write that was lost.
    let created = update(&mut b, &mut restored, 1).unwrap();
    assert_eq!(created.revision, store.revision());
    let times = update(&mut a, &mut restored, 1).unwrap();
    assert_eq!((times.last.get(), times.round_trips), (3, 2));
}

#[test]
fn what_was_asked_before_a_repair_was_seen_is_asked_again() {
    let mut store = Mvcc::of_cluster(1);
    let mut a = process("a", 1);
    value(&mut a, &mut store).unwrap();
    let mut restored = store.clone();
    value(&mut a, &mut store).unwrap();
    let mut call = a.begin(time(1), 1);
    let update = sent(&a, &mut call);
    let late = restored.apply(&update).unwrap();
    let to = repair(&mut restored, 3);
    // Another caller of this process accepts the repair meanwhile.
    assert!(look(&mut a, &restored).is_ok());
    a.handle_reply(&mut call, &late);
    let times = finish(&mut a, &mut call, &mut restored).unwrap();
    assert_eq!(times.last.get(), to + 1);
}

#[test]
fn a_repair_must_pass_also_what_was_learnt_since_it_was_asked_for() {
    let mut store = Mvcc::of_cluster(1);
    let mut a = process("a", 1);
    value(&mut a, &mut store).unwrap();
    let mut restored = store.clone();
    let asked = a.known();
    for _ in 0..9 {
        value(&mut a, &mut store).unwrap();
    }
    repair(&mut restored, 4);
    let reply = restored.read(&a.keys().all(), At::Now).unwrap();
    // The repair is above what was known when the read was sent, but not above what is known now.
    let _ = a.handle_look(asked, &reply, true);
    assert_eq!(value(&mut a, &mut restored), Err(ErrorKind::Regressed));
    let to = repair(&mut restored, 20);
    assert_eq!(value(&mut a, &mut restored), Ok(to + 1));
}

#[test]
fn a_repair_counts_once() {
    let mut store = Mvcc::of_cluster(1);
    let mut a = process("a", 1);
    value(&mut a, &mut store).unwrap();
    let mut restored = store.clone();
    for _ in 0..9 {
        value(&mut a, &mut store).unwrap();
    }
    let to = repair(&mut restored, 40);
    let mut again = restored.clone();
    for _ in 0..9 {
        assert!(value(&mut a, &mut restored).unwrap() > to);
    }
    // A backup of the repaired store brings the same mark back, but that mark excuses no second loss.
    assert_eq!(value(&mut a, &mut again), Err(ErrorKind::Regressed));
}

#[test]
fn a_repair_shows_what_it_finds_and_only_moves_forward() {
    let mut store = Mvcc::default();
    let mut a = process("a", 1);
    for _ in 0..3 {
        value(&mut a, &mut store).unwrap();
    }
    write(&mut store, Operation::Delete(b"/c/taken".to_vec()));
    let operator = process("operator", 99);
    let reply = store.read(&operator.keys().all(), At::Now).unwrap();
    let plan = operator
        .plan_repair(operator.known(), &reply, Time::ZERO)
        .unwrap();
    assert_eq!(plan.to.get(), 5, "above what the base still says");
    assert_eq!(plan.problems.len(), 1);
    assert!(
        plan.problems[0].contains("/c/taken is gone"),
        "{:?}",
        plan.problems
    );
    assert_eq!(value(&mut a, &mut store), Err(ErrorKind::Regressed));
    assert_eq!(repair(&mut store, 7), 8);
    assert_eq!(value(&mut a, &mut store), Ok(9));
    // A base of a later version is never overwritten.
    write(
        &mut store,
        Operation::Put(b"/c/base".to_vec(), br#"{"format":2}"#.to_vec()),
    );
    let reply = store.read(&operator.keys().all(), At::Now).unwrap();
    let plan = operator
        .plan_repair(operator.known(), &reply, time(20))
        .unwrap();
    let error = operator.repair(&plan, &plan.found, 1.5).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("upgrade"), "{error}");
}

#[test]
fn nothing_is_written_over_what_another_program_keeps_there() {
    let foreign = |key: &str| Operation::Put(key.into(), b"{\"order\":17}".to_vec());
    for (keys, named) in [
        (&["/c"][..], "/c"),
        (&["/c/base"], "/c/base"),
        (&["/c/taken"], "/c/taken"),
        (&["/c/taken/00"], "/c/taken/00"),
        (&["/c/taken/52"], "/c/taken/52"),
        (&["/c/base", "/c/taken"], "/c/base"),
        (&["/c/base", "/c/taken", "/c/taken/00"], "/c/taken/00"),
    ] {
        // In an empty store, and in place of the keys of a clock.
        for clock in [false, true] {
            let mut store = Mvcc::default();
            let mut a = process("a", 1);
            if clock {
                for _ in 0..3 {
                    value(&mut a, &mut store).unwrap();
                }
                for key in keys {
                    write(&mut store, Operation::Delete(key.as_bytes().to_vec()));
                }
            }
            for key in keys {
                write(&mut store, foreign(key));
            }
            let before = store.read(&a.keys().all(), At::Now).unwrap();
            let error = update(&mut process("b", 2), &mut store, 1).unwrap_err();
            let expected = match (clock, named) {
                // The base is ours and misses its own `taken`: that is seen first.
                (true, "/c/taken") => ErrorKind::Regressed,
                _ => ErrorKind::Corrupt,
            };
            assert_eq!(error.kind(), expected, "{keys:?}: {error}");
            assert!(error.to_string().contains(named), "{keys:?}: {error}");
            let operator = process("operator", 99);
            let reply = store.read(&operator.keys().all(), At::Now).unwrap();
            let plan = operator
                .plan_repair(operator.known(), &reply, time(20))
                .unwrap();
            let error = operator.repair(&plan, &plan.found, 1.5).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{keys:?}: {error}");
            assert!(error.to_string().contains(named), "{keys:?}: {error}");
            let after = store.read(&a.keys().all(), At::Now).unwrap();
            assert_eq!(after.entries, before.entries, "{keys:?}");
        }
    }
    // Keys that only resemble the clock's keys are left alone.
    let mut store = Mvcc::default();
    let neighbours = [
        "/c/waiting/1",
        "/c/b",
        "/c/taken/0",
        "/c/taken/99",
        "/c/taken/00/x",
        "/c-old",
    ];
    for key in neighbours {
        write(&mut store, foreign(key));
    }
    let mut a = process("a", 1);
    for expected in [2, 3, 4] {
        assert_eq!(value(&mut a, &mut store), Ok(expected));
    }
    assert_eq!(repair(&mut store, 7), 8);
    let everything = KeyRange::new(b"/".to_vec(), b"0".to_vec());
    let reply = store.read(&everything, At::Now).unwrap();
    let kept = |key: &str| {
        let mut entries = reply.entries.iter();
        entries.any(|entry| entry.key == key.as_bytes() && entry.version == 1)
    };
    assert!(neighbours.into_iter().all(kept));
}
