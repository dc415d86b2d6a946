//! Callers with deadlines of every length, some of whom give up, on a store that keeps to none.

use std::time::Duration;

use lamport_clock::{Error, ErrorKind, SharedClock, Time};
use tokio::time::{Instant, sleep};

use super::clock_on;
use super::faulty::{Fault, Faulty};

/// A stream of numbers: xorshift.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn faults(&mut self, number: usize) -> Vec<Fault> {
        const EACH: [Fault; 6] = [
            Fault::BlackHole,
            Fault::Slow,
            Fault::Slow,
            Fault::Slow,
            Fault::Refused,
            Fault::ReplyLost,
        ];
        (0..number).map(|_| EACH[self.below(6) as usize]).collect()
    }
}

/// One call; the first and the last of its times, if it got any.
async fn call(clock: SharedClock, within: Duration, count: u64) -> Option<(Time, Time)> {
    let began = Instant::now();
    let result = clock.reserve(count).await;
    // In virtual time, to its millisecond.
    assert!(began.elapsed() <= within + Duration::from_millis(1));
    let times = result.map(|times| (times.first, times.last));
    let kind = times.as_ref().err().map(Error::kind);
    let in_time = [None, Some(ErrorKind::Timeout), Some(ErrorKind::Unavailable)];
    assert!(in_time.contains(&kind), "{times:?}");
    times.ok()
}

#[tokio::test(start_paused = true)]
async fn every_caller_is_answered_in_time_and_given_times_of_its_own() {
    let mut draw = Draw(0x1612);
    let mut served = 0;
    for _ in 0..60 {
        let store = Faulty::new(&draw.faults(400));
        *store.reads.lock().unwrap() = draw.faults(50);
        let clock = clock_on(&store, "a");
        let mut calls = Vec::new();
        for _ in 0..60 {
            let within = [1, 7, 40, 300, 1_500, 5_000, 20_000][draw.below(7) as usize];
            let within = Duration::from_millis(within);
            let handle = clock.within(within).unwrap();
            let call = tokio::spawn(call(handle, within, 1 + draw.below(3)));
            if draw.below(4) == 0 {
                let (gives_up, after) = (call.abort_handle(), draw.below(900));
                tokio::spawn(async move {
                    sleep(Duration::from_millis(after)).await;
                    gives_up.abort();
                });
            }
            calls.push(call);
            sleep(Duration::from_millis(draw.below(400))).await;
        }
        let mut given = Vec::new();
        for call in calls {
            match call.await {
                Ok(times) => given.extend(times),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
        given.sort();
        let follow = given.windows(2).all(|pair| pair[0].1 < pair[1].0);
        assert!(follow, "{given:?}");
        served += given.len();

        // Once the last deadline has passed, nobody who gave up stands in the way.
        store.plan.lock().unwrap().clear();
        store.reads.lock().unwrap().clear();
        sleep(Duration::from_secs(20)).await;
        let began = Instant::now();
        let update = clock.update().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(given.iter().all(|(_, last)| *last < update.value));
    }
    assert!(served > 200, "{served}");
}
