//! Following the record.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::runtime::{Handle, Id};

use super::follower::Follower;
use super::{Observed, SharedClock};
use crate::error::{Error, Result};

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

pub(super) type Next = Pin<Box<dyn Future<Output = (Follower, Result<WatchEvent>)> + Send>>;

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
    /// Fails only where going on is pointless: [`Denied`], [`Closed`], [`Regressed`] (also after a repair: a
    /// new watch goes on there) and the like. A future that is dropped before it is done loses no event.
    ///
    /// [`Denied`]: crate::ErrorKind::Denied
    /// [`Closed`]: crate::ErrorKind::Closed
    /// [`Regressed`]: crate::ErrorKind::Regressed
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
