//! A call that an event loop waits for.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use lamport_clock::{Error, blocking};
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;

use crate::clock::SharedClock;
use crate::completions::{Completions, Ready};
use crate::errors::OrRaise;
use crate::verbs::{Answer, Verb};
use crate::watch::Watch;

/// A call that an event loop waits for.
#[pyclass(frozen, generic, module = "lamport_clock._native")]
pub(crate) struct Call {
    completions: Py<Completions>,
    ticket: u64,
    /// Locked for a moment, and never while Python runs.
    asked: Mutex<Asked>,
}

/// What an event loop waits for, and how far it has come.
pub(crate) enum Asked {
    /// It begins at the loop's next turn.
    Verb(Py<SharedClock>, Verb),
    Begun(blocking::Call<Answer>),
    /// It could not begin.
    Refused(Error),
    /// What a watch tells next.
    Next(Py<Watch>),
    /// It was answered or given up.
    Over,
}

impl Call {
    pub(crate) fn new(completions: Py<Completions>, ticket: u64, asked: Asked) -> Call {
        Call {
            completions,
            ticket,
            asked: Mutex::new(asked),
        }
    }

    /// Begins it, unless it was given up by now. Runs nothing of Python's.
    pub(crate) fn begin(&self, ready: &Arc<Ready>) {
        let waker = Ready::waker(ready, self.ticket);
        // Let go of after the lock, as its end may run anything.
        let mut kept = None;
        let mut asked = self.asked();
        *asked = match mem::replace(&mut *asked, Asked::Over) {
            Asked::Over => return,
            Asked::Verb(clock, verb) => match verb.begin(&kept.insert(clock).get().core) {
                Ok(call) => Asked::Begun(call),
                Err(error) => Asked::Refused(error),
            },
            asked => asked,
        };
        let mut context = Context::from_waker(&waker);
        let ready = match &mut *asked {
            Asked::Begun(call) => call.poll_ready(&mut context),
            Asked::Next(watch) => watch.get().poll_ready(&mut context),
            _ => Poll::Ready(()),
        };
        drop(asked);
        if ready.is_ready() {
            waker.wake();
        }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Call {
    /// The answer, once the future is resolved; given once.
    fn answer(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let asked = mem::replace(&mut *self.asked(), Asked::Over);
        match asked {
            Asked::Begun(mut call) => match call.wait_for(Duration::ZERO) {
                Some(answer) => answer.or_raise()?(py),
                None => Err(PyRuntimeError::new_err("this call has no answer yet")),
            },
            Asked::Next(watch) => {
                let ended = PyStopAsyncIteration::new_err;
                let told = watch.get().look(py, Duration::ZERO, ended)?;
                Ok(told.unwrap_or_else(|| py.None()))
            }
            Asked::Refused(error) => Err(error).or_raise(),
            Asked::Verb(..) => Err(PyRuntimeError::new_err("this call has not begun")),
            Asked::Over => Err(PyRuntimeError::new_err(
                "this call was answered or given up",
            )),
        }
    }

    /// Has the future resolved now, also by another thread than the loop's.
    fn look_again(&self) {
        self.completions.get().tell(self.ticket);
    }

    /// Nobody waits any more: the library gives the call up, too.
    fn give_up(&self) {
        self.completions.get().forget(self.ticket);
        let asked = mem::replace(&mut *self.asked(), Asked::Over);
        drop(asked);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.completions)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.completions.get().forget(self.ticket);
    }
}
