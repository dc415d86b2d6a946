//! The queue between its callers, those who serve it, and who closes it.
//!
//! [`Right`] does with the queue what `Driving` does in `shared/driver.rs`, and nothing between.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use super::queue::{Queue, Refused, Waits};

/// A caller, and what became of it.
struct Caller(Arc<Fate>);

#[derive(Default)]
struct Fate {
    gave_up: AtomicBool,
    served: AtomicUsize,
    /// Told that the clock was closed.
    closed: AtomicUsize,
    /// Dropped with whatever was done with it.
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

    /// How often it was served, told of the end, and dropped.
    fn seen(&self) -> (usize, usize, usize) {
        let number = |of: &AtomicUsize| of.load(Ordering::Acquire);
        (
            number(&self.served),
            number(&self.closed),
            number(&self.dropped),
        )
    }
}

struct World {
    queue: Queue<Caller>,
    /// Somebody serves at this moment.
    serving: AtomicBool,
}

impl World {
    fn new() -> Arc<World> {
        Arc::new(World {
            queue: Queue::new(),
            serving: AtomicBool::new(false),
        })
    }

    /// A call: it queues up, and serves if it is told to.
    fn call(self: &Arc<World>, fate: &Arc<Fate>) -> Result<(), Refused> {
        if self.queue.push(Caller(fate.clone()))? {
            Right::new(self).serve_all();
        }
        Ok(())
    }

    fn close(&self) {
        for caller in self.queue.close() {
            caller.0.closed.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// The right to serve the queue.
struct Right {
    world: Arc<World>,
    over: bool,
}

impl Right {
    fn new(world: &Arc<World>) -> Right {
        Right {
            world: world.clone(),
            over: false,
        }
    }

    fn serve_all(mut self) {
        while self.takes_off() {
            self.land();
        }
    }

    fn takes_off(&mut self) -> bool {
        self.over = !self.world.queue.take_off(|_| true);
        if !self.over {
            let other = self.world.serving.swap(true, Ordering::AcqRel);
            assert!(!other, "two serve at once");
        }
        !self.over
    }

    fn land(&self) {
        // Before: with nobody in flight another may have taken the right only if ours was given back.
        self.world.serving.store(false, Ordering::Release);
        for caller in self.world.queue.land() {
            caller.0.served.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Right {
    fn drop(&mut self) {
        if !self.over {
            self.world.serving.store(false, Ordering::Release);
            drop(self.world.queue.abandon());
        }
    }
}

fn calls(world: &Arc<World>, fate: &Arc<Fate>) -> thread::JoinHandle<Result<(), Refused>> {
    let (world, fate) = (world.clone(), fate.clone());
    thread::spawn(move || world.call(&fate))
}

#[test]
fn every_caller_is_served_once_and_by_one_at_a_time() {
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
    });
}

#[test]
fn who_comes_to_a_closing_clock_is_served_or_told_or_refused() {
    loom::model(|| {
        let world = World::new();
        let fates = [(); 2].map(|()| Fate::new());
        let threads = [calls(&world, &fates[0]), calls(&world, &fates[1])];
        world.close();
        assert!(world.queue.land().is_empty(), "taken by a closed clock");
        let results = threads.map(|thread| thread.join().unwrap());
        for (result, fate) in results.into_iter().zip(&fates) {
            match result {
                Ok(()) => {
                    let (served, closed, dropped) = fate.seen();
                    assert_eq!((served + closed, dropped), (1, 1));
                }
                Err(refused) => {
                    assert!(matches!(refused, Refused::Closed));
                    assert_eq!(fate.seen(), (0, 0, 1));
                }
            }
        }
        assert!(matches!(world.call(&Fate::new()), Err(Refused::Closed)));
    });
}

#[test]
fn whoever_stops_in_the_middle_leaves_nobody_waiting_for_nobody() {
    loom::model(|| {
        let world = World::new();
        let fates = [(); 3].map(|()| Fate::new());
        // Its runtime ends while its batch is under way.
        let stopped = thread::spawn({
            let (world, fate) = (world.clone(), fates[0].clone());
            move || {
                if world.queue.push(Caller(fate)).unwrap() {
                    let mut right = Right::new(&world);
                    assert!(right.takes_off());
                    drop(right);
                }
            }
        });
        let other = calls(&world, &fates[1]);
        stopped.join().unwrap();
        other.join().unwrap().unwrap();
        for fate in &fates[..2] {
            let (served, _, dropped) = fate.seen();
            assert!(served <= 1);
            // Its sender is gone, so it hears of it and begins anew.
            assert_eq!(dropped, 1);
        }
        world.call(&fates[2]).unwrap();
        assert_eq!(fates[2].seen(), (1, 0, 1));
    });
}

#[test]
fn who_gives_up_is_passed_over_and_is_in_nobody_s_way() {
    loom::model(|| {
        let world = World::new();
        let fates = [(); 2].map(|()| Fate::new());
        let thread = calls(&world, &fates[0]);
        fates[0].gave_up.store(true, Ordering::Release);
        world.call(&fates[1]).unwrap();
        thread.join().unwrap().unwrap();
        assert_eq!(fates[1].seen(), (1, 0, 1));
        let (served, _, dropped) = fates[0].seen();
        assert!(served <= 1 && dropped == 1);
    });
}
