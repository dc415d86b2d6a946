//! What the hot paths take from the allocator: the local clock nothing, an update a stated number.

#[cfg(feature = "etcd")]
mod support;

use allocation_counter::measure;
use lamport_clock::{Instance, Line, LocalClock, ProcessId, Stamp, Time};

#[test]
fn the_local_clock_allocates_nothing() {
    let clock = LocalClock::new(ProcessId::new("mx-nodel").unwrap(), Instance::new(1));
    let message = Time::new(1_000).unwrap();
    let other: Stamp = "7@billing".parse().unwrap();
    // Where nobody logs, as much is remembered from then on.
    for _ in 0..Line::MOST {
        clock.receive(&other).unwrap();
    }
    let allocated = measure(|| {
        for _ in 0..1_000 {
            let sent = clock.tick().unwrap();
            clock.receive(&sent).unwrap();
            clock.receive(&other).unwrap();
            clock.receive(message).unwrap();
            clock.advance().unwrap();
            clock.advance_past(message).unwrap();
            clock.now();
        }
    });
    assert_eq!(allocated.count_total, 0);
}

#[cfg(feature = "shared")]
mod shared {
    use std::future::Future;

    use allocation_counter::measure;
    use lamport_clock::SharedClock;
    use tokio::runtime::{Builder, Runtime};

    /// One thread, the one on which the allocations are counted.
    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    /// The same clock, carried where its allocations are counted.
    fn on(runtime: &Runtime, clock: SharedClock) -> SharedClock {
        clock.carried_on(runtime.handle().clone())
    }

    /// Allocations of a call, once everything is warm.
    fn allocations<F: Future>(runtime: &Runtime, call: impl Fn() -> F) -> u64 {
        const CALLS: u64 = 100;
        let calls = || {
            for _ in 0..CALLS {
                runtime.block_on(call());
            }
        };
        calls();
        measure(calls).count_total / CALLS
    }

    /// Longer than a stamp can hold in place.
    #[test]
    fn a_long_name_allocates_nothing_either() {
        let clock = SharedClock::memory("checkout-service-6d4cf56db6-x2v4q").unwrap();
        let allocated = measure(|| {
            for _ in 0..1_000 {
                clock.tick().unwrap();
            }
        });
        assert_eq!(allocated.count_total, 0);
    }

    /// The bounds are the figures of docs/BENCHMARKS.md. Most of it is the transaction: keys, compares
    /// and what it reads if it loses, and the copies that the store makes of them.
    #[test]
    fn an_update_in_memory_stays_within_its_allocations() {
        let runtime = runtime();
        let clock = on(&runtime, SharedClock::memory("mx-nodel").unwrap());
        let update = allocations(&runtime, || async { clock.update().await.unwrap() });
        assert!(update <= 110, "{update} allocations an update in memory");
    }

    #[cfg(feature = "etcd")]
    #[test]
    fn an_update_on_etcd_stays_within_its_allocations() {
        use lamport_clock::Config;

        let runtime = runtime();
        let etcd = crate::support::Etcd::start(1);
        let config = Config::new("mx-nodel", &format!("{}/allocations", etcd.uri()));
        let clock = on(&runtime, SharedClock::open(&config.unwrap()).unwrap());
        runtime.block_on(clock.read()).unwrap();
        let update = allocations(&runtime, || async { clock.update().await.unwrap() });
        assert!(update <= 150, "{update} allocations an update on etcd");
    }

    /// A caller more in the same transaction costs its place in the queue and its answer.
    #[test]
    fn a_further_caller_stays_within_its_allocations() {
        let runtime = runtime();
        let clock = on(&runtime, SharedClock::memory("mx-nodel").unwrap());
        let crowd = |callers: usize| {
            let clock = &clock;
            allocations(&runtime, move || async move {
                let calls: Vec<_> = (0..callers)
                    .map(|_| {
                        tokio::spawn({
                            let clock = clock.clone();
                            async move { clock.update().await.unwrap() }
                        })
                    })
                    .collect();
                for call in calls {
                    call.await.unwrap();
                }
            })
        };
        let further = (crowd(1_001) - crowd(1)) / 1_000;
        assert!(further <= 3, "{further} allocations for a further caller");
    }
}
