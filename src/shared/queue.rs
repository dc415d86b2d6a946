//! Who waits for times in this process, and who has the right to serve them: decided under one lock.
//!
//! Nothing here waits, spawns or answers, so `loom/` can try every order in which threads come here.

use std::collections::VecDeque;
use std::mem;

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Callers who wait, one of whom is told to serve them all.
pub(super) struct Queue<C>(Mutex<State<C>>);

struct State<C> {
    waiting: VecDeque<C>,
    /// Those whose request is under way, in order. They stay here, where `close` finds them.
    in_flight: Vec<C>,
    /// Somebody has the right to serve.
    driving: bool,
    closed: bool,
}

/// Somebody who waits.
pub(super) trait Waits {
    /// Whether it no longer does.
    fn has_given_up(&self) -> bool;
}

/// Why a caller was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    Closed,
    /// [`MAX_WAITING`] wait already.
    Full,
}

/// So many callers may wait in one process.
pub(super) const MAX_WAITING: usize = 100_000;

impl<C: Waits> Queue<C> {
    pub(super) fn new() -> Queue<C> {
        Queue(Mutex::new(State {
            waiting: VecDeque::new(),
            in_flight: Vec::new(),
            driving: false,
            closed: false,
        }))
    }

    /// Puts a caller into the queue. True: nobody serves it, and whoever asked has now the right to.
    pub(super) fn push(&self, caller: C) -> Result<bool, Refused> {
        let mut state = self.state();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.waiting.len() >= MAX_WAITING {
            // Those who gave up meanwhile still stand in the queue.
            state.waiting.retain(|caller| !caller.has_given_up());
            if state.waiting.len() >= MAX_WAITING {
                return Err(Refused::Full);
            }
        }
        state.waiting.push_back(caller);
        Ok(!mem::replace(&mut state.driving, true))
    }

    /// Those who wait, as far as they join the batch that takes off now. False: there is nobody, and
    /// the right to serve was given back, under the same lock under which the next caller looks
    /// whether it must take it.
    pub(super) fn take_off(&self, mut joins: impl FnMut(&C) -> bool) -> bool {
        let mut state = self.state();
        while let Some(caller) = state.waiting.pop_front() {
            if caller.has_given_up() {
                continue;
            }
            if !joins(&caller) {
                state.waiting.push_front(caller);
                break;
            }
            state.in_flight.push(caller);
        }
        state.driving = !state.in_flight.is_empty();
        state.driving
    }

    /// Whether any of those in flight still waits.
    pub(super) fn somebody_waits(&self) -> bool {
        self.state()
            .in_flight
            .iter()
            .any(|caller| !caller.has_given_up())
    }

    /// Those who were in flight, in the order in which they came.
    pub(super) fn land(&self) -> Vec<C> {
        mem::take(&mut self.state().in_flight)
    }

    /// The right to serve is given back in the middle of it: all who are left without an answer.
    pub(super) fn abandon(&self) -> Vec<C> {
        let mut state = self.state();
        state.driving = false;
        state.all()
    }

    /// Nobody is taken any more: all who are left without an answer.
    pub(super) fn close(&self) -> Vec<C> {
        let mut state = self.state();
        state.closed = true;
        state.all()
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> State<C> {
    fn all(&mut self) -> Vec<C> {
        let mut all = mem::take(&mut self.in_flight);
        all.extend(mem::take(&mut self.waiting));
        all
    }
}
