//! Carries calls to the store: all who wait travel together, as one update.
//!
//! Callers queue up; a task on their runtime takes all who wait and carries them. All of them were called
//! before the transaction began, so real-time order holds among processes and among callers. It also
//! keeps their deadlines, so a caller needs no timer. What a reply means is decided in `protocol`.

use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// One waiting call.
pub(super) struct Caller {
    /// As those of a [`Session`].
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

/// Puts a caller into the queue and sees to it that it is carried.
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

/// Refuses callers from now on, and answers those who wait.
pub(super) fn close(inner: &Inner) {
    inner.closed.send_replace(true);
    for carrier in inner.carriers.all() {
        for caller in carrier.queue.close() {
            let _ = caller.answer.send(Err(closed()));
        }
    }
}

/// The right to carry callers; one that is dropped early leaves no caller waiting for nobody.
struct Driver {
    inner: Arc<Inner>,
    carrier: Arc<Carrier>,
    /// The right was given back.
    over: bool,
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.over {
            // Without their senders the callers learn it at once.
            drop(self.carrier.queue.abandon());
        }
    }
}

/// How often a driver lets others run before it goes on.
const MOST_YIELDS: usize = 64;

/// So many answers serve a call, also where the store is repaired meanwhile. One that is not served by
/// then waits before it goes on: the store's answers are whole, and lead nowhere.
const MOST_ANSWERS: usize = 4;

/// Callers who travel together.
struct Batch {
    /// Of the one whose deadline is the latest.
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

    /// Lets those come who were answered together and call again at once. Else they would travel as two
    /// groups in turn, and each caller wait for two round trips.
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

    /// Carries a batch, and keeps the deadline of each of its callers. `None`: no caller is left.
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

    /// All who wait, or nobody: then the driver's work is done.
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
            // The deadline is kept around all of this, also where the store does not keep to its own.
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

    /// Answers the callers; times are dealt out in the order in which they came.
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
            // To a caller that gave up meanwhile its times are lost: a gap, nobody else's.
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
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn somebody_waits(&self) -> bool {
        self.callers().iter().any(|caller| !caller.has_given_up())
    }

    fn earliest_deadline(&self) -> Option<Instant> {
        let callers = self.callers();
        callers.iter().map(|caller| caller.deadline).min()
    }

    /// Answers those whose deadline has passed.
    fn expire(&self) {
        let (now, session) = (Instant::now(), &self.session);
        if session.deadline <= now {
            // The attempt that is under way is given up with the last of them, and is the newest that failed.
            *session.inner.last_failure() = Some(session.no_answer());
        }
        let is_late = |caller: &mut Caller| caller.deadline <= now;
        for caller in self.callers().extract_if(.., is_late) {
            let late = session.inner.out_of_time(caller.timeout);
            let _ = caller.answer.send(Err(late));
        }
    }
}
