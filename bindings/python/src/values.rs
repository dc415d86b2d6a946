//! The values that calls return: frozen, comparable, hashable, picklable.

use std::sync::atomic::{AtomicU64, Ordering};

use lamport_clock as core;
use lamport_clock::fork::Generation;
use pyo3::PyClass;
use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{PyRange, PyString, PyTuple, PyType};

use crate::arguments::{Bits, Process, Text, TimeArgument, Whole};
use crate::errors::OrRaise;
use crate::html;

/// The fields of a value in the order of its constructor: what it is printed, compared, hashed and
/// pickled by.
pub(crate) trait Fields {
    const NAMES: &'static [&'static str];

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>>;

    /// As one line, for people.
    fn text(&self) -> String;

    /// As a small table, for notebooks.
    fn html(&self, py: Python<'_>) -> PyResult<String>
    where
        Self: PyClass,
    {
        let mut rows = Vec::new();
        for (name, field) in Self::NAMES.iter().zip(self.fields(py)?) {
            let shown = match field.extract::<u64>() {
                Ok(bits) if *name == "instance" => format!("{bits:016x}"),
                _ => field.str()?.to_string_lossy().into_owned(),
            };
            rows.push((*name, shown));
        }
        let class = py.get_type::<Self>().name()?;
        Ok(html::fields(class.to_str()?, &rows))
    }

    /// Whether it may leave this process.
    fn may_be_sent(&self) -> PyResult<()> {
        Ok(())
    }

    fn shown(&self, py: Python<'_>) -> PyResult<String>
    where
        Self: PyClass,
    {
        let mut parts = Vec::new();
        for (name, field) in Self::NAMES.iter().zip(self.fields(py)?) {
            parts.push(format!("{name}={}", field.repr()?.to_str()?));
        }
        let class = py.get_type::<Self>().name()?;
        Ok(format!("{}({})", class.to_str()?, parts.join(", ")))
    }
}

/// What all values have in common in Python. One `#[pymethods]` block is allowed for a class, so
/// the methods that a class adds are handed in.
macro_rules! value {
    ($class:ident, { $($methods:tt)* }) => {
        #[pymethods]
        impl $class {
            $($methods)*

            #[classattr]
            fn __match_args__(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
                PyTuple::new(py, <$class as Fields>::NAMES)
            }

            fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
                self.shown(py)
            }

            fn __str__(&self) -> String {
                self.text()
            }

            fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
                self.html(py)
            }

            fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
                self.fields(py)?.hash()
            }

            fn __reduce__<'py>(
                &self,
                py: Python<'py>,
            ) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
                self.may_be_sent()?;
                Ok((py.get_type::<$class>(), self.fields(py)?))
            }
        }
    };
}
pub(crate) use value;

/// A point in the total order of events: time, then process, then instance.
///
/// The order never contradicts causality, but it says more than causality does: two stamps in order
/// need not be cause and effect. Text form: `42@mx-nodel`, and with the instance, by
/// `format(stamp, "#")`, `42@mx-nodel;instance=00000000000000ff`. Stamp.parse takes both.
///
/// Raises InvalidArgumentError for a time outside 0 through 2^53 - 1 and for a process that is no
/// name: 1 to 255 bytes without blanks, control characters and ";".
///
///     >>> sent = Stamp(42, "mx-nodel")
///     >>> str(sent), sent.time, sent.process
///     ('42@mx-nodel', 42, 'mx-nodel')
///     >>> sent < Stamp(42, "mx-nodel2") < Stamp(43, "api")
///     True
#[pyclass(frozen, module = "lamport_clock")]
#[derive(Clone)]
pub(crate) struct Stamp(pub(crate) core::Stamp);

impl Fields for Stamp {
    const NAMES: &'static [&'static str] = &["time", "process", "instance"];

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (self.time(), self.process(), self.instance()).into_pyobject(py)
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

value!(Stamp, {
    #[new]
    #[pyo3(signature = (time, process, instance=Bits(core::Instance::UNKNOWN)), text_signature = "(time, process, instance=0)")]
    fn new(time: TimeArgument, process: Process, instance: Bits) -> Stamp {
        Stamp(core::Stamp {
            time: time.0,
            process: process.0,
            instance: instance.0,
        })
    }

    /// The stamp that a text like "42@mx-nodel" stands for. Without an instance it has instance 0.
    ///
    /// Raises InvalidArgumentError if it does not have that form.
    ///
    ///     >>> Stamp.parse("42@mx-nodel")
    ///     Stamp(time=42, process='mx-nodel', instance=0)
    ///     >>> Stamp.parse("42@mx-nodel;instance=00000000000000ff").instance
    ///     255
    #[staticmethod]
    pub(crate) fn parse(text: Text) -> PyResult<Stamp> {
        text.0.parse().or_raise().map(Stamp)
    }

    /// When, in logical time: 0 through 2^53 - 1.
    #[getter]
    fn time(&self) -> u64 {
        self.0.time.get()
    }

    /// Which process.
    #[getter]
    fn process(&self) -> &str {
        self.0.process.as_str()
    }

    /// Which life of that process, 64 bits; 0 if it is not known.
    #[getter]
    fn instance(&self) -> u64 {
        self.0.instance.get()
    }

    fn __int__(&self) -> u64 {
        self.time()
    }

    fn __format__<'py>(&self, py: Python<'py>, spec: &str) -> PyResult<Bound<'py, PyAny>> {
        if spec == "#" {
            return Ok(PyString::new(py, &format!("{:#}", self.0)).into_any());
        }
        PyString::new(py, &self.text()).call_method1("__format__", (spec,))
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, operation: CompareOp) -> PyResult<Py<PyAny>> {
        let py = other.py();
        match other.cast::<Stamp>() {
            Ok(other) => {
                let holds = operation.matches(self.0.cmp(&other.get().0));
                Ok(holds.into_pyobject(py)?.to_owned().into_any().unbind())
            }
            Err(_) => Ok(py.NotImplemented()),
        }
    }
});

/// Who held the record, and at what value.
///
///     >>> first = clock.update()
///     >>> clock.update().previous
///     Holder(value=2, process='api')
#[pyclass(frozen, eq, module = "lamport_clock")]
#[derive(Clone, PartialEq)]
pub(crate) struct Holder(core::Holder);

impl Fields for Holder {
    const NAMES: &'static [&'static str] = &["value", "process"];

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (self.value(), self.process()).into_pyobject(py)
    }

    fn text(&self) -> String {
        format!("{}@{}", self.value(), html::plain(self.process()))
    }
}

value!(Holder, {
    #[new]
    fn new(value: TimeArgument, process: Text) -> Holder {
        Holder(core::Holder {
            value: value.0,
            process: process.0,
        })
    }

    /// The value, a logical time.
    #[getter]
    fn value(&self) -> u64 {
        self.0.value.get()
    }

    /// The process, as the record named it.
    #[getter]
    fn process(&self) -> &str {
        &self.0.process
    }
});

/// One time of the shared clock: what SharedClock.update() gives. int(update) is its value.
///
///     >>> update = clock.update()
///     >>> update.value, update.process, update.previous
///     (2, 'api', None)
///     >>> str(update.stamp), int(update)
///     ('2@api', 2)
#[pyclass(frozen, eq, module = "lamport_clock")]
#[derive(PartialEq)]
pub(crate) struct Update(pub(crate) core::Update);

impl Fields for Update {
    const NAMES: &'static [&'static str] = &[
        "value",
        "process",
        "instance",
        "previous",
        "real_timestamp",
        "revision",
        "round_trips",
        "regressed",
    ];

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (
            self.value(),
            self.process(),
            self.instance(),
            self.previous(),
            self.real_timestamp(),
            self.revision(),
            self.round_trips(),
            self.regressed(),
        )
            .into_pyobject(py)
    }

    fn text(&self) -> String {
        let time = format!("{}@{}", self.value(), self.process());
        time + &after(self.previous(), self.regressed())
    }
}

value!(Update, {
    #[new]
    #[pyo3(signature = (value, process, instance, previous, real_timestamp, revision, round_trips, regressed=None))]
    #[allow(clippy::too_many_arguments, reason = "one for each field; for pickle")]
    fn new(
        value: TimeArgument,
        process: Process,
        instance: Bits,
        previous: Option<Bound<'_, Holder>>,
        real_timestamp: f64,
        revision: Whole,
        round_trips: u32,
        regressed: Option<TimeArgument>,
    ) -> Update {
        Update(core::Update {
            value: value.0,
            process: process.0,
            instance: instance.0,
            previous: previous.map(|holder| holder.get().0.clone()),
            real_timestamp,
            revision: revision.0,
            round_trips,
            regressed: regressed.map(|time| time.0),
        })
    }

    /// The logical time. Nobody else has it.
    #[getter]
    fn value(&self) -> u64 {
        self.0.value.get()
    }

    /// This process.
    #[getter]
    fn process(&self) -> &str {
        self.0.process.as_str()
    }

    /// This life of it, 64 bits.
    #[getter]
    fn instance(&self) -> u64 {
        self.0.instance.get()
    }

    /// Who held the record before, and at what value; None if there was no record.
    #[getter]
    fn previous(&self) -> Option<Holder> {
        self.0.previous.clone().map(Holder)
    }

    /// When, by the wall clock of the process that wrote the record (Unix seconds). It is for
    /// looking at only.
    #[getter]
    fn real_timestamp(&self) -> f64 {
        self.0.real_timestamp
    }

    /// The store's revision of the update.
    #[getter]
    fn revision(&self) -> u64 {
        self.0.revision
    }

    /// How many transactions the update took.
    #[getter]
    fn round_trips(&self) -> u32 {
        self.0.round_trips
    }

    /// The highest time known, if the record stood below it: a writer that does not follow the rule
    /// had moved it back. The update started above it all the same.
    #[getter]
    fn regressed(&self) -> Option<u64> {
        self.0.regressed.map(core::Time::get)
    }

    /// The update as a point in the total order.
    #[getter]
    fn stamp(&self) -> Stamp {
        Stamp(self.0.stamp())
    }

    fn __int__(&self) -> u64 {
        self.value()
    }
});

/// What came before an update, for people.
fn after(previous: Option<Holder>, regressed: Option<u64>) -> String {
    let mut text = match previous {
        Some(holder) => format!(", after {}", holder.text()),
        None => ", the first record".to_owned(),
    };
    if let Some(time) = regressed {
        text += &format!("; the record had gone back from {time}");
    }
    text
}

/// Consecutive times of the shared clock, from `first` through `last`: a sequence of int.
///
/// They are ordered as one event at the moment of the call: handed out later, they are still unique
/// but no longer in real-time order with other updates. It holds no more than its two ends; `times`
/// is the same as a range.
///
/// The times are this process's to hand out: in a child of os.fork() that inherits them, indexing,
/// iterating (also with an iterator begun before), `times` and pickling raise ClosedError. What was
/// taken out before, a list or a range, is out of reach. To send some to another process on purpose,
/// pickle them; the sender then no longer hands them out.
///
///     >>> taken = clock.reserve(1_000)
///     >>> taken.first, taken.last, len(taken)
///     (2, 1001, 1000)
///     >>> taken[0], taken[-1], taken.times
///     (2, 1001, range(2, 1002))
#[pyclass(frozen, eq, module = "lamport_clock")]
pub(crate) struct Reservation {
    taken: core::Reservation,
    generation: Generation,
}

impl Reservation {
    /// One that is this process's to hand out.
    pub(crate) fn of(taken: core::Reservation) -> Reservation {
        Reservation {
            taken,
            generation: Generation::current(),
        }
    }

    fn check(&self) -> PyResult<()> {
        self.generation.check("this reservation").or_raise()
    }

    fn range<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyRange>> {
        // Times end at 2^53: they fit, on a 32-bit machine with an error instead.
        let first = isize::try_from(self.first())?;
        let last = isize::try_from(self.last())?;
        PyRange::new(py, first, last + 1)
    }
}

impl PartialEq for Reservation {
    fn eq(&self, other: &Reservation) -> bool {
        self.taken == other.taken
    }
}

impl Fields for Reservation {
    const NAMES: &'static [&'static str] = &[
        "first",
        "last",
        "process",
        "instance",
        "previous",
        "real_timestamp",
        "revision",
        "round_trips",
        "regressed",
    ];

    fn may_be_sent(&self) -> PyResult<()> {
        self.check()
    }

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (
            self.first(),
            self.last(),
            self.process(),
            self.instance(),
            self.previous(),
            self.real_timestamp(),
            self.revision(),
            self.round_trips(),
            self.regressed(),
        )
            .into_pyobject(py)
    }

    fn text(&self) -> String {
        let times = format!("{}..{}@{}", self.first(), self.last(), self.process());
        times + &after(self.previous(), self.regressed())
    }
}

value!(Reservation, {
    #[new]
    #[pyo3(signature = (first, last, process, instance, previous, real_timestamp, revision, round_trips, regressed=None))]
    #[allow(clippy::too_many_arguments, reason = "one for each field; for pickle")]
    fn new(
        first: TimeArgument,
        last: TimeArgument,
        process: Process,
        instance: Bits,
        previous: Option<Bound<'_, Holder>>,
        real_timestamp: f64,
        revision: Whole,
        round_trips: u32,
        regressed: Option<TimeArgument>,
    ) -> PyResult<Reservation> {
        if last.0 < first.0 {
            return Err(crate::errors::raise(
                core::ErrorKind::InvalidArgument,
                format!("no times lie from {} through {}", first.0, last.0),
            ));
        }
        Ok(Reservation::of(core::Reservation {
            first: first.0,
            last: last.0,
            process: process.0,
            instance: instance.0,
            previous: previous.map(|holder| holder.get().0.clone()),
            real_timestamp,
            revision: revision.0,
            round_trips,
            regressed: regressed.map(|time| time.0),
        }))
    }

    /// The first time.
    #[getter]
    fn first(&self) -> u64 {
        self.taken.first.get()
    }

    /// The last time, the one in the record.
    #[getter]
    fn last(&self) -> u64 {
        self.taken.last.get()
    }

    /// This process.
    #[getter]
    fn process(&self) -> &str {
        self.taken.process.as_str()
    }

    /// This life of it, 64 bits.
    #[getter]
    fn instance(&self) -> u64 {
        self.taken.instance.get()
    }

    /// Who held the record before, and at what value; None if there was no record.
    #[getter]
    fn previous(&self) -> Option<Holder> {
        self.taken.previous.clone().map(Holder)
    }

    /// When, by the wall clock of the process that wrote the record (Unix seconds). It is for
    /// looking at only.
    #[getter]
    fn real_timestamp(&self) -> f64 {
        self.taken.real_timestamp
    }

    /// The store's revision of the update.
    #[getter]
    fn revision(&self) -> u64 {
        self.taken.revision
    }

    /// How many transactions the update took.
    #[getter]
    fn round_trips(&self) -> u32 {
        self.taken.round_trips
    }

    /// As for Update: the highest time known, if the record stood below it.
    #[getter]
    fn regressed(&self) -> Option<u64> {
        self.taken.regressed.map(core::Time::get)
    }

    /// The times as a range. Raises ClosedError in a child of os.fork().
    #[getter]
    fn times<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyRange>> {
        self.check()?;
        self.range(py)
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(usize::try_from(self.taken.len())?)
    }

    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        index: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.times(py)?.get_item(index)
    }

    fn __contains__(&self, py: Python<'_>, time: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.range(py)?.contains(time)
    }

    fn __iter__(&self) -> PyResult<Times> {
        self.check()?;
        Ok(Times {
            next: AtomicU64::new(self.first()),
            last: self.last(),
            generation: self.generation,
        })
    }
});

/// An iterator over a reservation.
#[pyclass(frozen, module = "lamport_clock")]
pub(crate) struct Times {
    next: AtomicU64,
    last: u64,
    generation: Generation,
}

#[pymethods]
impl Times {
    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self) -> PyResult<Option<u64>> {
        self.generation.check("this reservation").or_raise()?;
        // Each to one thread. It runs past the end by a step for each further call, unseen.
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(Some(next).filter(|next| *next <= self.last))
    }

    fn __length_hint__(&self) -> PyResult<usize> {
        let left = (self.last + 1).saturating_sub(self.next.load(Ordering::Relaxed));
        Ok(usize::try_from(left)?)
    }
}

/// An update by anyone, as it is found in the store. int(observed) is its value.
///
///     >>> mine = clock.update()
///     >>> seen = clock.read()
///     >>> seen.value, seen.process, seen.instance == clock.instance
///     (2, 'api', True)
#[pyclass(frozen, eq, module = "lamport_clock")]
#[derive(Clone, PartialEq)]
pub(crate) struct Observed(pub(crate) core::Observed);

impl Fields for Observed {
    const NAMES: &'static [&'static str] = &[
        "first",
        "value",
        "process",
        "instance",
        "real_timestamp",
        "revision",
    ];

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (
            self.first(),
            self.value(),
            self.process(),
            self.instance(),
            self.real_timestamp(),
            self.revision(),
        )
            .into_pyobject(py)
    }

    fn text(&self) -> String {
        let process = html::plain(self.process());
        match self.first() == self.value() {
            true => format!("{}@{process}", self.value()),
            false => format!("{}..{}@{process}", self.first(), self.value()),
        }
    }
}

value!(Observed, {
    #[new]
    fn new(
        first: TimeArgument,
        value: TimeArgument,
        process: Text,
        instance: Option<Bits>,
        real_timestamp: Option<f64>,
        revision: Whole,
    ) -> Observed {
        Observed(core::Observed {
            first: first.0,
            value: value.0,
            process: process.0,
            instance: instance.map(|bits| bits.0),
            real_timestamp,
            revision: revision.0,
        })
    }

    /// The first time that the update took; equal to `value` unless it took several.
    #[getter]
    fn first(&self) -> u64 {
        self.0.first.get()
    }

    /// The last time that the update took, the one in the record.
    #[getter]
    fn value(&self) -> u64 {
        self.0.value.get()
    }

    /// Who took it, as its writer wrote it.
    #[getter]
    fn process(&self) -> &str {
        &self.0.process
    }

    /// Which life of that process, 64 bits; None if a legacy writer wrote it.
    #[getter]
    fn instance(&self) -> Option<u64> {
        self.0.instance.map(core::Instance::get)
    }

    /// When, by the writer's wall clock (Unix seconds). Never compared by the clock.
    #[getter]
    fn real_timestamp(&self) -> Option<f64> {
        self.0.real_timestamp
    }

    /// The store's revision of the update. Updates that were served together share it.
    #[getter]
    fn revision(&self) -> u64 {
        self.0.revision
    }

    fn __int__(&self) -> u64 {
        self.value()
    }
});

/// The newest updates that the store still keeps, oldest first: iterable and indexable like
/// `updates`, with what lies before them.
///
///     >>> for _ in range(3):
///     ...     update = clock.update()
///     >>> history = clock.history()
///     >>> [update.value for update in history]
///     [2, 4, 6]
///     >>> history.compacted_before is None, history.unreadable
///     (True, 0)
#[pyclass(frozen, eq, module = "lamport_clock")]
#[derive(PartialEq)]
pub(crate) struct History(pub(crate) core::History);

impl Fields for History {
    const NAMES: &'static [&'static str] =
        &["updates", "compacted_before", "unreadable", "unread_from"];

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (
            self.updates(py)?,
            self.compacted_before(),
            self.unreadable(),
            self.unread_from(),
        )
            .into_pyobject(py)
    }

    fn text(&self) -> String {
        let updates = &self.0.updates;
        let shown = |update: &core::Observed| Observed(update.clone()).text();
        let mut text = match &updates[..] {
            [] => "no updates".to_owned(),
            [only] => format!("1 update, {}", shown(only)),
            [oldest, .., newest] => format!(
                "{} updates, from {} through {}",
                updates.len(),
                shown(oldest),
                shown(newest)
            ),
        };
        if let Some(revision) = self.compacted_before() {
            text += &format!("; what came before revision {revision} was compacted");
        }
        if self.unreadable() > 0 {
            text += &format!("; {} could not be read", self.unreadable());
        }
        if let Some(revision) = self.unread_from() {
            text += &format!("; time ran out before revision {revision} was read");
        }
        text
    }

    fn html(&self, _py: Python<'_>) -> PyResult<String> {
        let updates = self.0.updates.iter().map(|update| {
            let wall_clock = update.real_timestamp;
            [
                Observed(update.clone()).text(),
                update
                    .instance
                    .map_or_else(String::new, |bits| bits.to_string()),
                wall_clock.map_or_else(String::new, |seconds| format!("{seconds:.3}")),
                update.revision.to_string(),
            ]
        });
        let names = ["update", "instance", "real_timestamp", "revision"];
        Ok(html::columns(&self.text(), names, updates))
    }
}

value!(History, {
    #[new]
    #[pyo3(signature = (updates, compacted_before=None, unreadable=0, unread_from=None))]
    fn new(
        updates: Vec<Bound<'_, Observed>>,
        compacted_before: Option<Whole>,
        unreadable: usize,
        unread_from: Option<Whole>,
    ) -> History {
        History(core::History {
            updates: updates
                .iter()
                .map(|observed| observed.get().0.clone())
                .collect(),
            compacted_before: compacted_before.map(|revision| revision.0),
            unreadable,
            unread_from: unread_from.map(|revision| revision.0),
        })
    }

    /// The updates, oldest first.
    #[getter]
    fn updates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let mut updates = Vec::with_capacity(self.0.updates.len());
        for observed in &self.0.updates {
            updates.push(Bound::new(py, Observed(observed.clone()))?);
        }
        PyTuple::new(py, updates)
    }

    /// The store no longer keeps what came before this revision: the history was cut there, not at
    /// the limit and not at the first update. None if it was not cut.
    #[getter]
    fn compacted_before(&self) -> Option<u64> {
        self.0.compacted_before
    }

    /// So many revisions held a record that can't be read; they are left out.
    #[getter]
    fn unreadable(&self) -> usize {
        self.0.unreadable
    }

    /// The deadline came before the limit: what was written at this revision and before it was not
    /// read. None if all was.
    #[getter]
    fn unread_from(&self) -> Option<u64> {
        self.0.unread_from
    }

    fn __len__(&self) -> usize {
        self.0.updates.len()
    }

    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        index: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.updates(py)?.into_any().get_item(index)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.updates(py)?.try_iter()?.into_any())
    }
});
