//! The shared clock.

use lamport_clock::{Config, Settings, blocking};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::arguments::{Message, Seconds, Text, Whole};
use crate::errors::OrRaise;
use crate::values::{History, Observed, Reservation, Stamp, Update};
use crate::waiting::wait;
use crate::watch::Watch;

/// A local clock and one record that many processes share.
///
/// Make one with SharedClock.connect() or SharedClock.memory("name"). No value that update() and
/// reserve() give is given twice, by any process, whatever fails; and if an update returned before
/// another was called, anywhere, it has the smaller value. Times are int, 0 through 2^53 - 1.
///
/// All methods may be called by any number of threads at once. Those that go to the store release
/// the GIL, return within the deadline of the clock (LAMPORT_TIMEOUT), and can be ended with Ctrl-C.
/// Errors are subclasses of LamportError; after an error nothing was handed out.
///
/// A child of os.fork() goes on with the clocks it inherits, each as a clock of its own: a new
/// instance with its own connection, made at its first use, whose local clock begins where the
/// parent's stood. Stores in memory are private to a process. A Watch and a Reservation stay with
/// the parent.
#[pyclass(frozen, module = "lamport_clock")]
pub(crate) struct SharedClock(pub(crate) blocking::SharedClock);

#[pymethods]
impl SharedClock {
    /// A clock on the store that the settings name, once that store has answered.
    ///
    /// What is not given comes from the environment, then from the file that LAMPORT_CONFIG names:
    /// store (LAMPORT_STORE: "memory:", "memory:name" or "etcd://host:port,host:port/key"), node
    /// (NODE_NAME), nodes (LAMPORT_NODES: "name=host[:port],..."), key (LAMPORT_KEY), timeout
    /// (LAMPORT_TIMEOUT: the deadline of each call, in seconds or as a text like "500ms"; 5 s unless
    /// told otherwise). With nothing but NODE_NAME set, that node's etcd is asked first.
    ///
    /// Raises InvalidArgumentError and UnknownNodeError for wrong settings; UnavailableError at once
    /// if every endpoint refuses; LamportTimeoutError at the deadline if they are silent.
    #[staticmethod]
    #[pyo3(signature = (store=None, node=None, nodes=None, key=None, timeout=None))]
    fn connect(
        py: Python<'_>,
        store: Option<Text>,
        node: Option<Text>,
        nodes: Option<Text>,
        key: Option<Text>,
        timeout: Option<Seconds>,
    ) -> PyResult<SharedClock> {
        let config = configuration(store, node, nodes, key, timeout)?;
        wait(py, || blocking::SharedClock::begin_connect(config)).map(SharedClock)
    }

    /// As connect(), without asking whether the store is there: for programs that start before
    /// their store does. No I/O.
    #[staticmethod]
    #[pyo3(signature = (store=None, node=None, nodes=None, key=None, timeout=None))]
    fn open(
        store: Option<Text>,
        node: Option<Text>,
        nodes: Option<Text>,
        key: Option<Text>,
        timeout: Option<Seconds>,
    ) -> PyResult<SharedClock> {
        let config = configuration(store, node, nodes, key, timeout)?;
        let clock = blocking::SharedClock::open(&config).or_raise()?;
        Ok(SharedClock(clock))
    }

    /// A clock on a private store in memory: no network, nothing to install.
    #[staticmethod]
    fn memory(process: Text) -> PyResult<SharedClock> {
        let clock = blocking::SharedClock::memory(&process.0).or_raise()?;
        Ok(SharedClock(clock))
    }

    /// A local event or a send: time + 1. No I/O. Raises ExhaustedError past 2^53 - 1.
    fn tick(&self) -> PyResult<Stamp> {
        self.0.tick().or_raise().map(Stamp)
    }

    /// A message arrived that carried this stamp (a Stamp, its text "42@mx-nodel", or a bare time):
    /// max(local, message) + 1. No I/O.
    ///
    /// Raises TooFarAheadError if it lies further ahead than LAMPORT_MAX_JUMP allows; the clock is
    /// then unchanged.
    fn receive(&self, message: Message) -> PyResult<Stamp> {
        self.0.receive(message.0).or_raise().map(Stamp)
    }

    /// As tick(), for callers that need the time alone: twice as fast, since no Stamp is made.
    fn advance(&self) -> PyResult<u64> {
        Ok(self.0.advance().or_raise()?.get())
    }

    /// As receive(), for callers that need the time alone.
    fn advance_past(&self, message: Message) -> PyResult<u64> {
        Ok(self.0.advance_past(message.0).or_raise()?.get())
    }

    /// Where the local clock stands. Changes nothing, and names no event.
    fn now(&self) -> u64 {
        self.0.now().get()
    }

    /// Takes the next time of the shared clock: one round trip if nobody else wrote since this
    /// process last saw the record.
    ///
    /// Raises LamportTimeoutError, UnavailableError, CorruptError, ExhaustedError, TooFarAheadError,
    /// OverloadedError, ClosedError and what the store refuses with. Whether a failed update moved
    /// the record is unknown; no time was handed out.
    fn update(&self, py: Python<'_>) -> PyResult<Update> {
        let clock = &self.0;
        wait(py, || clock.begin_update()).map(Update)
    }

    /// Takes `count` consecutive times (1 through 2^32) in one update.
    fn reserve(&self, py: Python<'_>, count: Whole) -> PyResult<Reservation> {
        let clock = &self.0;
        wait(py, || clock.begin_reserve(count.0)).map(Reservation::of)
    }

    /// The newest update of the record by anyone; None if there is no record yet.
    fn read(&self, py: Python<'_>) -> PyResult<Option<Observed>> {
        let clock = &self.0;
        Ok(wait(py, || clock.begin_read())?.map(Observed))
    }

    /// Follows every update by anyone that is committed after this call returned: an iterator of
    /// Observed. With `from_revision` those from that revision on which the store still keeps.
    ///
    /// With `notices=True` it also gives Missed, Unreadable, Deleted and Interrupted; see Watch. A
    /// watch that is read from keeps this clock warm: its updates take one round trip although
    /// others write too.
    #[pyo3(signature = (*, from_revision=None, notices=false))]
    fn watch(
        &self,
        py: Python<'_>,
        from_revision: Option<Whole>,
        notices: bool,
    ) -> PyResult<Watch> {
        let clock = &self.0;
        let watch = match from_revision {
            None => wait(py, || clock.begin_watch())?,
            Some(Whole(from)) => wait(py, || clock.begin_watch_from(from))?,
        };
        Ok(Watch::new(watch, notices))
    }

    /// The newest updates that the store still keeps, at most `limit` of them, oldest first. One
    /// round trip for each transaction in the history.
    #[pyo3(signature = (limit=Whole(100)), text_signature = "($self, limit=100)")]
    fn history(&self, py: Python<'_>, limit: Whole) -> PyResult<History> {
        let clock = &self.0;
        let limit = usize::try_from(limit.0)?;
        wait(py, || clock.begin_history(limit)).map(History)
    }

    /// Ends the clock: callers and watches that wait, and later calls that need the store, get
    /// ClosedError. The local clock goes on. Closing twice is no error.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    /// The process that this clock belongs to.
    #[getter]
    fn process(&self) -> &str {
        self.0.process().as_str()
    }

    /// The life of the process that this clock belongs to: 64 bits, drawn at random. Another one in
    /// a child of os.fork().
    #[getter]
    fn instance(&self) -> u64 {
        self.0.instance().get()
    }

    /// Where transactions go at present, for people: "memory:", or the endpoint in use as
    /// "host:port".
    #[getter]
    fn location(&self) -> String {
        self.0.location()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let process = PyString::new(py, self.process()).repr()?;
        Ok(format!(
            "<SharedClock of {} at {}>",
            process.to_str()?,
            self.0.now()
        ))
    }
}

/// The environment is read while attached: Python's own changes of it need the GIL too.
pub(crate) fn configuration(
    store: Option<Text>,
    node: Option<Text>,
    nodes: Option<Text>,
    key: Option<Text>,
    timeout: Option<Seconds>,
) -> PyResult<Config> {
    let text = |given: Option<Text>| given.map(|text| text.0);
    Config::load(&Settings {
        store: text(store),
        node: text(node),
        nodes: text(nodes),
        key: text(key),
        timeout: timeout.map(|seconds| seconds.0),
        ..Settings::default()
    })
    .or_raise()
}
