//! Where the record lives: the small contract of a store, and the stores that fulfil it.
//!
//! A store carries out one atomic step ([`transact`](Store::transact)), reads a range
//! ([`read`](Store::read)) and reports changes ([`watch`](Store::watch)); it decides nothing about the
//! clock. [`memory`] is the reference and reads like the contract; one conformance suite
//! (`tests/conformance.rs`) runs on every store.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::protocol::{At, Change, KeyRange, Reply, Transaction};

#[cfg(feature = "etcd")]
pub mod etcd;
pub mod memory;
pub mod mvcc;

#[cfg(feature = "etcd")]
pub use etcd::EtcdStore;
pub use memory::MemoryStore;

/// A future that a store returns: boxed, so that a store can be chosen at run time.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// A place that keeps the record and can change it atomically.
///
/// Each call is one attempt: a store does not repeat a transaction by itself unless it knows that the
/// first try was not carried out. The caller decides what an unknown outcome means.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use std::time::Duration;
/// use lamport_clock::protocol::{At, KeyRange, Reply, Transaction};
/// use lamport_clock::store::{Changes, MemoryStore, Store, StoreFuture};
/// use lamport_clock::{Config, SharedClock};
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
///
/// /// Counts the transactions that another store carries out.
/// struct Counted(MemoryStore, AtomicU64);
///
/// impl Store for Counted {
///     fn transact<'a>(&'a self, transaction: &'a Transaction, within: Duration) -> StoreFuture<'a, Reply> {
///         self.1.fetch_add(1, Relaxed);
///         self.0.transact(transaction, within)
///     }
///     fn read<'a>(&'a self, range: &'a KeyRange, at: At, within: Duration) -> StoreFuture<'a, Reply> {
///         self.0.read(range, at, within)
///     }
///     fn watch(&self, range: KeyRange, from: u64, within: Duration) -> StoreFuture<'_, Box<dyn Changes>> {
///         self.0.watch(range, from, within)
///     }
///     fn location(&self) -> String {
///         self.0.location()
///     }
/// }
///
/// let store = Arc::new(Counted(MemoryStore::new(), AtomicU64::new(0)));
/// let clock = SharedClock::with_store(store.clone(), &Config::memory("api")?)?;
/// clock.update().await?;
/// assert_eq!(store.1.load(Relaxed), 1);
/// # Ok::<(), lamport_clock::Error>(())
/// # }).unwrap();
/// ```
pub trait Store: Send + Sync + 'static {
    /// Carries out one transaction atomically, or fails within about `within`.
    ///
    /// Transactions are linearizable: one that began after another had returned sees its effect.
    fn transact<'a>(
        &'a self,
        transaction: &'a Transaction,
        within: Duration,
    ) -> StoreFuture<'a, Reply>;

    /// Reads the keys of a range, or fails within about `within`.
    ///
    /// A read must not be sent as a transaction: etcd before 3.5.5 can crash when the client of a read-only
    /// transaction goes away (etcd issue 14110). [`ErrorKind::Compacted`](crate::ErrorKind::Compacted) if
    /// the revision is no longer kept.
    fn read<'a>(&'a self, range: &'a KeyRange, at: At, within: Duration) -> StoreFuture<'a, Reply>;

    /// Follows every change of the keys in `range` from revision `from` on. With `from` 0, follows every
    /// change that is committed after this call has returned.
    ///
    /// Returns once the store has confirmed the watch, or fails within about `within`.
    fn watch(
        &self,
        range: KeyRange,
        from: u64,
        within: Duration,
    ) -> StoreFuture<'_, Box<dyn Changes>>;

    /// The version of the server in use, and whether we have a user there; `None` if the store has no server.
    /// Fails within about `within`.
    fn server(&self, within: Duration) -> StoreFuture<'_, Option<Server>> {
        let _ = within;
        Box::pin(async { Ok(None) })
    }

    /// Where transactions go at present, for people: `memory:`, or the endpoint in use.
    fn location(&self) -> String;

    /// The same store with connections of its own, for calls from another runtime: a connection pauses
    /// and ends with the runtime that made it. `None` if nothing in the store belongs to a runtime.
    fn for_another_runtime(&self) -> Option<Arc<dyn Store>> {
        None
    }

    /// Number of places, such as members of a cluster, that the store can try one after the other.
    fn choices(&self) -> usize {
        1
    }
}

/// What is known of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// The version that the server reports.
    pub version: String,
    /// Whether this clock has a user of etcd (`LAMPORT_USER`).
    pub as_user: bool,
}

/// A running watch.
pub trait Changes: Send {
    /// The next changes, whole revisions in rising order. Waits as long as there are none, and
    /// fails when the watch broke or fell silent. A new watch may then begin where this one ended.
    fn next(&mut self) -> StoreFuture<'_, Vec<Change>>;
}

/// Why a store did not answer, and whether the transaction may have been carried out all the same.
///
/// ```
/// use lamport_clock::store::{Failure, Outcome};
/// use lamport_clock::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::Unavailable, "the connection broke");
/// let lost = Failure::unknown(error.clone());
/// assert!(lost.retry && lost.outcome == Outcome::Unknown);
/// let unsent = Failure::not_sent(error.clone());
/// assert!(unsent.retry && unsent.outcome == Outcome::NotApplied);
/// assert!(!Failure::answered(error).retry);
/// ```
#[derive(Clone, Debug)]
pub struct Failure {
    /// The error to give to the caller.
    pub error: Error,
    /// What is known of the transaction.
    pub outcome: Outcome,
    /// Whether another attempt can help: false if the store clearly refused.
    pub retry: bool,
    /// With [`ErrorKind::Compacted`](crate::ErrorKind::Compacted): the oldest revision that the
    /// store still keeps, if the store names it.
    pub kept_from: Option<u64>,
}

/// Whether a transaction that failed may have changed the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was not carried out and never will be.
    NotApplied,
    /// It may have been carried out, or may yet be.
    Unknown,
}

impl Failure {
    /// The store refused: nothing was applied, and asking again won't help.
    pub fn answered(error: Error) -> Failure {
        Failure::of(error, Outcome::NotApplied, false)
    }

    /// Nothing was applied, and another attempt may fare better: the transaction never left this process, or
    /// it was only a read.
    pub fn not_sent(error: Error) -> Failure {
        Failure::of(error, Outcome::NotApplied, true)
    }

    /// No answer says whether the transaction was carried out; another attempt may fare better.
    pub fn unknown(error: Error) -> Failure {
        Failure::of(error, Outcome::Unknown, true)
    }

    fn of(error: Error, outcome: Outcome, retry: bool) -> Failure {
        Failure {
            error,
            outcome,
            retry,
            kept_from: None,
        }
    }
}
