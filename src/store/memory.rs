//! The store in this process: nothing to install, and the contract in its plainest form.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::mvcc::Mvcc;
use super::{Changes, Failure, Store, StoreFuture};
use crate::error::{Error, ErrorKind};
use crate::fork::PerGeneration;
use crate::protocol::{At, Change, KeyRange, Reply, Transaction};

/// A store in memory. A clone is another handle on the same content.
///
/// ```
/// use std::sync::Arc;
/// use lamport_clock::{Config, SharedClock, store::MemoryStore};
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let before = SharedClock::with_store(Arc::new(store.clone()), &Config::memory("api")?)?;
/// before.update().await?;
/// let after = SharedClock::with_store(Arc::new(store), &Config::memory("api")?)?;
/// assert_eq!(after.read().await?.unwrap().value.get(), 2);
/// # Ok::<(), lamport_clock::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct MemoryStore(Arc<Content>);

#[derive(Debug)]
struct Content {
    map: Mutex<Mvcc>,
    /// Wakes the watches after a change. Each generation has its own sender, since the watches of a lost
    /// runtime must not be woken.
    news: PerGeneration<watch::Sender<()>>,
}

impl MemoryStore {
    /// An empty store of its own.
    pub fn new() -> MemoryStore {
        MemoryStore(Arc::new(Content {
            map: Mutex::new(Mvcc::default()),
            news: PerGeneration::new(),
        }))
    }

    /// The store that this process knows under `name`, made if there is none. It lives as long as
    /// somebody holds it. A forked child knows none of its parent's stores.
    ///
    /// ```
    /// use lamport_clock::{Config, SharedClock};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let api = SharedClock::open(&Config::new("api", "memory:orders")?)?;
    /// let billing = SharedClock::open(&Config::new("billing", "memory:orders")?)?;
    /// assert!(api.update().await?.value < billing.update().await?.value);
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn named(name: &str) -> MemoryStore {
        static NAMED: PerGeneration<Mutex<HashMap<String, Weak<Content>>>> =
            PerGeneration::of_process();
        let mut named = NAMED.get().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = named.get(name).and_then(Weak::upgrade) {
            return MemoryStore(content);
        }
        named.retain(|_, content| content.strong_count() > 0);
        let store = MemoryStore::new();
        named.insert(name.to_owned(), Arc::downgrade(&store.0));
        store
    }

    /// Forgets what was overwritten or deleted before `revision`, as etcd's compaction does.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use lamport_clock::{Config, SharedClock, store::MemoryStore};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let store = MemoryStore::new();
    /// let clock = SharedClock::with_store(Arc::new(store.clone()), &Config::memory("api")?)?;
    /// clock.update().await?;
    /// let newest = clock.update().await?;
    /// store.compact(newest.revision);
    /// let history = clock.history(10).await?;
    /// assert_eq!(history.updates.len(), 1);
    /// assert_eq!(history.compacted_before, Some(newest.revision));
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn compact(&self, revision: u64) {
        self.0.map().compact(revision);
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore::new()
    }
}

impl Store for MemoryStore {
    fn transact<'a>(
        &'a self,
        transaction: &'a Transaction,
        _within: Duration,
    ) -> StoreFuture<'a, Reply> {
        Box::pin(async move {
            let reply = self.0.map().apply(transaction);
            let reply = reply.map_err(Failure::answered)?;
            self.0.news.get().send_replace(());
            Ok(reply)
        })
    }

    fn read<'a>(
        &'a self,
        range: &'a KeyRange,
        at: At,
        _within: Duration,
    ) -> StoreFuture<'a, Reply> {
        Box::pin(async move {
            let map = self.0.map();
            map.read(range, at).map_err(|error| compacted(&map, error))
        })
    }

    fn watch(
        &self,
        range: KeyRange,
        from: u64,
        _within: Duration,
    ) -> StoreFuture<'_, Box<dyn Changes>> {
        Box::pin(async move {
            let map = self.0.map();
            let next = match from {
                0 => map.revision() + 1,
                _ => from,
            };
            map.check_kept(next)
                .map_err(|error| compacted(&map, error))?;
            let following = MemoryChanges {
                content: Arc::downgrade(&self.0),
                news: self.0.news.get().subscribe(),
                range,
                next,
            };
            Ok(Box::new(following) as Box<dyn Changes>)
        })
    }

    fn location(&self) -> String {
        "memory:".to_owned()
    }
}

impl Content {
    fn map(&self) -> MutexGuard<'_, Mvcc> {
        // A transaction is applied whole or not at all, so a panic leaves nothing half done.
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct MemoryChanges {
    content: Weak<Content>,
    news: watch::Receiver<()>,
    range: KeyRange,
    next: u64,
}

impl MemoryChanges {
    /// The changes not returned yet, if any.
    fn untold(&mut self) -> Result<Vec<Change>, Failure> {
        let content = self.content.upgrade().ok_or_else(gone)?;
        let map = content.map();
        let changes = map.changes(&self.range, self.next, u64::MAX);
        self.next = self.next.max(map.revision() + 1);
        changes.map_err(|error| compacted(&map, error))
    }
}

impl Changes for MemoryChanges {
    fn next(&mut self) -> StoreFuture<'_, Vec<Change>> {
        Box::pin(async move {
            loop {
                self.news.mark_unchanged();
                let changes = self.untold()?;
                if !changes.is_empty() {
                    return Ok(changes);
                }
                self.news.changed().await.map_err(|_| gone())?;
            }
        })
    }
}

fn compacted(map: &Mvcc, error: Error) -> Failure {
    Failure {
        kept_from: Some(map.kept_from()),
        ..Failure::answered(error)
    }
}

fn gone() -> Failure {
    Failure::answered(Error::new(
        ErrorKind::Closed,
        "the store in memory is gone: the last clock that held it was closed",
    ))
}
