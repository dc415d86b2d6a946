//! The values that calls return. Their classes are written in Python, in `lamport_clock/_values.py`. This
//! file fills in their fields, in the order of that file.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use lamport_clock as core;
use lamport_clock::ErrorKind;
use lamport_clock::fork::Generation;
use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyTuple, PyType};

use crate::arguments::Whole;
use crate::errors::{OrRaise, raise, subclasses};

pub(crate) fn update(py: Python<'_>, update: core::Update) -> PyResult<Py<PyAny>> {
    let fields = (
        update.value.get(),
        update.process.as_str(),
        update.instance.get(),
        holder(py, update.previous)?,
        update.real_timestamp,
        update.revision,
        update.round_trips,
        update.regressed.map(core::Time::get),
    );
    make(py, "Update", fields)
}

/// A reservation whose times only this process may hand out.
pub(crate) fn reservation(py: Python<'_>, taken: core::Reservation) -> PyResult<Py<PyAny>> {
    let (first, last) = (taken.first.get(), taken.last.get());
    let fields = (
        first,
        last,
        taken.process.as_str(),
        taken.instance.get(),
        holder(py, taken.previous)?,
        taken.real_timestamp,
        taken.revision,
        taken.round_trips,
        taken.regressed.map(core::Time::get),
        Times::from(first, last),
    );
    make(py, "Reservation", fields)
}

fn holder(py: Python<'_>, holder: Option<core::Holder>) -> PyResult<Option<Py<PyAny>>> {
    let made = holder.map(|holder| make(py, "Holder", (holder.value.get(), holder.process)));
    made.transpose()
}

pub(crate) fn observed(py: Python<'_>, observed: core::Observed) -> PyResult<Py<PyAny>> {
    let fields = (
        observed.first.get(),
        observed.value.get(),
        observed.process,
        observed.instance.map(core::Instance::get),
        observed.real_timestamp,
        observed.revision,
    );
    make(py, "Observed", fields)
}

pub(crate) fn newest(py: Python<'_>, newest: Option<core::Observed>) -> PyResult<Py<PyAny>> {
    newest.map_or_else(|| Ok(py.None()), |newest| observed(py, newest))
}

pub(crate) fn history(py: Python<'_>, history: core::History) -> PyResult<Py<PyAny>> {
    let updates = history.updates.into_iter();
    let updates: PyResult<Vec<_>> = updates.map(|update| observed(py, update)).collect();
    let fields = (
        PyTuple::new(py, updates?)?,
        history.compacted_before,
        history.unreadable,
        history.unread_from,
    );
    make(py, "History", fields)
}

pub(crate) fn stats(py: Python<'_>, stats: &core::SyncStats) -> PyResult<Py<PyAny>> {
    let counts = ErrorKind::all()
        .iter()
        .map(|&kind| (kind.name(), stats.failures_of(kind)));
    let by_kind = counts.filter(|(_, count)| *count > 0).into_py_dict(py)?;
    let within =
        core::SyncStats::BOUNDS.map(|bound| (bound.as_secs_f64(), stats.updates_within(bound)));
    let within = within.into_py_dict(py)?;
    let error = stats.last_error.as_ref();
    let ran = (
        stats.running,
        stats.interval.map(|interval| interval.as_secs_f64()),
        stats.running_for.map(|time| time.as_secs_f64()),
        stats.updates,
        stats.failures,
        stats.failing,
        by_kind,
        stats.last_value.map(core::Time::get),
        stats.since_update.map(|time| time.as_secs_f64()),
        error.map(|error| error.kind().name()),
        error.map(ToString::to_string),
        stats.refused,
    );
    let took = (
        stats.folds,
        stats.round_trips,
        stats.distance,
        stats.update_time.as_secs_f64(),
        within,
    );
    // A Rust tuple of this length can't be converted to a Python tuple. So two are joined.
    let (ran, took) = (ran.into_pyobject(py)?, took.into_pyobject(py)?);
    let all: Vec<_> = ran.iter().chain(took.iter()).collect();
    make(py, "SyncStats", PyTuple::new(py, all)?)
}

/// Gives each time of a reservation once. A child of a fork gets none of them.
#[pyclass(frozen, module = "lamport_clock._native")]
pub(crate) struct Times {
    last: u64,
    next: AtomicU64,
    generation: Generation,
}

#[pymethods]
impl Times {
    #[new]
    fn new(first: Whole, last: Whole) -> PyResult<Times> {
        let (first, last) = (first.time()?.get(), last.time()?.get());
        if last < first {
            return Err(raise(
                ErrorKind::InvalidArgument,
                format!("no times lie from {first} through {last}"),
            ));
        }
        Ok(Times::from(first, last))
    }

    /// Raises ClosedError where they are not this process's.
    fn check(&self) -> PyResult<()> {
        self.generation.check("this reservation").or_raise()
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self) -> PyResult<Option<u64>> {
        self.check()?;
        // Each time goes to one thread. Each call after the last time moves `next` one further, which
        // nobody sees.
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(Some(next).filter(|next| *next <= self.last))
    }
}

impl Times {
    fn from(first: u64, last: u64) -> Times {
        Times {
            last,
            next: AtomicU64::new(first),
            generation: Generation::of_process(),
        }
    }
}

/// The Python module that shows values in a notebook.
pub(crate) fn html(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("lamport_clock._html")
}

/// What `make` needs.
struct Makers {
    /// The classes of values, by their names.
    classes: HashMap<String, Py<PyType>>,
    /// `object.__new__`
    new: Py<PyAny>,
    /// Sets the fields of a value.
    set: Py<PyAny>,
}

static MAKERS: PyOnceLock<Makers> = PyOnceLock::new();

/// Looks up the makers while the module is imported, so that nobody waits for an import later, in the middle
/// of a call or in a forked child. By then this module has the names that `_values.py` imports from it.
pub(crate) fn load(py: Python<'_>) -> PyResult<()> {
    let value = py.import("lamport_clock._values")?.getattr("Value")?;
    let makers = Makers {
        classes: subclasses(&value, "__name__")?,
        new: value.getattr("__new__")?.unbind(),
        set: value.getattr("_fields")?.getattr("__set__")?.unbind(),
    };
    MAKERS.get_or_init(py, || makers);
    Ok(())
}

/// Makes a value of this class with these fields. It runs no bytecode, which a call of the class would
/// do: a thread may be stopped for good in bytecode when the interpreter ends.
fn make<'py>(
    py: Python<'py>,
    class: &str,
    fields: impl IntoPyObject<'py, Output = Bound<'py, PyTuple>, Error: Into<PyErr>>,
) -> PyResult<Py<PyAny>> {
    let makers = MAKERS.get(py);
    let Some((makers, class)) = makers.and_then(|all| Some((all, all.classes.get(class)?))) else {
        return Err(PyImportError::new_err(format!("there is no {class}")));
    };
    let value = makers.new.call1(py, (class,))?;
    let fields = fields.into_pyobject(py).map_err(Into::into)?;
    makers.set.call1(py, (&value, fields))?;
    Ok(value)
}
