//! Carries calls to the store: all waiting callers share one update.
//!
//! Callers queue up. A driver, which is a task on their runtime, takes all waiting callers and carries
//! them. All of them called before the transaction began, so real-time order holds among processes and
//! among callers. The driver also enforces their deadlines, so a caller seldom needs a timer of its own.
//! `protocol` decides what a reply means.

use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::carrier::Carrier;
use super::queue::{Waits, closed};
use super::session::Session;
use super::{Inner, fold, real_timestamp};
use crate::clock::Time;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{Holder, Protocol, Reservation, Step};
use crate::store::{Failure, Outcome};
use crate::sync::{Mutex, MutexGuard, lock};

/// One waiting call.
pub(super) struct Caller {
    /// `deadline` and `timeout` mean the same as in a [`Session`].
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
    pub(super) count: u64,
    pub(super) answer: oneshot::Sender<Result<Reservation>>,
}

impl Waits for Caller {
    fn has_given_up(&self) -> bool {
        self.answer.is_closed()
    }
}

/// Puts a caller into the queue, and starts a driver if none is at work.
pub(super) fn enqueue(inner: &Arc<Inner>, carrier: Arc<Carrier>, caller: Caller) -> Result<()> {
    inner.refuse_if_closed()?;
    if carrier.queue.push(caller)? {
        let runtime = carrier.runtime.clone();
        let driver = Driver {
            inner: inner.clone(),
            carrier,
            over: false,
        };
        runtime.spawn(driver.run());
    }
    Ok(())
}

/// Refuses callers from now on, and answers the waiting ones with [`ErrorKind::Closed`].
pub(super) fn close(inner: &Inner) {
    inner.closed.send_replace(true);
    for carrier in inner.carriers.all() {
        for caller in carrier.queue.close() {
            let _ = caller.answer.send(Err(closed()));
        }
    }
}

/// Holds the right to carry callers. If it is dropped early, the waiting callers fail instead of waiting
/// for ever.
struct Driver {
    inner: Arc<Inner>,
    carrier: Arc<Carrier>,
    /// Whether the right was given back.
    over: bool,
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.over {
            // Dropping the callers' senders fails their calls at once.
            drop(self.carrier.queue.abandon());
        }
    }
}

/// How often, at most, a driver lets other tasks run before it goes on.
const MOST_YIELDS: usize = 64;

/// This many answers complete a call, even if the store is repaired meanwhile. A call that needs more
/// pauses before each further attempt: the store's answers are well-formed, but contradict each other.
const MOST_ANSWERS: usize = 4;

/// Callers that share one update.
struct Batch {
    /// The session of the caller with the latest deadline.
    session: Session,
    callers: Mutex<Vec<Caller>>,
    count: u64,
}

impl Driver {
    async fn run(mut self) {
        let mut together = self.carrier.queue.len();
        loop {
            if together > 1 {
                self.gather().await;
            }
            let Some(batch) = self.next_batch() else {
                return;
            };
            together = batch.callers().len();
            if let Some(result) = self.carry_in_time(&batch).await {
                self.answer(&batch, result);
            }
            fold::when_due(&self.inner, &self.carrier);
        }
    }

    /// Waits for callers that were answered together and call again at once. Otherwise they would split
    /// into two groups that take turns, and each caller would wait for two round trips.
    async fn gather(&self) {
        let queue = &self.carrier.queue;
        let mut waiting = queue.len();
        for _ in 0..MOST_YIELDS {
            yield_now().await;
            let now = queue.len();
            if now == waiting {
                return;
            }
            waiting = now;
        }
    }

    /// Carries a batch, and enforces the deadline of each of its callers. `None` if no caller is left.
    async fn carry_in_time(&self, batch: &Batch) -> Option<Result<Reservation>> {
        let mut carry = pin!(self.inner.unless_closed(self.carry(batch)));
        loop {
            let earliest = batch.earliest_deadline()?;
            tokio::select! {
                biased;
                result = &mut carry => return Some(result),
                () = sleep_until(earliest) => batch.expire(),
            }
        }
    }

    /// Takes the waiting callers off the queue. `None` if there are none: then the driver's work is done.
    fn next_batch(&mut self) -> Option<Batch> {
        let mut callers = Vec::new();
        let mut count = 0;
        self.carrier.queue.take_off(|caller: Caller| {
            if count + caller.count > Protocol::MAX_COUNT {
                return Some(caller);
            }
            count += caller.count;
            callers.push(caller);
            None
        });
        let latest = callers.iter().max_by_key(|caller| caller.deadline);
        self.over = latest.is_none();
        let latest = latest?;
        Some(Batch {
            session: Session {
                inner: self.inner.clone(),
                carrier: self.carrier.clone(),
                deadline: latest.deadline,
                timeout: latest.timeout,
            },
            callers: Mutex::new(callers),
            count,
        })
    }

    /// Runs the protocol for one batch.
    async fn carry(&self, batch: &Batch) -> Result<Reservation> {
        let (inner, session) = (&self.inner, &batch.session);
        let local = inner.local.advance()?;
        let mut call = inner.protocol().begin(local, batch.count);
        let mut attempts = session.attempts();
        let mut answers = 0;
        loop {
            let step = inner.protocol().poll(&mut call, real_timestamp());
            let transaction = match step {
                Step::Done(times) => return Ok(times),
                Step::Failed(error) => return Err(error),
                Step::Look => {
                    session.look().await?;
                    continue;
                }
                Step::Send(transaction) => transaction,
            };
            if answers >= MOST_ANSWERS {
                attempts.failed(Failure::unknown(leads_nowhere())).await?;
            }
            // `carry_in_time` enforces the deadlines around this call, even if the store overruns its own.
            let store = &session.carrier.store;
            match store.transact(&transaction, session.left()).await {
                Ok(reply) => {
                    inner.judge(|protocol| protocol.handle_reply(&mut call, &reply));
                    answers += 1;
                    if answers < MOST_ANSWERS {
                        attempts.succeeded();
                    }
                }
                Err(mut failure) => {
                    match failure.outcome {
                        Outcome::NotApplied => inner.protocol().handle_refused(&mut call),
                        Outcome::Unknown => inner.protocol().handle_lost(&mut call),
                    }
                    if !failure.retry {
                        inner.protocol().forget();
                    }
                    failure.retry &= batch.somebody_waits();
                    attempts.failed(failure).await?;
                }
            }
        }
    }

    /// Answers the callers. Times are dealt out in the order in which the callers came.
    fn answer(&self, batch: &Batch, result: Result<Reservation>) {
        let inner = &self.inner;
        *inner.last_failure() = result.as_ref().err().cloned();
        let callers = mem::take(&mut *batch.callers());
        let mut times = match result {
            Ok(times) => times,
            Err(error) => {
                for caller in callers {
                    let _ = caller.answer.send(Err(error.clone()));
                }
                return;
            }
        };
        inner.local.raise(times.last);
        let mut previous = times.previous.take();
        for caller in callers {
            let last = Time::saturating(times.first.get() + caller.count - 1);
            let holder = Holder {
                value: last,
                process: times.process.as_str().to_owned(),
            };
            let dealt = Reservation {
                last,
                previous: previous.replace(holder),
                ..times.clone()
            };
            times.regressed = None;
            times.first = Time::saturating(last.get() + 1);
            // If this caller gave up meanwhile, its times are lost: they stay a gap, and nobody else gets
            // them.
            let _ = caller.answer.send(Ok(dealt));
        }
    }
}

fn leads_nowhere() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the store's answers make no sense together: what they show is not what the next one says",
    )
}

impl Batch {
    fn callers(&self) -> MutexGuard<'_, Vec<Caller>> {
        lock(&self.callers)
    }

    fn somebody_waits(&self) -> bool {
        self.callers().iter().any(|caller| !caller.has_given_up())
    }

    fn earliest_deadline(&self) -> Option<Instant> {
        let callers = self.callers();
        callers.iter().map(|caller| caller.deadline).min()
    }

    /// Answers the callers whose deadline has passed.
    fn expire(&self) {
        let (now, session) = (Instant::now(), &self.session);
        if session.deadline <= now {
            // The attempt under way is given up with the last caller, so it is now the newest failed attempt.
            *session.inner.last_failure() = Some(session.no_answer());
        }
        let is_late = |caller: &mut Caller| caller.deadline <= now;
        for caller in self.callers().extract_if(.., is_late) {
            let late = session.inner.out_of_time(caller.timeout);
            let _ = caller.answer.send(Err(late));
        }
    }
}
