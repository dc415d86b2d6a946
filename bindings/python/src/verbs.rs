//! The calls that use the store, here named verbs. Each is described once: how it begins, and what Python
//! gets. A thread waits for a verb without the GIL, and checks for Ctrl-C. An event loop is notified of
//! the answer ([`crate::completions`]).

use std::future::poll_fn;
use std::time::Duration;

use lamport_clock as core;
use lamport_clock::blocking::{self, Call};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arguments::Whole;
use crate::clock::SharedClock;
use crate::errors::OrRaise;
use crate::values;
use crate::watch::Watch;

/// A call that uses the store, with its arguments.
#[allow(clippy::type_complexity, reason = "said once, here")]
pub(crate) struct Verb(
    Box<dyn FnOnce(&blocking::SharedClock) -> core::Result<Call<Answer>> + Send>,
);

/// The longest time for which a waiting thread ignores signals.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// Makes the value that Python gets. It is called by a thread that is attached to the interpreter.
pub(crate) type Answer = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

impl Verb {
    fn new<T, W>(
        call: impl FnOnce(core::SharedClock) -> W + Send + 'static,
        made: fn(Python<'_>, T) -> PyResult<Py<PyAny>>,
    ) -> Verb
    where
        T: Send + 'static,
        W: Future<Output = core::Result<T>> + Send + 'static,
    {
        Verb(Box::new(move |clock| {
            clock.begin(move |clock| {
                let answer = call(clock);
                async move {
                    let answer = answer.await?;
                    Ok(Box::new(move |py: Python<'_>| made(py, answer)) as Answer)
                }
            })
        }))
    }

    /// Begins the call. The thread need not be attached to the interpreter.
    pub(crate) fn begin(self, clock: &blocking::SharedClock) -> core::Result<Call<Answer>> {
        (self.0)(clock)
    }

    /// Begins the call and waits for its answer. Other threads run meanwhile. If a signal handler raises
    /// (Ctrl-C), the call is given up.
    pub(crate) fn wait(self, clock: &Bound<'_, SharedClock>) -> PyResult<Py<PyAny>> {
        let py = clock.py();
        // First: if the runtime has lost its descriptors, `used` restarts background updates on a new
        // runtime.
        core::fork::look();
        let clock = SharedClock::used(clock);
        // Most answers come within the first slice: one release of the GIL is enough for them.
        let (mut call, mut answer) = py
            .detach(|| {
                let mut call = self.begin(clock)?;
                let answer = call.wait_for(SLICE);
                Ok((call, answer))
            })
            .or_raise()?;
        loop {
            if let Some(answer) = answer {
                return answer.or_raise()?(py);
            }
            py.check_signals()?;
            answer = py.detach(|| call.wait_for(SLICE));
        }
    }

    /// Finds a verb by its name, for AsyncSharedClock: its methods are called like those of SharedClock.
    pub(crate) fn named(name: &str, arguments: &Bound<'_, PyTuple>) -> PyResult<Verb> {
        match (name, arguments.len()) {
            ("connect", 0) => Ok(Verb::connect()),
            ("update", 0) => Ok(Verb::update()),
            ("reserve", 1) => Ok(Verb::reserve(arguments.get_item(0)?.extract()?)),
            ("read", 0) => Ok(Verb::read()),
            ("watch", 1) => Ok(Verb::watch(arguments.get_item(0)?.extract()?)),
            ("history", 2) => {
                let (limit, from) = arguments.extract()?;
                Verb::history(limit, from)
            }
            ("close", 0) => Ok(Verb::close()),
            _ => Err(PyTypeError::new_err(format!(
                "no verb '{name}' takes these arguments"
            ))),
        }
    }

    pub(crate) fn connect() -> Verb {
        Verb::new(|clock| async move { clock.first_look().await }, none)
    }

    pub(crate) fn update() -> Verb {
        Verb::new(|clock| async move { clock.update().await }, values::update)
    }

    pub(crate) fn reserve(Whole(count): Whole) -> Verb {
        Verb::new(
            move |clock| async move { clock.reserve(count).await },
            values::reservation,
        )
    }

    pub(crate) fn read() -> Verb {
        Verb::new(|clock| async move { clock.read().await }, values::newest)
    }

    pub(crate) fn watch(from: Option<Whole>) -> Verb {
        Verb::new(
            move |clock| async move {
                match from {
                    Some(Whole(from)) => clock.watch_from(from).await,
                    None => clock.watch().await,
                }
            },
            |py, watch| Ok(Py::new(py, Watch::new(watch.into()))?.into_any()),
        )
    }

    pub(crate) fn history(Whole(limit): Whole, from: Option<Whole>) -> PyResult<Verb> {
        let limit = usize::try_from(limit)?;
        let call = move |clock: core::SharedClock| async move {
            match from {
                Some(Whole(from)) => clock.history_from(from, limit).await,
                None => clock.history(limit).await,
            }
        };
        Ok(Verb::new(call, values::history))
    }

    /// The clock is closed as soon as this call begins.
    pub(crate) fn close() -> Verb {
        Verb(Box::new(|clock| {
            let mut closing = clock.begin_close();
            Ok(Call::begin(async move {
                poll_fn(|context| closing.poll_ready(context)).await;
                Ok(Box::new(|py: Python<'_>| Ok(py.None())) as Answer)
            }))
        }))
    }
}

fn none(py: Python<'_>, (): ()) -> PyResult<Py<PyAny>> {
    Ok(py.None())
}
