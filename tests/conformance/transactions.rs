//! What a transaction does.

use lamport_clock::ErrorKind;
use lamport_clock::protocol::{At, Compare, Entry, Transaction};
use lamport_clock::store::{Outcome, Store};

use super::{always, carry_out, delete, entry, get, key, prefix, put, read, refusal, values};

pub(crate) async fn compares_decide_the_branch(store: &dyn Store, at: &str) {
    let exists = format!("{at}/exists");
    let missing = format!("{at}/missing");
    carry_out(store, &always(vec![put(&exists, "w")])).await;
    let twice = carry_out(store, &always(vec![put(&exists, "x")])).await;
    let revision = twice.revision;
    let name = |text: &str| text.as_bytes().to_vec();
    for (compare, holds) in [
        (Compare::ModRevision(name(&exists), revision), true),
        (Compare::ModRevision(name(&exists), revision - 1), false),
        (Compare::ModRevision(name(&exists), 0), false),
        (Compare::ModRevision(name(&missing), 0), true),
        (Compare::ModRevision(name(&missing), revision), false),
        (Compare::Value(name(&exists), name("x")), true),
        (Compare::Value(name(&exists), name("y")), false),
        (Compare::Value(name(&exists), name("")), false),
        (Compare::Value(name(&missing), name("")), false),
        (Compare::VersionAtLeast(name(&exists), 0), true),
        (Compare::VersionAtLeast(name(&exists), 2), true),
        (Compare::VersionAtLeast(name(&exists), 3), false),
        (Compare::VersionAtLeast(name(&missing), 0), true),
        (Compare::VersionAtLeast(name(&missing), 1), false),
    ] {
        let transaction = Transaction {
            compares: vec![
                Compare::ModRevision(name(&exists), revision),
                compare.clone(),
            ],
            then: vec![get(key(&exists))],
            otherwise: vec![get(key(&missing))],
        };
        let reply = carry_out(store, &transaction).await;
        assert_eq!(reply.succeeded, holds, "{compare:?}");
        assert_eq!(reply.entries.len(), usize::from(holds), "{compare:?}");
    }
}

/// A key that was deleted is like one that never was.
pub(crate) async fn compares_of_an_absent_key(store: &dyn Store, at: &str) {
    let (never, gone) = (format!("{at}/never"), format!("{at}/gone"));
    let written = carry_out(store, &always(vec![put(&gone, "x")])).await;
    let deleted = carry_out(store, &always(vec![delete(&gone)])).await;
    for key in [&never, &gone] {
        let name = || key.as_bytes().to_vec();
        for (compare, holds) in [
            (Compare::ModRevision(name(), 0), true),
            (Compare::ModRevision(name(), written.revision), false),
            (Compare::ModRevision(name(), deleted.revision), false),
            (Compare::VersionAtLeast(name(), 0), true),
            (Compare::VersionAtLeast(name(), 1), false),
            (Compare::Value(name(), b"x".to_vec()), false),
            (Compare::Value(name(), Vec::new()), false),
        ] {
            let transaction = Transaction {
                compares: vec![compare.clone()],
                ..Transaction::default()
            };
            let reply = carry_out(store, &transaction).await;
            assert_eq!(reply.succeeded, holds, "{compare:?}");
        }
    }
    // A key that is there with an empty value is another matter.
    carry_out(store, &always(vec![put(&gone, "")])).await;
    let transaction = Transaction {
        compares: vec![
            Compare::Value(gone.clone().into(), Vec::new()),
            Compare::VersionAtLeast(gone.into(), 1),
        ],
        ..Transaction::default()
    };
    assert!(carry_out(store, &transaction).await.succeeded);
}

pub(crate) async fn operations_see_those_before_them(store: &dyn Store, at: &str) {
    let (a, b) = (format!("{at}/a"), format!("{at}/b"));
    let reply = carry_out(
        store,
        &always(vec![
            get(prefix(at)),
            put(&a, "1"),
            get(prefix(at)),
            put(&b, "2"),
            get(prefix(at)),
        ]),
    )
    .await;
    // Nothing, then the first, then both.
    assert_eq!(values(&reply.entries), ["1", "1", "2"]);
    assert!(
        reply
            .entries
            .iter()
            .all(|entry| entry.mod_revision == reply.revision)
    );
    let reply = carry_out(store, &always(vec![delete(&a), get(prefix(at))])).await;
    assert_eq!(values(&reply.entries), ["2"]);
}

/// The fetch-and-add that the clock is made of.
pub(crate) async fn one_transaction_reads_a_key_before_and_behind_its_own_put(
    store: &dyn Store,
    at: &str,
) {
    let around = always(vec![get(key(at)), put(at, "mine"), get(key(at))]);
    let first = carry_out(store, &around).await;
    let second = carry_out(store, &around).await;
    let entry = |revision, version| Entry {
        key: at.into(),
        value: b"mine".to_vec(),
        create_revision: first.revision,
        mod_revision: revision,
        version,
    };
    assert_eq!(first.entries, [entry(first.revision, 1)]);
    assert_eq!(
        second.entries,
        [entry(first.revision, 1), entry(second.revision, 2)]
    );
    let away = always(vec![get(key(at)), delete(at), get(key(at))]);
    let third = carry_out(store, &away).await;
    assert_eq!(third.entries, [entry(second.revision, 2)]);
}

pub(crate) async fn versions_count_the_puts_since_a_key_was_created(store: &dyn Store, at: &str) {
    let beside = format!("{at}/beside");
    let mut created = 0;
    for version in 1..=3 {
        let reply = carry_out(store, &always(vec![put(at, "the same"), put(&beside, "x")])).await;
        created = if version == 1 {
            reply.revision
        } else {
            created
        };
        let found = entry(store, at).await;
        assert_eq!(
            (found.create_revision, found.mod_revision, found.version),
            (created, reply.revision, version)
        );
    }
    // What is written to others, or fails, counts nothing.
    carry_out(store, &always(vec![put(&beside, "y")])).await;
    let other = Transaction {
        compares: vec![Compare::ModRevision(at.into(), 0)],
        then: vec![put(at, "never")],
        otherwise: vec![],
    };
    assert!(!carry_out(store, &other).await.succeeded);
    let before = entry(store, at).await;
    assert_eq!(
        (before.version, values(&[before])),
        (3, vec!["the same".to_owned()])
    );

    // A key that was deleted and written again is a new one; to delete it twice changes nothing.
    carry_out(store, &always(vec![delete(at)])).await;
    carry_out(store, &always(vec![delete(at)])).await;
    assert!(read(store, &key(at), At::Now).await.entries.is_empty());
    let again = carry_out(store, &always(vec![put(at, "anew")])).await;
    let found = entry(store, at).await;
    assert_eq!(
        (found.create_revision, found.mod_revision, found.version),
        (again.revision, again.revision, 1)
    );
    assert_eq!(entry(store, &beside).await.version, 4);
    // What it was before is still told of the past.
    let past = read(store, &key(at), At::Revision(created)).await.entries;
    assert_eq!((past[0].create_revision, past[0].version), (created, 1));
}

pub(crate) async fn entries_are_one_list_in_the_order_of_the_gets(store: &dyn Store, at: &str) {
    let names = ["a", "b", "c"].map(|name| format!("{at}/{name}"));
    let puts = names.iter().map(|name| put(name, &name[at.len()..]));
    carry_out(store, &always(puts.collect())).await;
    let gets = vec![
        get(key(&names[2])),
        get(key(&format!("{at}/missing"))),
        get(prefix(&format!("{at}/"))),
        get(key(&names[0])),
    ];
    let reply = carry_out(store, &always(gets)).await;
    assert_eq!(values(&reply.entries), ["/c", "/a", "/b", "/c", "/a"]);
}

pub(crate) async fn revisions_rise_with_changes_alone(store: &dyn Store, at: &str) {
    let one = carry_out(store, &always(vec![put(at, "1")])).await;
    let look = carry_out(store, &always(vec![get(key(at))])).await;
    assert_eq!(look.revision, one.revision);
    let look = read(store, &key(at), At::Now).await;
    assert_eq!(look.revision, one.revision);
    let missing = format!("{at}/missing");
    let nothing = carry_out(store, &always(vec![delete(&missing)])).await;
    assert_eq!(nothing.revision, one.revision);
    let same = carry_out(store, &always(vec![put(at, "1")])).await;
    assert_eq!(
        same.revision,
        one.revision + 1,
        "the same value again is a change"
    );
}

pub(crate) async fn a_transaction_is_whole_or_nothing(store: &dyn Store, at: &str) {
    let twice = always(vec![put(at, "1"), put(at, "2")]);
    let failure = refusal(store, &twice).await;
    assert_eq!(failure.error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(failure.outcome, Outcome::NotApplied);
    let many = (0..129).map(|i| put(&format!("{at}/{i}"), "x"));
    let failure = refusal(store, &always(many.collect())).await;
    // A limit of the store's: nothing is wrong with the form.
    assert_eq!(failure.error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        (failure.outcome, failure.retry),
        (Outcome::NotApplied, false)
    );
    let reply = read(store, &prefix(at), At::Now).await;
    assert!(reply.entries.is_empty());
    // Both branches are looked at, whichever would run.
    let never = Transaction {
        compares: vec![Compare::ModRevision(at.into(), 0)],
        then: vec![],
        otherwise: vec![put(at, "1"), delete(at)],
    };
    let failure = refusal(store, &never).await;
    assert_eq!(failure.error.kind(), ErrorKind::InvalidArgument);
}
