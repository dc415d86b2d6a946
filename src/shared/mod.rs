//! The shared clock: drives the protocol over a store.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::sync::watch as watch_channel;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::carrier::Carrier;
use self::session::Session;
use crate::clock::LocalClock;
use crate::error::{Error, ErrorKind, Result};
use crate::events::Event;
use crate::header::Header;
use crate::protocol::Protocol;
use crate::sync::{Mutex, MutexGuard, lock};

mod background;
pub(crate) mod backoff;
mod carrier;
mod driver;
mod fold;
mod follower;
mod history;
mod local;
mod names;
mod open;
mod queue;
mod repair;
pub(crate) mod runtime;
mod session;
mod verbs;
mod watch;

pub use self::background::SyncStats;
pub use self::history::History;
#[cfg(feature = "blocking")]
pub(crate) use self::open::random_instance;
pub use self::watch::{Watch, WatchEvent};
pub use crate::protocol::{Holder, Observed, RepairPlan, Reservation, Update};
pub use crate::store::Server;

/// A local clock and one record that many processes share.
///
/// The record changes by one rule, atomically or not at all:
///
/// ```text
/// local  <- local + 1
/// new    <- max(local, global) + 1
/// record <- {value: new, process_id, real_timestamp}
/// local  <- new
/// ```
///
/// No value is handed out twice, by any process, whatever fails. If an update returned before
/// another was called, anywhere, it has the smaller value. Every call returns within the deadline
/// of its [`Config`](crate::Config), with an answer or a typed error; after an error nothing was handed out.
///
/// A clone is another handle on the same clock. A call on a tokio runtime (with I/O and time) is carried
/// there, any other call on the library's own runtime. So if a caller is cancelled, or its runtime falls
/// asleep or ends, callers elsewhere are not affected. A [`Watch`] has to be read on a tokio runtime.
#[derive(Clone)]
pub struct SharedClock {
    inner: Arc<Inner>,
    /// How long a call by this handle may take.
    timeout: Duration,
    /// Whether calls are carried on the library's own runtime, even if the caller is on another one.
    on_the_librarys: bool,
}

struct Inner {
    local: LocalClock,
    header: Header,
    carriers: carrier::Carriers,
    timeout: Duration,
    /// The longest deadline that any handle has, in nanoseconds.
    longest: AtomicU64,
    /// Locked for a moment at a time, never across an await.
    protocol: Mutex<Protocol>,
    /// Why the newest attempt failed, for callers whose time runs out.
    last_failure: Mutex<Option<Error>>,
    /// Locked while a task waits for this process to rest, to fold then.
    resting: Arc<tokio::sync::Mutex<()>>,
    closed: watch_channel::Sender<bool>,
    background: background::Background,
}

impl SharedClock {
    /// The carrier and the deadline of a call that begins now.
    fn begin(&self) -> Result<(Arc<Carrier>, Instant)> {
        let (carrier, now) = match self.on_the_librarys {
            true => self.inner.carriers.own_now()?,
            false => self.inner.carriers.here()?,
        };
        Ok((carrier, now + self.timeout))
    }

    /// The session of a call that begins now.
    fn session(&self) -> Result<Session> {
        let (carrier, deadline) = self.begin()?;
        Ok(Session {
            inner: self.inner.clone(),
            carrier,
            deadline,
            timeout: self.timeout,
        })
    }

    /// Runs `work` on its carrier's runtime, and gives it up if the clock is closed.
    async fn carry<T, W>(&self, work: impl FnOnce(Session) -> W) -> Result<T>
    where
        T: Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let session = self.session()?;
        let runtime = session.carrier.runtime.clone();
        let inner = self.inner.clone();
        let work = work(session);
        let work = async move { inner.unless_closed(work).await };
        if !self.on_the_librarys && Handle::try_current().is_ok() {
            return work.await;
        }
        // A `JoinSet`, because it aborts its task if the caller gives up.
        let mut task = JoinSet::new();
        task.spawn_on(work, &runtime);
        match task.join_next().await {
            Some(Ok(result)) => result,
            _ => Err(cut_off()),
        }
    }
}

impl std::fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedClock")
            .field("process", self.process())
            .field("instance", &self.instance())
            .field("now", &self.now())
            .field("location", &self.location())
            .finish()
    }
}

impl Inner {
    fn protocol(&self) -> MutexGuard<'_, Protocol> {
        lock(&self.protocol)
    }

    /// Has the protocol judge an answer. If the answer shows for the first time that the
    /// store lost times, this is reported as an event.
    fn judge<T>(&self, judge: impl FnOnce(&mut Protocol) -> T) -> T {
        let mut protocol = self.protocol();
        let knew = protocol.loss().is_some();
        let judged = judge(&mut protocol);
        let found = protocol.loss().filter(|_| !knew).cloned();
        self.local.learn(protocol.known().time());
        drop(protocol);
        if let Some(error) = found {
            Event::Regressed(&error).tell(self.local.process());
        }
        judged
    }

    fn last_failure(&self) -> MutexGuard<'_, Option<Error>> {
        lock(&self.last_failure)
    }
}

/// The task that carried a call has ended without an answer: it panicked, or its runtime is gone.
pub(crate) fn cut_off() -> Error {
    Error::new(
        ErrorKind::Internal,
        "the task that carried this call has ended before it had an answer",
    )
}

/// A duration in nanoseconds, as a number that can be atomic. It holds more than five hundred years;
/// anything longer becomes `u64::MAX`.
pub(crate) fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// The wall clock, Unix seconds: for people to look at, never compared.
fn real_timestamp() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
