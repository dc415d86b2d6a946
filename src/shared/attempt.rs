//! One attempt at the store, bounded; and when to make the next one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::backoff::{Backoff, Jitter};
use super::{Inner, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{At, KeyRange, Reply, Snapshot, Transaction};
use crate::store::{Failure, StoreFuture};

/// Reads that must agree before a loss is reported: one may be stale.
pub(super) const LOOKS: usize = 3;
/// Bounds of the pause before an attempt is repeated. The first repetition comes at once, since
/// another member may be well.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The attempts of one call: what to do after one that failed.
pub(super) struct Attempts<'a> {
    inner: &'a Inner,
    deadline: Instant,
    /// As it is told of: how long the call was given.
    timeout: Duration,
    failures: usize,
    backoff: Backoff,
    jitter: Jitter,
}

impl Attempts<'_> {
    /// An attempt brought the call forward: the next failure is the first one again.
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
        *self.inner.last_failure() = Some(failure.error);
        let mut until = Instant::now();
        if self.failures > 0 {
            until += self.jitter.around(self.backoff.pause());
        }
        self.failures += 1;
        if until >= self.deadline {
            return Err(self.inner.out_of_time(self.timeout));
        }
        sleep_until(until).await;
        Ok(())
    }
}

impl Session {
    pub(super) fn attempts(&self, deadline: Instant) -> Attempts<'_> {
        Attempts {
            inner: &self.inner,
            deadline,
            timeout: self.timeout,
            failures: 0,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            jitter: Jitter::of(self.inner.local.instance()),
        }
    }

    /// Something that is given up when the clock is closed.
    pub(super) async fn unless_closed<T>(
        &self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut closing = self.inner.closed.subscribe();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closed| *closed) => Err(closed()),
            result = work => result,
        }
    }

    /// A transaction that may be repeated freely, until the deadline of the call.
    pub(super) async fn transact(
        &self,
        transaction: &Transaction,
        deadline: Instant,
    ) -> Result<Reply> {
        let mut attempts = self.attempts(deadline);
        loop {
            match self.send(transaction, deadline).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => attempts.failed(failure).await?,
            }
        }
    }

    /// A read, until the deadline of the call.
    pub(super) async fn read_range(
        &self,
        range: &KeyRange,
        at: At,
        deadline: Instant,
    ) -> Result<Reply> {
        let mut attempts = self.attempts(deadline);
        loop {
            match self.read_once(range, at, deadline).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => attempts.failed(failure).await?,
            }
        }
    }

    /// What the store holds, held against what is known.
    ///
    /// Each attempt is judged by what was known when it began. A read may be stale for a moment, so a
    /// loss is looked at more than once.
    pub(super) async fn look(&self, deadline: Instant) -> Result<Arc<Snapshot>> {
        let mut losses = 0;
        let mut attempts = self.attempts(deadline);
        loop {
            let failure = match self.look_once(losses, deadline).await {
                Ok(snapshot) => return Ok(snapshot),
                Err(failure) => failure,
            };
            losses += usize::from(failure.error.kind() == ErrorKind::Regressed);
            attempts.failed(failure).await?;
        }
    }

    /// One such look, after `losses` that showed a loss.
    pub(super) async fn look_once(
        &self,
        losses: usize,
        deadline: Instant,
    ) -> Result<Arc<Snapshot>, Failure> {
        let asked = self.inner.protocol().known();
        let range = self.inner.protocol().keys().all();
        let reply = self.read_once(&range, At::Now, deadline).await?;
        let is_last = losses + 1 >= LOOKS;
        let judged = self
            .inner
            .judge(|protocol| protocol.handle_look(asked, &reply, is_last));
        judged.map_err(|error| match is_last {
            true => Failure::answered(error),
            false => Failure::not_sent(error),
        })
    }

    pub(super) async fn read_once(
        &self,
        range: &KeyRange,
        at: At,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let within = left(deadline);
        self.bounded(within, self.carrier.store.read(range, at, within))
            .await
    }

    /// One attempt at a transaction.
    pub(super) async fn send(
        &self,
        transaction: &Transaction,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let within = left(deadline);
        self.bounded(within, self.carrier.store.transact(transaction, within))
            .await
    }

    /// Bounded also where a store does not keep to its bound.
    async fn bounded(
        &self,
        within: Duration,
        work: StoreFuture<'_, Reply>,
    ) -> Result<Reply, Failure> {
        timeout(within, work).await.unwrap_or_else(|_| {
            Err(Failure::unknown(Error::new(
                ErrorKind::Timeout,
                format!("{} gave no answer", self.carrier.store.location()),
            )))
        })
    }
}

impl Inner {
    /// What to tell a caller whose deadline passed.
    pub(super) fn out_of_time(&self, timeout: Duration) -> Error {
        match self.last_failure().clone() {
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
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "this clock was closed")
}
