//! A call under way.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::error::{Error, ErrorKind, Result};
use crate::fork::OfGeneration;
use crate::shared::runtime::runtime;

/// A call under way: for callers that must look up from waiting, for instance for signals, and for
/// those that have an event loop to wait in ([`poll_ready`](Call::poll_ready)).
///
/// Dropping it gives the call up; that takes nothing away from other callers. In a forked child it
/// gives [`ErrorKind::Closed`], and dropping it leaves the parent's call alone.
#[derive(Debug)]
pub struct Call<T>(OfGeneration<Parts<T>>);

#[derive(Debug)]
struct Parts<T> {
    answer: mpsc::Receiver<Result<T>>,
    task: JoinHandle<()>,
}

/// So long at most a caller waits without a look at which life it is in: a signal handler may have
/// forked on top of the wait.
pub(super) const LOOK_UP: Duration = Duration::from_secs(1);

impl<T: Send + 'static> Call<T> {
    pub(super) fn spawn(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<Call<T>> {
        let (sender, answer) = mpsc::sync_channel(1);
        let task = runtime()?.spawn(async move {
            // Nobody listens any more if the call was dropped.
            let _ = sender.send(work.await);
        });
        Ok(Call(OfGeneration::new(Parts { answer, task })))
    }

    /// Waits for the answer. Bounded, since the call itself is.
    pub fn wait(mut self) -> Result<T> {
        loop {
            if let Some(result) = self.wait_for(LOOK_UP) {
                return result;
            }
        }
    }

    /// Waits at most `patience`; `None` if there is no answer yet. The answer is given once.
    pub fn wait_for(&mut self, patience: Duration) -> Option<Result<T>> {
        if let Err(inherited) = self.0.generation().check("this call") {
            return Some(Err(inherited));
        }
        match self.0.get()?.answer.recv_timeout(patience) {
            Ok(result) => Some(result),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(ended())),
        }
    }

    /// Ready once [`wait_for`](Call::wait_for) gives an answer without waiting. Until then the newest
    /// waker is told when it is worth to look again: on the library's thread, so it should do no more
    /// than pass that on. It needs no runtime.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.0.get_mut() {
            // Its end is asked for once, as a task may be.
            Some(parts) if !parts.task.is_finished() => {
                Pin::new(&mut parts.task).poll(context).map(drop)
            }
            _ => Poll::Ready(()),
        }
    }
}

impl<T> Drop for Parts<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn ended() -> Error {
    Error::new(
        ErrorKind::Closed,
        "the call was cut off: its task has ended",
    )
}
