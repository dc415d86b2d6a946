//! One call to the store: its deadline, its attempts, and the pauses between them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::Inner;
use super::backoff::{Backoff, Jitter};
use super::carrier::Carrier;
use super::queue::closed;
use super::runtime::stay_if_lost;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{At, KeyRange, Reply, Snapshot, Transaction};
use crate::store::{Failure, Outcome, StoreFuture};

/// Reads that must agree before a loss is reported: one may be stale.
const LOOKS: usize = 3;
/// The first and the longest pause before an attempt is repeated, each the mean of what is drawn around
/// it. The very first repetition comes at once, since another member may be well.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// One call on a clock, carried on one runtime.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) inner: Arc<Inner>,
    pub(super) carrier: Arc<Carrier>,
    /// When the call must have ended, by the clock of its runtime; and how long it was given.
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
}

impl Session {
    pub(super) fn attempts(&self) -> Attempts<'_> {
        Attempts {
            session: self,
            failures: 0,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            jitter: Jitter::of(self.inner.local.instance()),
        }
    }

    /// Sends a transaction that may be repeated freely, until it is answered.
    pub(super) async fn transact(&self, transaction: &Transaction) -> Result<Reply> {
        let store = &self.carrier.store;
        self.insist(|within| store.transact(transaction, within))
            .await
    }

    pub(super) async fn read(&self, range: &KeyRange, at: At) -> Result<Reply> {
        let store = &self.carrier.store;
        self.insist(|within| store.read(range, at, within)).await
    }

    async fn insist<'a>(&self, work: impl Fn(Duration) -> StoreFuture<'a, Reply>) -> Result<Reply> {
        let mut attempts = self.attempts();
        loop {
            match self.bounded(&work).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => attempts.failed(failure).await?,
            }
        }
    }

    /// Reads the store's state, and judges it by the watermark.
    ///
    /// Each attempt is judged by the watermark from before it began. A read may be stale for a moment, so
    /// several must agree before a loss is reported.
    pub(super) async fn look(&self) -> Result<Arc<Snapshot>> {
        let mut losses = 0;
        let mut attempts = self.attempts();
        loop {
            match self.look_once(&mut losses).await {
                Ok(snapshot) => return Ok(snapshot),
                Err(failure) => attempts.failed(failure).await?,
            }
        }
    }

    /// Waits for the store's first answer. Unlike other calls, it gives up once every endpoint has
    /// refused: a person who has mistyped an address may be waiting for it.
    pub(super) async fn first_look(&self) -> Result<()> {
        let mut refusals = 0;
        let mut attempts = self.attempts();
        loop {
            let mut failure = match self.look_once(&mut 0).await {
                Ok(_) => return Ok(()),
                // The store has answered. The calls that need what it lost will report the loss.
                Err(failure) if failure.error.kind() == ErrorKind::Regressed => return Ok(()),
                Err(failure) => failure,
            };
            refusals = match failure.outcome {
                Outcome::NotApplied => refusals + 1,
                Outcome::Unknown => 0,
            };
            failure.retry &= refusals < self.carrier.store.choices();
            attempts.failed(failure).await?;
        }
    }

    /// One attempt of [`look`](Session::look). `losses` counts the attempts that showed a loss, this one
    /// included.
    pub(super) async fn look_once(&self, losses: &mut usize) -> Result<Arc<Snapshot>, Failure> {
        let asked = self.inner.protocol().known();
        let range = self.inner.protocol().keys().all();
        let reply = self.read_once(&range, At::Now).await?;
        let is_last = *losses + 1 >= LOOKS;
        let judged = self
            .inner
            .judge(|protocol| protocol.handle_look(asked, &reply, is_last));
        judged.map_err(|error| match error.kind() {
            ErrorKind::Regressed => shown_loss(error, losses),
            _ => Failure::not_sent(error),
        })
    }

    /// One attempt at a read.
    pub(super) async fn read_once(&self, range: &KeyRange, at: At) -> Result<Reply, Failure> {
        let store = &self.carrier.store;
        self.bounded(|within| store.read(range, at, within)).await
    }

    /// One attempt at a transaction.
    pub(super) async fn send(&self, transaction: &Transaction) -> Result<Reply, Failure> {
        let store = &self.carrier.store;
        self.bounded(|within| store.transact(transaction, within))
            .await
    }

    /// How long an attempt that begins now may take.
    pub(super) fn left(&self) -> Duration {
        stay_if_lost();
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// One attempt, which ends at the deadline even if the store overruns its bound.
    async fn bounded<'a>(
        &self,
        work: impl FnOnce(Duration) -> StoreFuture<'a, Reply>,
    ) -> Result<Reply, Failure> {
        let left = self.left();
        let answer = timeout(left, work(left)).await;
        answer.unwrap_or_else(|_| Err(Failure::unknown(self.no_answer())))
    }

    /// The error of an attempt that was still under way at the deadline.
    pub(super) fn no_answer(&self) -> Error {
        let silent = self.carrier.store.location();
        Error::new(ErrorKind::Timeout, format!("{silent} gave no answer"))
    }
}

/// Counts a read that showed a loss. Until [`LOOKS`] reads have shown one, another attempt may help.
pub(super) fn shown_loss(error: Error, losses: &mut usize) -> Failure {
    *losses += 1;
    match *losses < LOOKS {
        true => Failure::not_sent(error),
        false => Failure::answered(error),
    }
}

/// The attempts of one call. Decides what follows a failed one.
pub(super) struct Attempts<'a> {
    session: &'a Session,
    failures: usize,
    backoff: Backoff,
    jitter: Jitter,
}

impl Attempts<'_> {
    /// Call it when an attempt has made progress: the next failure counts as the first one again.
    pub(super) fn succeeded(&mut self) {
        self.backoff.reset();
        self.failures = 0;
    }

    /// Pauses before the next attempt, so that a store that comes back is not overrun. An error if
    /// another attempt is no use, or if no time is left for one.
    pub(super) async fn failed(&mut self, failure: Failure) -> Result<()> {
        if !failure.retry {
            return Err(failure.error);
        }
        let Session { inner, .. } = self.session;
        *inner.last_failure() = Some(failure.error);
        let mut until = Instant::now();
        if self.failures > 0 {
            until += self.jitter.around(self.backoff.pause());
        }
        self.failures += 1;
        if until >= self.session.deadline {
            return Err(inner.out_of_time(self.session.timeout));
        }
        sleep_until(until).await;
        Ok(())
    }
}

impl Inner {
    pub(super) fn refuse_if_closed(&self) -> Result<()> {
        match *self.closed.borrow() {
            true => Err(closed()),
            false => Ok(()),
        }
    }

    /// Does `work`, and gives it up with [`ErrorKind::Closed`] when the clock is closed.
    pub(super) async fn unless_closed<T>(
        &self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut closing = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closed| *closed) => Err(closed()),
            result = work => result,
        }
    }

    /// The error for a caller whose deadline passed.
    pub(super) fn out_of_time(&self, timeout: Duration) -> Error {
        let what = format!("not done within {timeout:?} (LAMPORT_TIMEOUT)");
        match self.last_failure().clone() {
            Some(cause) => Error::with_source(cause.kind(), format!("{what}: {cause}"), cause),
            None => Error::new(ErrorKind::Timeout, what),
        }
    }
}
