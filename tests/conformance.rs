//! What every store promises, run on each of them. The shelf's own tests look inside; this suite
//! knows nothing but the trait.

#![cfg(feature = "etcd")]

use std::sync::Arc;
use std::time::Duration;

use lamport_clock::ErrorKind;
use lamport_clock::logic::transaction::{
    Compare, Entry, Get, KeyRange, Operation, Reply, Transaction,
};
use lamport_clock::store::{Change, Changes, EtcdStore, Failure, MemoryStore, Outcome, Store};

mod support;

const WITHIN: Duration = Duration::from_secs(10);

fn put(key: &str, value: &str) -> Operation {
    Operation::Put(key.into(), value.into())
}

fn get(range: KeyRange) -> Operation {
    Operation::Get(Get::all(range))
}

fn key(name: &str) -> KeyRange {
    KeyRange::key(name.as_bytes())
}

fn prefix(name: &str) -> KeyRange {
    KeyRange::prefix(name.as_bytes())
}

fn always(then: Vec<Operation>) -> Transaction {
    Transaction {
        then,
        ..Transaction::default()
    }
}

async fn carry_out(store: &dyn Store, transaction: &Transaction) -> Reply {
    store.transact(transaction, WITHIN).await.unwrap()
}

async fn refusal(store: &dyn Store, transaction: &Transaction) -> Failure {
    store.transact(transaction, WITHIN).await.unwrap_err()
}

async fn next(changes: &mut Box<dyn Changes>) -> Vec<Change> {
    tokio::time::timeout(WITHIN, changes.next())
        .await
        .expect("a change within the deadline")
        .unwrap()
}

fn values(entries: &[Entry]) -> Vec<String> {
    let text = |entry: &Entry| String::from_utf8(entry.value.clone()).unwrap();
    entries.iter().map(text).collect()
}

/// The whole contract. Keys begin with `at`, so that one store can be used again.
async fn contract(store: Arc<dyn Store>, at: &str) {
    compares_decide_the_branch(&*store, &format!("{at}/compare")).await;
    operations_see_those_before_them(&*store, &format!("{at}/order")).await;
    reads_are_sorted_limited_and_can_look_back(&*store, &format!("{at}/read")).await;
    revisions_rise_with_changes_alone(&*store, &format!("{at}/revision")).await;
    a_transaction_is_whole_or_nothing(&*store, &format!("{at}/atomic")).await;
    a_watch_tells_all_in_order(&*store, &format!("{at}/watch")).await;
    a_watch_from_now_on_tells_nothing_older_and_all_that_comes(&*store, &format!("{at}/now")).await;
    racing_increments_lose_nothing(store.clone(), &format!("{at}/race")).await;
}

async fn compares_decide_the_branch(store: &dyn Store, at: &str) {
    let exists = format!("{at}/exists");
    let missing = format!("{at}/missing");
    let revision = carry_out(store, &always(vec![put(&exists, "x")]))
        .await
        .revision;
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
        assert_eq!(reply.gets[0].len(), usize::from(holds), "{compare:?}");
    }
}

async fn operations_see_those_before_them(store: &dyn Store, at: &str) {
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
    let lengths: Vec<_> = reply.gets.iter().map(Vec::len).collect();
    assert_eq!(lengths, [0, 1, 2]);
    let newest = &reply.gets[2];
    assert!(
        newest
            .iter()
            .all(|entry| entry.mod_revision == reply.revision)
    );
    let delete = Operation::Delete(a.into_bytes());
    let reply = carry_out(store, &always(vec![delete, get(prefix(at))])).await;
    assert_eq!(values(&reply.gets[0]), ["2"]);
}

async fn reads_are_sorted_limited_and_can_look_back(store: &dyn Store, at: &str) {
    // In an order that is not the order of the names, and the first of them written again.
    let mut first = 0;
    for name in ["c", "a", "b"] {
        let reply = carry_out(store, &always(vec![put(&format!("{at}/{name}"), name)])).await;
        first = if first == 0 { reply.revision } else { first };
    }
    carry_out(store, &always(vec![put(&format!("{at}/c"), "c2")])).await;
    let limited = Operation::Get(Get {
        limit: 2,
        ..Get::all(prefix(at))
    });
    let past = Operation::Get(Get {
        at: Some(first),
        ..Get::all(prefix(at))
    });
    let reply = carry_out(store, &always(vec![get(prefix(at)), limited, past])).await;
    assert_eq!(values(&reply.gets[0]), ["a", "b", "c2"]);
    assert_eq!(values(&reply.gets[1]), ["a", "b"]);
    assert_eq!(values(&reply.gets[2]), ["c"]);
    let future = always(vec![Operation::Get(Get {
        at: Some(reply.revision + 1_000),
        ..Get::all(prefix(at))
    })]);
    let failure = refusal(store, &future).await;
    assert_eq!(failure.outcome, Outcome::NotApplied);
    assert!(!failure.retry);
}

async fn revisions_rise_with_changes_alone(store: &dyn Store, at: &str) {
    let one = carry_out(store, &always(vec![put(at, "1")])).await;
    let look = carry_out(store, &always(vec![get(key(at))])).await;
    assert_eq!(look.revision, one.revision);
    let nothing = Operation::Delete(format!("{at}/missing").into_bytes());
    let nothing = carry_out(store, &always(vec![nothing])).await;
    assert_eq!(nothing.revision, one.revision);
    let same = carry_out(store, &always(vec![put(at, "1")])).await;
    assert_eq!(
        same.revision,
        one.revision + 1,
        "the same value again is a change"
    );
}

async fn a_transaction_is_whole_or_nothing(store: &dyn Store, at: &str) {
    let twice = always(vec![put(at, "1"), put(at, "2")]);
    let failure = refusal(store, &twice).await;
    assert_eq!(failure.error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(failure.outcome, Outcome::NotApplied);
    let many = (0..129).map(|i| put(&format!("{at}/{i}"), "x"));
    let failure = refusal(store, &always(many.collect())).await;
    assert_eq!(failure.error.kind(), ErrorKind::InvalidArgument);
    let reply = carry_out(store, &always(vec![get(prefix(at))])).await;
    assert!(reply.gets[0].is_empty());
}

async fn a_watch_tells_all_in_order(store: &dyn Store, at: &str) {
    let (a, b, outside) = (
        format!("{at}/a"),
        format!("{at}/b"),
        format!("{at}-outside"),
    );
    let first = carry_out(store, &always(vec![put(&a, "0")])).await.revision;
    carry_out(
        store,
        &always(vec![put(&a, "1"), put(&b, "1"), put(&outside, "1")]),
    )
    .await;
    // From the past on, then live.
    let range = prefix(&format!("{at}/"));
    let mut changes = store.watch(range, first, WITHIN).await.unwrap();
    let mut seen = next(&mut changes).await;
    carry_out(store, &always(vec![put(&outside, "2")])).await;
    carry_out(
        store,
        &always(vec![Operation::Delete(a.clone().into_bytes())]),
    )
    .await;
    while seen.len() < 3 {
        seen.extend(next(&mut changes).await);
    }
    assert!(seen.is_sorted_by(|a, b| a.revision < b.revision));
    assert_eq!(seen[0].revision, first);
    assert_eq!(seen[1].keys.len(), 2, "one transaction, one change");
    assert_eq!(seen[2].keys, [(a.into_bytes(), None)]);
}

async fn a_watch_from_now_on_tells_nothing_older_and_all_that_comes(store: &dyn Store, at: &str) {
    carry_out(store, &always(vec![put(at, "before")])).await;
    let mut changes = store.watch(key(at), 0, WITHIN).await.unwrap();
    let reply = carry_out(store, &always(vec![put(at, "after")])).await;
    let seen = next(&mut changes).await;
    assert_eq!(seen[0].revision, reply.revision);
}

async fn racing_increments_lose_nothing(store: Arc<dyn Store>, at: &str) {
    const TASKS: u64 = 4;
    const EACH: u64 = 25;
    let mut tasks = Vec::new();
    for _ in 0..TASKS {
        let (store, at) = (store.clone(), at.to_owned());
        tasks.push(tokio::spawn(async move {
            for _ in 0..EACH {
                loop {
                    let look = always(vec![get(key(&at))]);
                    let found = carry_out(&*store, &look).await.gets.remove(0);
                    let count: u64 = found.first().map_or(0, |entry| {
                        String::from_utf8(entry.value.clone())
                            .unwrap()
                            .parse()
                            .unwrap()
                    });
                    let revision = found.first().map_or(0, |entry| entry.mod_revision);
                    let increment = Transaction {
                        compares: vec![Compare::ModRevision(at.clone().into(), revision)],
                        then: vec![put(&at, &(count + 1).to_string())],
                        otherwise: vec![],
                    };
                    if carry_out(&*store, &increment).await.succeeded {
                        break;
                    }
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let reply = carry_out(&*store, &always(vec![get(key(at))])).await;
    assert_eq!(values(&reply.gets[0]), [(TASKS * EACH).to_string()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_contract() {
    contract(Arc::new(MemoryStore::new()), "/conformance").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_keeps_the_contract() {
    let etcd = support::Etcd::start(1);
    let config = etcd.config("conformance");
    let store = EtcdStore::new(&etcd.endpoints(), &config).unwrap();
    contract(Arc::new(store), "/conformance").await;
}

/// Compaction is an operator's act, so each store is compacted by its own means.
async fn compaction_is_a_typed_answer(store: &dyn Store, compact: impl AsyncFnOnce(u64)) {
    let first = carry_out(store, &always(vec![put("/k", "0")]))
        .await
        .revision;
    for i in 1..5 {
        carry_out(store, &always(vec![put("/k", &i.to_string())])).await;
    }
    compact(first + 3).await;
    let past = always(vec![Operation::Get(Get {
        at: Some(first),
        ..Get::all(key("/k"))
    })]);
    let failure = refusal(store, &past).await;
    assert_eq!(failure.error.kind(), ErrorKind::Compacted);
    assert!(!failure.retry);
    let opened = store.watch(key("/k"), first, WITHIN).await;
    let failure = match opened {
        Err(failure) => failure,
        Ok(mut changes) => changes.next().await.unwrap_err(),
    };
    assert_eq!(failure.error.kind(), ErrorKind::Compacted);
    let kept = failure.kept_from.expect("the oldest revision kept");
    assert_eq!(kept, first + 3);
    let mut changes = store.watch(key("/k"), kept, WITHIN).await.unwrap();
    assert_eq!(next(&mut changes).await[0].revision, kept);
}

#[tokio::test]
async fn memory_tells_what_was_compacted() {
    let store = MemoryStore::new();
    compaction_is_a_typed_answer(&store, async |revision| store.compact(revision)).await;
}

#[tokio::test]
async fn etcd_tells_what_was_compacted() {
    let etcd = support::Etcd::start(1);
    let config = etcd.config("conformance");
    let store = EtcdStore::new(&etcd.endpoints(), &config).unwrap();
    compaction_is_a_typed_answer(&store, async |revision| {
        etcd.control(&["compaction", "--physical", &revision.to_string()]);
    })
    .await;
}
