//! Carries requests to the store: one batch in flight, the next one gathering behind it.
//!
//! Callers queue up; a task, started by the first and ended with the last, takes all who wait and
//! sends them as one request. All of them were called before the transaction began, so real-time
//! order holds among processes and among callers. This is the one place that waits and repeats;
//! what a reply means is decided in `logic::exchange`.

use std::pin::Pin;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::queue::{MAX_WAITING, Refused, Waits};
use super::{Inner, Reservation, real_timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::logic::board::Holder;
use crate::logic::exchange::{Exchange, Step, Times, View};
use crate::logic::time::Time;
use crate::logic::transaction::{Reply, Transaction};
use crate::store::{Failure, Outcome};

/// How the store has been of late.
#[derive(Default)]
pub(super) struct Lately {
    /// How long a round trip takes at present, smoothed.
    round_trip: Duration,
    /// Why the newest attempt failed, for callers whose time runs out.
    last_failure: Option<Error>,
}

/// One waiting call.
pub(super) struct Caller {
    pub(super) count: u64,
    /// Where it waits.
    pub(super) runtime: Handle,
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Reservation>>,
}

impl Waits for Caller {
    fn has_given_up(&self) -> bool {
        self.answer.is_closed()
    }
}

/// Bounds of the wait to be served by others, at the least.
const LEAST_PATIENCE: Duration = Duration::from_millis(50);
const MOST_PATIENCE: Duration = Duration::from_millis(500);
/// So often is looked at what speaks of a loss, before it is believed.
pub(super) const LOOKS: usize = 3;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Puts a caller into the queue and sees to it that somebody serves it.
pub(super) fn enqueue(inner: &Arc<Inner>, caller: Caller) -> Result<()> {
    match inner.queue.push(caller) {
        Ok(false) => {}
        Ok(true) => {
            let driving = Driving {
                inner: inner.clone(),
                over: false,
            };
            tokio::spawn(driving.run());
        }
        Err(Refused::Closed) => return Err(closed()),
        Err(Refused::Full) => {
            return Err(Error::new(
                ErrorKind::Overloaded,
                format!(
                    "{MAX_WAITING} callers wait for this clock already; slow down or reserve() ranges"
                ),
            ));
        }
    }
    Ok(())
}

pub(super) fn close(inner: &Inner) {
    let callers = inner.queue.close();
    inner.closed.send_replace(true);
    for caller in callers {
        let _ = caller.answer.send(Err(closed()));
    }
}

pub(super) fn refuse_if_closed(inner: &Inner) -> Result<()> {
    if *inner.closed.borrow() {
        return Err(closed());
    }
    Ok(())
}

/// What to tell a caller whose deadline passed.
pub(super) fn out_of_time(inner: &Inner) -> Error {
    deadline_passed(inner.timeout, inner.lately().last_failure.clone())
}

/// The store's first answer. Unlike [`Inner::transact`] it does not insist where every endpoint
/// refuses: somebody sits in front of it who has mistyped an address.
pub(super) async fn first_answer(inner: &Inner) -> Result<Reply> {
    let look = inner.exchange().look_transaction();
    let deadline = inner.deadline();
    let mut attempts = Attempts::until(deadline);
    let mut refusals = 0;
    loop {
        let failure = match inner.attempt(&look, deadline).await {
            Ok(reply) => return Ok(reply),
            Err(failure) => failure,
        };
        refusals = match failure.outcome {
            Outcome::NotApplied => refusals + 1,
            Outcome::Unknown => 0,
        };
        if !failure.retry || refusals >= inner.store.choices() {
            return Err(failure.error);
        }
        if !attempts.pause().await {
            return Err(deadline_passed(inner.timeout, Some(failure.error)));
        }
    }
}

impl Inner {
    fn lately(&self) -> MutexGuard<'_, Lately> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transaction that may be repeated freely (a read), until the deadline of the call.
    pub(super) async fn transact(
        &self,
        transaction: &Transaction,
        deadline: Instant,
    ) -> Result<Reply> {
        let mut closing = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closed| *closed) => Err(closed()),
            result = self.transact_until(transaction, deadline) => result,
        }
    }

    /// What the store holds, and what it means for this clock.
    pub(super) async fn look(&self, deadline: Instant) -> Result<(Reply, Result<View>)> {
        let mut closing = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closed| *closed) => Err(closed()),
            result = self.look_until(deadline) => result,
        }
    }

    /// Each attempt is held against what is known when it begins, not when the first one did. A read
    /// may be stale for a moment, so what speaks of a loss is looked at more than once.
    async fn look_until(&self, deadline: Instant) -> Result<(Reply, Result<View>)> {
        let mut attempts = Attempts::until(deadline);
        let mut losses = 0;
        loop {
            match self.look_once(deadline).await {
                Ok((reply, view)) => {
                    let regressed =
                        matches!(&view, Err(error) if error.kind() == ErrorKind::Regressed);
                    losses += usize::from(regressed);
                    if !regressed || losses == LOOKS || !attempts.pause().await {
                        return Ok((reply, view));
                    }
                }
                Err(failure) if !failure.retry => return Err(failure.error),
                Err(failure) => {
                    if !attempts.pause().await {
                        return Err(deadline_passed(self.timeout, Some(failure.error)));
                    }
                }
            }
        }
    }

    /// One such look, which may fail.
    pub(super) async fn look_once(
        &self,
        deadline: Instant,
    ) -> Result<(Reply, Result<View>), Failure> {
        // What to ask, and what is known when it is asked.
        let (asked, look) = {
            let exchange = self.exchange();
            (exchange.known(), exchange.look_transaction())
        };
        let reply = self.attempt(&look, deadline).await?;
        let view = self.exchange().handle_look(asked, &reply);
        Ok((reply, view))
    }

    async fn transact_until(&self, transaction: &Transaction, deadline: Instant) -> Result<Reply> {
        let mut attempts = Attempts::until(deadline);
        loop {
            match self.attempt(transaction, deadline).await {
                Ok(reply) => return Ok(reply),
                Err(failure) if !failure.retry => return Err(failure.error),
                Err(failure) => {
                    if !attempts.pause().await {
                        return Err(deadline_passed(self.timeout, Some(failure.error)));
                    }
                }
            }
        }
    }

    /// How long to wait to be served before helping oneself: time for several round trips as they
    /// have been of late, and up to twice that, so that not all lose patience at once.
    fn patience(&self) -> Duration {
        let base = (self.lately().round_trip * 10).clamp(LEAST_PATIENCE, MOST_PATIENCE);
        // An instance is drawn at random.
        base + base * (self.local.instance().get() % 16) as u32 / 16
    }

    /// One attempt, bounded also where a store does not keep to its bound.
    async fn attempt(
        &self,
        transaction: &Transaction,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let began = Instant::now();
        let within = deadline.saturating_duration_since(began);
        match tokio::time::timeout(within, self.store.transact(transaction, within)).await {
            Ok(Ok(reply)) => {
                let mut lately = self.lately();
                lately.round_trip = (lately.round_trip * 7 + began.elapsed()) / 8;
                Ok(reply)
            }
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::unknown(Error::new(
                ErrorKind::Timeout,
                format!("{} gave no answer", self.store.location()),
            ))),
        }
    }
}

/// The right to serve the queue; whoever drops it early leaves no caller waiting for nobody.
struct Driving {
    inner: Arc<Inner>,
    /// The right was given back: it may be somebody else's by now.
    over: bool,
}

impl Drop for Driving {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        // The runtime is going down. Without their senders the callers learn it at once.
        drop(self.inner.queue.abandon());
    }
}

/// What the callers in flight want together.
struct Batch {
    count: u64,
    /// The latest of theirs; each watches its own.
    deadline: Instant,
    /// The first one's.
    runtime: Handle,
}

impl Driving {
    async fn run(mut self) {
        while let Some(batch) = self.next_batch() {
            // Each batch travels on a runtime on which somebody waits for it: this one may rest, or
            // end, as soon as its own callers have their answer.
            if batch.runtime.id() != Handle::current().id() {
                batch.runtime.clone().spawn(self.run_from(batch));
                return;
            }
            self.serve(&batch).await;
        }
    }

    fn run_from(self, batch: Batch) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            self.serve(&batch).await;
            self.run().await;
        })
    }

    async fn serve(&self, batch: &Batch) {
        let result = self.exchange(batch).await;
        self.inner.lately().last_failure = result.as_ref().err().cloned();
        let callers = self.inner.queue.land();
        match result {
            Ok(times) => self.hand_out(callers, times),
            Err(error) => {
                for caller in callers {
                    let _ = caller.answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// All who wait, or nobody: then the driver's work is done.
    fn next_batch(&mut self) -> Option<Batch> {
        let mut batch: Option<Batch> = None;
        let took_off = self.inner.queue.take_off(|caller| {
            let count = caller.count + batch.as_ref().map_or(0, |batch| batch.count);
            if count > Exchange::MAX_COUNT {
                return false;
            }
            match &mut batch {
                Some(batch) => {
                    batch.count = count;
                    batch.deadline = batch.deadline.max(caller.deadline);
                }
                None => {
                    batch = Some(Batch {
                        count,
                        deadline: caller.deadline,
                        runtime: caller.runtime.clone(),
                    });
                }
            }
            true
        });
        self.over = !took_off;
        batch
    }

    /// Runs the protocol for one batch.
    async fn exchange(&self, batch: &Batch) -> Result<Times> {
        let inner = &self.inner;
        let local = inner.local.advance()?;
        inner.exchange().begin(local, batch.count);

        let mut attempts = Attempts::until(batch.deadline);
        loop {
            let step = inner.exchange().poll(real_timestamp());
            let transaction = match step {
                Step::Done(times) => return Ok(times),
                Step::Failed(error) => return Err(error),
                Step::Send(transaction) => transaction,
                Step::Await { after } => {
                    let now = Instant::now();
                    // Half of what is left at most: helping oneself takes time, too.
                    let left = batch.deadline.saturating_duration_since(now) / 2;
                    let until = now + inner.patience().min(left);
                    match inner.grants.next(&inner.store, after, until).await {
                        Some(written) => {
                            let mut exchange = inner.exchange();
                            exchange.handle_granted(&written.bytes, written.revision);
                        }
                        None => inner.exchange().handle_impatience(),
                    }
                    continue;
                }
            };
            match inner.attempt(&transaction, batch.deadline).await {
                Ok(reply) => {
                    inner.exchange().handle_reply(&reply);
                    attempts.succeeded();
                }
                Err(failure) => {
                    match failure.outcome {
                        Outcome::NotApplied => inner.exchange().handle_refused(),
                        Outcome::Unknown => inner.exchange().handle_lost(),
                    }
                    if !failure.retry {
                        return Err(failure.error);
                    }
                    inner.lately().last_failure = Some(failure.error.clone());
                    if !inner.queue.somebody_waits() || !attempts.pause().await {
                        return Err(deadline_passed(inner.timeout, Some(failure.error)));
                    }
                }
            }
        }
    }

    /// Deals the times out in the order in which the callers came.
    fn hand_out(&self, callers: Vec<Caller>, times: Times) {
        let local = &self.inner.local;
        local.raise(times.last);
        let mut first = times.first;
        let mut previous = times.previous;
        let mut regressed = times.regressed;
        for caller in callers {
            let last = Time::saturating(first.get() + caller.count - 1);
            let holder = Holder {
                value: last,
                process_id: local.process().to_string(),
            };
            // To a caller that gave up meanwhile its times are lost: a gap, nobody else's.
            let _ = caller.answer.send(Ok(Reservation {
                first,
                last,
                process: local.process().clone(),
                instance: local.instance(),
                previous: previous.replace(holder),
                real_timestamp: times.real_timestamp,
                revision: times.revision,
                round_trips: times.round_trips,
                regressed: regressed.take(),
            }));
            first = Time::saturating(last.get() + 1);
        }
    }
}

/// The pace of attempts: the first repetition at once, since another endpoint may be well; then
/// ever longer pauses, so that a store that comes back is not trampled.
struct Attempts {
    deadline: Instant,
    pause: Duration,
}

impl Attempts {
    fn until(deadline: Instant) -> Attempts {
        Attempts {
            deadline,
            pause: Duration::ZERO,
        }
    }

    fn succeeded(&mut self) {
        self.pause = Duration::ZERO;
    }

    /// Waits before the next attempt; false if there is no time left for one.
    async fn pause(&mut self) -> bool {
        let until = Instant::now() + self.pause;
        if until >= self.deadline {
            return false;
        }
        tokio::time::sleep_until(until).await;
        self.pause = (self.pause * 2).clamp(Duration::from_millis(10), LONGEST_PAUSE);
        true
    }
}

fn deadline_passed(timeout: Duration, cause: Option<Error>) -> Error {
    match cause {
        Some(cause) => Error::with_source(
            cause.kind(),
            format!("not done within {timeout:?} (LAMPORT_TIMEOUT): {cause}"),
            cause,
        ),
        None => Error::new(
            ErrorKind::Timeout,
            format!("not done within {timeout:?} (LAMPORT_TIMEOUT)"),
        ),
    }
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "this clock was closed")
}
