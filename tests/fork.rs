//! What a fork leaves a child, told by the count alone: the children of Python and C programs are
//! real (`tests/python/test_fork.py`, `tests/c/test_fork.c`), but their parents' threads are gone.
//! Here they go on, so that a child that touched what is theirs would be seen.
//!
//! One test: the count is the whole process's.
#![cfg(feature = "blocking")]

use std::collections::BTreeSet;
use std::task::{Context, Waker};
use std::time::Duration;

use lamport_clock::blocking::{LocalClock, SharedClock};
use lamport_clock::fork::{Generation, count_fork};
use lamport_clock::{Config, ErrorKind, Stamp};

#[test]
fn a_child_has_an_heir_of_everything_and_leaves_the_rest_alone() {
    of_a_clock();
    of_updates_in_the_background();
    of_a_wait();
}

fn of_a_clock() {
    let clock = SharedClock::memory("a").unwrap();
    let same = clock.clone();
    let closed = SharedClock::memory("closed").unwrap();
    closed.close();
    let parent = clock.update().unwrap();
    // A watch that goes on in the parent: whether its clock is closed is seen by it.
    let mut watch = clock.watch().unwrap();
    let mut left_behind = clock.watch().unwrap();
    let mut waits = SharedClock::memory("b").unwrap().watch().unwrap();
    let pending = waits.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(pending.is_pending());
    let mut call = clock
        .begin(|clock| async move { clock.update().await })
        .unwrap();
    while call.wait_for(Duration::from_secs(60)).is_none() {}
    watch.next().unwrap().unwrap();
    let life = Generation::current();
    let closer = left_behind.closer();
    let local = LocalClock::new(&Config::memory("local").unwrap()).unwrap();
    let message: Stamp = "40@b;instance=000000000000000b".parse().unwrap();
    local.log().unwrap();
    let sent = local.tick().unwrap();
    clock.log().unwrap();
    clock.receive(&message).unwrap();
    let before = clock.now();

    count_fork();

    assert!(!life.is_current());
    let gone = |error: lamport_clock::Error| {
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(error.to_string().contains("forked"), "{error}");
    };
    gone(life.check("this").unwrap_err());
    // Nobody would be told: they are looked at, and refuse.
    let mut context = Context::from_waker(Waker::noop());
    assert!(waits.poll_ready(&mut context).is_ready());
    assert!(call.poll_ready(&mut context).is_ready());
    gone(waits.next_within(Duration::ZERO).unwrap().unwrap_err());
    gone(call.wait_for(Duration::ZERO).unwrap().unwrap_err());
    gone(call.wait().unwrap_err());
    gone(watch.next_within(Duration::ZERO).unwrap().unwrap_err());
    gone(left_behind.next().unwrap().unwrap_err());
    assert!(left_behind.next().is_none());
    assert!(closer.is_closed());
    closer.close();
    drop((watch, left_behind, closer, waits));

    // The time goes on by itself, under the child's own name.
    let childs = local.tick().unwrap();
    assert_eq!(childs.time, sent.time.after(1).unwrap());
    assert_eq!(childs.process, sent.process);
    assert_ne!(childs.instance, sent.instance);
    assert_eq!(local.receive(&sent).unwrap().instance, childs.instance);
    // Its first line comes after all that its parent had done, also what no line of that tells of.
    let line = local.log().unwrap();
    assert_eq!(line.stamp.instance, childs.instance);
    assert_eq!(line.previous, Some(sent.clone()));
    assert_eq!(line.arrivals.len(), 1);
    assert_eq!(local.log().unwrap().previous, Some(line.stamp));

    // A clone is a handle on the child's same clock, and threads that need it first at once make one.
    let instances: BTreeSet<u64> = std::thread::scope(|scope| {
        let first = [&clock, &same, &clock, &same].map(|each| scope.spawn(|| each.instance()));
        first.map(|each| each.join().unwrap().get()).into()
    });
    assert_eq!(instances.len(), 1);
    assert_eq!(same.now(), before);
    let child = clock.update().unwrap();
    assert_eq!(
        (child.value, &child.process),
        (before.after(2).unwrap(), &parent.process)
    );
    assert_ne!(child.instance, parent.instance);
    assert_eq!(same.instance(), child.instance);
    assert_eq!(same.now(), child.value);
    assert_eq!(same.update().unwrap().value, child.value.after(2).unwrap());

    assert_eq!(closed.update().unwrap_err().kind(), ErrorKind::Closed);
    closed.tick().unwrap();

    let line = clock.log().unwrap();
    let stood = line.previous.unwrap();
    assert_eq!((stood.time, stood.instance), (before, parent.instance));
    assert!(line.arrivals.is_empty());

    // A grandchild begins where the newest of its ancestors stood.
    drop(same);
    count_fork();
    let grandchilds = clock.log().unwrap();
    assert_eq!(grandchilds.stamp.time, line.stamp.time.after(1).unwrap());
    assert_eq!(grandchilds.previous, Some(line.stamp));
    assert_ne!(clock.instance(), child.instance);
    clock.close();
    count_fork();
    assert_eq!(clock.update().unwrap_err().kind(), ErrorKind::Closed);
    clock.tick().unwrap();
}

fn of_updates_in_the_background() {
    const SHORT: Duration = Duration::from_millis(10);
    // The record of a store in memory is each generation's own, and so tells who updates.
    let clock = SharedClock::memory("a").unwrap();
    clock.start(SHORT).unwrap();
    let parents = clock.instance();

    count_fork();

    // They are the parent's. The child has none before it starts its own, and what it does to its own
    // is nothing to the parent.
    clock.stop();
    assert!(clock.is_untouched());
    let ticked = clock.tick().unwrap();
    assert!(!clock.is_untouched());
    assert_ne!(ticked.instance, parents);
    let stats = clock.stats();
    assert!(!stats.running && stats.updates == 0 && stats.interval.is_none());
    assert_eq!(clock.read().unwrap(), None);
    let mut watch = clock.watch().unwrap();
    clock.start(SHORT).unwrap();
    while clock.stats().updates < 3 {
        watch.next().unwrap().unwrap();
    }
    let stats = clock.stats();
    assert!(stats.running && stats.last_value > Some(ticked.time));
    assert_eq!((stats.interval, stats.failures), (Some(SHORT), 0));
    clock.stop();
}

/// A signal handler forks on top of it, and returns into it in the child.
fn of_a_wait() {
    let mut watch = SharedClock::memory("a").unwrap().watch().unwrap();
    let other = SharedClock::memory("other").unwrap();
    let (begins, begun) = std::sync::mpsc::channel();
    let end = std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            begins.send(()).unwrap();
            watch.next_within(Duration::from_secs(60))
        });
        begun.recv().unwrap();
        // By the end of these it waits.
        for _ in 0..100 {
            other.update().unwrap();
        }
        count_fork();
        waits.join().unwrap()
    });
    assert_eq!(end.unwrap().unwrap_err().kind(), ErrorKind::Closed);
}
