//! The header that carries a stamp in a message. The code for frameworks is written in Python
//! (`lamport_clock/_header.py`).

use lamport_clock as core;
use pyo3::prelude::*;

use crate::arguments::Text;
use crate::errors::OrRaise;
use crate::stamp::Stamp;

/// How a clock writes stamps into its messages, and which ones it believes.
#[pyclass(frozen, module = "lamport_clock._native")]
pub(crate) struct Header(pub(crate) core::Header);

#[pymethods]
impl Header {
    /// One that signs nothing, and believes everything.
    #[new]
    fn new() -> Header {
        Header(core::Header::default())
    }

    /// Whether headers are signed, and others refused.
    #[getter]
    fn signed(&self) -> bool {
        self.0.is_signed()
    }

    /// The header's value for a message with this stamp.
    fn write(&self, stamp: &Bound<'_, Stamp>) -> String {
        self.0.write(&stamp.get().0)
    }

    /// The stamp in a header with one. Raises InvalidArgumentError and UntrustedError.
    fn read(&self, value: Text) -> PyResult<Stamp> {
        self.0.read(&value.0).or_raise().map(Stamp)
    }
}
