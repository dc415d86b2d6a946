//! A store that fails as it is told to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lamport_clock::protocol::{At, KeyRange, Reply, Transaction};
use lamport_clock::store::{Changes, Failure, MemoryStore, Store, StoreFuture};
use lamport_clock::{Error, ErrorKind};

/// The memory store behind a switch: what happens to the next transactions.
pub(crate) struct Faulty {
    pub(crate) memory: MemoryStore,
    pub(crate) plan: Mutex<Vec<Fault>>,
    /// The same for reads.
    pub(crate) reads: Mutex<Vec<Fault>>,
    pub(crate) transactions: AtomicU64,
    /// So many attempts to open a watch fail.
    pub(crate) watches_to_fail: AtomicU64,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Carried out, but the answer is lost.
    ReplyLost,
    /// Not carried out, and the caller knows.
    Refused,
    /// Never answers, and is never carried out.
    BlackHole,
    /// Carried out and answered after a second.
    Slow,
    /// A defect of the store.
    Panic,
}

impl Faulty {
    pub(crate) fn new(plan: &[Fault]) -> Arc<Faulty> {
        let mut plan = plan.to_vec();
        plan.reverse();
        Arc::new(Faulty {
            memory: MemoryStore::new(),
            plan: Mutex::new(plan),
            reads: Mutex::default(),
            transactions: AtomicU64::new(0),
            watches_to_fail: AtomicU64::new(0),
        })
    }

    pub(crate) fn count(&self) -> u64 {
        self.transactions.swap(0, Ordering::Relaxed)
    }

    async fn meet<'a>(
        &self,
        fault: Option<Fault>,
        work: StoreFuture<'a, Reply>,
    ) -> Result<Reply, Failure> {
        let error = || Error::new(ErrorKind::Unavailable, "a planted fault");
        match fault {
            None => work.await,
            Some(Fault::Refused) => Err(Failure::not_sent(error())),
            Some(Fault::ReplyLost) => {
                work.await?;
                Err(Failure::unknown(error()))
            }
            Some(Fault::BlackHole) => std::future::pending().await,
            Some(Fault::Panic) => panic!("planted: the task that carries the call ends here"),
            Some(Fault::Slow) => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                work.await
            }
        }
    }
}

impl Store for Faulty {
    fn transact<'a>(
        &'a self,
        transaction: &'a Transaction,
        within: Duration,
    ) -> StoreFuture<'a, Reply> {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        let fault = self.plan.lock().unwrap().pop();
        Box::pin(self.meet(fault, self.memory.transact(transaction, within)))
    }

    fn read<'a>(&'a self, range: &'a KeyRange, at: At, within: Duration) -> StoreFuture<'a, Reply> {
        let fault = self.reads.lock().unwrap().pop();
        Box::pin(self.meet(fault, self.memory.read(range, at, within)))
    }

    fn watch(
        &self,
        range: KeyRange,
        from: u64,
        within: Duration,
    ) -> StoreFuture<'_, Box<dyn Changes>> {
        let left = self.watches_to_fail.load(Ordering::Relaxed);
        if left > 0 {
            self.watches_to_fail.store(left - 1, Ordering::Relaxed);
            let error = Error::new(ErrorKind::Unavailable, "a planted fault");
            return Box::pin(async { Err(Failure::unknown(error)) });
        }
        self.memory.watch(range, from, within)
    }

    fn location(&self) -> String {
        "a faulty store".to_owned()
    }
}
