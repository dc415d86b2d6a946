//! Numbers from far ahead: what strangers send stops nobody, and nobody honest is refused.

use super::*;

const FAR: u64 = lamport_clock::LocalClock::MAX_JUMP;

fn bounded(store: &Arc<Faulty>, process: &str, max_jump: u64) -> SharedClock {
    let config = config(process).with_max_jump(max_jump);
    let clock = SharedClock::with_store(store.clone(), &config).unwrap();
    clock.carried_on(Handle::current())
}

async fn value(clock: &SharedClock) -> u64 {
    clock.update().await.unwrap().value.get()
}

#[tokio::test(start_paused = true)]
async fn who_was_away_is_not_refused_however_small_the_bound() {
    let store = Faulty::new(&[]);
    let busy = bounded(&store, "busy", 1_000);
    let idle = bounded(&store, "idle", 1_000);
    assert_eq!(value(&idle).await, 2);
    for _ in 0..1_100 {
        busy.update().await.unwrap();
    }
    // One that idled, a new one, and one that begins again.
    assert_eq!(value(&idle).await, 2_202);
    assert_eq!(value(&bounded(&store, "new", 1_000)).await, 2_203);
    assert_eq!(value(&bounded(&store, "busy", 1_000)).await, 2_204);
}

#[tokio::test(start_paused = true)]
async fn what_was_received_can_be_shared_and_lies_bounded() {
    let store = Faulty::new(&[]);
    let service = clock_on(&store, "service");
    let first = value(&service).await;
    let far = |time: u64| Time::new(time).unwrap();
    // However many strangers send, and however each goes on from the last.
    for message in [first + FAR, first + FAR + 1, first + 2 * FAR, 1 << 48] {
        let _ = service.receive(far(message));
    }
    assert!(service.receive(far(1 << 48)).unwrap_err().kind() == ErrorKind::TooFarAhead);
    let shared = value(&service).await;
    assert!(
        shared > first + FAR && shared < first + FAR + 10,
        "{shared}"
    );
    // Those who start later follow, and so does one that was there.
    assert_eq!(value(&clock_on(&store, "later")).await, shared + 1);
    // Who shares again may be pulled again: as far, and no further.
    service.receive(far(shared + FAR)).unwrap();
    assert_eq!(
        service.receive(far(shared + FAR)).unwrap().time,
        far(shared + FAR + 2)
    );
    assert_eq!(value(&service).await, shared + FAR + 4);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_ticked_far_ahead_by_itself_can_share_that() {
    let store = Faulty::new(&[]);
    let busy = bounded(&store, "busy", 10);
    for _ in 0..100 {
        busy.tick().unwrap();
    }
    assert_eq!(value(&busy).await, 102);
    let peer = bounded(&store, "peer", 10);
    peer.read().await.unwrap();
    // The look at the shared clock is what its messages are held against.
    assert_eq!(
        peer.receive(Time::new(112).unwrap()).unwrap().time.get(),
        113
    );
}

#[tokio::test(start_paused = true)]
async fn the_clock_begins_above_any_record_and_then_believes_none_from_far_ahead() {
    let store = Faulty::new(&[]);
    write(&*store, r#"{"value": 5000, "process_id": "old"}"#).await;
    let clock = bounded(&store, "new", 1_000);
    assert_eq!(value(&clock).await, 5_001);
    write(&*store, r#"{"value": 9002, "process_id": "liar"}"#).await;
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooFarAhead);
    let plan = clock.plan_repair(Time::ZERO).await.unwrap();
    assert!(plan.problems[0].contains("9002"), "{plan:?}");
    assert_eq!(plan.to.get(), 9_003);
    clock.repair(&plan).await.unwrap();
    assert_eq!(value(&clock).await, 9_004);
}
