//! Following the record.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::{Inner, Observed, SharedClock, driver, refuse_if_regressed};
use crate::error::{Error, ErrorKind, Result};
use crate::logic::exchange::Seen;
use crate::logic::trace::Trace;
use crate::store::{Change, Changes, Failure};

/// Every update by anyone, in order, from one revision on.
///
/// It resumes by itself where the connection broke, without losing or repeating an update, for as
/// long as the store keeps what happened meanwhile.
pub struct Watch {
    clock: SharedClock,
    changes: Option<Box<dyn Changes>>,
    /// So many looks in a row showed less than this clock knows.
    losses: usize,
    next_revision: u64,
    /// [`Exchange::restored`](crate::logic::exchange::Exchange::restored) when it began.
    restored: u64,
    /// Events that are known and not yet told, each with the revision at which it is told again.
    ready: VecDeque<(u64, WatchEvent)>,
    pause: Duration,
    resume_at: Instant,
}

/// What a [`Watch`] tells.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WatchEvent {
    /// An update.
    Updated(Observed),
    /// The record was deleted, which no clock does.
    Deleted {
        /// The revision of the deletion.
        revision: u64,
    },
    /// A record was written that can't be read.
    Unreadable {
        /// Its revision.
        revision: u64,
        /// What was found.
        error: Error,
    },
    /// The store compacted its history faster than this watch followed: what happened from revision
    /// `from` up to and without `until` is not known. Revisions count all keys of the store, so
    /// there may have been no update among them.
    Missed {
        /// The first revision missed.
        from: u64,
        /// Where the watch goes on.
        until: u64,
    },
    /// The connection broke, for this reason; the watch goes on trying. Nothing is missed by that.
    Interrupted(Error),
}

impl Watch {
    pub(super) fn from_revision(clock: SharedClock, from: u64) -> Watch {
        let restored = clock.inner.exchange().restored();
        Watch {
            restored,
            clock,
            changes: None,
            losses: 0,
            next_revision: from,
            ready: VecDeque::new(),
            pause: Duration::ZERO,
            resume_at: Instant::now(),
        }
    }

    /// The next event; waits as long as there is none.
    ///
    /// Fails only where going on is pointless: [`ErrorKind::Denied`], [`ErrorKind::Closed`],
    /// [`ErrorKind::Regressed`] (also after a repair: a new watch goes on there) and the like. A future that is dropped before it is done loses no event.
    pub async fn next(&mut self) -> Result<WatchEvent> {
        loop {
            if let Some((_, event)) = self.ready.pop_front() {
                return Ok(event);
            }
            let mut closed = self.clock.inner.closed.subscribe();
            tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => return Err(driver::closed()),
                advanced = self.advance() => advanced?,
            }
        }
    }

    /// The revision from which a new watch would go on where this one stands: it tells all that this
    /// one has not told yet. Updates that were served together share a revision, so after some of
    /// them it tells those again.
    pub fn next_revision(&self) -> u64 {
        // The store's answers hold many revisions, of which the caller has heard the first ones.
        let untold = self.ready.front();
        untold.map_or(self.next_revision, |(revision, _)| *revision)
    }

    async fn advance(&mut self) -> Result<()> {
        let inner = self.clock.inner.clone();
        let result = match &mut self.changes {
            Some(changes) => changes.next().await,
            None => {
                // A moment, not a length of time: callers may look up from waiting again and again.
                tokio::time::sleep_until(self.resume_at).await;
                match self.open().await {
                    Ok(changes) => {
                        self.changes = Some(changes);
                        return Ok(());
                    }
                    Err(failure) => Err(failure),
                }
            }
        };
        match result {
            Ok(changes) => {
                self.pause = Duration::ZERO;
                for change in changes {
                    self.next_revision = self.next_revision.max(change.revision + 1);
                    let told = events(&inner, &change);
                    self.ready
                        .extend(told.into_iter().map(|event| (change.revision, event)));
                }
                Ok(())
            }
            Err(failure) => {
                self.changes = None;
                if failure.error.kind() == ErrorKind::Compacted {
                    return self.skip(failure.kept_from).await;
                }
                // A store that can't be used until somebody does something may yet be mended: a watch
                // asks seldom, and waits for it.
                if !failure.retry && failure.error.kind() != ErrorKind::Unavailable {
                    return Err(failure.error);
                }
                // Said once for each break, not for each attempt to mend it.
                if self.pause.is_zero() {
                    let interrupted = WatchEvent::Interrupted(failure.error);
                    self.ready.push_back((self.next_revision, interrupted));
                }
                self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                self.resume_at = Instant::now() + self.pause;
                Ok(())
            }
        }
    }

    async fn open(&mut self) -> Result<Box<dyn Changes>, Failure> {
        let inner = &self.clock.inner;
        // The store may be another by now, or an older state of this one: there our revision lies in
        // the future, and we would wait for it in silence.
        let (reply, view) = inner.look_once(inner.deadline()).await?;
        let well = refuse_if_regressed(view).and_then(|()| self.refuse_if_nowhere(reply.revision));
        if let Err(error) = well {
            // A read may be stale for a moment.
            self.losses += 1;
            return Err(match self.losses < driver::LOOKS {
                true => Failure::not_sent(error),
                false => Failure::answered(error),
            });
        }
        self.losses = 0;
        let range = inner.keys.trace();
        let opening = inner.store.watch(range, self.next_revision, inner.timeout);
        opening.await
    }

    /// A repair makes the clock whole, and not the history that this watch followed: what it would go on
    /// with is not what came next.
    fn refuse_if_nowhere(&self, revision: u64) -> Result<()> {
        let restored = self.clock.inner.exchange().restored();
        if restored == self.restored && self.next_revision <= revision.saturating_add(1) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Regressed,
            format!(
                "the store is at revision {revision}, and has lost what this watch followed up to \
                 revision {}: begin a new watch",
                self.next_revision
            ),
        ))
    }

    /// What lies before `kept_from` is gone for good; goes on from there, or from now.
    async fn skip(&mut self, kept_from: Option<u64>) -> Result<()> {
        let until = match kept_from {
            Some(revision) => revision,
            None => {
                let inner = &self.clock.inner;
                let look = inner.exchange().look_transaction();
                inner.transact(&look, inner.deadline()).await?.revision + 1
            }
        };
        let from = self.next_revision;
        self.ready
            .push_back((from, WatchEvent::Missed { from, until }));
        self.next_revision = self.next_revision.max(until);
        Ok(())
    }
}

/// What a change means, and what the clock learns from it.
fn events(inner: &Inner, change: &Change) -> Vec<WatchEvent> {
    let revision = change.revision;
    let written = change.keys.iter().filter_map(|(_, entry)| entry.as_ref());
    let trace = Trace::of(&inner.keys, written);
    if trace.record.is_none() {
        let deleted = change
            .keys
            .iter()
            .any(|(key, entry)| *key == inner.keys.record && entry.is_none());
        if !deleted {
            return Vec::new();
        }
        inner.exchange().forget_before(revision);
        return vec![WatchEvent::Deleted { revision }];
    }
    match Seen::of(&trace, &inner.keys, revision) {
        Some(seen) => inner.exchange().observe(seen),
        None => inner.exchange().forget_before(revision),
    }
    match trace.updates(&inner.keys) {
        Ok(updates) => updates.into_iter().map(WatchEvent::Updated).collect(),
        Err(error) => vec![WatchEvent::Unreadable { revision, error }],
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
