//! The updates that the store still keeps.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use super::session::Session;
use super::{SharedClock, cut_off};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{At, Observed, Reply, Snapshot};

/// Updates, oldest first, and what is missing from them.
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
    /// read. [`SharedClock::history_from`] goes on there.
    pub unread_from: Option<u64>,
}

impl SharedClock {
    /// The newest updates that the store still keeps, at most `limit` of them, oldest first.
    ///
    /// It costs one round trip for each transaction in the history. Many of them run at once if
    /// other keys of the store are seldom written. If the deadline comes first, the history holds what
    /// was read until then, and [`History::unread_from`] says where to go on.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// for _ in 0..3 {
    ///     clock.update().await?;
    /// }
    /// let history = clock.history(2).await?;
    /// let values: Vec<_> = history.updates.iter().map(|update| update.value.get()).collect();
    /// assert_eq!(values, [4, 6]);
    /// assert_eq!((history.compacted_before, history.unread_from), (None, None));
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn history(&self, limit: usize) -> Result<History> {
        self.walk_back(At::Now, limit).await
    }

    /// As [`history`](SharedClock::history), for the newest updates up to and including `revision`. It
    /// goes on where a history was cut. Revision 0 counts as 1.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// let first = clock.update().await?;
    /// clock.update().await?;
    /// let history = clock.history_from(first.revision, 10).await?;
    /// assert_eq!(history.updates.len(), 1);
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn history_from(&self, revision: u64, limit: usize) -> Result<History> {
        self.walk_back(At::Revision(revision.max(1)), limit).await
    }

    async fn walk_back(&self, at: At, limit: usize) -> Result<History> {
        self.carry(async move |session| walk_back(&session, at, limit).await)
            .await
    }
}

/// Walks from the newest update at `at` back to its predecessors, with one read for each. A watch from an
/// old revision would give the same updates, but it makes the server search all later revisions, and
/// slows writers.
///
/// One deadline for the whole walk, as for every call.
async fn walk_back(session: &Session, mut at: At, limit: usize) -> Result<History> {
    let keys = session.inner.protocol().keys().clone();
    let mut history = History::default();
    let mut ahead = Ahead::of(session);
    let mut has_read = false;
    let is_late =
        |error: &Error| matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable);
    while history.updates.len() < limit {
        let reply = match at {
            At::Revision(at) => match ahead.read(at).await {
                Err(error) if error.kind() == ErrorKind::Compacted => {
                    history.compacted_before = Some(at + 1);
                    break;
                }
                // The caller gets the updates read so far, even if there are none, and where to go on.
                Err(error) if is_late(&error) && has_read => {
                    history.unread_from = Some(at);
                    break;
                }
                reply => reply?,
            },
            _ => session.read(&keys.all(), at).await?,
        };
        has_read = true;
        let snapshot = Snapshot::of(&keys, &reply);
        let revision = snapshot.written_at();
        if revision == 0 {
            break;
        }
        // The state after the newest write shows what that write did.
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

/// Reads the next lower revisions before it is known which of them hold an update. If other keys of the
/// store are seldom written, the next update is at one of them, and its answer is already here.
struct Ahead<'a> {
    session: &'a Session,
    under_way: JoinSet<(u64, Result<Reply>)>,
    /// The answers that have come but are not needed yet, by revision.
    answers: BTreeMap<u64, Result<Reply>>,
    /// The next revision to read: the highest one below all whose reads were begun.
    next: u64,
    /// How many reads may be under way ahead. Doubles while needed revisions lie close together, else
    /// falls to one.
    most: u64,
    /// The revision that was needed last; 0: none was.
    last: u64,
}

impl Ahead<'_> {
    const MOST: u64 = 16;

    fn of(session: &Session) -> Ahead<'_> {
        Ahead {
            session,
            under_way: JoinSet::new(),
            answers: BTreeMap::new(),
            next: u64::MAX,
            most: 1,
            last: 0,
        }
    }

    async fn read(&mut self, at: u64) -> Result<Reply> {
        self.most = match self.last.checked_sub(at) {
            Some(passed) if passed <= self.most => (self.most * 2).min(Self::MOST),
            _ => 1,
        };
        self.last = at;
        self.answers.retain(|revision, _| *revision <= at);
        self.next = self.next.min(at);
        while self.next > at.saturating_sub(self.most) {
            let (session, revision) = (self.session.clone(), self.next);
            self.next -= 1;
            self.under_way.spawn(async move {
                let range = session.inner.protocol().keys().all();
                (revision, session.read(&range, At::Revision(revision)).await)
            });
        }
        loop {
            if let Some(reply) = self.answers.remove(&at) {
                return reply;
            }
            match self.under_way.join_next().await {
                Some(Ok((revision, reply))) => self.answers.insert(revision, reply),
                _ => return Err(cut_off()),
            };
        }
    }
}
