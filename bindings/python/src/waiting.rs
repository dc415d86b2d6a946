//! Waiting without the GIL, and with an eye on Ctrl-C.

use std::time::Duration;

use lamport_clock::blocking::Call;
use pyo3::prelude::*;

use crate::errors::OrRaise;

/// So long a signal may go unnoticed.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// Begins a call and waits for its answer. Other threads run meanwhile; a signal handler that
/// raises (Ctrl-C) gives the call up.
pub(crate) fn wait<T: Send + 'static>(
    py: Python<'_>,
    begin: impl FnOnce() -> lamport_clock::Result<Call<T>> + Send,
) -> PyResult<T> {
    // Most answers come within the first slice: one release of the GIL is enough for them.
    let (mut call, mut answer) = py
        .detach(|| {
            let mut call = begin()?;
            let answer = call.wait_for(SLICE);
            Ok((call, answer))
        })
        .or_raise()?;
    loop {
        if let Some(answer) = answer {
            return answer.or_raise();
        }
        py.check_signals()?;
        answer = py.detach(|| call.wait_for(SLICE));
    }
}
