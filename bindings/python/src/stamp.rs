//! A stamp. The class is native, because the core defines the order and the text of stamps.

use lamport_clock as core;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};

use crate::arguments::{Text, Whole};
use crate::errors::OrRaise;
use crate::values::html;

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
#[pyclass(frozen, eq, ord, hash, str = "{0}", module = "lamport_clock")]
#[derive(PartialEq, PartialOrd, Hash)]
pub(crate) struct Stamp(pub(crate) core::Stamp);

/// The result of log(): the stamp, and its causes in the form that a log has.
pub(crate) fn logged(line: core::Line) -> (Stamp, Vec<String>) {
    let after = line.after().collect();
    (Stamp(line.stamp), after)
}

/// The attributes of a log record, with the stamp in its long form if it is `long`. One call makes them
/// all, because every record of a program needs them.
pub(crate) fn attributes<'py>(
    py: Python<'py>,
    line: &core::Line,
    long: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let stamp = &line.stamp;
    let text = match long {
        true => format!("{stamp:#}"),
        false => stamp.to_string(),
    };
    let attributes = PyDict::new(py);
    attributes.set_item(intern!(py, "lamport"), text)?;
    attributes.set_item(intern!(py, "lamport_time"), stamp.time.get())?;
    attributes.set_item(intern!(py, "lamport_process"), stamp.process.as_str())?;
    attributes.set_item(intern!(py, "lamport_instance"), stamp.instance.to_string())?;
    let after: Vec<_> = line.after().collect();
    attributes.set_item(intern!(py, "lamport_after"), after)?;
    Ok(attributes)
}

#[pymethods]
impl Stamp {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("time", "process", "instance")
    }

    #[new]
    #[pyo3(signature = (time, process, instance=Whole(0)), text_signature = "(time, process, instance=0)")]
    fn new(time: Whole, process: Text, instance: Whole) -> PyResult<Stamp> {
        Ok(Stamp(core::Stamp {
            time: time.time()?,
            process: core::ProcessId::new(&process.0).or_raise()?,
            instance: core::Instance::new(instance.0),
        }))
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

    /// Which instance of that process, 64 bits; 0 if it is not known.
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
        PyString::new(py, &self.0.to_string()).call_method1("__format__", (spec,))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let process = PyString::new(py, self.process()).repr()?;
        let (time, instance) = (self.time(), self.instance());
        Ok(format!(
            "Stamp(time={time}, process={process}, instance={instance})"
        ))
    }

    fn _repr_html_<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let names = Stamp::__match_args__();
        html(this.py())?.call_method1("value", (this, names))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (u64, &str, u64)) {
        let fields = (self.time(), self.process(), self.instance());
        (py.get_type::<Stamp>(), fields)
    }
}
