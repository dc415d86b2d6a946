//! What a watch tells.

use lamport_clock::store::Store;

use super::{WITHIN, always, carry_out, delete, key, next, prefix, put};

pub(crate) async fn a_watch_tells_all_in_order(store: &dyn Store, at: &str) {
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
    carry_out(store, &always(vec![delete(&a)])).await;
    while seen.len() < 3 {
        seen.extend(next(&mut changes).await);
    }
    assert!(seen.is_sorted_by(|a, b| a.revision < b.revision));
    assert_eq!(seen[0].revision, first);
    assert_eq!(seen[1].keys.len(), 2, "one transaction, one change");
    assert_eq!(seen[2].keys, [(a.into_bytes(), None)]);
}

pub(crate) async fn a_watch_tells_versions(store: &dyn Store, at: &str) {
    let mut revisions = Vec::new();
    for operation in [put(at, "1"), put(at, "2"), delete(at), put(at, "3")] {
        revisions.push(carry_out(store, &always(vec![operation])).await.revision);
    }
    let mut changes = store.watch(key(at), revisions[0], WITHIN).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < revisions.len() {
        seen.extend(next(&mut changes).await);
    }
    let told: Vec<_> = seen
        .iter()
        .map(|change| {
            let [(name, entry)] = &change.keys[..] else {
                panic!("{change:?}");
            };
            assert_eq!(name, at.as_bytes());
            let entry = entry.as_ref()?;
            assert_eq!(entry.mod_revision, change.revision);
            Some((entry.create_revision, entry.version))
        })
        .collect();
    let expected = [
        Some((revisions[0], 1)),
        Some((revisions[0], 2)),
        None,
        Some((revisions[3], 1)),
    ];
    assert_eq!(told, expected);
    // Whatever came before a watch began, it tells the version that is counted from the creation.
    let mut late = store.watch(key(at), revisions[1], WITHIN).await.unwrap();
    let first = next(&mut late).await.remove(0);
    assert_eq!(first.keys[0].1.as_ref().unwrap().version, 2);
}

pub(crate) async fn a_watch_from_now_on_tells_nothing_older_and_all_that_comes(
    store: &dyn Store,
    at: &str,
) {
    carry_out(store, &always(vec![put(at, "before")])).await;
    let mut changes = store.watch(key(at), 0, WITHIN).await.unwrap();
    let reply = carry_out(store, &always(vec![put(at, "after")])).await;
    let seen = next(&mut changes).await;
    assert_eq!(seen[0].revision, reply.revision);
}
