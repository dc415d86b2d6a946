//! Stores that give no answer in time.

use std::time::Duration;

use lamport_clock::ErrorKind;

use super::faulty::{Fault, Faulty};
use super::{clock_on, config};

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_an_error_at_the_deadline() {
    let store = Faulty::new(&[Fault::BlackHole]);
    let clock = clock_on(&store, "a");
    let began = tokio::time::Instant::now();
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("5s"), "{error}");
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    // The clock is none the worse for it.
    clock.update().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_is_tried_until_the_deadline() {
    let store = Faulty::new(&[Fault::Refused; 1_000]);
    let clock = clock_on(&store, "a");
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("a planted fault"), "{error}");
    let attempts = store.count();
    assert!((10..100).contains(&attempts), "{attempts} attempts in 5 s");
}

#[tokio::test(start_paused = true)]
async fn a_silent_store_is_not_blamed_for_what_it_said_to_the_call_before() {
    let store = Faulty::new(&[Fault::Refused; 1_000]);
    let clock = clock_on(&store, "a");
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    *store.plan.lock().unwrap() = vec![Fault::BlackHole];
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains("gave no answer"), "{error}");
    // And within one call the last attempt counts.
    *store.plan.lock().unwrap() = vec![Fault::BlackHole, Fault::Refused];
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    clock.update().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_may_have_a_deadline_of_its_own() {
    let store = Faulty::new(&[Fault::BlackHole, Fault::BlackHole]);
    let clock = clock_on(&store, "a");
    let hasty = clock.within(Duration::from_millis(40)).unwrap();
    // Behind one that waits much longer.
    let patient = tokio::spawn({
        let clock = clock.clone();
        async move { clock.update().await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let began = tokio::time::Instant::now();
    let error = hasty.update().await.unwrap_err();
    // In virtual time, to its millisecond.
    assert!(
        began.elapsed() < Duration::from_millis(42),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("40ms"), "{error}");
    let result = patient.await.unwrap();
    assert!(
        result.is_ok() || began.elapsed() >= Duration::from_millis(50),
        "{result:?}"
    );
    for absurd in [Duration::ZERO, Duration::MAX] {
        let error = clock.within(absurd).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let error = config("a").with_timeout(absurd).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}
