//! Histories: what they hold, and where they end.

use std::time::Duration;

use lamport_clock::ErrorKind;
use lamport_clock::protocol::{Operation, Transaction};
use lamport_clock::store::Store;

use super::faulty::{Fault, Faulty};
use super::{clock_on, write};

#[tokio::test(start_paused = true)]
async fn a_history_that_the_deadline_cuts_is_marked_and_goes_on_from_there() {
    let store = Faulty::new(&[]);
    let clock = clock_on(&store, "a");
    for _ in 0..150 {
        clock.update().await.unwrap();
    }
    let slow = || *store.reads.lock().unwrap() = vec![Fault::Slow; 1_000];
    slow();
    let began = tokio::time::Instant::now();
    let mut cut = clock.history(200).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    let from = cut.unread_from.unwrap();
    store.reads.lock().unwrap().clear();
    let mut all = clock.history_from(from, 200).await.unwrap();
    assert_eq!(all.unread_from, None);
    assert!(!cut.updates.is_empty() && !all.updates.is_empty());
    all.updates.append(&mut cut.updates);
    assert!(
        all.updates
            .iter()
            .map(|update| update.value.get())
            .eq((2..=300).step_by(2))
    );

    // Nothing at all in time is an error.
    *store.reads.lock().unwrap() = vec![Fault::BlackHole; 20];
    let error = clock.history(100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);

    // Where the store holds little else, many reads are under way at once.
    slow();
    let began = tokio::time::Instant::now();
    let patient = clock.within(Duration::from_secs(300)).unwrap();
    assert_eq!(patient.history(200).await.unwrap().updates, all.updates);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_history_whose_first_read_shows_a_fold_goes_on_before_it() {
    let store = Faulty::new(&[]);
    let (a, b) = (clock_on(&store, "a"), clock_on(&store, "b"));
    for clock in [&a, &b, &a] {
        clock.update().await.unwrap();
    }
    a.close().await;
    *store.reads.lock().unwrap() = vec![Fault::BlackHole; 20];
    store.reads.lock().unwrap().push(Fault::Slow);
    let cut = b.history(100).await.unwrap();
    assert!(cut.updates.is_empty(), "{cut:?}");
    store.reads.lock().unwrap().clear();
    let from = cut.unread_from.unwrap();
    assert_eq!(b.history_from(from, 100).await.unwrap().updates.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_history_reads_one_after_the_other_where_others_write_more() {
    let store = Faulty::new(&[]);
    let clock = clock_on(&store, "a");
    for _ in 0..5 {
        clock.update().await.unwrap();
        for _ in 0..100 {
            let others = Transaction {
                then: vec![Operation::Put(b"/other".into(), b"".into())],
                ..Transaction::default()
            };
            store
                .memory
                .transact(&others, Duration::ZERO)
                .await
                .unwrap();
        }
    }
    *store.reads.lock().unwrap() = vec![Fault::Slow; 7];
    let patient = clock.within(Duration::from_secs(60)).unwrap();
    assert_eq!(patient.history(10).await.unwrap().updates.len(), 5);
    let left = store.reads.lock().unwrap().len();
    assert_eq!(
        left, 1,
        "one for each update, and one that finds none before them"
    );
}

#[tokio::test(start_paused = true)]
async fn history_walks_back_and_knows_where_it_ends() {
    let store = Faulty::new(&[]);
    let (a, b) = (clock_on(&store, "a"), clock_on(&store, "b"));
    assert!(a.history(10).await.unwrap().updates.is_empty());
    assert!(a.history_from(1, 10).await.unwrap().updates.is_empty());
    for _ in 0..3 {
        a.update().await.unwrap();
        b.reserve(2).await.unwrap();
        // Folds are none of it.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let values = |history: &lamport_clock::History| -> Vec<u64> {
        history
            .updates
            .iter()
            .map(|update| update.value.get())
            .collect()
    };
    let all = a.history(100).await.unwrap();
    assert_eq!(values(&all), [2, 4, 5, 7, 8, 10]);
    assert_eq!(all.updates[1].first.get(), 3);
    assert_eq!(values(&a.history(2).await.unwrap()), [8, 10]);
    assert_eq!(all.compacted_before, None);

    write(&*store, "rubbish").await;
    let latest = all.updates.last().unwrap().revision;
    store.memory.compact(latest);
    let rest = a.history(100).await.unwrap();
    assert_eq!((values(&rest), rest.unreadable), (vec![10], 1));
    assert_eq!(rest.compacted_before, Some(latest));
    let error = a.history_from(u64::MAX, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
}
