//! The local clock alone.

use lamport_clock as core;
use lamport_clock::{Config, blocking};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::arguments::{Text, Whole, arrived};
use crate::errors::OrRaise;
use crate::header::Header;
use crate::stamp::{Stamp, attributes, logged};

/// A Lamport clock of one process, without a store: no I/O, no thread, nothing of the environment.
///
/// For programs whose messages carry stamps and who need no order that is shared. A SharedClock has
/// the same verbs and more. `process` is a name of 1 to 255 bytes without blanks, control characters
/// and ";". A message that lies more than `max_jump` ahead is refused (2^32 unless told otherwise).
/// With the key in `header_key_file` it signs the stamps of its messages, and believes no others.
///
/// Any number of threads may use it. A child of os.fork() goes on with it under an instance of its
/// own, from where its parent's stood: the two never make the same stamp.
///
/// >>> from lamport_clock import LocalClock
/// >>> api, billing = LocalClock("api"), LocalClock("billing")
/// >>> sent = api.tick()
/// >>> received = billing.receive(sent)
/// >>> print(sent, received)
/// 1@api 2@billing
#[pyclass(frozen, module = "lamport_clock")]
// Boxed: the clock is aligned to cache lines, and Python aligns no object that far.
pub(crate) struct LocalClock(Box<blocking::LocalClock>);

#[pymethods]
impl LocalClock {
    #[new]
    #[pyo3(signature = (process, *, max_jump=None, header_key_file=None))]
    fn new(
        process: Text,
        max_jump: Option<Whole>,
        header_key_file: Option<Text>,
    ) -> PyResult<LocalClock> {
        let mut config = Config::memory(&process.0).or_raise()?;
        if let Some(Text(file)) = header_key_file {
            config = config.with_header(core::Header::from_file(&file).or_raise()?);
        }
        if let Some(Whole(max_jump)) = max_jump {
            config = config.with_max_jump(max_jump);
        }
        let clock = blocking::LocalClock::new(&config).or_raise()?;
        Ok(LocalClock(Box::new(clock)))
    }

    /// A local event or a send: time + 1. Raises ExhaustedError past 2^53 - 1.
    ///
    /// >>> clock = LocalClock("api")
    /// >>> print(clock.tick(), clock.tick())
    /// 1@api 2@api
    fn tick(&self) -> PyResult<Stamp> {
        self.0.tick().or_raise().map(Stamp)
    }

    /// A message arrived that carried this stamp (a Stamp, its text "42@mx-nodel", or a bare time):
    /// max(local, message) + 1.
    ///
    /// Raises TooFarAheadError if it lies further ahead than `max_jump` allows, and
    /// InvalidArgumentError for a text that is no stamp; the clock is then unchanged.
    ///
    /// >>> print(LocalClock("api").receive("57@billing"))
    /// 58@api
    fn receive(&self, message: &Bound<'_, PyAny>) -> PyResult<Stamp> {
        arrived(message, |message| self.0.receive(message)).map(Stamp)
    }

    /// An event that is written down: a tick, and the texts of its causes. See SharedClock.log().
    ///
    /// >>> stamp, after = LocalClock("api").log()
    /// >>> str(stamp), after
    /// ('1@api', [])
    fn log(&self) -> PyResult<(Stamp, Vec<String>)> {
        self.0.log().or_raise().map(logged)
    }

    /// log() for a log record: its attributes.
    fn _line<'py>(&self, py: Python<'py>, long: bool) -> PyResult<Bound<'py, PyDict>> {
        attributes(py, &self.0.log().or_raise()?, long)
    }

    /// As tick(), for callers that need the time alone.
    ///
    /// >>> LocalClock("api").advance()
    /// 1
    fn advance(&self) -> PyResult<u64> {
        Ok(self.0.advance().or_raise()?.get())
    }

    /// As receive(), for callers that need the time alone.
    ///
    /// >>> LocalClock("api").advance_past(57)
    /// 58
    fn advance_past(&self, message: &Bound<'_, PyAny>) -> PyResult<u64> {
        Ok(arrived(message, |message| self.0.advance_past(message))?.get())
    }

    /// Where the clock stands. Changes nothing, and names no event.
    ///
    /// >>> clock = LocalClock("api")
    /// >>> clock.now(), clock.advance(), clock.now()
    /// (0, 1, 1)
    fn now(&self) -> u64 {
        self.0.now().get()
    }

    #[getter]
    fn _header(&self) -> Header {
        Header(self.0.header().clone())
    }

    /// The process that this clock belongs to, a str.
    #[getter]
    fn process(&self) -> &str {
        self.0.process().as_str()
    }

    /// The instance of the process that this clock belongs to: 64 bits as an int, drawn at random.
    /// Another one in a child of os.fork().
    #[getter]
    fn instance(&self) -> PyResult<u64> {
        Ok(self.0.instance().or_raise()?.get())
    }

    // multiprocessing pickles its arguments, unless it forks. This error says what to do instead.
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a clock can't be pickled or copied: make one in the other process; a forked child may use \
             the one it inherits",
        ))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (process, now) = (PyString::new(py, self.process()).repr()?, self.now());
        Ok(format!("<LocalClock of {process} at {now}>"))
    }
}
