//! Models of a local clock that threads share.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{Instance, LocalClock, ProcessId, Stamp, Time};

fn clock() -> Arc<LocalClock> {
    let name = ProcessId::new("a").unwrap();
    Arc::new(LocalClock::new(name, Instance::new(1)).with_max_jump(u64::MAX))
}

fn time(value: u64) -> Time {
    Time::new(value).unwrap()
}

#[test]
fn no_two_ticks_are_the_same_and_each_thread_sees_its_own_rise() {
    loom::model(|| {
        let clock = clock();
        let ticks = |clock: &LocalClock| [clock.advance().unwrap(), clock.advance().unwrap()];
        let other = thread::spawn({
            let clock = clock.clone();
            move || ticks(&clock)
        });
        let own = ticks(&clock);
        let other = other.join().unwrap();
        assert!(own.is_sorted() && other.is_sorted());
        let mut all = [own, other].concat();
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 4].map(time));
        assert_eq!(clock.now(), time(4));
    });
}

#[test]
fn messages_and_ticks_are_events_of_their_own() {
    loom::model(|| {
        let clock = clock();
        let receive = |clock: &Arc<LocalClock>, message| {
            let clock = clock.clone();
            thread::spawn(move || clock.advance_past(time(message)).unwrap())
        };
        let received = [receive(&clock, 5), receive(&clock, 5)];
        let ticked = clock.advance().unwrap();
        let received = received.map(|thread| thread.join().unwrap());
        assert!(received.iter().all(|received| *received > time(5)));
        assert_ne!(received[0], received[1]);
        assert!(!received.contains(&ticked));
        assert_eq!(clock.now(), received[0].max(received[1]).max(ticked));
    });
}

#[test]
fn what_is_raised_never_falls() {
    loom::model(|| {
        let clock = clock();
        let raise = |clock: &Arc<LocalClock>, to| {
            let clock = clock.clone();
            thread::spawn(move || {
                clock.raise(time(to));
                assert!(clock.now() >= time(to));
            })
        };
        let raised = [raise(&clock, 7), raise(&clock, 4)];
        let before = clock.now();
        let ticked = clock.advance().unwrap();
        let after = clock.now();
        assert!(before < ticked && ticked <= after);
        for thread in raised {
            thread.join().unwrap();
        }
        assert!((time(7)..=time(8)).contains(&clock.now()));
    });
}

#[test]
fn who_hears_of_an_event_sees_its_time() {
    loom::model(|| {
        let clock = clock();
        let told = Arc::new(AtomicBool::new(false));
        let teller = thread::spawn({
            let (clock, told) = (clock.clone(), told.clone());
            move || {
                clock.advance_past(time(9)).unwrap();
                told.store(true, Ordering::Release);
            }
        });
        if told.load(Ordering::Acquire) {
            assert_eq!(clock.now(), time(10));
            assert_eq!(clock.advance().unwrap(), time(11));
        }
        teller.join().unwrap();
    });
}

#[test]
fn who_sees_a_time_sees_what_came_before_it() {
    for advance in [
        |clock: &LocalClock| clock.advance().unwrap(),
        |clock: &LocalClock| clock.advance_past(time(0)).unwrap(),
        |clock: &LocalClock| {
            clock.raise(time(1));
            time(1)
        },
    ] {
        loom::model(move || {
            let clock = clock();
            let written = Arc::new(AtomicBool::new(false));
            // The reader is the thread that loom lets come second: of the accesses that lie between
            // it remembers the last one alone, and would not look at what a read before it sees.
            let reader = thread::spawn({
                let (clock, written) = (clock.clone(), written.clone());
                move || {
                    if clock.now() == time(1) {
                        assert!(written.load(Ordering::Relaxed));
                    }
                }
            });
            written.store(true, Ordering::Relaxed);
            assert_eq!(advance(&clock), time(1));
            reader.join().unwrap();
        });
    }
}

#[test]
fn the_last_time_is_given_once() {
    loom::model(|| {
        let clock = clock();
        clock.raise(time(Time::MAX.get() - 1));
        let other = thread::spawn({
            let clock = clock.clone();
            move || clock.advance_past(time(3))
        });
        let own = clock.advance();
        let given = [own, other.join().unwrap()];
        let given: Vec<_> = given.into_iter().flatten().collect();
        assert_eq!(given, [Time::MAX]);
        assert_eq!(clock.now(), Time::MAX);
        assert!(clock.advance().is_err() && clock.advance_past(time(1)).is_err());
    });
}

#[test]
fn each_line_names_the_one_before_and_what_arrived_between() {
    loom::model(|| {
        let clock = clock();
        let sent: Stamp = "5@b".parse().unwrap();
        let other = thread::spawn({
            let clock = clock.clone();
            move || clock.receive(&sent).unwrap().time
        });
        let logger = thread::spawn({
            let clock = clock.clone();
            move || clock.log().unwrap()
        });
        let own = clock.log().unwrap();
        let (at, other) = (other.join().unwrap(), logger.join().unwrap());
        let last = clock.log().unwrap();
        let mut lines = [own, other, last];
        lines.sort_by_key(|line| line.stamp.time);
        let mut before = Time::ZERO;
        let mut arrived = 0;
        for line in &lines {
            let previous = line.previous.as_ref();
            assert_eq!(previous.map_or(Time::ZERO, |stamp| stamp.time), before);
            for arrival in &line.arrivals {
                assert!(before < arrival.at && arrival.at < line.stamp.time);
                assert_eq!(arrival.at, at);
                arrived += 1;
            }
            before = line.stamp.time;
        }
        assert_eq!(arrived, 1);
    });
}
