//! Only one interpreter of a process may import this module. All interpreters would share its classes, so
//! in a second one `except LamportError` would not catch, and CPython 3.10 would abort at the end.

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The module `sys` of the first interpreter. Each interpreter has its own `sys`. The reference keeps
/// this one alive, so that no later one can have its address.
static FIRST: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

pub(crate) fn refuse_a_second(py: Python<'_>) -> PyResult<()> {
    let sys = py.import("sys")?;
    if FIRST.get_or_init(py, || sys.clone().unbind()).is(&sys) {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "lamport_clock serves one interpreter of a process, and another one has imported it: run \
         each application in a process of its own (mod_wsgi: WSGIDaemonProcess and \
         WSGIApplicationGroup %{GLOBAL})",
    ))
}
