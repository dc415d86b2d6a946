//! The work of a watch: opens it, opens it again where it breaks, and makes events of changes.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::SharedClock;
use super::backoff::{Backoff, Jitter};
use super::session::shown_loss;
use super::watch::{Next, WatchEvent};
use crate::error::{Error, ErrorKind, Result};
use crate::events::Event;
use crate::protocol::{At, Change, Observed, Snapshot};
use crate::store::{Changes, Failure};

/// Follows the store for a [`Watch`].
pub(super) struct Follower {
    clock: SharedClock,
    changes: Option<Box<dyn Changes>>,
    /// The state of the shared clock right before `next_revision`; `None` before the first answer, and
    /// after a gap in the history.
    state: Option<Snapshot>,
    /// Number of looks in a row that showed a loss.
    losses: usize,
    next_revision: u64,
    /// Number of repairs that had been accepted when the watch began.
    repairs: u64,
    /// Events not yielded yet, each with the revision from which a new watch would yield it again.
    ready: VecDeque<(u64, WatchEvent)>,
    backoff: Backoff,
    jitter: Jitter,
    /// Whether the break was reported.
    interrupted: bool,
    resume_at: Instant,
}

impl Follower {
    pub(super) fn new(clock: SharedClock, from: u64, repairs: u64) -> Follower {
        Follower {
            repairs,
            jitter: Jitter::of(clock.instance()),
            clock,
            changes: None,
            state: None,
            losses: 0,
            next_revision: from,
            ready: VecDeque::new(),
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            interrupted: false,
            resume_at: Instant::now(),
        }
    }

    pub(super) fn followed(mut self) -> Next {
        Box::pin(async move {
            let event = self.next().await;
            (self, event)
        })
    }

    async fn next(&mut self) -> Result<WatchEvent> {
        let inner = self.clock.inner.clone();
        loop {
            if let Some((_, event)) = self.ready.pop_front() {
                return Ok(event);
            }
            inner.unless_closed(self.advance()).await?;
        }
    }

    pub(super) fn next_revision(&self) -> u64 {
        // One answer of the store may hold many revisions, and the caller may have only the first of them.
        let untold = self.ready.front();
        untold.map_or(self.next_revision, |(revision, _)| *revision)
    }

    async fn advance(&mut self) -> Result<()> {
        let Err(failure) = self.hear().await else {
            return Ok(());
        };
        self.changes = None;
        if failure.error.kind() == ErrorKind::Compacted {
            return self.skip(failure).await;
        }
        // A store that needs a person's help may yet be mended. A watch retries seldom, so it waits for
        // that.
        if !failure.retry && failure.error.kind() != ErrorKind::Unavailable {
            return Err(failure.error);
        }
        // Reported once for each break, not for each attempt to reconnect.
        if !self.interrupted {
            Event::WatchInterrupted(&failure.error).tell(self.clock.process());
            let interrupted = WatchEvent::Interrupted(failure.error);
            self.ready.push_back((self.next_revision, interrupted));
        }
        self.interrupted = true;
        self.pause();
        Ok(())
    }

    /// Sets the next attempt. Jitter keeps watches that lost the same server from coming back together.
    fn pause(&mut self) {
        self.resume_at = Instant::now() + self.jitter.around(self.backoff.pause());
    }

    /// Waits for the next changes; opens the stream of changes first if there is none.
    async fn hear(&mut self) -> Result<(), Failure> {
        let Some(changes) = &mut self.changes else {
            // Until a moment, not for a length of time: callers may interrupt their wait again and again.
            sleep_until(self.resume_at).await;
            return self.open().await;
        };
        let changes = changes.next().await?;
        self.backoff.reset();
        if std::mem::take(&mut self.interrupted) {
            let next_revision = self.next_revision;
            Event::WatchResumed { next_revision }.tell(self.clock.process());
        }
        for change in changes {
            self.note(&change);
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<(), Failure> {
        let session = self.clock.session().map_err(Failure::answered)?;
        // The store may be another one by now, or an older state of this one. There our revision lies in
        // the future, and the watch would wait for it in silence.
        let newest = session.look_once(&mut self.losses).await?;
        if !self.is_somewhere(&newest).await? {
            return Err(self.nowhere(newest.revision));
        }
        self.losses = 0;
        if self.state.is_none() {
            self.begin(&newest).await?;
        }
        let range = session.inner.protocol().keys().all();
        let store = &session.carrier.store;
        let opening = store.watch(range, self.next_revision, session.timeout);
        self.changes = Some(opening.await?);
        Ok(())
    }

    /// Finds the state to go on from, if none is known. A change can only be understood against the
    /// state before it.
    async fn begin(&mut self, newest: &Snapshot) -> Result<(), Failure> {
        let from = self.next_revision;
        if from > newest.revision {
            self.state = Some(newest.clone());
            return Ok(());
        }
        let session = self.clock.session().map_err(Failure::answered)?;
        let keys = session.inner.protocol().keys().clone();
        let reply = match session.read_once(&keys.all(), At::Revision(from)).await {
            Err(failure)
                if failure.error.kind() == ErrorKind::Compacted && failure.kept_from.is_none() =>
            {
                // A watch that fails names the oldest revision that the store keeps; a read does not.
                let store = &session.carrier.store;
                let mut changes = store.watch(keys.all(), from, session.timeout).await?;
                return Err(changes.next().await.err().unwrap_or(failure));
            }
            reply => reply?,
        };
        let state = Snapshot::of(&keys, &reply).as_of(from);
        self.tell(from, state.update());
        self.state = Some(state);
        self.next_revision = from + 1;
        Ok(())
    }

    /// Applies a change to the state, and queues the event that it stands for.
    fn note(&mut self, change: &Change) {
        let revision = change.revision;
        let Some(state) = &mut self.state else {
            return;
        };
        if revision < self.next_revision {
            return;
        }
        state.advance(change);
        let is_deletion = state.is_deletion(change);
        let update = state.update();
        self.next_revision = revision + 1;
        if is_deletion {
            self.ready
                .push_back((revision, WatchEvent::Deleted { revision }));
        } else {
            self.tell(revision, update);
        }
    }

    fn tell(&mut self, revision: u64, update: Result<Option<Observed>>) {
        let event = match update {
            Ok(None) => return,
            Ok(Some(update)) => WatchEvent::Updated(update),
            Err(error) => WatchEvent::Unreadable { revision, error },
        };
        self.ready.push_back((revision, event));
    }

    /// Whether the next changes would continue what this watch followed: not after a repair, which restores
    /// the clock but not that history, nor if the store has lost it.
    async fn is_somewhere(&mut self, newest: &Snapshot) -> Result<bool, Failure> {
        let repairs = self.clock.inner.protocol().repairs();
        if repairs != self.repairs || self.next_revision > newest.revision.saturating_add(1) {
            return Ok(false);
        }
        let Some(state) = &self.state else {
            return Ok(true);
        };
        if newest.written_at() < self.next_revision && newest.has_the_keys_of(state) {
            return Ok(true);
        }
        // A restored store may have come past our revision with other updates.
        let session = self.clock.session().map_err(Failure::answered)?;
        let keys = session.inner.protocol().keys().clone();
        let here = At::Revision(self.next_revision - 1);
        match session.read_once(&keys.all(), here).await {
            // If the changes from here on are gone too, opening the watch will tell.
            Err(failure) if failure.error.kind() == ErrorKind::Compacted => Ok(true),
            // It went back once more.
            Err(failure) if failure.error.kind() == ErrorKind::InvalidArgument => Ok(false),
            reply => Ok(Snapshot::of(&keys, &reply?).has_the_keys_of(state)),
        }
    }

    /// [`ErrorKind::Regressed`]: the store has lost what this watch followed.
    fn nowhere(&mut self, revision: u64) -> Failure {
        let error = Error::new(
            ErrorKind::Regressed,
            format!(
                "the store is at revision {revision}, and has lost what this watch followed up to \
                 revision {}: begin a new watch",
                self.next_revision
            ),
        );
        shown_loss(error, &mut self.losses)
    }

    /// The history before `kept_from` is gone for good. Goes on from there, or from now if that is unknown.
    async fn skip(&mut self, failure: Failure) -> Result<()> {
        let until = match failure.kept_from {
            Some(revision) => revision,
            None => {
                let session = self.clock.session()?;
                session.look().await?.revision + 1
            }
        };
        let from = self.next_revision;
        if until <= from {
            // By this revision, nothing that the watch follows is gone: the failure contradicts itself.
            return Err(failure.error);
        }
        self.ready
            .push_back((from, WatchEvent::Missed { from, until }));
        self.next_revision = until;
        self.state = None;
        self.pause();
        Ok(())
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
