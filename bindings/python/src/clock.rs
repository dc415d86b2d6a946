//! The shared clock.

use lamport_clock as core;
use lamport_clock::blocking;
use lamport_clock::blocking::Call;
use lamport_clock::fork::Mark;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::arguments::{Message, Seconds, Text, Whole, configuration};
use crate::background::{Notices, SyncStats};
use crate::errors::OrRaise;
use crate::html;
use crate::values::{Fields, History, Observed, Reservation, Stamp, Update};
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
/// parent's stood, and whose updates in the background go on if the parent's did. Stores in memory
/// are private to a process. A Watch and a Reservation stay with the parent.
///
/// >>> from lamport_clock import SharedClock
/// >>> with SharedClock.memory("api") as clock:
/// ...     sent = clock.tick()
/// ...     update = clock.update()
/// >>> sent < update.stamp
/// True
#[pyclass(frozen, module = "lamport_clock")]
pub(crate) struct SharedClock {
    clock: blocking::SharedClock,
    /// In this life of the process it was seen to that the background is logged.
    logged: Mark,
}

impl SharedClock {
    pub(crate) fn of(clock: blocking::SharedClock) -> SharedClock {
        SharedClock {
            clock,
            logged: Mark::new(),
        }
    }

    /// The clock, for whatever counts as its use.
    #[inline]
    fn clock(&self, py: Python<'_>) -> &blocking::SharedClock {
        if !self.logged.stands() {
            self.go_on(py);
        }
        &self.clock
    }

    /// What begins a call of the clock when nobody is attached to Python.
    pub(crate) fn begins<T, F>(
        py: Python<'_>,
        clock: Py<SharedClock>,
        begin: F,
    ) -> impl FnOnce() -> core::Result<Call<T>> + use<T, F>
    where
        F: FnOnce(&blocking::SharedClock) -> core::Result<Call<T>>,
    {
        clock.get().clock(py);
        move || begin(&clock.get().clock)
    }

    /// The first use in a forked child: what goes on in the background is logged there too.
    #[cold]
    fn go_on(&self, py: Python<'_>) {
        if self.logged.set()
            && let Err(error) = self.log(py)
        {
            // Not the fault of the call, perhaps a tick.
            error.write_unraisable(py, None);
        }
    }

    /// Sees to it that somebody logs what the background has to say, if there is one.
    fn log(&self, py: Python<'_>) -> PyResult<()> {
        let Some(notices) = self.clock.listen() else {
            return Ok(());
        };
        logging(py)?.call_method1("follow", (Notices(notices), self.process()))?;
        Ok(())
    }
}

#[pymethods]
impl SharedClock {
    /// What everybody tries first.
    #[new]
    #[pyo3(signature = (*_arguments, **_named), text_signature = None)]
    fn new(
        _arguments: &Bound<'_, PyTuple>,
        _named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<SharedClock> {
        Err(PyTypeError::new_err(
            "SharedClock() makes none: use SharedClock.connect('etcd://host:2379', node='api'), \
             SharedClock.connect() to take both from the environment, or SharedClock.memory('api') \
             to need no store",
        ))
    }

    /// A clock on the store that the settings name, once that store has answered.
    ///
    /// What is not given comes from the environment, then from the file that LAMPORT_CONFIG names:
    /// store (LAMPORT_STORE: "memory:", "memory:name" or "etcd://host:port,host:port/key"), node
    /// (NODE_NAME), and by keyword nodes (LAMPORT_NODES: "name=host[:port],..."), key (LAMPORT_KEY),
    /// timeout (LAMPORT_TIMEOUT: the deadline of each call, in seconds or as a text like "500ms"; 5 s
    /// unless told otherwise), max_jump, config, tls_ca, tls_cert, tls_key, user, password_file and
    /// allow_plaintext. With nothing but NODE_NAME set, that node's etcd is asked first.
    ///
    /// Raises InvalidArgumentError and UnknownNodeError for wrong settings; UnavailableError at once
    /// if every endpoint refuses; LamportTimeoutError at the deadline if they are silent.
    ///
    /// >>> clock = SharedClock.connect("memory:orders", node="api", timeout="500ms")
    /// >>> clock.process, clock.location
    /// ('api', 'memory:')
    #[staticmethod]
    #[pyo3(signature = (store=None, node=None, **settings))]
    fn connect(
        py: Python<'_>,
        store: Option<Text>,
        node: Option<Text>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<SharedClock> {
        let config = configuration(store, node, settings)?;
        wait(py, || blocking::SharedClock::begin_connect(config)).map(SharedClock::of)
    }

    /// As connect(), without asking whether the store is there: for programs that start before
    /// their store does. No I/O.
    ///
    /// Raises InvalidArgumentError and UnknownNodeError for wrong settings.
    ///
    /// >>> clock = SharedClock.open("etcd://127.0.0.1:2379", node="api")
    /// >>> str(clock.tick())
    /// '1@api'
    #[staticmethod]
    #[pyo3(signature = (store=None, node=None, **settings))]
    fn open(
        store: Option<Text>,
        node: Option<Text>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<SharedClock> {
        let config = configuration(store, node, settings)?;
        let clock = blocking::SharedClock::open(&config).or_raise()?;
        Ok(SharedClock::of(clock))
    }

    /// A clock on a private store in memory: no network, nothing to install, no setting of the
    /// environment. For tests, and for programs of one process.
    ///
    /// Raises InvalidArgumentError for what is no name of a process: empty, of more than 255 bytes,
    /// or with white space, control characters or a ';'.
    ///
    /// >>> clock = SharedClock.memory("api")
    /// >>> [clock.update().value for _ in range(3)]
    /// [2, 4, 6]
    #[staticmethod]
    fn memory(process: Text) -> PyResult<SharedClock> {
        let clock = blocking::SharedClock::memory(&process.0).or_raise()?;
        Ok(SharedClock::of(clock))
    }

    /// A local event or a send: time + 1. No I/O, well under a microsecond.
    ///
    /// Raises ExhaustedError past 2^53 - 1.
    ///
    /// >>> clock = SharedClock.memory("api")
    /// >>> print(clock.tick(), clock.tick())
    /// 1@api 2@api
    fn tick(&self, py: Python<'_>) -> PyResult<Stamp> {
        self.clock(py).tick().or_raise().map(Stamp)
    }

    /// A message arrived that carried this stamp (a Stamp, its text "42@mx-nodel", or a bare time):
    /// max(local, message) + 1. No I/O.
    ///
    /// Raises TooFarAheadError if it lies further ahead than LAMPORT_MAX_JUMP allows, and
    /// InvalidArgumentError for a text that is no stamp; the clock is then unchanged.
    ///
    /// >>> clock = SharedClock.memory("api")
    /// >>> print(clock.receive("57@billing"))
    /// 58@api
    fn receive(&self, py: Python<'_>, message: Message) -> PyResult<Stamp> {
        self.clock(py).receive(message.0).or_raise().map(Stamp)
    }

    /// As tick(), for callers that need the time alone: twice as fast, since no Stamp is made.
    ///
    /// >>> SharedClock.memory("api").advance()
    /// 1
    fn advance(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.clock(py).advance().or_raise()?.get())
    }

    /// As receive(), for callers that need the time alone.
    ///
    /// >>> SharedClock.memory("api").advance_past(57)
    /// 58
    fn advance_past(&self, py: Python<'_>, message: Message) -> PyResult<u64> {
        Ok(self.clock(py).advance_past(message.0).or_raise()?.get())
    }

    /// Where the local clock stands. Changes nothing, and names no event.
    ///
    /// >>> clock = SharedClock.memory("api")
    /// >>> clock.now(), clock.advance(), clock.now()
    /// (0, 1, 1)
    fn now(&self, py: Python<'_>) -> u64 {
        self.clock(py).now().get()
    }

    /// Takes the next time of the shared clock: one round trip, alone and in any
    /// crowd.
    ///
    /// Raises LamportTimeoutError, UnavailableError, CorruptError, ExhaustedError, TooFarAheadError,
    /// RegressedError, OverloadedError, ClosedError and what the store refuses with. Whether a failed
    /// update moved the record is unknown; no time was handed out, so calling again is safe.
    ///
    /// >>> clock = SharedClock.memory("api")
    /// >>> first, second = clock.update(), clock.update()
    /// >>> first.value, second.value, second.previous
    /// (2, 4, Holder(value=2, process='api'))
    fn update(&self, py: Python<'_>) -> PyResult<Update> {
        let clock = self.clock(py);
        wait(py, || clock.begin_update()).map(Update)
    }

    /// Takes `count` consecutive times (1 through 2^32) in one update, at the price of one.
    ///
    /// They are ordered as one event at the moment of the call: handed out later, they are still
    /// unique, but no longer in real-time order with other updates. Raises what update() raises, and
    /// InvalidArgumentError for another count.
    ///
    /// >>> times = SharedClock.memory("api").reserve(1_000)
    /// >>> len(times), times[0], times[-1]
    /// (1000, 2, 1001)
    fn reserve(&self, py: Python<'_>, count: Whole) -> PyResult<Reservation> {
        let clock = self.clock(py);
        wait(py, || clock.begin_reserve(count.0)).map(Reservation::of)
    }

    /// The newest update of the record by anyone; None if there is no record yet. One round trip, and
    /// it takes no time.
    ///
    /// Raises LamportTimeoutError, UnavailableError, CorruptError, RegressedError, ClosedError and what
    /// the store refuses with.
    ///
    /// >>> clock = SharedClock.memory("api")
    /// >>> clock.read() is None
    /// True
    /// >>> clock.update().value == clock.read().value
    /// True
    fn read(&self, py: Python<'_>) -> PyResult<Option<Observed>> {
        let clock = self.clock(py);
        Ok(wait(py, || clock.begin_read())?.map(Observed))
    }

    /// Follows every update by anyone that is committed after this call returned: an iterator of
    /// Observed. With `from_revision` those from that revision on which the store still keeps.
    ///
    /// With `notices=True` it also gives Missed, Unreadable, Deleted and Interrupted; see Watch.
    /// Raises what read() raises.
    ///
    /// >>> clock = SharedClock.memory("api")
    /// >>> with clock.watch() as watch:
    /// ...     update = clock.update()
    /// ...     seen = next(watch)
    /// >>> seen.value == update.value
    /// True
    #[pyo3(signature = (*, from_revision=None, notices=false))]
    fn watch(
        &self,
        py: Python<'_>,
        from_revision: Option<Whole>,
        notices: bool,
    ) -> PyResult<Watch> {
        let clock = self.clock(py);
        let watch = match from_revision {
            None => wait(py, || clock.begin_watch())?,
            Some(Whole(from)) => wait(py, || clock.begin_watch_from(from))?,
        };
        Ok(Watch::new(watch, notices))
    }

    /// The newest updates that the store still keeps, at most `limit` of them, oldest first. One
    /// round trip for each transaction in the history. Raises what read() raises.
    ///
    /// >>> clock = SharedClock.memory("api")
    /// >>> for _ in range(3):
    /// ...     _ = clock.update()
    /// >>> [seen.value for seen in clock.history(limit=2)]
    /// [4, 6]
    #[pyo3(signature = (limit=Whole(100)), text_signature = "($self, limit=100)")]
    fn history(&self, py: Python<'_>, limit: Whole) -> PyResult<History> {
        let clock = self.clock(py);
        let limit = usize::try_from(limit.0)?;
        wait(py, || clock.begin_history(limit)).map(History)
    }

    /// Updates in the background from now on, at once and then again and again: for programs that
    /// want to stay near the shared clock without calling update(). The local clock moves with each,
    /// so what is ticked afterwards lies past all that was shared before.
    ///
    /// `interval` (seconds, or a text like "500ms"; from 10 ms to 24 h) is the pause between two
    /// updates on average: each is drawn from half of it to one and a half, so that processes that
    /// start together do not go on together. There is never more than one at a time. Failures end
    /// nothing: they are counted, see stats(), and logged as warnings of the logger "lamport_clock",
    /// once when they begin, once for each further kind, and once when all is well again.
    ///
    /// It ends with stop(), with close(), and with the clock. Started again with the same interval it
    /// goes on as if nothing was said; with another one it begins anew. In a child of os.fork() it goes
    /// on from the child's first use of the clock.
    ///
    /// Returns at once. Raises InvalidArgumentError for an interval out of range, and ClosedError.
    ///
    /// >>> with SharedClock.memory("api") as clock:
    /// ...     clock.start(interval=0.5)
    /// ...     clock.stats().running
    /// True
    #[pyo3(signature = (interval=None), text_signature = "($self, interval=2.0)")]
    fn start(&self, py: Python<'_>, interval: Option<Seconds>) -> PyResult<()> {
        let clock = self.clock(py);
        let interval = match interval {
            Some(Seconds(interval)) => interval,
            None => core::SharedClock::DEFAULT_INTERVAL,
        };
        // Before there is anything to log: forked in the middle of an import, a child in which the
        // clock goes on would wait for its end.
        logging(py)?;
        py.detach(|| clock.start(interval)).or_raise()?;
        self.log(py).inspect_err(|_| clock.stop())
    }

    /// Ends the updates in the background, if there are any: none begins after this returned. One that
    /// was under way is given up, and may still move the record. Never waits; any thread may call it.
    ///
    /// >>> clock = SharedClock.memory("api")
    /// >>> clock.start()
    /// >>> clock.stop()
    /// >>> clock.stats().running
    /// False
    fn stop(&self) {
        self.clock.stop();
    }

    /// What the updates in the background have come to by now: a SyncStats. No I/O.
    ///
    /// >>> stats = SharedClock.memory("api").stats()
    /// >>> stats.updates, stats.failures, stats.last_value
    /// (0, 0, None)
    fn stats(&self, py: Python<'_>) -> SyncStats {
        self.clock(py).stats().into()
    }

    /// Ends the clock: callers and watches that wait, and later calls that need the store, get
    /// ClosedError. Updates in the background end; the local clock goes on. Closing twice is no error.
    ///
    /// Then it waits until the record shows what this clock took last, so that legacy writers see it,
    /// at most as long as the clock's deadline.
    ///
    /// >>> clock = SharedClock.memory("api")
    /// >>> clock.close()
    /// >>> clock.update()
    /// Traceback (most recent call last):
    ///     ...
    /// lamport_clock.ClosedError: this clock was closed
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.clock.close());
    }

    /// close() without the wait, for event loops: it goes on in the library's thread.
    fn _end(&self) {
        self.clock.end();
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    /// The process that this clock belongs to, a str.
    ///
    /// >>> SharedClock.memory("api").process
    /// 'api'
    #[getter]
    fn process(&self) -> &str {
        self.clock.process().as_str()
    }

    /// The life of the process that this clock belongs to: 64 bits as an int, drawn at random. Another
    /// one in a child of os.fork().
    ///
    /// >>> clock = SharedClock.memory("api")
    /// >>> clock.tick().instance == clock.instance != SharedClock.memory("api").instance
    /// True
    #[getter]
    fn instance(&self, py: Python<'_>) -> u64 {
        self.clock(py).instance().get()
    }

    /// Where transactions go at present, for people: "memory:", or the endpoint in use as
    /// "host:port".
    ///
    /// >>> SharedClock.memory("api").location
    /// 'memory:'
    #[getter]
    fn location(&self, py: Python<'_>) -> String {
        self.clock(py).location()
    }

    /// Which is what multiprocessing does with arguments, unless it forks.
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a clock can't be pickled or copied: open one in the other process, with \
             SharedClock.connect() and the same settings; a forked child may use the one it inherits",
        ))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let process = PyString::new(py, self.process()).repr()?;
        Ok(format!(
            "<SharedClock of {} at {}>",
            process.to_str()?,
            self.now(py)
        ))
    }

    fn _repr_html_(&self, py: Python<'_>) -> String {
        let rows = [
            ("process", self.process().to_owned()),
            ("instance", format!("{:016x}", self.instance(py))),
            ("now", self.now(py).to_string()),
            ("location", self.location(py)),
            ("background", self.stats(py).text()),
        ];
        html::fields("SharedClock", &rows)
    }
}

/// What logs the updates in the background.
fn logging(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("lamport_clock._background")
}
