//! Errors of the core as exceptions. The classes are written in Python, `lamport_clock/_errors.py`:
//! each has two bases, which the stable ABI can't express.

use std::collections::HashMap;

use lamport_clock::excerpt::escape;
use lamport_clock::{Error, ErrorKind};
use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// The exception classes, by the names of their error kinds.
static CLASSES: PyOnceLock<HashMap<String, Py<PyType>>> = PyOnceLock::new();

/// Looks up the classes while the module is imported. If a kind has no class, the import fails, and not
/// the report of an error later.
pub(crate) fn load(py: Python<'_>) -> PyResult<()> {
    let module = py.import("lamport_clock._errors")?;
    let classes = subclasses(&module.getattr("LamportError")?, "kind")?;
    let unknown = |kind: &&ErrorKind| !classes.contains_key(kind.name());
    if let Some(kind) = ErrorKind::all().iter().find(unknown) {
        return Err(PyImportError::new_err(format!("{kind} has no class")));
    }
    CLASSES.get_or_init(py, || classes);
    Ok(())
}

/// The subclasses of `class`, by the value that `attribute` has in each.
pub(crate) fn subclasses(
    class: &Bound<'_, PyAny>,
    attribute: &str,
) -> PyResult<HashMap<String, Py<PyType>>> {
    let mut found = HashMap::new();
    for class in class.call_method0("__subclasses__")?.try_iter()? {
        let class = class?.cast_into::<PyType>()?;
        found.insert(class.getattr(attribute)?.extract()?, class.unbind());
    }
    Ok(found)
}

/// The exception for `error`.
pub(crate) fn exception(error: &Error) -> PyErr {
    raise(error.kind(), error.to_string())
}

/// The exception of this kind. The binding also raises it for errors of its own.
pub(crate) fn raise(kind: ErrorKind, message: String) -> PyErr {
    let message = escape(&message).into_owned();
    Python::attach(|py| {
        match CLASSES.get(py).and_then(|classes| classes.get(kind.name())) {
            Some(class) => PyErr::from_type(class.bind(py).clone(), message),
            // Not reached: importing the module has loaded the classes.
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
