//! The methods of the shared clock, with what `help()` says of each.

use std::sync::atomic::Ordering;

use lamport_clock as core;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::SharedClock;
use crate::arguments::{Seconds, Text, Whole, arrived, configuration};
use crate::background;
use crate::errors::OrRaise;
use crate::header::Header;
use crate::stamp::{Stamp, attributes, logged};
use crate::values;
use crate::verbs::Verb;

#[pymethods]
impl SharedClock {
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
    /// A setting that is not given is read from the environment, then from the file of LAMPORT_CONFIG:
    /// store (LAMPORT_STORE: "memory:", "memory:name" or "etcd://host:port,host:port/key"), node
    /// (NODE_NAME), and by keyword nodes, key, timeout (the deadline of each call, in seconds or as a
    /// text like "500ms"; 5 s unless told otherwise), max_jump, config, tls_ca, tls_cert, tls_key, user,
    /// password_file, allow_plaintext and header_key_file. Without a node the name is the host's. With
    /// nothing but NODE_NAME set, that node's etcd comes first.
    ///
    /// Raises InvalidArgumentError and UnknownNodeError for wrong settings; UnavailableError at once
    /// if every endpoint refuses; LamportTimeoutError at the deadline if they are silent.
    ///
    /// >>> clock = SharedClock.connect("memory:orders", node="api", timeout="500ms")
    /// >>> clock.process, clock.location
    /// ('api', 'memory:')
    #[staticmethod]
    #[pyo3(signature = (store=None, node=None, **settings))]
    fn connect<'py>(
        py: Python<'py>,
        store: Option<Text>,
        node: Option<Text>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Bound<'py, SharedClock>> {
        let clock = Bound::new(py, SharedClock::open(store, node, settings)?)?;
        Verb::connect().wait(&clock)?;
        Ok(clock)
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
        SharedClock::on(&configuration(store, node, settings)?)
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
        SharedClock::on(&core::Config::memory(&process.0).or_raise()?)
    }

    /// A local event or a send: time + 1. No I/O, well under a microsecond.
    ///
    /// Raises ExhaustedError past 2^53 - 1.
    ///
    /// >>> print(clock.tick(), clock.tick())
    /// 1@api 2@api
    fn tick(this: &Bound<'_, Self>) -> PyResult<Stamp> {
        SharedClock::used(this).tick().or_raise().map(Stamp)
    }

    /// A message arrived that carried this stamp (a Stamp, its text "42@mx-nodel", or a bare time):
    /// max(local, message) + 1. No I/O.
    ///
    /// Raises TooFarAheadError if it lies further above the newest shared time that this clock knows
    /// than LAMPORT_MAX_JUMP allows, and InvalidArgumentError for a text that is no stamp; the clock is
    /// then unchanged.
    ///
    /// >>> print(clock.receive("57@billing"))
    /// 58@api
    fn receive(this: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<Stamp> {
        arrived(message, |message| SharedClock::used(this).receive(message)).map(Stamp)
    }

    /// An event that is written down: a tick, and the texts of its causes, for `lamport_after` in a
    /// line of a log. They are the line before and the messages that arrived since, in the long form
    /// of a stamp; with each message `at`, the local time at which it arrived. At most 16 messages are
    /// named, the newest; a last text such as "+3" counts those that are not, older ones and bare
    /// times. The first line of a forked child comes after where its parent's clock stood. No I/O.
    /// lamport_clock.logging does this for every record.
    ///
    /// >>> before, _ = clock.log()
    /// >>> arrived = clock.receive("57@billing;instance=00000000000000ff")
    /// >>> stamp, after = clock.log()
    /// >>> str(stamp), after[0] == format(before, "#"), after[1:]
    /// ('59@api', True, ['57@billing;instance=00000000000000ff;at=58'])
    fn log(this: &Bound<'_, Self>) -> PyResult<(Stamp, Vec<String>)> {
        SharedClock::used(this).log().or_raise().map(logged)
    }

    /// log() for a log record: its attributes.
    fn _line<'py>(this: &Bound<'py, Self>, long: bool) -> PyResult<Bound<'py, PyDict>> {
        let line = SharedClock::used(this).log().or_raise()?;
        attributes(this.py(), &line, long)
    }

    /// As tick(), for callers that need the time alone: twice as fast, since no Stamp is made.
    ///
    /// >>> SharedClock.memory("api").advance()
    /// 1
    fn advance(this: &Bound<'_, Self>) -> PyResult<u64> {
        Ok(SharedClock::used(this).advance().or_raise()?.get())
    }

    /// As receive(), for callers that need the time alone.
    ///
    /// >>> clock.advance_past(57)
    /// 58
    fn advance_past(this: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<u64> {
        let clock = SharedClock::used(this);
        Ok(arrived(message, |message| clock.advance_past(message))?.get())
    }

    /// Where the local clock stands. Changes nothing, and names no event.
    ///
    /// >>> clock.now(), clock.advance(), clock.now()
    /// (0, 1, 1)
    fn now(this: &Bound<'_, Self>) -> u64 {
        SharedClock::used(this).now().get()
    }

    /// Takes the next time of the shared clock: one round trip, alone and in any crowd.
    ///
    /// Raises LamportTimeoutError, UnavailableError, CorruptError, ExhaustedError, TooFarAheadError,
    /// RegressedError, OverloadedError, ClosedError and what the store refuses with. Whether a failed
    /// update moved the record is unknown; no time was handed out, so calling again is safe.
    ///
    /// >>> first, second = clock.update(), clock.update()
    /// >>> first.value, second.value, second.previous
    /// (2, 4, Holder(value=2, process='api'))
    fn update(this: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Verb::update().wait(this)
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
    fn reserve(this: &Bound<'_, Self>, count: Whole) -> PyResult<Py<PyAny>> {
        Verb::reserve(count).wait(this)
    }

    /// The newest update of the record by anyone; None if there is no record yet. One round trip, and
    /// it takes no time.
    ///
    /// Raises LamportTimeoutError, UnavailableError, CorruptError, RegressedError, ClosedError and what
    /// the store refuses with.
    ///
    /// >>> clock = SharedClock.memory("api")
    /// >>> clock.read() is None, clock.update().value == clock.read().value
    /// (True, True)
    fn read(this: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Verb::read().wait(this)
    }

    /// Follows every update by anyone that is committed after this call returned: an iterator of
    /// Observed. With `from_revision` those from that revision on which the store still keeps.
    ///
    /// Raises what read() raises; what the watch itself raises is explained in Watch.
    ///
    /// >>> with clock.watch() as watch:
    /// ...     update = clock.update()
    /// ...     seen = next(watch)
    /// >>> seen.value == update.value
    /// True
    #[pyo3(signature = (*, from_revision=None))]
    fn watch(this: &Bound<'_, Self>, from_revision: Option<Whole>) -> PyResult<Py<PyAny>> {
        Verb::watch(from_revision).wait(this)
    }

    /// The newest updates that the store still keeps, at most `limit` of them, oldest first. With
    /// `from_revision` the newest up to and including that revision: it goes on where the deadline
    /// cut a history (History.unread_from); 0 counts as 1. One round trip for each transaction in the
    /// history.
    ///
    /// Raises what read() raises, and InvalidArgumentError for a revision that the store has not
    /// reached.
    ///
    /// >>> for _ in range(3):
    /// ...     _ = clock.update()
    /// >>> newest = clock.history(limit=2)
    /// >>> older = clock.history(from_revision=newest[0].revision - 1)
    /// >>> [seen.value for seen in (*older, *newest)]
    /// [2, 4, 6]
    #[pyo3(
        signature = (limit=Whole(100), *, from_revision=None),
        text_signature = "($self, limit=100, *, from_revision=None)"
    )]
    fn history(
        this: &Bound<'_, Self>,
        limit: Whole,
        from_revision: Option<Whole>,
    ) -> PyResult<Py<PyAny>> {
        Verb::history(limit, from_revision)?.wait(this)
    }

    /// Updates in the background from now on, at once and then again and again: for programs that
    /// want to stay near the shared clock without calling update(). The local clock moves with each,
    /// so what is ticked afterwards lies past all that was shared before.
    ///
    /// `interval` (seconds, or a text like "500ms"; from 10 ms to 24 h) is the pause between two
    /// updates on average: each is drawn from half of it to one and a half. There is never more than one
    /// at a time. Failures end nothing: they are counted, see stats(), and logged as warnings of the
    /// logger "lamport_clock", once when they begin, for each further kind, and when all is well again.
    ///
    /// It ends with stop(), with close(), and with the clock. To start it again with the same interval
    /// changes nothing. In a child of os.fork() it goes on from the child's first use of the clock.
    /// Returns at once. Raises InvalidArgumentError for an interval out of range, and ClosedError.
    ///
    /// >>> clock.start(interval=0.5)
    /// >>> clock.stats().running
    /// True
    #[pyo3(signature = (interval=None), text_signature = "($self, interval=2.0)")]
    fn start(this: &Bound<'_, Self>, interval: Option<Seconds>) -> PyResult<()> {
        let interval = interval.map_or(core::SharedClock::DEFAULT_INTERVAL, |given| given.0);
        background::start(this, interval)
    }

    /// Ends the updates in the background, if there are any: none begins after this returned. One that
    /// was under way is given up, and may still move the record. Never waits; any thread may call it.
    ///
    /// >>> clock.start()
    /// >>> clock.stop()
    /// >>> clock.stats().running
    /// False
    fn stop(this: &Bound<'_, Self>) {
        background::stop(this);
    }

    /// What the updates in the background have come to by now: a SyncStats. No I/O.
    ///
    /// >>> stats = SharedClock.memory("api").stats()
    /// >>> stats.updates, stats.failures, stats.last_value
    /// (0, 0, None)
    fn stats(this: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        values::stats(this.py(), &SharedClock::used(this).stats())
    }

    /// Ends the clock: callers and watches that wait, and later calls that need the store, get
    /// ClosedError. Updates in the background end; the local clock goes on. Closing twice is no error.
    /// Then it waits until the record shows what this clock took last, so that legacy writers see it,
    /// at most as long as the clock's deadline.
    ///
    /// >>> clock.close()
    /// >>> clock.update()
    /// Traceback (most recent call last):
    /// lamport_clock.ClosedError: this clock was closed
    fn close(this: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        // Set before the clock counts as used, so that its background updates are not restarted.
        this.get().interval.store(0, Ordering::Relaxed);
        Verb::close().wait(this)
    }

    /// close() without the wait, for event loops: it goes on in the library's thread.
    fn _end(&self) {
        self.interval.store(0, Ordering::Relaxed);
        self.core.end();
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(this: &Bound<'_, Self>, _exception: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        SharedClock::close(this)
    }

    /// The process that this clock belongs to, a str.
    ///
    /// >>> SharedClock.memory("api").process
    /// 'api'
    #[getter]
    fn process(&self) -> &str {
        self.core.process().as_str()
    }

    /// The instance of the process that this clock belongs to: 64 bits as an int, drawn at random.
    /// Another one in a child of os.fork().
    ///
    /// >>> clock.tick().instance == clock.instance != SharedClock.memory("api").instance
    /// True
    #[getter]
    fn instance(this: &Bound<'_, Self>) -> u64 {
        SharedClock::used(this).instance().get()
    }

    #[getter]
    fn _header(&self) -> Header {
        Header(self.core.header().clone())
    }

    /// Where transactions go at present, for people: "memory:", or the endpoint's "host:port".
    ///
    /// >>> SharedClock.memory("api").location
    /// 'memory:'
    #[getter]
    fn location(this: &Bound<'_, Self>) -> String {
        SharedClock::used(this).location()
    }

    // multiprocessing pickles its arguments, unless it forks. This error says what to do instead.
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a clock can't be pickled or copied: open one in the other process, with \
             SharedClock.connect() and the same settings; a forked child may use the one it inherits",
        ))
    }

    fn __repr__(this: &Bound<'_, Self>) -> PyResult<String> {
        let process = PyString::new(this.py(), this.get().process()).repr()?;
        let now = SharedClock::now(this);
        Ok(format!("<SharedClock of {process} at {now}>"))
    }

    fn _repr_html_<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let rows = (
            ("process", this.get().process()),
            ("instance", SharedClock::instance(this)),
            ("now", SharedClock::now(this)),
            ("location", SharedClock::location(this)),
            ("background", SharedClock::stats(this)?),
        );
        values::html(this.py())?.call_method1("fields", ("SharedClock", rows))
    }
}
