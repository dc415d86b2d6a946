//! Hears of grants while this process waits to be served.
//!
//! One watch on the grants' key, opened when somebody first waits and closed a moment after the
//! last one did: a process that meets nobody has none, and a crowd's grants are not sent to those
//! who no longer belong to it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::logic::transaction::{Entry, Get, KeyRange, Operation, Transaction};
use crate::store::Store;

/// The grants as the store tells of them, the newest states of their key.
pub(super) struct Grants {
    key: Vec<u8>,
    /// In rising order. Several, since who waits must see each: a grant stands in one or two.
    heard: watch::Sender<VecDeque<Written>>,
    listener: Mutex<Listener>,
}

/// What was written under the grants' key, and by which revision.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) revision: u64,
    pub(super) bytes: Arc<[u8]>,
}

#[derive(Default)]
struct Listener {
    task: Option<AbortHandle>,
    /// Until when somebody waits, or when the last one did; `None`: the watch has ended.
    wanted: Option<Instant>,
}

/// So many states are remembered for one who is slow to look.
const REMEMBERED: usize = 16;
/// Nobody has waited for so long: the watch is closed.
const IDLE: Duration = Duration::from_millis(100);
/// So long may the store take to confirm a watch.
const OPENING: Duration = Duration::from_secs(1);

impl Grants {
    pub(super) fn new(key: &[u8]) -> Arc<Grants> {
        Arc::new(Grants {
            key: key.to_vec(),
            heard: watch::Sender::default(),
            listener: Mutex::default(),
        })
    }

    /// The first state of the grants after revision `after` that is heard of; `None` if there is
    /// none by `until`.
    pub(super) async fn next(
        self: &Arc<Grants>,
        store: &Arc<dyn Store>,
        after: u64,
        until: Instant,
    ) -> Option<Written> {
        self.listen(store, until);
        let newer = |written: &&Written| written.revision > after;
        let mut heard = self.heard.subscribe();
        let heard = heard.wait_for(|heard| heard.iter().any(|written| newer(&written)));
        match timeout_at(until, heard).await {
            Ok(Ok(heard)) => {
                // The wait ended before `until`, and the watch need not outlive it by more than usual.
                self.listener().wanted = Some(Instant::now());
                heard.iter().find(newer).cloned()
            }
            // The listener may have died, or rest with the runtime that it runs on.
            _ => {
                self.stop();
                None
            }
        }
    }

    fn listen(self: &Arc<Grants>, store: &Arc<dyn Store>, until: Instant) {
        let mut listener = self.listener();
        let awake = listener.wanted.replace(until).is_some();
        let running = awake
            && listener
                .task
                .as_ref()
                .is_some_and(|task| !task.is_finished());
        if !running {
            // What an earlier watch heard may be of a store that was restored since.
            self.heard.send_modify(VecDeque::clear);
            let task = tokio::spawn(follow(self.clone(), store.clone()));
            listener.task = Some(task.abort_handle());
        }
    }

    fn stop(&self) {
        if let Some(task) = self.listener().task.take() {
            task.abort();
        }
    }

    /// What is not news is passed over.
    fn tell(&self, written: impl IntoIterator<Item = Entry>) {
        self.heard.send_modify(|heard| {
            for entry in written {
                if heard
                    .back()
                    .is_none_or(|newest| newest.revision < entry.mod_revision)
                {
                    heard.push_back(Written {
                        revision: entry.mod_revision,
                        bytes: entry.value.into(),
                    });
                }
            }
            heard.drain(..heard.len().saturating_sub(REMEMBERED));
        });
    }

    fn listener(&self) -> MutexGuard<'_, Listener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends by itself: when nobody wants it any more, and with the watch. Who waits in vain helps itself.
async fn follow(grants: Arc<Grants>, store: Arc<dyn Store>) {
    let range = KeyRange::key(&grants.key);
    let Ok(mut changes) = store.watch(range.clone(), 0, OPENING).await else {
        return;
    };
    // Not a watch from an older revision: etcd gathers those that lag, and tells them what they
    // missed up to a tenth of a second late.
    let read = Transaction {
        then: vec![Operation::Get(Get::all(range))],
        ..Transaction::default()
    };
    if let Ok(reply) = store.transact(&read, OPENING).await {
        grants.tell(reply.gets.into_iter().flatten());
    }
    loop {
        let wanted = grants.listener().wanted;
        let Some(until) = wanted.map(|wanted| wanted + IDLE) else {
            return;
        };
        tokio::select! {
            // Not in a random order: a simulation must run again just so.
            biased;
            changed = changes.next() => {
                let Ok(changed) = changed else { return };
                let written = changed.into_iter().flat_map(|change| change.keys);
                grants.tell(written.filter_map(|(_, entry)| entry));
            }
            () = sleep_until(until) => {
                let mut listener = grants.listener();
                if listener.wanted == wanted {
                    // Under the lock under which the next one looks whether it must start another.
                    listener.wanted = None;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[tokio::test(start_paused = true)]
    async fn the_watch_lasts_as_long_as_somebody_waits() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let grants = Grants::new(b"grants");
        let waiting = tokio::spawn({
            let (grants, store) = (grants.clone(), store.clone());
            let until = Instant::now() + IDLE * 5;
            async move { grants.next(&store, 0, until).await }
        });
        sleep_until(Instant::now() + IDLE * 3).await;
        let grant = Transaction {
            then: vec![Operation::Put(b"grants".to_vec(), b"yours".to_vec())],
            ..Transaction::default()
        };
        store.transact(&grant, IDLE).await.unwrap();
        assert_eq!(&*waiting.await.unwrap().unwrap().bytes, b"yours");
    }
}
