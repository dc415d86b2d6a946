//! Models of the queue that callers, the drivers that carry them, and a closing thread share.
//!
//! [`Right`] makes the same calls of the queue as `Driver` in `shared/driver.rs`, and nothing between them.
//! No model sets how many drivers may carry at once: only the queue does.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use super::queue::{Queue, Waits};
use crate::error::{ErrorKind, Result};

/// A caller in the queue. Its [`Fate`] records what became of it.
struct Caller(Arc<Fate>);

#[derive(Default)]
struct Fate {
    gave_up: AtomicBool,
    /// Number of callers that were taken off the queue before this one.
    place: AtomicUsize,
    carried: AtomicUsize,
    /// How often the caller was told that the clock was closed.
    closed: AtomicUsize,
    /// How often the caller was dropped, whatever had been done with it.
    dropped: AtomicUsize,
}

impl Waits for Caller {
    fn has_given_up(&self) -> bool {
        self.0.gave_up.load(Ordering::Acquire)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::AcqRel);
    }
}

impl Fate {
    fn new() -> Arc<Fate> {
        Arc::new(Fate::default())
    }

    /// How often the caller was carried, told that the clock was closed, and dropped.
    fn seen(&self) -> (usize, usize, usize) {
        let number = |of: &AtomicUsize| of.load(Ordering::Acquire);
        (
            number(&self.carried),
            number(&self.closed),
            number(&self.dropped),
        )
    }
}

struct World {
    queue: Queue<Caller>,
    /// Number of callers that were taken off the queue.
    taken: AtomicUsize,
    /// Number of drivers that carry callers at this moment.
    carrying: AtomicUsize,
    /// The most callers that a driver takes at once. Callers that do not fit into a batch wait for the next.
    batch: usize,
}

impl World {
    fn new() -> Arc<World> {
        World::with_batches_of(usize::MAX)
    }

    fn with_batches_of(batch: usize) -> Arc<World> {
        Arc::new(World {
            queue: Queue::new(),
            taken: AtomicUsize::new(0),
            carrying: AtomicUsize::new(0),
            batch,
        })
    }

    /// A call: puts a caller into the queue, and runs a driver if one is needed.
    fn call(self: &Arc<World>, fate: &Arc<Fate>) -> Result<()> {
        if self.queue.push(Caller(fate.clone()))? {
            Right::new(self).carry_all();
        }
        Ok(())
    }

    fn close(&self) {
        for caller in self.queue.close() {
            caller.0.closed.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Nobody waits and nobody carries: every right to carry was given back.
    fn assert_idle(&self) {
        assert!(self.queue.is_idle(), "somebody waits for nobody");
        assert_eq!(self.carrying.load(Ordering::Acquire), 0);
    }
}

/// The right to carry callers.
struct Right {
    world: Arc<World>,
    batch: Vec<Caller>,
    over: bool,
}

impl Right {
    fn new(world: &Arc<World>) -> Right {
        Right {
            world: world.clone(),
            batch: Vec::new(),
            over: false,
        }
    }

    fn carry_all(mut self) {
        while self.next_batch() {
            self.hand_out();
        }
    }

    fn next_batch(&mut self) -> bool {
        let (batch, most) = (&mut self.batch, self.world.batch);
        let taken = &self.world.taken;
        let took = self.world.queue.take_off(|caller| {
            if batch.len() == most {
                return Some(caller);
            }
            // This runs under the queue's lock, so the places follow the order of the queue.
            let place = taken.fetch_add(1, Ordering::AcqRel);
            caller.0.place.store(place, Ordering::Release);
            batch.push(caller);
            None
        });
        assert_eq!(took, !batch.is_empty());
        self.over = !took;
        if took {
            let others = self.world.carrying.fetch_add(1, Ordering::AcqRel);
            assert_eq!(others, 0, "somebody carries already");
            assert!(
                !self.world.queue.is_idle(),
                "idle while callers are carried"
            );
        }
        took
    }

    fn hand_out(&mut self) {
        // Before: with nobody carried another may have taken the right only if ours was given back.
        self.world.carrying.fetch_sub(1, Ordering::AcqRel);
        for caller in self.batch.drain(..) {
            caller.0.carried.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Right {
    fn drop(&mut self) {
        if !self.over {
            if !self.batch.is_empty() {
                self.world.carrying.fetch_sub(1, Ordering::AcqRel);
            }
            drop(self.world.queue.abandon());
        }
    }
}

fn calls(world: &Arc<World>, fate: &Arc<Fate>) -> thread::JoinHandle<Result<()>> {
    let (world, fate) = (world.clone(), fate.clone());
    thread::spawn(move || world.call(&fate))
}

#[test]
fn every_caller_is_carried_once_and_by_no_more_at_a_time_than_may() {
    loom::model(|| {
        let world = World::new();
        let fates = [(); 3].map(|()| Fate::new());
        let threads = [calls(&world, &fates[0]), calls(&world, &fates[1])];
        world.call(&fates[2]).unwrap();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
        for fate in &fates {
            assert_eq!(fate.seen(), (1, 0, 1));
        }
        world.assert_idle();
    });
}

#[test]
fn a_caller_that_does_not_fit_is_carried_with_the_next() {
    loom::model(|| {
        let world = World::with_batches_of(1);
        let fates = [(); 3].map(|()| Fate::new());
        let threads = [calls(&world, &fates[0]), calls(&world, &fates[1])];
        world.call(&fates[2]).unwrap();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
        for fate in &fates {
            assert_eq!(fate.seen(), (1, 0, 1));
        }
        world.assert_idle();
    });
}

#[test]
fn callers_are_taken_in_the_order_in_which_they_came() {
    loom::model(|| {
        let world = World::with_batches_of(1);
        let fates = [(); 3].map(|()| Fate::new());
        // The driver starts only after another caller may have come.
        assert!(world.queue.push(Caller(fates[0].clone())).unwrap());
        let other = calls(&world, &fates[1]);
        Right::new(&world).carry_all();
        other.join().unwrap().unwrap();
        world.call(&fates[2]).unwrap();
        for (place, fate) in fates.iter().enumerate() {
            assert_eq!(fate.seen(), (1, 0, 1));
            assert_eq!(fate.place.load(Ordering::Acquire), place);
        }
        world.assert_idle();
    });
}

#[test]
fn a_queue_is_idle_only_when_nobody_waits_and_nobody_is_carried() {
    loom::model(|| {
        let world = World::new();
        let fate = Fate::new();
        let waits = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (world, fate, waits) = (world.clone(), fate.clone(), waits.clone());
            move || {
                let is_needed = world.queue.push(Caller(fate)).unwrap();
                waits.store(true, Ordering::Release);
                assert!(is_needed, "nobody else carries");
                Right::new(&world).carry_all();
            }
        });
        // A fold makes this check: a call that has begun must be over before the queue is idle.
        if waits.load(Ordering::Acquire) && world.queue.is_idle() {
            assert_eq!(fate.seen(), (1, 0, 1));
        }
        thread.join().unwrap();
        assert_eq!(fate.seen(), (1, 0, 1));
        world.assert_idle();
    });
}

#[test]
fn a_call_to_a_closing_clock_is_carried_or_told_or_refused() {
    loom::model(|| {
        let world = World::new();
        let fates = [(); 2].map(|()| Fate::new());
        let threads = [calls(&world, &fates[0]), calls(&world, &fates[1])];
        world.close();
        let results = threads.map(|thread| thread.join().unwrap());
        for (result, fate) in results.into_iter().zip(&fates) {
            match result {
                Ok(()) => {
                    let (carried, closed, dropped) = fate.seen();
                    assert_eq!((carried + closed, dropped), (1, 1));
                }
                Err(refused) => {
                    assert_eq!(refused.kind(), ErrorKind::Closed);
                    assert_eq!(fate.seen(), (0, 0, 1));
                }
            }
        }
        let late = world.call(&Fate::new()).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::Closed);
        world.assert_idle();
    });
}

#[test]
fn a_driver_that_stops_in_the_middle_leaves_nobody_waiting_for_nobody() {
    loom::model(|| {
        let world = World::new();
        let fates = [(); 3].map(|()| Fate::new());
        // This driver stops while its batch is under way, as if its runtime had ended.
        let stopped = thread::spawn({
            let (world, fate) = (world.clone(), fates[0].clone());
            move || {
                if world.queue.push(Caller(fate)).unwrap() {
                    let mut right = Right::new(&world);
                    right.next_batch();
                    drop(right);
                }
            }
        });
        let other = calls(&world, &fates[1]);
        stopped.join().unwrap();
        other.join().unwrap().unwrap();
        for fate in &fates[..2] {
            let (carried, _, dropped) = fate.seen();
            assert!(carried <= 1);
            // The dropped sender tells the caller, which then begins anew.
            assert_eq!(dropped, 1);
        }
        world.assert_idle();
        world.call(&fates[2]).unwrap();
        assert_eq!(fates[2].seen(), (1, 0, 1));
    });
}

#[test]
fn a_caller_that_gives_up_is_passed_over_and_is_in_nobody_s_way() {
    loom::model(|| {
        let world = World::new();
        let fates = [(); 2].map(|()| Fate::new());
        let thread = calls(&world, &fates[0]);
        fates[0].gave_up.store(true, Ordering::Release);
        world.call(&fates[1]).unwrap();
        thread.join().unwrap().unwrap();
        assert_eq!(fates[1].seen(), (1, 0, 1));
        let (carried, _, dropped) = fates[0].seen();
        assert!(carried <= 1 && dropped == 1);
        world.assert_idle();
    });
}
