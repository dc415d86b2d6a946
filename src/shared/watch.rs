//! Following the record.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, sleep_until};

use super::backoff::{Backoff, Jitter};
use super::session::shown_loss;
use super::{Observed, SharedClock};
use crate::error::{Error, ErrorKind, Result};
use crate::events::Event;
use crate::protocol::{At, Change, Snapshot};
use crate::store::{Changes, Failure};

/// Every update by anyone, in order, from one revision on: a [`Stream`] of events, which ends with its
/// first error.
///
/// After a broken connection it resumes by itself, without losing or repeating an update, for as long as
/// the store keeps what happened meanwhile. Work under way is kept between polls, however short the
/// slices in which the watch is polled.
///
/// ```
/// # use lamport_clock::{SharedClock, WatchEvent};
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let clock = SharedClock::memory("api")?;
/// let mut watch = clock.watch().await?;
/// let update = clock.update().await?;
/// let WatchEvent::Updated(observed) = watch.next().await? else { panic!() };
/// assert_eq!(observed.value, update.value);
/// # Ok::<(), lamport_clock::Error>(())
/// # }).unwrap();
/// ```
pub struct Watch {
    clock: SharedClock,
    /// Number of repairs that had been accepted when the watch began.
    repairs: u64,
    /// The future of the next event, and the runtime on which it is under way, if it has begun. It can't
    /// move to another runtime.
    under_way: Option<(Next, Option<Id>)>,
    next_revision: u64,
    /// Whether the stream has yielded an error; it ends after the first.
    over: bool,
}

type Next = Pin<Box<dyn Future<Output = (Follower, Result<WatchEvent>)> + Send>>;

impl Watch {
    pub(super) fn from_revision(clock: SharedClock, from: u64) -> Watch {
        let repairs = clock.inner.protocol().repairs();
        Watch {
            clock,
            repairs,
            under_way: None,
            next_revision: from,
            over: false,
        }
    }

    /// The next event; waits as long as there is none.
    ///
    /// Fails only where going on is pointless: [`ErrorKind::Denied`], [`ErrorKind::Closed`],
    /// [`ErrorKind::Regressed`] (also after a repair: a new watch goes on there) and the like. A future
    /// that is dropped before it is done loses no event.
    pub async fn next(&mut self) -> Result<WatchEvent> {
        poll_fn(|context| self.poll_event(context)).await
    }

    /// The revision at which a new watch has to begin to go on where this one stands. The new watch
    /// yields every event that this one has not yielded yet.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// let watch = clock.watch().await?;
    /// let later = watch.next_revision();
    /// drop(watch);
    /// clock.update().await?;
    /// // Nothing was missed meanwhile.
    /// let mut watch = clock.watch_from(later).await?;
    /// watch.next().await?;
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn next_revision(&self) -> u64 {
        self.next_revision
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Result<WatchEvent>> {
        let here = Handle::try_current().ok().map(|runtime| runtime.id());
        let mut next = match self.under_way.take() {
            Some((next, there)) if there.is_none() || there == here => next,
            // Work that was under way on another runtime begins anew here, at the first event not yielded
            // yet.
            _ => {
                let clock = self.clock.clone();
                Follower::new(clock, self.next_revision, self.repairs).followed()
            }
        };
        let Poll::Ready((follower, event)) = next.as_mut().poll(context) else {
            self.under_way = Some((next, here));
            return Poll::Pending;
        };
        self.next_revision = follower.next_revision();
        self.under_way = Some((follower.followed(), None));
        Poll::Ready(event)
    }
}

impl Stream for Watch {
    type Item = Result<WatchEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let event = ready!(self.poll_event(context));
        self.over = event.is_err();
        Poll::Ready(Some(event))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("next_revision", &self.next_revision)
            .finish_non_exhaustive()
    }
}

/// An event of a [`Watch`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WatchEvent {
    /// An update.
    Updated(Observed),
    /// Keys of the clock were deleted, which no clock does.
    Deleted {
        /// The revision of the deletion.
        revision: u64,
    },
    /// Something was written that can't be read.
    Unreadable {
        /// The revision of the write.
        revision: u64,
        /// Why it can't be read.
        error: Error,
    },
    /// The store compacted its history faster than this watch followed: what happened from revision
    /// `from` up to, but not including, `until` is not known. Revisions count all keys of the store, so
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

/// Follows the store for a [`Watch`].
struct Follower {
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
    fn new(clock: SharedClock, from: u64, repairs: u64) -> Follower {
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

    fn followed(mut self) -> Next {
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

    fn next_revision(&self) -> u64 {
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
        self.refuse_if_nowhere(newest.revision)?;
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

    /// [`ErrorKind::Regressed`] after a repair, or if the store lost what this watch followed. A repair
    /// restores the clock but not that history, so the next changes would not continue it.
    fn refuse_if_nowhere(&mut self, revision: u64) -> Result<(), Failure> {
        let repairs = self.clock.inner.protocol().repairs();
        if repairs == self.repairs && self.next_revision <= revision.saturating_add(1) {
            return Ok(());
        }
        let error = Error::new(
            ErrorKind::Regressed,
            format!(
                "the store is at revision {revision}, and has lost what this watch followed up to \
                 revision {}: begin a new watch",
                self.next_revision
            ),
        );
        Err(shown_loss(error, &mut self.losses))
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
