//! The callers that wait for times, and the right to carry them, under one lock.
//!
//! Nothing here waits, spawns or answers, so `loom/` can try every interleaving of the threads.

use std::collections::VecDeque;
use std::mem;

use crate::error::{Error, ErrorKind, Result};
use crate::sync::{Mutex, lock};

/// Waiting callers. One of them is told to start a driver, which carries them all.
pub(super) struct Queue<C>(Mutex<Callers<C>>);

struct Callers<C> {
    waiting: VecDeque<C>,
    /// Whether a driver has the right to carry.
    driving: bool,
    closed: bool,
}

/// A waiting caller.
pub(super) trait Waits {
    /// Whether the caller no longer waits.
    fn has_given_up(&self) -> bool;
}

/// How many callers may wait in one process.
const MAX_WAITING: usize = 100_000;

impl<C: Waits> Queue<C> {
    pub(super) fn new() -> Queue<C> {
        Queue(Mutex::new(Callers {
            waiting: VecDeque::new(),
            driving: false,
            closed: false,
        }))
    }

    /// Puts a caller into the queue. Returns true if no driver is at work: then the calling code must
    /// start one.
    ///
    /// [`ErrorKind::Closed`], or [`ErrorKind::Overloaded`] if [`MAX_WAITING`] wait already.
    pub(super) fn push(&self, caller: C) -> Result<bool> {
        let mut callers = lock(&self.0);
        if callers.closed {
            return Err(closed());
        }
        if callers.waiting.len() >= MAX_WAITING {
            // Callers that gave up are still in the queue.
            callers.waiting.retain(|caller| !caller.has_given_up());
            if callers.waiting.len() >= MAX_WAITING {
                return Err(Error::new(
                    ErrorKind::Overloaded,
                    format!(
                        "{MAX_WAITING} callers wait for this clock already; slow down or reserve() \
                         ranges"
                    ),
                ));
            }
        }
        callers.waiting.push_back(caller);
        Ok(!mem::replace(&mut callers.driving, true))
    }

    /// Passes the waiting callers to `take`, the oldest first, until `take` gives one back. Returns false
    /// if nobody was waiting. Then the right to carry is given back, under the lock under which the next
    /// caller checks whether it must start a driver.
    pub(super) fn take_off(&self, mut take: impl FnMut(C) -> Option<C>) -> bool {
        let mut callers = lock(&self.0);
        let mut took = false;
        while let Some(caller) = callers.waiting.pop_front() {
            if caller.has_given_up() {
                continue;
            }
            if let Some(refused) = take(caller) {
                callers.waiting.push_front(refused);
                break;
            }
            took = true;
        }
        callers.driving = took;
        took
    }

    /// Whether no caller waits, and none is being carried.
    pub(super) fn is_idle(&self) -> bool {
        let callers = lock(&self.0);
        !callers.driving && callers.waiting.is_empty()
    }

    /// Number of callers in the queue.
    pub(super) fn len(&self) -> usize {
        lock(&self.0).waiting.len()
    }

    /// Gives the right to carry back early. Returns all waiting callers.
    pub(super) fn abandon(&self) -> Vec<C> {
        let mut callers = lock(&self.0);
        callers.driving = false;
        mem::take(&mut callers.waiting).into()
    }

    /// Refuses callers from now on. Returns the waiting ones.
    pub(super) fn close(&self) -> Vec<C> {
        let mut callers = lock(&self.0);
        callers.closed = true;
        mem::take(&mut callers.waiting).into()
    }
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "this clock was closed")
}
