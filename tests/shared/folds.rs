//! What lies in the store when nobody calls any more.

use std::sync::Arc;
use std::time::Duration;

use lamport_clock::{Config, SharedClock};

use super::faulty::{Fault, Faulty};
use super::{clock_on, recorded, write};

/// Two clocks of which the first one's newest update is a take that is not folded yet.
async fn late_record(store: &Arc<Faulty>) -> (SharedClock, u64) {
    let (a, b) = (clock_on(store, "a"), clock_on(store, "b"));
    a.update().await.unwrap();
    b.update().await.unwrap();
    let taken = a.reserve(10).await.unwrap().last.get();
    let (record, keys) = recorded(store).await;
    // Two weights: nine is one and eight.
    assert!(
        record < taken && keys == 5,
        "{record} of {taken}, {keys} keys"
    );
    (a, taken)
}

#[tokio::test(start_paused = true)]
async fn at_rest_the_record_shows_the_newest_value_without_a_further_call() {
    let store = Faulty::new(&[]);
    let (clock, taken) = late_record(&store).await;
    store.count();
    tokio::time::sleep(Duration::from_millis(6)).await;
    assert_eq!(recorded(&store).await, (taken, 3));
    assert_eq!(store.count(), 1);
    // Once, and for good.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(store.count(), 0);
    assert_eq!(clock.read().await.unwrap().unwrap().value.get(), taken);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_closed_leaves_the_newest_value_in_the_record() {
    let store = Faulty::new(&[]);
    let (clock, taken) = late_record(&store).await;
    let began = tokio::time::Instant::now();
    clock.close().await;
    assert_eq!(recorded(&store).await, (taken, 3));
    assert_eq!(began.elapsed(), Duration::ZERO);
    // And nothing comes after it.
    store.count();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(store.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_at_the_deadline_where_the_store_is_silent() {
    let store = Faulty::new(&[]);
    let (clock, _) = late_record(&store).await;
    store.plan.lock().unwrap().push(Fault::BlackHole);
    let began = tokio::time::Instant::now();
    clock.close().await;
    assert_eq!(began.elapsed(), Config::DEFAULT_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_fold_shows_who_took_last_and_a_legacy_writers_record_above_it() {
    let store = Faulty::new(&[]);
    let (clock, _) = late_record(&store).await;
    write(&*store, r#"{"value": 500, "process_id": "old"}"#).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(recorded(&store).await, (500, 3));
    let newest = clock.read().await.unwrap().unwrap();
    assert_eq!(
        (newest.value.get(), &*newest.process, newest.instance),
        (500, "old", None)
    );
    let update = clock.update().await.unwrap();
    let previous = update.previous.unwrap();
    assert_eq!((update.value.get(), previous.value.get()), (501, 500));
    assert_eq!(previous.process, "old");
}
