//! What every store promises, run on each of them. The tests in `store/mvcc.rs` look inside; this
//! suite knows nothing but the trait.

#![cfg(feature = "etcd")]

use std::sync::Arc;
use std::time::Duration;

use lamport_clock::ErrorKind;
use lamport_clock::protocol::{
    At, Change, Compare, Entry, KeyRange, Operation, Reply, Transaction,
};
use lamport_clock::store::{Changes, EtcdStore, Failure, MemoryStore, Outcome, Store};

mod support;
#[path = "conformance/transactions.rs"]
mod transactions;
#[path = "conformance/watches.rs"]
mod watches;

use transactions::{
    a_transaction_is_whole_or_nothing, compares_decide_the_branch, compares_of_an_absent_key,
    entries_are_one_list_in_the_order_of_the_gets,
    one_transaction_reads_a_key_before_and_behind_its_own_put, operations_see_those_before_them,
    revisions_rise_with_changes_alone, versions_count_the_puts_since_a_key_was_created,
};
use watches::{
    a_watch_from_now_on_tells_nothing_older_and_all_that_comes, a_watch_tells_all_in_order,
    a_watch_tells_versions,
};

const WITHIN: Duration = Duration::from_secs(10);

fn put(key: &str, value: &str) -> Operation {
    Operation::Put(key.into(), value.into())
}

fn get(range: KeyRange) -> Operation {
    Operation::Get(range)
}

fn delete(key: &str) -> Operation {
    Operation::Delete(key.into())
}

fn key(name: &str) -> KeyRange {
    KeyRange::key(name.as_bytes())
}

/// All keys that begin with `name`, which ends in ASCII.
fn prefix(name: &str) -> KeyRange {
    let mut end = name.as_bytes().to_vec();
    *end.last_mut().expect("a name") += 1;
    KeyRange::new(name, end)
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

async fn read(store: &dyn Store, range: &KeyRange, at: At) -> Reply {
    store.read(range, at, WITHIN).await.unwrap()
}

/// The one entry under a key, as it is now.
async fn entry(store: &dyn Store, name: &str) -> Entry {
    let mut entries = read(store, &key(name), At::Now).await.entries;
    assert_eq!(entries.len(), 1, "{name}");
    entries.remove(0)
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
    the_first_revision_is_1_and_empty(&*store).await;
    compares_decide_the_branch(&*store, &format!("{at}/compare")).await;
    compares_of_an_absent_key(&*store, &format!("{at}/absent")).await;
    operations_see_those_before_them(&*store, &format!("{at}/order")).await;
    one_transaction_reads_a_key_before_and_behind_its_own_put(&*store, &format!("{at}/own")).await;
    versions_count_the_puts_since_a_key_was_created(&*store, &format!("{at}/version")).await;
    entries_are_one_list_in_the_order_of_the_gets(&*store, &format!("{at}/flat")).await;
    reads_are_sorted_and_can_look_back(&*store, &format!("{at}/read")).await;
    what_lies_in_the_gap_of_a_range_is_not_shown(&*store, &format!("{at}/gap")).await;
    every_answer_names_the_store_and_its_newest_revision(&*store, &format!("{at}/answer")).await;
    revisions_rise_with_changes_alone(&*store, &format!("{at}/revision")).await;
    a_transaction_is_whole_or_nothing(&*store, &format!("{at}/atomic")).await;
    a_watch_tells_all_in_order(&*store, &format!("{at}/watch")).await;
    a_watch_tells_versions(&*store, &format!("{at}/counted")).await;
    a_watch_from_now_on_tells_nothing_older_and_all_that_comes(&*store, &format!("{at}/now")).await;
    racing_increments_lose_nothing(store.clone(), &format!("{at}/race")).await;
    racing_takes_each_see_another_count(store.clone(), &format!("{at}/takes")).await;
}

async fn the_first_revision_is_1_and_empty(store: &dyn Store) {
    let reply = read(store, &prefix("/"), At::Revision(1)).await;
    assert_eq!(reply.entries, []);
}

async fn reads_are_sorted_and_can_look_back(store: &dyn Store, at: &str) {
    // In an order that is not the order of the names, and the first of them written again.
    let mut first = 0;
    for name in ["c", "a", "b"] {
        let reply = carry_out(store, &always(vec![put(&format!("{at}/{name}"), name)])).await;
        first = if first == 0 { reply.revision } else { first };
    }
    let last = carry_out(store, &always(vec![put(&format!("{at}/c"), "c2")])).await;
    let range = prefix(at);
    let now = read(store, &range, At::Now).await;
    assert_eq!(values(&now.entries), ["a", "b", "c2"]);
    assert_eq!(now.revision, last.revision);
    // One server alone is never late.
    assert_eq!(read(store, &range, At::Anywhere).await, now);
    let in_a_transaction = carry_out(store, &always(vec![get(range.clone())])).await;
    assert_eq!(in_a_transaction.entries, now.entries);
    let past = read(store, &range, At::Revision(first)).await;
    assert_eq!(values(&past.entries), ["c"]);
    let before = read(store, &range, At::Revision(first - 1)).await;
    assert!(before.entries.is_empty());
    // The end of a range lies outside of it.
    let without_the_last = KeyRange::new(format!("{at}/a"), format!("{at}/c"));
    let reply = read(store, &without_the_last, At::Now).await;
    assert_eq!(values(&reply.entries), ["a", "b"]);
    let future = At::Revision(last.revision + 1_000);
    let failure = store.read(&range, future, WITHIN).await.unwrap_err();
    assert_eq!(failure.outcome, Outcome::NotApplied);
    assert!(!failure.retry);
}

async fn what_lies_in_the_gap_of_a_range_is_not_shown(store: &dyn Store, at: &str) {
    let with_a_gap = KeyRange {
        rest: format!("{at}/").into(),
        ..KeyRange::new(at, format!("{at}0"))
    };
    let from = 1 + read(store, &with_a_gap, At::Now).await.revision;
    let names = [
        String::new(),
        "-x".into(),
        ".x".into(),
        "/a".into(),
        "0".into(),
    ];
    let puts = names.map(|name| put(&format!("{at}{name}"), &name));
    let reply = carry_out(store, &always(puts.into())).await;
    carry_out(store, &always(vec![put(&format!("{at}-x"), "again")])).await;
    let last = carry_out(store, &always(vec![delete(&format!("{at}/a"))]))
        .await
        .revision;
    let reading = read(store, &with_a_gap, At::Revision(reply.revision)).await;
    assert_eq!(values(&reading.entries), ["", "/a"]);
    let mut changes = store.watch(with_a_gap, from, WITHIN).await.unwrap();
    let mut told = Vec::new();
    while told.len() < 2 {
        told.extend(next(&mut changes).await);
    }
    let told = told
        .iter()
        .map(|change| (change.revision, change.keys.len()));
    assert_eq!(told.collect::<Vec<_>>(), [(reply.revision, 2), (last, 1)]);
}

async fn every_answer_names_the_store_and_its_newest_revision(store: &dyn Store, at: &str) {
    let first = carry_out(store, &always(vec![put(at, "1")])).await;
    let second = carry_out(store, &always(vec![put(at, "2")])).await;
    // Revision 0 is before everything, and does not mean now.
    for at_moment in [
        At::Now,
        At::Anywhere,
        At::Revision(first.revision),
        At::Revision(0),
    ] {
        let reply = read(store, &key(at), at_moment).await;
        assert!(reply.succeeded);
        let newest = (second.cluster, second.revision);
        assert_eq!((reply.cluster, reply.revision), newest, "{at_moment:?}");
        let found = values(&reply.entries);
        match at_moment {
            At::Now | At::Anywhere => assert_eq!(found, ["2"]),
            At::Revision(0) => assert!(found.is_empty()),
            At::Revision(_) => assert_eq!(found, ["1"]),
        }
    }
    assert_eq!(first.cluster, second.cluster);
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
                    let found = read(&*store, &key(&at), At::Now).await.entries;
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
    let found = entry(&*store, at).await;
    assert_eq!(found.version, TASKS * EACH);
    assert_eq!(values(&[found]), [(TASKS * EACH).to_string()]);
}

/// A get and a put in one transaction, and no compare: nobody tries twice, and no two find the same.
async fn racing_takes_each_see_another_count(store: Arc<dyn Store>, at: &str) {
    const TASKS: u64 = 4;
    const EACH: u64 = 25;
    let tasks = (0..TASKS).map(|_| {
        let (store, at) = (store.clone(), at.to_owned());
        tokio::spawn(async move {
            let take = always(vec![get(key(&at)), put(&at, "taken")]);
            let mut found = Vec::new();
            for _ in 0..EACH {
                let reply = carry_out(&*store, &take).await;
                let before = reply.entries.first().map_or(0, |entry| entry.version);
                found.push((reply.revision, before));
            }
            found
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut found = Vec::new();
    for task in tasks {
        found.extend(task.await.unwrap());
    }
    // In the order of the revisions these are all the numbers there are.
    found.sort_unstable();
    let counts = found.into_iter().map(|(_, before)| before);
    assert!(counts.eq(0..TASKS * EACH));
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
    let past = store.read(&key("/k"), At::Revision(first), WITHIN).await;
    let failure = past.unwrap_err();
    assert_eq!(failure.error.kind(), ErrorKind::Compacted);
    assert!(!failure.retry);
    let kept = read(store, &key("/k"), At::Revision(first + 3)).await;
    // What was forgotten counts all the same.
    assert_eq!(
        (kept.entries[0].create_revision, kept.entries[0].version),
        (first, 4)
    );
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
