//! The facade for callers that have an event loop of their own: what `poll_ready` promises.
#![cfg(feature = "blocking")]

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lamport_clock::blocking::{Call, SharedClock};
use lamport_clock::{ErrorKind, Update, WatchEvent};

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// An event loop at its plainest: it sleeps until it is told which of its calls to look at.
struct Loop {
    told: Receiver<usize>,
    tell: Sender<usize>,
}

struct Ticket {
    number: usize,
    tell: Mutex<Sender<usize>>,
}

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        let _ = self.tell.lock().unwrap().send(self.number);
    }
}

impl Loop {
    fn new() -> Loop {
        let (tell, told) = channel();
        Loop { told, tell }
    }

    fn waker(&self, number: usize) -> Waker {
        Waker::from(Arc::new(Ticket {
            number,
            tell: Mutex::new(self.tell.clone()),
        }))
    }

    fn next(&self) -> usize {
        self.told.recv_timeout(PATIENCE).expect("nobody is told")
    }

    /// Whether anybody could still be told: every waker but our own is gone.
    fn forgotten(self) -> bool {
        drop(self.tell);
        loop {
            match self.told.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(error) => return error == std::sync::mpsc::RecvTimeoutError::Disconnected,
            }
        }
    }
}

fn now<T: Send + 'static>(call: &mut Call<T>) -> lamport_clock::Result<T> {
    call.wait_for(Duration::ZERO).expect("it was ready")
}

fn begin_update(clock: &SharedClock) -> lamport_clock::Result<Call<Update>> {
    clock.begin(|clock| async move { clock.update().await })
}

/// The value of the update that a watch gave, if it gave one.
fn value(event: Option<lamport_clock::Result<WatchEvent>>) -> Option<u64> {
    match event? {
        Ok(WatchEvent::Updated(update)) => Some(update.value.get()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_loop_carries_thousands_of_calls() {
    let (clock, events) = (SharedClock::memory("a").unwrap(), Loop::new());
    let mut calls: HashMap<usize, Call<Update>> = HashMap::new();
    let mut values = Vec::new();
    for number in 0..5_000 {
        let mut call = begin_update(&clock).unwrap();
        match call.poll_ready(&mut Context::from_waker(&events.waker(number))) {
            Poll::Ready(()) => values.push(now(&mut call).unwrap().value),
            Poll::Pending => {
                calls.insert(number, call);
            }
        }
    }
    while !calls.is_empty() {
        let mut call = calls.remove(&events.next()).expect("each is told once");
        values.push(now(&mut call).unwrap().value);
    }
    values.sort();
    values.dedup();
    assert_eq!(values.len(), 5_000);
    assert!(events.forgotten());
}

#[test]
fn an_answer_that_is_there_needs_no_waker() {
    let clock = SharedClock::memory("a").unwrap();
    let mut call = begin_update(&clock).unwrap();
    let update = call.wait_for(PATIENCE).unwrap().unwrap();
    assert_eq!(update.value.get(), 2);
    let events = Loop::new();
    while call
        .poll_ready(&mut Context::from_waker(&events.waker(0)))
        .is_pending()
    {
        events.next();
    }
    // Looked at again and again it stays so; the answer was given once.
    for _ in 0..3 {
        let again = call.poll_ready(&mut Context::from_waker(Waker::noop()));
        assert!(again.is_ready());
        assert_eq!(now(&mut call).unwrap_err().kind(), ErrorKind::Closed);
    }
    // It may keep the waker that it told for as long as it lives.
    drop(call);
    assert!(events.forgotten());
}

#[test]
fn the_newest_waker_is_told_and_no_other() {
    let clock = SharedClock::memory("a").unwrap();
    let (before, after) = (Loop::new(), Loop::new());
    let mut watch = clock.watch().unwrap();
    for events in [&before, &before, &after] {
        let look = watch.poll_ready(&mut Context::from_waker(&events.waker(7)));
        assert!(look.is_pending());
    }
    assert!(before.forgotten());
    clock.update().unwrap();
    assert_eq!(after.next(), 7);
    assert_eq!(value(watch.next_within(Duration::ZERO)), Some(2));
}

#[test]
fn a_watch_loses_nothing_to_those_who_stop_waiting() {
    let clock = SharedClock::memory("a").unwrap();
    let mut watch = clock.watch().unwrap();
    let mut seen = Vec::new();
    let events = Loop::new();
    for round in 0..200 {
        let look = watch.poll_ready(&mut Context::from_waker(&events.waker(round)));
        // The update comes before, while or after somebody waits for it, in either way.
        let taken = clock.update().unwrap().value.get();
        match round % 3 {
            // Those of earlier rounds were told as well.
            0 if look.is_pending() => while events.next() != round {},
            1 => seen.extend(value(watch.next_within(Duration::ZERO))),
            _ => {}
        }
        while seen.last() != Some(&taken) {
            seen.extend(value(watch.next_within(PATIENCE)));
        }
    }
    assert_eq!(seen, (1..=200).map(|n| 2 * n).collect::<Vec<_>>());
}

#[test]
fn closing_the_clock_tells_who_waits() {
    let (clock, events) = (SharedClock::memory("a").unwrap(), Loop::new());
    let mut watch = clock.watch().unwrap();
    let waits = watch.poll_ready(&mut Context::from_waker(&events.waker(1)));
    assert!(waits.is_pending());
    clock.close();
    assert_eq!(events.next(), 1);
    let end = watch.next_within(Duration::ZERO).unwrap();
    assert_eq!(end.unwrap_err().kind(), ErrorKind::Closed);
    // And again, whoever goes on.
    let again = watch.poll_ready(&mut Context::from_waker(&events.waker(2)));
    if again.is_pending() {
        assert_eq!(events.next(), 2);
    }
    let end = watch.next_within(Duration::ZERO).unwrap();
    assert_eq!(end.unwrap_err().kind(), ErrorKind::Closed);
    drop(watch);
    assert!(events.forgotten());
}

#[test]
fn a_call_that_is_given_up_keeps_nobody_and_takes_nothing_from_others() {
    let clock = SharedClock::memory("a").unwrap();
    for _ in 0..200 {
        let events = Loop::new();
        let mut given_up = begin_update(&clock).unwrap();
        let _ = given_up.poll_ready(&mut Context::from_waker(&events.waker(0)));
        let other = begin_update(&clock).unwrap();
        drop(given_up);
        other.wait().unwrap();
        assert!(events.forgotten());
    }
}

#[test]
fn a_task_of_another_runtime_may_wait_so() {
    let clock = SharedClock::memory("a").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    #[allow(clippy::disallowed_methods, reason = "the test is that other runtime")]
    let values: Vec<u64> = runtime.block_on(async {
        let mut values = Vec::new();
        // More than such a runtime lets a task do in one go.
        for _ in 0..1_000 {
            let mut call = begin_update(&clock).unwrap();
            std::future::poll_fn(|context| call.poll_ready(context)).await;
            values.push(now(&mut call).unwrap().value.get());
        }
        values
    });
    assert_eq!(values, (1..=1_000).map(|n| 2 * n).collect::<Vec<_>>());
}

#[test]
fn a_call_may_wait_on_top_of_a_task_that_has_used_up_its_turn() {
    let clock = SharedClock::memory("a").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    #[allow(clippy::disallowed_methods, reason = "the test is that other runtime")]
    runtime.block_on(async {
        // It blocks this runtime, so nothing that the call waits for may be carried there.
        let task = tokio::spawn(async move {
            while tokio::task::coop::has_budget_remaining() {
                tokio::task::coop::consume_budget().await;
            }
            [
                clock.update().unwrap().value.get(),
                clock.read().unwrap().unwrap().value.get(),
            ]
        });
        assert_eq!(task.await.unwrap(), [2, 2]);
    });
}

#[test]
fn a_thread_that_is_unparked_for_other_reasons_goes_on_waiting() {
    let clock = SharedClock::memory("a").unwrap();
    let mut watch = clock.watch().unwrap();
    for round in 1..=200 {
        assert!(watch.next_within(Duration::ZERO).is_none());
        std::thread::current().unpark();
        assert_eq!(clock.update().unwrap().value.get(), 2 * round);
        assert_eq!(value(watch.next_within(PATIENCE)), Some(2 * round));
    }
}
