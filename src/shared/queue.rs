//! The callers that wait for times, and the right to carry them: decided under one lock.
//!
//! Nothing here waits, spawns or answers, so `loom/` can try every order in which threads come here.

use std::collections::VecDeque;
use std::mem;

use crate::error::{Error, ErrorKind, Result};
use crate::sync::{Mutex, lock};

/// Callers who wait, one of whom is told to see to it that all are carried.
pub(super) struct Queue<C>(Mutex<Callers<C>>);

struct Callers<C> {
    waiting: VecDeque<C>,
    /// Somebody has the right to carry.
    driving: bool,
    closed: bool,
}

/// Somebody who waits.
pub(super) trait Waits {
    /// Whether it no longer does.
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

    /// Puts a caller into the queue. True: no driver is at work, and whoever called this must start one.
    ///
    /// [`ErrorKind::Closed`], or [`ErrorKind::Overloaded`] if [`MAX_WAITING`] wait already.
    pub(super) fn push(&self, caller: C) -> Result<bool> {
        let mut callers = lock(&self.0);
        if callers.closed {
            return Err(closed());
        }
        if callers.waiting.len() >= MAX_WAITING {
            // Those who gave up meanwhile still stand in the queue.
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

    /// Gives those who wait to `take`, the oldest first, until it gives one back. False: nobody was
    /// there, and the right to carry was given back, under the same lock under which the next caller
    /// looks whether it must take it.
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

    /// Whether nobody waits, and nobody is carried.
    pub(super) fn is_idle(&self) -> bool {
        let callers = lock(&self.0);
        !callers.driving && callers.waiting.is_empty()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        lock(&self.0).waiting.len()
    }

    /// The right to carry is given back in the middle of it: all who wait.
    pub(super) fn abandon(&self) -> Vec<C> {
        let mut callers = lock(&self.0);
        callers.driving = false;
        mem::take(&mut callers.waiting).into()
    }

    /// From now on no caller is taken. Gives those who wait.
    pub(super) fn close(&self) -> Vec<C> {
        let mut callers = lock(&self.0);
        callers.closed = true;
        mem::take(&mut callers.waiting).into()
    }
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "this clock was closed")
}
