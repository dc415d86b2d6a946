//! Answers on their way to an event loop.
//!
//! No thread of the library ever attaches to Python: whoever does may be stopped by an interpreter
//! that ends, in the middle of what it holds. So the library's thread does no more than put a number
//! into a queue and ring an alarm, once for as many as come before the queue is emptied. The loop
//! hears the alarm, and its own thread, which is attached anyway, resolves the futures that wait for
//! these numbers (`python/lamport_clock/_asyncio.py`). What an answer is in Python is made by the task that asked for it.
//!
//! In the other direction calls gather as well: those that the tasks of one turn of the loop ask for
//! begin together at the next, so that they travel together.

use std::collections::HashMap;
use std::mem;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lamport_clock::fork::Generation;
use lamport_clock::{Error, ErrorKind, blocking};
use pyo3::PyTraverseError;
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::alarm::Alarm;
use crate::arguments::{Text, Whole, configuration};
use crate::clock::SharedClock;
use crate::errors::OrRaise;
use crate::values::{History, Observed, Reservation, Update};
use crate::watch::Watch;

/// The calls of one event loop. AsyncSharedClock makes one for each loop; nobody else need know.
///
/// Its methods ask for a call, whose future is among those to resolve once it can be answered.
///
/// Nothing here runs Python's bytecode, in which a thread may be stopped for good where the interpreter
/// ends: asking the loop and resolving futures is left to those who call.
#[pyclass(frozen, weakref, module = "lamport_clock._native")]
pub(crate) struct Completions {
    generation: Generation,
    ready: Arc<Ready>,
    /// The futures of the calls that nobody was told of yet. Locked for a moment, while attached,
    /// and never while Python runs.
    waiting: Mutex<HashMap<u64, Py<PyAny>>>,
    /// Calls that this turn of the loop asked for. Locked likewise.
    gathered: Mutex<Vec<Py<Call>>>,
    next: AtomicU64,
}

/// What the library's thread gets at: numbers and an alarm.
struct Ready {
    /// At most one for each call that this loop has begun.
    tickets: Mutex<Vec<u64>>,
    alarm: Alarm,
}

impl Ready {
    fn push(&self, ticket: u64) {
        let mut tickets = self.tickets();
        let first = tickets.is_empty();
        tickets.push(ticket);
        drop(tickets);
        if first {
            self.alarm.ring();
        }
    }

    /// All so far. The alarm is silenced before: whoever comes in between rings it anew, or finds
    /// others here that are taken with it.
    fn take(&self) -> Vec<u64> {
        self.alarm.silence();
        mem::take(&mut *self.tickets())
    }

    fn tickets(&self) -> MutexGuard<'_, Vec<u64>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a loop of one call.
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
    /// A call for the next turn of the loop.
    fn ask(
        this: &Bound<'_, Self>,
        future: Py<PyAny>,
        asked: impl Asked + 'static,
    ) -> PyResult<Py<Call>> {
        let completions = this.get();
        completions
            .generation
            .check("this event loop's queue")
            .or_raise()?;
        let ticket = completions.next.fetch_add(1, Ordering::Relaxed);
        let call = Call {
            completions: this.clone().unbind(),
            ticket,
            asked: Mutex::new(Some(Box::new(asked))),
        };
        let call = Py::new(this.py(), call)?;
        completions.waiting().insert(ticket, future);
        completions.gathered().push(call.clone_ref(this.py()));
        Ok(call)
    }

    fn ask_for<T: Send + 'static>(
        this: &Bound<'_, Self>,
        future: Py<PyAny>,
        begin: impl FnOnce() -> lamport_clock::Result<blocking::Call<T>> + Send + 'static,
        made: impl Fn(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Py<Call>> {
        let progress = Progress::Asked(Box::new(begin));
        Completions::ask(this, future, Answering { progress, made })
    }

    fn gathered(&self) -> MutexGuard<'_, Vec<Py<Call>>> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Py<PyAny>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody waits for it any more. In a child of a fork the futures are its parent's.
    fn forget(&self, ticket: u64) {
        if self.generation.is_current() {
            let future = self.waiting().remove(&ticket);
            // Its end may run anything, so it comes after the lock's.
            drop(future);
        }
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
            generation: Generation::current(),
            ready: Arc::new(Ready {
                tickets: Mutex::default(),
                alarm: alarm.or_raise()?,
            }),
            waiting: Mutex::default(),
            gathered: Mutex::default(),
            next: AtomicU64::new(0),
        })
    }

    /// What becomes readable when there is something to drain.
    fn fileno(&self) -> RawFd {
        self.ready.alarm.descriptor()
    }

    /// Begins what was asked for since it was called last: for the loop's thread.
    fn begin(&self) {
        if !self.generation.is_current() {
            return;
        }
        let gathered = mem::take(&mut *self.gathered());
        for call in &gathered {
            call.get().begin(&self.ready);
        }
    }

    /// Whether nothing is gathered: whoever asks for the first call has the loop's next turn begin it.
    #[getter]
    fn idle(&self) -> bool {
        self.gathered().is_empty()
    }

    /// The futures of the calls that are ready, the newest first: for the loop's thread, to resolve.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut futures = Vec::new();
        if self.generation.is_current() {
            let tickets = self.ready.take();
            let mut waiting = self.waiting();
            // Those without one were given up, or told already.
            futures.extend(
                tickets
                    .iter()
                    .rev()
                    .filter_map(|ticket| waiting.remove(ticket)),
            );
        }
        PyList::new(py, futures)
    }

    #[pyo3(signature = (future, store, node, **settings))]
    fn connect(
        this: &Bound<'_, Self>,
        future: Py<PyAny>,
        store: Option<Text>,
        node: Option<Text>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<Call>> {
        let config = configuration(store, node, settings)?;
        let begin = move || blocking::SharedClock::begin_connect(config);
        Completions::ask_for(this, future, begin, |py, clock| {
            Ok(Py::new(py, SharedClock::of(clock))?.into_any())
        })
    }

    fn update(
        this: &Bound<'_, Self>,
        future: Py<PyAny>,
        clock: Py<SharedClock>,
    ) -> PyResult<Py<Call>> {
        let begin = SharedClock::begins(this.py(), clock, |clock| clock.begin_update());
        Completions::ask_for(this, future, begin, |py, update| {
            Ok(Py::new(py, Update(update))?.into_any())
        })
    }

    fn reserve(
        this: &Bound<'_, Self>,
        future: Py<PyAny>,
        clock: Py<SharedClock>,
        count: Whole,
    ) -> PyResult<Py<Call>> {
        let begin =
            SharedClock::begins(this.py(), clock, move |clock| clock.begin_reserve(count.0));
        Completions::ask_for(this, future, begin, |py, taken| {
            Ok(Py::new(py, Reservation::of(taken))?.into_any())
        })
    }

    fn read(
        this: &Bound<'_, Self>,
        future: Py<PyAny>,
        clock: Py<SharedClock>,
    ) -> PyResult<Py<Call>> {
        let begin = SharedClock::begins(this.py(), clock, move |clock| clock.begin_read());
        Completions::ask_for(this, future, begin, |py, newest| {
            Ok(newest.map(Observed).into_pyobject(py)?.into_any().unbind())
        })
    }

    fn close(
        this: &Bound<'_, Self>,
        future: Py<PyAny>,
        clock: Py<SharedClock>,
    ) -> PyResult<Py<Call>> {
        let begin = SharedClock::begins(this.py(), clock, move |clock| clock.begin_close());
        Completions::ask_for(this, future, begin, |py, ()| Ok(py.None()))
    }

    fn history(
        this: &Bound<'_, Self>,
        future: Py<PyAny>,
        clock: Py<SharedClock>,
        limit: Whole,
    ) -> PyResult<Py<Call>> {
        let limit = usize::try_from(limit.0)?;
        let begin = SharedClock::begins(this.py(), clock, move |clock| clock.begin_history(limit));
        Completions::ask_for(this, future, begin, |py, history| {
            Ok(Py::new(py, History(history))?.into_any())
        })
    }

    fn watch(
        this: &Bound<'_, Self>,
        future: Py<PyAny>,
        clock: Py<SharedClock>,
        from_revision: Option<Whole>,
        notices: bool,
    ) -> PyResult<Py<Call>> {
        let begin = SharedClock::begins(this.py(), clock, move |clock| match from_revision {
            None => clock.begin_watch(),
            Some(Whole(from)) => clock.begin_watch_from(from),
        });
        let made =
            move |py: Python<'_>, watch| Ok(Py::new(py, Watch::new(watch, notices))?.into_any());
        Completions::ask_for(this, future, begin, made)
    }

    /// Waits for what the watch tells next. The answer is None if that is nothing: wait again.
    fn next(this: &Bound<'_, Self>, future: Py<PyAny>, watch: Py<Watch>) -> PyResult<Py<Call>> {
        Completions::ask(this, future, Following(watch))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Held only by a thread that is attached, and so not now.
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
        let waiting = mem::take(&mut *self.waiting());
        let gathered = mem::take(&mut *self.gathered());
        drop((waiting, gathered));
    }
}

/// A call that an event loop waits for.
#[pyclass(frozen, generic, module = "lamport_clock._native")]
pub(crate) struct Call {
    completions: Py<Completions>,
    ticket: u64,
    /// `None` once it was answered or given up. Locked for a moment, and never while Python runs.
    asked: Mutex<Option<Box<dyn Asked>>>,
}

impl Call {
    /// Begins it, unless it was given up by now.
    fn begin(&self, ready: &Arc<Ready>) {
        let mut asked = self.asked();
        let Some(asked) = asked.as_mut() else { return };
        let summons = Summons {
            ready: ready.clone(),
            ticket: self.ticket,
        };
        let waker = Waker::from(Arc::new(summons));
        if asked
            .poll_ready(&mut Context::from_waker(&waker))
            .is_ready()
        {
            waker.wake();
        }
    }

    fn asked(&self) -> MutexGuard<'_, Option<Box<dyn Asked>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Call {
    /// The answer, once the future is resolved; given once.
    fn answer(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let asked = self.asked().take();
        match asked {
            Some(asked) => asked.answer(py),
            None => Err(PyRuntimeError::new_err(
                "this call was answered or given up",
            )),
        }
    }

    /// Has the future resolved now, also by another thread than the loop's.
    fn look_again(&self) {
        let completions = self.completions.get();
        // In a child of a fork the queue may be locked for ever, and the alarm is its parent's too.
        if completions.generation.is_current() {
            completions.ready.push(self.ticket);
        }
    }

    /// Nobody waits any more: the library gives the call up, too.
    fn give_up(&self) {
        self.completions.get().forget(self.ticket);
        let asked = self.asked().take();
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

/// What is waited for.
trait Asked: Send {
    /// As [`blocking::Call::poll_ready`]. Begins the call if need be, and runs nothing of Python's.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// What Python gets, once that is ready.
    fn answer(self: Box<Self>, py: Python<'_>) -> PyResult<Py<PyAny>>;
}

/// A call of the core, and how Python gets its answer.
struct Answering<T, M> {
    progress: Progress<T>,
    made: M,
}

enum Progress<T> {
    Asked(Box<dyn FnOnce() -> lamport_clock::Result<blocking::Call<T>> + Send>),
    Begun(blocking::Call<T>),
    Refused(Error),
}

impl<T: Send + 'static> Progress<T> {
    fn begin(self) -> Progress<T> {
        match self {
            Progress::Asked(begin) => match begin() {
                Ok(call) => Progress::Begun(call),
                Err(error) => Progress::Refused(error),
            },
            begun => begun,
        }
    }
}

impl<T, M> Asked for Answering<T, M>
where
    T: Send + 'static,
    M: Fn(Python<'_>, T) -> PyResult<Py<PyAny>> + Send,
{
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let nothing = Progress::Refused(Error::new(ErrorKind::Internal, "it never began"));
        self.progress = mem::replace(&mut self.progress, nothing).begin();
        match &mut self.progress {
            Progress::Begun(call) => call.poll_ready(context),
            _ => Poll::Ready(()),
        }
    }

    fn answer(self: Box<Self>, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let answer = match self.progress {
            Progress::Begun(mut call) => call.wait_for(Duration::ZERO),
            Progress::Refused(error) => Some(Err(error)),
            Progress::Asked(_) => None,
        };
        match answer {
            Some(answer) => (self.made)(py, answer.or_raise()?),
            None => Err(PyRuntimeError::new_err("this call has no answer yet")),
        }
    }
}

struct Following(Py<Watch>);

impl Asked for Following {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.0.get().poll_ready(context)
    }

    fn answer(self: Box<Self>, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.0.get().look(py)
    }
}
