//! Answers that are heard after later ones, some of them from a state that the store has lost since.

use super::super::given::Given;
use super::*;

/// A store in which a has the first time of all, and two processes.
fn begun() -> (Mvcc, Protocol, Protocol) {
    let mut store = Mvcc::of_cluster(1);
    let (mut a, b) = (process("a", 1), process("b", 2));
    value(&mut a, &mut store).unwrap();
    (store, a, b)
}

/// A call for one time, and what it has sent.
fn asked(process: &Protocol) -> (Call, Arc<Transaction>) {
    let mut call = process.begin(time(1), 1);
    let transaction = sent(process, &mut call);
    (call, transaction)
}

#[test]
fn an_answer_from_before_a_loss_that_two_others_have_overtaken_hands_nothing_out() {
    let (store, a, mut b) = begun();
    for others in [0, 500] {
        let (mut a, mut store, mut restored) = (a.clone(), store.clone(), store.clone());
        let (mut call, early) = asked(&a);
        if others > 0 {
            let mut call = b.begin(time(1), others);
            finish(&mut b, &mut call, &mut store).unwrap();
        }
        let late = store.apply(&early).unwrap();
        // The first of these has the revision of an update that was lost.
        for expected in 3..6 {
            assert_eq!(value(&mut a, &mut restored), Ok(expected));
        }
        a.handle_reply(&mut call, &late);
        let error = finish(&mut a, &mut call, &mut restored).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Regressed);
        // The repair that the error names is enough for this process.
        let highest = 5.max(2 + others + u64::from(others > 0));
        let text = error.to_string();
        assert!(text.ends_with(&format!("--at-least {highest}")), "{text}");
        let to = repair(&mut restored, highest);
        assert_eq!(value(&mut a, &mut restored), Ok(to + 1));
    }
}

#[test]
fn an_answer_counts_however_many_have_overtaken_it() {
    let mut store = Mvcc::default();
    let mut a = process("a", 1);
    value(&mut a, &mut store).unwrap();
    for others in [1, 64, 1_000] {
        let before = a.known().time().get();
        let mut call = a.begin(time(1), 1);
        let late = store.apply(&sent(&a, &mut call)).unwrap();
        for other in 1..=others {
            assert_eq!(value(&mut a, &mut store), Ok(before + 1 + other));
        }
        a.handle_reply(&mut call, &late);
        let times = finish(&mut a, &mut call, &mut store).unwrap();
        assert_eq!((times.last.get(), times.round_trips), (before + 1, 1));
    }
}

#[test]
fn what_was_handed_out_is_forgotten_once_no_answer_can_meet_it() {
    let mut store = Mvcc::default();
    let mut a = process("a", 1);
    value(&mut a, &mut store).unwrap();
    let mut call = a.begin(time(1), 1);
    let late = store.apply(&sent(&a, &mut call)).unwrap();
    let mut update = |a: &mut Protocol| {
        value(a, &mut store).unwrap();
        a.losses.given.len()
    };
    let most = (0..1_000).map(|_| update(&mut a)).max();
    assert!(most >= Some(1_000), "{most:?}");
    a.handle_reply(&mut call, &late);
    drop(call);
    let left: Vec<_> = (0..1_000).map(|_| update(&mut a)).collect();
    assert!(left[900..].iter().all(|left| *left < 200), "{left:?}");
}

#[test]
fn an_answer_from_before_a_repair_that_was_seen_is_asked_again() {
    for at_least in [12, 100] {
        let (mut store, mut a, mut b) = begun();
        let mut restored = store.clone();
        let (mut call, early) = asked(&a);
        for _ in 0..10 {
            value(&mut b, &mut store).unwrap();
        }
        let late = store.apply(&early).unwrap();
        // a misses nothing there, so to it this is a repair like any other.
        let to = repair(&mut restored, at_least);
        look(&mut a, &restored).unwrap();
        // It shows more than the repair, or the very time of the repair.
        a.handle_reply(&mut call, &late);
        let times = finish(&mut a, &mut call, &mut restored).unwrap();
        assert_eq!((times.last.get(), times.round_trips), (to + 1, 2));
        assert_eq!(value(&mut a, &mut restored), Ok(to + 2));
    }
}

#[test]
fn an_answer_that_knows_of_a_repair_counts_although_it_was_asked_before() {
    let mut store = Mvcc::of_cluster(1);
    let mut a = process("a", 1);
    value(&mut a, &mut store).unwrap();
    let (mut call, early) = asked(&a);
    let to = repair(&mut store, 9);
    let late = store.apply(&early).unwrap();
    look(&mut a, &store).unwrap();
    a.handle_reply(&mut call, &late);
    let times = finish(&mut a, &mut call, &mut store).unwrap();
    assert_eq!((times.last.get(), times.round_trips), (to + 1, 1));
}

#[test]
fn the_creation_of_a_clock_that_was_deleted_since_hands_nothing_out() {
    let mut store = Mvcc::of_cluster(1);
    let (mut a, mut b) = (process("a", 1), process("b", 2));
    look(&mut a, &store).unwrap();
    let mut call = a.begin(time(1), 1);
    let late = store.apply(&sent(&a, &mut call)).unwrap();
    for key in ["/c", "/c/base", "/c/taken"] {
        write(&mut store, Operation::Delete(key.into()));
    }
    // b has the time that a's answer gives, and a sees it.
    assert_eq!(value(&mut b, &mut store), Ok(2));
    look(&mut a, &store).unwrap();
    a.handle_reply(&mut call, &late);
    let error = finish(&mut a, &mut call, &mut store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regressed);
}

#[test]
fn a_void_take_that_was_lost_is_not_taken_for_the_one_at_its_revision() {
    let mut store = Mvcc::of_cluster(1);
    let [mut a, mut b, mut c] = [process("a", 1), process("b", 2), process("c", 3)];
    value(&mut a, &mut store).unwrap();
    look(&mut b, &store).unwrap();
    look(&mut c, &store).unwrap();
    value(&mut b, &mut store).unwrap();
    let mut restored = store.clone();
    // a's local clock is ahead, so its first take gives nothing that it can use. That take alone is lost.
    let mut call = a.begin(time(20), 1);
    let void = store.apply(&sent(&a, &mut call)).unwrap();
    a.handle_reply(&mut call, &void);
    let mut many = c.begin(time(1), 100);
    let many = finish(&mut c, &mut many, &mut restored).unwrap();
    assert_eq!((many.last.get(), many.revision), (103, void.revision));
    // a learns of c's times before its second try.
    look(&mut a, &restored).unwrap();
    let times = finish(&mut a, &mut call, &mut restored).unwrap();
    assert!(
        times.first > many.last,
        "{} after {}",
        times.first,
        many.last
    );
}

#[test]
fn an_answer_that_shows_a_repair_but_less_than_was_known_shuts_nobody_out() {
    let (mut store, mut a, mut b) = begun();
    let mut restored = store.clone();
    for _ in 0..3 {
        value(&mut a, &mut store).unwrap();
    }
    let (mut call, early) = asked(&a);
    repair(&mut restored, a.known().time().get());
    let late = restored.apply(&early).unwrap();
    for _ in 0..3 {
        value(&mut b, &mut restored).unwrap();
    }
    // By now the store shows more than a knows.
    look(&mut a, &restored).unwrap();
    a.handle_reply(&mut call, &late);
    let times = finish(&mut a, &mut call, &mut restored).unwrap();
    assert!(value(&mut a, &mut restored).unwrap() > times.last.get());
}

#[test]
fn a_read_from_before_a_repair_that_was_seen_is_not_believed() {
    let (mut store, mut a, mut b) = begun();
    let mut restored = store.clone();
    let asked = a.known();
    for _ in 0..10 {
        value(&mut b, &mut store).unwrap();
    }
    let late = store.read(&a.keys().all(), At::Now).unwrap();
    let to = repair(&mut restored, 9);
    look(&mut a, &restored).unwrap();
    let error = a.handle_look(asked, &late, true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(value(&mut a, &mut restored), Ok(to + 1));
}

#[test]
fn a_repair_is_accepted_also_from_an_answer_that_was_overtaken() {
    let (mut store, mut a, mut b) = begun();
    let mut restored = store.clone();
    let (mut call, early) = asked(&a);
    for _ in 0..20 {
        value(&mut b, &mut store).unwrap();
    }
    // The answer lacks nothing that was known when it was asked for, and much that is known when it comes.
    look(&mut a, &store).unwrap();
    let to = repair(&mut restored, a.known().time().get());
    let late = restored.apply(&early).unwrap();
    a.handle_reply(&mut call, &late);
    let times = finish(&mut a, &mut call, &mut restored).unwrap();
    assert!(times.first.get() > to, "{}", times.first);
    assert_eq!(value(&mut a, &mut restored), Ok(times.last.get() + 1));
}

#[test]
fn what_a_question_holds_for_ever_is_bounded() {
    let mut store = Mvcc::default();
    let mut a = process("a", 1);
    value(&mut a, &mut store).unwrap();
    let mut call = a.begin(time(1), 1);
    let late = store.apply(&sent(&a, &mut call)).unwrap();
    let most = 64 * 1_024;
    for n in 1..=most + 1_000 {
        let (revision, time) = (late.revision + n, time(10 + n));
        let new = Given {
            revision,
            first: time,
            last: time,
        };
        (a.losses.known.revision, a.losses.known.time) = (revision, time);
        assert!(a.losses.hand_out(a.known(), new).unwrap());
    }
    assert!(a.losses.given.len() as u64 <= most + 64);
    // The answer can't be judged any more, so it is as good as lost.
    a.handle_reply(&mut call, &late);
    assert!(matches!(a.poll(&mut call, 1.5), Step::Send(_)));
}

#[test]
fn an_answer_from_before_two_losses_does_not_bring_back_what_was_given_since() {
    let (mut store, mut a, mut b) = begun();
    let mut restored = store.clone();
    // Repaired, and then restored as if nobody had. The answer shows a repair that the store has lost.
    let (mut call, early) = asked(&a);
    repair(&mut store, 20);
    let late = store.apply(&early).unwrap();
    for expected in 3..6 {
        assert_eq!(value(&mut a, &mut restored), Ok(expected));
    }
    for _ in 0..30 {
        value(&mut b, &mut restored).unwrap();
    }
    a.handle_reply(&mut call, &late);
    let times = finish(&mut a, &mut call, &mut restored).unwrap();
    assert_eq!((times.last.get(), times.round_trips), (36, 2));
}

#[test]
fn an_answer_that_lacks_what_was_seen_since_hands_nothing_out() {
    for bumped in [false, true] {
        let (mut store, mut a, mut b) = begun();
        let mut restored = store.clone();
        let (mut call, early) = asked(&a);
        for _ in 0..20 {
            value(&mut b, &mut store).unwrap();
        }
        look(&mut a, &store).unwrap();
        match bumped {
            true => (0..30).for_each(|_| {
                write(
                    &mut restored,
                    Operation::Put(b"/elsewhere".to_vec(), Vec::new()),
                );
            }),
            false => drop(repair(&mut restored, 9)),
        }
        let late = restored.apply(&early).unwrap();
        a.handle_reply(&mut call, &late);
        let error = finish(&mut a, &mut call, &mut restored).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Regressed);
        assert!(error.to_string().ends_with("--at-least 22"), "{error}");
    }
}

#[test]
fn a_loss_that_the_keys_alone_show_names_the_highest_time_that_is_known() {
    let mut store = Mvcc::of_cluster(1);
    let (mut a, mut newcomer) = (process("a", 1), process("b", 2));
    value(&mut a, &mut store).unwrap();
    let mut many = a.begin(time(1), 50);
    finish(&mut a, &mut many, &mut store).unwrap();
    write(&mut store, Operation::Delete(b"/c/base".to_vec()));
    let error = update(&mut a, &mut store, 1).unwrap_err().to_string();
    assert!(error.ends_with("lamport repair --at-least 52"), "{error}");
    let error = update(&mut newcomer, &mut store, 1)
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("lamport repair"), "{error}");
}
