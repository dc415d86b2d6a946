//! The updates that the store still keeps.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use super::session::Session;
use crate::error::{ErrorKind, Result};
use crate::protocol::{At, Observed, Reply, Snapshot};

/// Updates, oldest first, and what lies before them.
///
/// ```
/// # use lamport_clock::{History, SharedClock};
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let clock = SharedClock::memory("api")?;
/// clock.reserve(3).await?;
/// let history = clock.history(10).await?;
/// for update in &history.updates {
///     println!("{} to {} by {}", update.first, update.value, update.process);
/// }
/// if let Some(revision) = history.unread_from {
///     let older: History = clock.history_from(revision, 10).await?;
/// }
/// # Ok::<(), lamport_clock::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The updates.
    pub updates: Vec<Observed>,
    /// The store no longer keeps what came before this revision: the history was cut there, not at the
    /// limit and not at the first update.
    pub compacted_before: Option<u64>,
    /// How many revisions held something that can't be read; they are left out.
    pub unreadable: usize,
    /// The deadline came before the limit: what was written at this revision and before it was not
    /// read. [`SharedClock::history_from`](super::SharedClock::history_from) goes on there.
    pub unread_from: Option<u64>,
}

/// From the newest update at `at` back to its predecessors, one read each. A watch from an old revision
/// would bring the same, but makes the server search everything from there on, and slows writers.
///
/// One deadline for the whole walk, as for every call.
pub(super) async fn walk_back(session: &Session, mut at: At, limit: usize) -> Result<History> {
    let keys = session.inner.protocol().keys().clone();
    let range = &keys.all();
    let mut history = History::default();
    let mut ahead = Ahead::new(|at| session.read(range, at));
    while history.updates.len() < limit {
        let reply = match (ahead.read(at).await, at) {
            (Ok(reply), _) => reply,
            (Err(error), At::Revision(at)) => match error.kind() {
                ErrorKind::Compacted => {
                    history.compacted_before = Some(at + 1);
                    break;
                }
                // What was read until then is worth having.
                ErrorKind::Timeout | ErrorKind::Unavailable if history != History::default() => {
                    history.unread_from = Some(at);
                    break;
                }
                _ => return Err(error),
            },
            (Err(error), _) => return Err(error),
        };
        let snapshot = Snapshot::of(&keys, &reply);
        let revision = snapshot.written_at();
        if revision == 0 {
            break;
        }
        // What the newest write did is told by the state that it left.
        match snapshot.as_of(revision).update() {
            Ok(update) => history.updates.extend(update),
            Err(_) => history.unreadable += 1,
        }
        if revision == 1 {
            break;
        }
        at = At::Revision(revision - 1);
    }
    history.updates.reverse();
    Ok(history)
}

/// Reads of the revisions right below, under way before it is known which are needed: where the store
/// holds little else, the next update is one of the next revisions, and its read has its answer already.
struct Ahead<F, R> {
    begin: F,
    /// By falling revision.
    reads: VecDeque<(u64, Read<R>)>,
    /// How many there may be: twice as many after each that was needed, one after those that were not.
    most: u64,
    /// The revision that was needed last; 0: none was.
    last: u64,
}

enum Read<R> {
    UnderWay(Pin<Box<R>>),
    Done(Result<Reply>),
}

impl<F: Fn(At) -> R, R: Future<Output = Result<Reply>>> Ahead<F, R> {
    const MOST: u64 = 16;

    fn new(begin: F) -> Self {
        Ahead {
            begin,
            reads: VecDeque::new(),
            most: 1,
            last: 0,
        }
    }

    async fn read(&mut self, at: At) -> Result<Reply> {
        let At::Revision(at) = at else {
            return (self.begin)(at).await;
        };
        self.reads.retain(|(revision, _)| *revision <= at);
        self.most = match self.last.checked_sub(at) {
            Some(passed) if passed <= self.most => (self.most * 2).min(Self::MOST),
            _ => 1,
        };
        self.last = at;
        let mut next = self.reads.back().map_or(at, |(revision, _)| revision - 1);
        while next > at.saturating_sub(self.most) {
            let read = Box::pin((self.begin)(At::Revision(next)));
            self.reads.push_back((next, Read::UnderWay(read)));
            next -= 1;
        }
        poll_fn(|context| {
            for (_, read) in &mut self.reads {
                if let Read::UnderWay(reading) = read
                    && let Poll::Ready(reply) = reading.as_mut().poll(context)
                {
                    *read = Read::Done(reply);
                }
            }
            match self.reads.pop_front() {
                Some((_, Read::Done(reply))) => Poll::Ready(reply),
                Some(under_way) => {
                    self.reads.push_front(under_way);
                    Poll::Pending
                }
                None => Poll::Pending,
            }
        })
        .await
    }
}
