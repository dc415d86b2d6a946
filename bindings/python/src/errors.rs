//! Errors of the core as exceptions. The classes are written in Python, `lamport_clock/_errors.py`:
//! each has two bases, which the stable ABI can't express.

use lamport_clock::excerpt::escape;
use lamport_clock::{Error, ErrorKind};
use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// The one table: a new kind does not compile until it has a class here.
const fn class_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidArgument => "InvalidArgumentError",
        ErrorKind::UnknownNode => "UnknownNodeError",
        ErrorKind::Unavailable => "UnavailableError",
        ErrorKind::Timeout => "LamportTimeoutError",
        ErrorKind::Corrupt => "CorruptError",
        ErrorKind::Exhausted => "ExhaustedError",
        ErrorKind::TooFarAhead => "TooFarAheadError",
        ErrorKind::Untrusted => "UntrustedError",
        ErrorKind::Compacted => "CompactedError",
        ErrorKind::Denied => "DeniedError",
        ErrorKind::NoSpace => "NoSpaceError",
        ErrorKind::Regressed => "RegressedError",
        ErrorKind::Overloaded => "OverloadedError",
        ErrorKind::Closed => "ClosedError",
        _ => "InternalError",
    }
}

/// In the order of [`ErrorKind::all()`].
static CLASSES: PyOnceLock<Vec<Py<PyType>>> = PyOnceLock::new();

/// Looks the classes up while the module is imported, so that one that is missing or says another
/// kind is seen then and not when an error is to be told.
pub(crate) fn load(py: Python<'_>) -> PyResult<()> {
    let module = py.import("lamport_clock._errors")?;
    let mut classes = Vec::with_capacity(ErrorKind::all().len());
    for &kind in ErrorKind::all() {
        let class = module.getattr(class_name(kind))?.cast_into::<PyType>()?;
        let told: String = class.getattr("kind")?.extract()?;
        if told != kind.name() {
            return Err(PyImportError::new_err(format!(
                "{} says that its kind is {told:?}, not {:?}",
                class_name(kind),
                kind.name()
            )));
        }
        classes.push(class.unbind());
    }
    CLASSES.get_or_init(py, || classes);
    Ok(())
}

/// The exception for `error`.
pub(crate) fn exception(error: &Error) -> PyErr {
    raise(error.kind(), error.to_string())
}

/// An exception that the binding itself has reason to raise.
pub(crate) fn raise(kind: ErrorKind, message: String) -> PyErr {
    let message = escape(&message).into_owned();
    Python::attach(|py| {
        let index = ErrorKind::all().iter().position(|&other| other == kind);
        match index.and_then(|index| CLASSES.get(py)?.get(index)) {
            Some(class) => PyErr::from_type(class.bind(py).clone(), message),
            // Not reached: importing the module has loaded the table.
            None => PyImportError::new_err(message),
        }
    })
}

/// `?` on results of the core, in functions that return to Python.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception for the error.
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for lamport_clock::Result<T> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(|error| exception(&error))
    }
}
