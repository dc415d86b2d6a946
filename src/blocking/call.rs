//! A call under way.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, TryCurrentError};
use tokio::task::{JoinSet, unconstrained};

use crate::error::{Error, ErrorKind, Result};
use crate::fork::{self, OfGeneration};
use crate::shared::cut_off;
use crate::shared::runtime::runtime;

/// A call under way, for callers that must interrupt their wait, for instance to handle signals, and for
/// callers with an event loop ([`poll_ready`](Call::poll_ready)).
///
/// Dropping it gives the call up; other callers are not affected. In a forked child, waiting for it gives
/// [`ErrorKind::Closed`], and dropping it leaves the parent's call alone.
pub struct Call<T>(OfGeneration<CallState<T>>);

enum CallState<T> {
    UnderWay(Pin<Box<dyn Future<Output = Result<T>> + Send>>),
    Answered(Result<T>),
    /// The caller has the answer.
    Over,
}

/// A waiting call checks its generation at least this often. A signal handler may have forked during the
/// wait, or another thread may have closed the descriptors that would bring the answer.
const LOOK_UP: Duration = Duration::from_millis(50);

impl<T: Send + 'static> Call<T> {
    /// Begins `work`, which is polled by the thread that waits for the call. So `work` only waits for
    /// other tasks, and does nothing that needs a runtime around it.
    #[doc(hidden)]
    pub fn begin(work: impl Future<Output = Result<T>> + Send + 'static) -> Call<T> {
        // On a thread that is ending, for instance in a destructor of C, tokio's thread-local state is
        // gone. Such a thread can wait for a task, but can't poll the work itself.
        let is_ending = |error: TryCurrentError| error.is_thread_local_destroyed();
        if Handle::try_current().is_err_and(is_ending) {
            return Call::spawn(work)
                .unwrap_or_else(|error| Call(OfGeneration::new(CallState::Answered(Err(error)))));
        }
        Call::polled(work)
    }

    fn polled(work: impl Future<Output = Result<T>> + Send + 'static) -> Call<T> {
        // The caller may be a task of another tokio runtime. Its cooperative budget may run out midway.
        let work = CallState::UnderWay(Box::pin(unconstrained(work)));
        let mut call = Call(OfGeneration::new(work));
        let _ = call.poll_ready(&mut Context::from_waker(Waker::noop()));
        call
    }

    /// Begins `work` as a task of the library's own runtime. Dropping the call ends the task.
    pub(super) fn spawn(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<Call<T>> {
        let mut task = JoinSet::new();
        task.spawn_on(work, runtime()?.handle());
        Ok(Call::polled(async move {
            match task.join_next().await {
                Some(Ok(result)) => result,
                _ => Err(cut_off()),
            }
        }))
    }

    /// Waits for the answer. The wait is bounded, because the call itself is.
    pub fn wait(mut self) -> Result<T> {
        loop {
            if let Some(result) = self.wait_for(LOOK_UP) {
                return result;
            }
        }
    }

    /// Waits at most `patience`; `None` if there is no answer yet. The answer is given once.
    pub fn wait_for(&mut self, patience: Duration) -> Option<Result<T>> {
        let began = Instant::now();
        let bell = Arc::new(Bell {
            waits: thread::current(),
            rung: AtomicBool::new(false),
        });
        let waker = Waker::from(bell.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            if let Err(inherited) = self.0.generation().check("this call") {
                return Some(Err(inherited));
            }
            if self.poll_ready(&mut context).is_ready() {
                return Some(self.answer());
            }
            while !bell.rung.swap(false, Ordering::Acquire) {
                let left = patience.saturating_sub(began.elapsed());
                if left.is_zero() {
                    // Checks for lost descriptors, so that the next wait fails instead of lasting for ever.
                    fork::look();
                    return None;
                }
                thread::park_timeout(left);
            }
        }
    }

    /// Ready once [`wait_for`](Call::wait_for) gives an answer without waiting. Until then, the newest
    /// waker is woken when another poll is worthwhile. It is woken on the library's thread, so it should
    /// only pass the signal on. Polling needs no runtime.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // A call of an earlier generation is ready: waiting for it gives an error at once.
        let Some(state) = self.0.get_mut() else {
            return Poll::Ready(());
        };
        if let CallState::UnderWay(work) = state {
            match work.as_mut().poll(context) {
                Poll::Ready(answer) => *state = CallState::Answered(answer),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    fn answer(&mut self) -> Result<T> {
        let state = self.0.get_mut();
        match state.map(|state| mem::replace(state, CallState::Over)) {
            Some(CallState::Answered(answer)) => answer,
            _ => Err(ended()),
        }
    }
}

/// Wakes a thread that waits for a call.
struct Bell {
    waits: Thread,
    rung: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.waits.unpark();
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

pub(super) fn ended() -> Error {
    Error::new(ErrorKind::Closed, "it has ended: there is no more to come")
}
