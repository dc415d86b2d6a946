//! Following the record, for threads.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch as watch_channel;

use super::call::{Call, ended};
use crate::error::{Error, ErrorKind, Result};
use crate::fork::{self, OfGeneration};
use crate::shared::{self, WatchEvent};

/// [`crate::Watch`] for threads; as an iterator it ends with the first error.
///
/// A forked child gets [`ErrorKind::Closed`](crate::ErrorKind::Closed) from a watch that it inherits, and
/// has to begin one of its own. If two processes read one watch, each would miss the events that the
/// other read.
pub struct Watch {
    state: OfGeneration<Reading>,
    closer: Closer,
    next_revision: u64,
    /// Whether the iterator has yielded an error; it ends after the first.
    over: bool,
}

/// Ends a [`Watch`] from another thread than the one that reads it.
///
/// ```
/// # use lamport_clock::{ErrorKind, blocking::SharedClock};
/// let clock = SharedClock::memory("api")?;
/// let mut watch = clock.watch()?;
/// let closer = watch.closer();
/// let reader = std::thread::spawn(move || watch.next());
/// closer.close();
/// let last = reader.join().unwrap().expect("the error that ends it");
/// assert_eq!(last.unwrap_err().kind(), ErrorKind::Closed);
/// # Ok::<(), lamport_clock::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Closer(OfGeneration<watch_channel::Sender<bool>>);

impl Closer {
    /// Ends the watch. A reader that waits for the next event gets
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) at once, and so does every later read.
    pub fn close(&self) {
        fork::look();
        if let Some(closed) = self.0.of_this_process() {
            // A lost runtime must not be woken. A reader on it checks by itself, at intervals.
            let wakes = self.0.get().is_some();
            closed.send_if_modified(|closed| {
                *closed = true;
                wakes
            });
        }
    }

    /// Whether the watch was ended. In a forked child, an inherited watch counts as ended.
    pub fn is_closed(&self) -> bool {
        let closed = self.0.of_this_process();
        closed.is_none_or(|closed| *closed.borrow())
    }

    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the watch was ended.
    pub fn check(&self) -> Result<()> {
        if self.is_closed() {
            return Err(closed());
        }
        Ok(())
    }
}

/// A waiting reader checks its generation at least this often. This is less often than in a call, because
/// a watch waits most of the time.
const LOOK_UP: Duration = Duration::from_secs(1);

enum Reading {
    Resting(Box<shared::Watch>),
    Waiting(NextEvent),
    Ended,
}

type NextEvent = Call<(Box<shared::Watch>, Result<WatchEvent>)>;

/// Wraps an async watch for use by threads.
impl From<shared::Watch> for Watch {
    fn from(watch: shared::Watch) -> Watch {
        Watch {
            next_revision: watch.next_revision(),
            state: OfGeneration::new(Reading::Resting(Box::new(watch))),
            closer: Closer(OfGeneration::new(watch_channel::Sender::new(false))),
            over: false,
        }
    }
}

impl Watch {
    /// Waits at most `patience` for the next event; `None` if there is none yet. Nothing is lost
    /// by giving up and asking again.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use lamport_clock::blocking::SharedClock;
    /// let clock = SharedClock::memory("api")?;
    /// let mut watch = clock.watch()?;
    /// assert!(watch.next_within(Duration::from_millis(1)).is_none());
    /// clock.update()?;
    /// assert!(watch.next_within(Duration::from_secs(5)).is_some());
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn next_within(&mut self, patience: Duration) -> Option<Result<WatchEvent>> {
        fork::look();
        if let Err(inherited) = self.state.generation().check("this watch") {
            return Some(Err(inherited));
        }
        // A closed watch yields nothing more, not even an event that has come already.
        if let Err(closed) = self.closer.check() {
            return Some(Err(closed));
        }
        let closed = self.closer.0.get()?;
        let state = self.state.get_mut()?;
        let mut call = match ask(state, closed) {
            Ok(call) => call,
            Err(error) => return Some(Err(error)),
        };
        let mut left = patience;
        loop {
            match call.wait_for(left.min(LOOK_UP)) {
                None if left <= LOOK_UP => {
                    *state = Reading::Waiting(call);
                    return None;
                }
                None => left -= LOOK_UP,
                Some(Ok((watch, event))) => {
                    self.next_revision = watch.next_revision();
                    *state = Reading::Resting(watch);
                    return Some(event);
                }
                Some(Err(error)) => return Some(Err(error)),
            }
        }
    }

    /// Ready once [`next_within`](Watch::next_within) gives an event or the end without waiting. Until
    /// then the newest waker is woken as described at [`Call::poll_ready`]. No event is lost if the
    /// caller stops polling.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        fork::look();
        let (Some(closed), Some(state)) = (self.closer.0.get(), self.state.get_mut()) else {
            return Poll::Ready(());
        };
        match ask(state, closed) {
            Ok(mut call) => {
                let ready = call.poll_ready(context);
                *state = Reading::Waiting(call);
                ready
            }
            Err(_) => Poll::Ready(()),
        }
    }

    /// A handle that ends this watch from another thread.
    pub fn closer(&self) -> Closer {
        self.closer.clone()
    }

    /// As [`crate::Watch::next_revision`].
    pub fn next_revision(&self) -> u64 {
        self.next_revision
    }
}

/// The call that brings the next event: the one under way, or one that begins now.
fn ask(state: &mut Reading, closed: &watch_channel::Sender<bool>) -> Result<NextEvent> {
    match std::mem::replace(state, Reading::Ended) {
        Reading::Waiting(call) => Ok(call),
        Reading::Resting(mut watch) => {
            let mut closed = closed.subscribe();
            Call::spawn(async move {
                let event = tokio::select! {
                    biased;
                    _ = closed.wait_for(|closed| *closed) => Err(self::closed()),
                    event = watch.next() => event,
                };
                Ok((watch, event))
            })
        }
        Reading::Ended => Err(ended()),
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("next_revision", &self.next_revision)
            .field("closer", &self.closer)
            .finish_non_exhaustive()
    }
}

impl Iterator for Watch {
    type Item = Result<WatchEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over || matches!(self.state.get(), Some(Reading::Ended)) {
            return None;
        }
        let event = loop {
            if let Some(event) = self.next_within(LOOK_UP) {
                break event;
            }
        };
        self.over = event.is_err();
        Some(event)
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "this watch was closed")
}
