//! Brings answers to an event loop.
//!
//! No thread of the library ever attaches to Python: an interpreter that ends may stop an attached thread
//! for good, while it holds a lock. So the library's thread only puts a number into a queue and rings an
//! alarm, once for all numbers that come before the queue is emptied. The loop hears the alarm. Its own
//! thread, which is attached anyway, resolves the futures that wait for these numbers
//! (`python/lamport_clock/_loops.py`). The task that asked for an answer turns it into a Python value.
//!
//! Calls are gathered, too: those that tasks ask for in one turn of the loop begin together at the next
//! turn, so that they travel together.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use std::{io, mem};

use lamport_clock::fork::{self, Generation};
use lamport_clock::{Error, ErrorKind, blocking};
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::clock::SharedClock;
use crate::errors::OrRaise;
use crate::locked;
use crate::verbs::{Answer, Verb};
use crate::watch::Watch;

/// The calls of one event loop. AsyncSharedClock makes one `Completions` for each loop.
///
/// Its methods ask for a call. The call's future is among those to resolve once the call can be answered.
///
/// Nothing here runs Python's bytecode, in which a thread may be stopped for good when the interpreter
/// ends. So the caller has the loop begin the calls, and resolves the futures.
#[pyclass(frozen, weakref, module = "lamport_clock._native")]
pub(crate) struct Completions {
    ready: Arc<Ready>,
    /// The futures of calls not yet reported as ready, by ticket. Locked only briefly, by attached
    /// threads, and never while Python code runs.
    waiting: Mutex<HashMap<u64, Py<PyAny>>>,
    /// The calls that begin at the loop's next turn. Locked in the same way.
    gathered: Mutex<Vec<Py<Call>>>,
    next: AtomicU64,
}

/// The part that the library's thread uses: a queue of tickets and an alarm.
struct Ready {
    /// At most one ticket for each call that this loop has begun.
    tickets: Mutex<Vec<u64>>,
    /// `None` only while `Ready` is dropped.
    alarm: Option<Alarm>,
    generation: Generation,
}

impl Ready {
    /// Whether the alarm is still this process's own.
    fn is_ours(&self) -> bool {
        fork::look();
        self.generation.is_current()
    }

    fn push(&self, ticket: u64) {
        // In a child of a fork the queue may be locked for ever, and the alarm also belongs to the parent.
        if !self.is_ours() {
            return;
        }
        let mut tickets = locked(&self.tickets);
        let first = tickets.is_empty();
        tickets.push(ticket);
        drop(tickets);
        if first && let Some(alarm) = &self.alarm {
            alarm.ring();
        }
    }

    /// Takes all tickets so far. The alarm is silenced first: a ticket pushed in between rings it again,
    /// or joins older tickets and is taken with them.
    fn take(&self) -> Vec<u64> {
        if let Some(alarm) = &self.alarm {
            alarm.silence();
        }
        mem::take(&mut *locked(&self.tickets))
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        if !self.is_ours() {
            // By now the descriptor's number may belong to another file.
            mem::forget(self.alarm.take());
        }
    }
}

/// Wakes a loop: `heard` is readable from the time the alarm is rung until it is silenced.
///
/// A pair of sockets, with which asyncio's loops are woken, too. Nothing here blocks, and any thread may
/// ring.
struct Alarm {
    heard: UnixStream,
    rung: UnixStream,
}

impl Alarm {
    fn new() -> io::Result<Alarm> {
        let (heard, rung) = UnixStream::pair()?;
        heard.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        Ok(Alarm { heard, rung })
    }

    fn ring(&self) {
        // There is room: `push` rings only for the first ticket after `take`, which silences the alarm.
        let _ = (&self.rung).write(&[1]);
    }

    /// Silences the alarm until it is rung again. The alarm may be silent already.
    fn silence(&self) {
        // There may be more bytes than this read takes. The alarm then rings once too often.
        let _ = (&self.heard).read(&mut [0; 512]);
    }
}

/// The waker of a call: the library's thread wakes it when there may be an answer.
struct Summons {
    ready: Arc<Ready>,
    ticket: u64,
}

impl Wake for Summons {
    fn wake(self: Arc<Self>) {
        self.ready.push(self.ticket);
    }
}

impl Completions {
    /// Makes a call that begins at the loop's next turn.
    fn gather(this: &Bound<'_, Self>, future: Py<PyAny>, asked: Asked) -> PyResult<Py<Call>> {
        let completions = this.get();
        completions
            .ready
            .generation
            .check("this event loop's queue")
            .or_raise()?;
        let ticket = completions.next.fetch_add(1, Ordering::Relaxed);
        let call = Call {
            completions: this.clone().unbind(),
            ticket,
            asked: Mutex::new(asked),
        };
        let call = Py::new(this.py(), call)?;
        locked(&completions.waiting).insert(ticket, future);
        locked(&completions.gathered).push(call.clone_ref(this.py()));
        Ok(call)
    }
}

#[pymethods]
impl Completions {
    #[new]
    fn new() -> PyResult<Completions> {
        let alarm = Alarm::new().map_err(|error| {
            let message = format!("an event loop can't be told of answers: {error}");
            Error::with_source(ErrorKind::Internal, message, error)
        });
        Ok(Completions {
            ready: Arc::new(Ready {
                tickets: Mutex::default(),
                alarm: Some(alarm.or_raise()?),
                generation: Generation::current(),
            }),
            waiting: Mutex::default(),
            gathered: Mutex::default(),
            next: AtomicU64::new(0),
        })
    }

    /// What becomes readable when there is something to drain.
    fn fileno(&self) -> RawFd {
        let alarm = self.ready.alarm.as_ref();
        alarm.map_or(-1, |alarm| alarm.heard.as_raw_fd())
    }

    /// Begins what was asked for since it was called last: for the loop's thread.
    fn begin(&self) {
        if !self.ready.is_ours() {
            return;
        }
        let gathered = mem::take(&mut *locked(&self.gathered));
        for call in &gathered {
            call.get().begin(&self.ready);
        }
    }

    /// Whether nothing is gathered: whoever asks for the first call has the loop's next turn begin it.
    #[getter]
    fn idle(&self) -> bool {
        locked(&self.gathered).is_empty()
    }

    /// The futures of the calls that are ready, the newest first: for the loop's thread, to resolve.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        if !self.ready.is_ours() {
            return Ok(PyList::empty(py));
        }
        let tickets = self.ready.take().into_iter().rev();
        // A ticket has no future if its call was given up or reported already.
        let futures = tickets.filter_map(|ticket| locked(&self.waiting).remove(&ticket));
        PyList::new(py, futures.collect::<Vec<_>>())
    }

    /// A verb of SharedClock, by the name and with the arguments of its method.
    #[pyo3(signature = (future, clock, verb, *arguments))]
    fn ask(
        this: &Bound<'_, Self>,
        future: Py<PyAny>,
        clock: Py<SharedClock>,
        verb: &str,
        arguments: &Bound<'_, PyTuple>,
    ) -> PyResult<Py<Call>> {
        let verb = Verb::named(verb, arguments)?;
        fork::look();
        SharedClock::used(clock.bind(this.py()));
        Completions::gather(this, future, Asked::Verb(clock, verb))
    }

    /// Waits for what the watch tells next. The answer is None if that is nothing: wait again.
    fn next(this: &Bound<'_, Self>, future: Py<PyAny>, watch: Py<Watch>) -> PyResult<Py<Call>> {
        Completions::gather(this, future, Asked::Next(watch))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Only attached threads hold these locks, and none of those runs now.
        if let Ok(waiting) = self.waiting.try_lock() {
            for future in waiting.values() {
                visit.call(future)?;
            }
        }
        if let Ok(gathered) = self.gathered.try_lock() {
            for call in gathered.iter() {
                visit.call(call)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self) {
        let waiting = mem::take(&mut *locked(&self.waiting));
        let gathered = mem::take(&mut *locked(&self.gathered));
        drop((waiting, gathered));
    }
}

/// A call that an event loop waits for.
#[pyclass(frozen, module = "lamport_clock._native")]
pub(crate) struct Call {
    completions: Py<Completions>,
    ticket: u64,
    /// Locked only briefly, and never while Python code runs.
    asked: Mutex<Asked>,
}

/// What an event loop waits for, and how far it has come.
enum Asked {
    /// A verb that begins at the loop's next turn.
    Verb(Py<SharedClock>, Verb),
    /// A call that has begun, or the error if it could not begin.
    Begun(lamport_clock::Result<blocking::Call<Answer>>),
    /// The next event of a watch.
    Next(Py<Watch>),
    /// The call was answered or given up.
    Over,
}

impl Call {
    /// Begins the call, unless it was given up by now. Runs no Python code.
    fn begin(&self, ready: &Arc<Ready>) {
        let (ready, ticket) = (ready.clone(), self.ticket);
        let waker = Waker::from(Arc::new(Summons { ready, ticket }));
        let mut context = Context::from_waker(&waker);
        // Dropped after the lock is released, because dropping the clock may run any Python code.
        let mut kept = None;
        let mut asked = locked(&self.asked);
        *asked = match mem::replace(&mut *asked, Asked::Over) {
            Asked::Verb(clock, verb) => Asked::Begun(verb.begin(&kept.insert(clock).get().core)),
            asked => asked,
        };
        let ready = match &mut *asked {
            Asked::Begun(Ok(call)) => call.poll_ready(&mut context),
            Asked::Next(watch) => watch.get().poll_ready(&mut context),
            _ => Poll::Ready(()),
        };
        drop(asked);
        if ready.is_ready() {
            waker.wake();
        }
    }

    /// Keeps the call's future from being resolved. In a child of a fork the futures are its parent's.
    fn forget(&self) {
        let completions = self.completions.get();
        if completions.ready.generation.is_current() {
            let future = locked(&completions.waiting).remove(&self.ticket);
            // Dropped after the lock is released, because dropping a future may run any Python code.
            drop(future);
        }
    }

    /// Takes the state of the call, which is then over.
    fn taken(&self) -> Asked {
        mem::replace(&mut *locked(&self.asked), Asked::Over)
    }
}

#[pymethods]
impl Call {
    /// The answer, once the future is resolved; given once.
    fn answer(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let answer = match self.taken() {
            Asked::Begun(call) => call.or_raise()?.wait_for(Duration::ZERO),
            Asked::Next(watch) => {
                let ended = PyStopAsyncIteration::new_err;
                let told = watch.get().look(py, Duration::ZERO, ended)?;
                return Ok(told.unwrap_or_else(|| py.None()));
            }
            Asked::Verb(..) | Asked::Over => None,
        };
        match answer {
            Some(answer) => answer.or_raise()?(py),
            None => Err(PyRuntimeError::new_err("this call has no answer to give")),
        }
    }

    /// Nobody waits any more: the library gives the call up, too.
    fn give_up(&self) {
        self.forget();
        drop(self.taken());
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.completions)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.forget();
    }
}
