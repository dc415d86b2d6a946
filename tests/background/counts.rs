//! The counts of `stats()`: what updates in the background add to them, and other calls.

use std::time::Duration;

use lamport_clock::{ErrorKind, LocalClock, SharedClock, Time};
use tokio::time::sleep;

use super::{INTERVAL, Mood, Moody, SECOND, settled};

#[tokio::test(start_paused = true)]
async fn failures_are_counted_by_kind_and_end_nothing() {
    let store = Moody::new();
    let clock = store.clock("a");
    clock.start(INTERVAL).unwrap();
    sleep(INTERVAL * 5).await;
    let well = clock.stats();
    store.is(Mood::Refuses(ErrorKind::Denied));
    sleep(INTERVAL * 20).await;
    store.is(Mood::Refuses(ErrorKind::NoSpace));
    sleep(INTERVAL * 20).await;
    let ill = clock.stats();
    assert!(ill.running && ill.updates == well.updates && ill.last_value == well.last_value);
    let of = |kind| ill.failures_of(kind);
    assert!(of(ErrorKind::Denied) > 10 && of(ErrorKind::NoSpace) > 10);
    assert_eq!(of(ErrorKind::Timeout), 0);
    assert_eq!(of(ErrorKind::Denied) + of(ErrorKind::NoSpace), ill.failures);
    assert_eq!(ill.failing, ill.failures);
    assert!(ill.since_update.unwrap() > INTERVAL * 38);
    let error = ill.last_error.unwrap();
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert!(error.to_string().contains("a bad mood"));

    store.is(Mood::Well);
    sleep(INTERVAL * 3).await;
    let again = clock.stats();
    assert!(again.updates > well.updates && again.failing == 0);
    assert_eq!(again.failures, ill.failures);
    assert_eq!(again.last_error.unwrap().kind(), ErrorKind::NoSpace);
}

#[tokio::test]
async fn refused_messages_are_counted_with_or_without_it() {
    let clock = SharedClock::memory("a").unwrap();
    let lie = Time::new(2).unwrap().after(LocalClock::MAX_JUMP).unwrap();
    assert_eq!(clock.stats().refused, 0);
    clock.receive(lie).unwrap_err();
    clock.advance_past(Time::MAX).unwrap_err();
    clock.extract("9007199254740991@mallory").unwrap_err();
    assert_eq!((clock.stats().refused, clock.now()), (3, Time::ZERO));

    // What is no stamp at all, and what is received, count for nothing.
    clock.extract("rubbish").unwrap_err();
    clock.update().await.unwrap();
    clock.receive(lie).unwrap();
    let stats = clock.stats();
    assert_eq!((stats.refused, stats.updates, stats.failures), (3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_the_updates_took_is_counted_as_well() {
    let store = Moody::new();
    let clock = settled(&store).await;
    assert_eq!(
        (clock.stats().distance, clock.stats().round_trips),
        (None, 0)
    );
    clock.start(INTERVAL).unwrap();
    sleep(SECOND / 2).await;
    // The other one had 2.
    assert_eq!(clock.stats().distance, Some(2));
    store.is(Mood::Slow(Duration::from_millis(30)));
    while clock.stats().updates < 4 {
        sleep(SECOND / 2).await;
    }
    clock.stop();
    let stats = clock.stats();
    assert_eq!((stats.distance, stats.round_trips), (Some(0), 4));
    assert_eq!(stats.update_time, Duration::from_millis(90));
    let within = |milliseconds| stats.updates_within(Duration::from_millis(milliseconds));
    assert_eq!([0, 1, 29, 50, 60, 6000].map(within), [0, 1, 1, 4, 4, 4]);
}

#[tokio::test(start_paused = true)]
async fn folds_are_counted_whoever_makes_them_due() {
    let store = Moody::new();
    let (a, b) = (settled(&store).await, store.clock("b"));
    a.update().await.unwrap();
    // It finds that the other one wrote, and takes by a put that has to be folded.
    b.read().await.unwrap();
    let both = tokio::join!(a.update(), b.update());
    both.0.unwrap();
    both.1.unwrap();
    sleep(SECOND).await;
    let folds = a.stats().folds + b.stats().folds;
    assert_eq!(folds, 1);
    assert_eq!(a.stats().updates + b.stats().updates, 0);
    sleep(SECOND).await;
    assert_eq!(a.stats().folds + b.stats().folds, folds);
}
