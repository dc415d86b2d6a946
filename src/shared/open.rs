//! How a shared clock is made, and handles on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::background::Background;
use super::carrier::Carriers;
use super::{Inner, SharedClock, names, nanos};
use crate::clock::{Instance, LocalClock};
use crate::config::{Config, StoreUri, check_timeout};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{Keys, Protocol};
use crate::store::{MemoryStore, Store};
use crate::sync::Mutex;

impl SharedClock {
    /// A clock on the store that `config` names, once that store has answered.
    ///
    /// [`ErrorKind::Unavailable`] at once if every endpoint refuses, with the cause for each;
    /// [`ErrorKind::Timeout`] at the deadline if they are silent.
    ///
    /// ```
    /// # use lamport_clock::{Config, SharedClock};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// // Where `memory:orders` would be etcd://10.0.0.1,10.0.0.2,10.0.0.3 elsewhere.
    /// let clock = SharedClock::connect(Config::new("api", "memory:orders")?).await?;
    /// clock.update().await?;
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn connect(config: Config) -> Result<SharedClock> {
        let clock = SharedClock::open(&config)?;
        clock.first_look().await?;
        Ok(clock)
    }

    /// Waits for the store's first answer. This is what [`connect`](SharedClock::connect) does in
    /// addition to [`open`](SharedClock::open).
    #[doc(hidden)]
    pub async fn first_look(&self) -> Result<()> {
        // This look also makes the first update a single round trip. A record that can't be read is
        // reported by the calls that need it.
        self.carry(|session| async move { session.first_look().await })
            .await
    }

    /// A clock on the store that `config` names, without asking whether it is there: for programs
    /// that start before their store does.
    ///
    /// ```
    /// # use lamport_clock::{Config, SharedClock};
    /// # #[cfg(feature = "etcd")] {
    /// let clock = SharedClock::open(&Config::new("api", "etcd://10.0.0.1,10.0.0.2")?)?;
    /// clock.tick()?; // as long as the store is away, too
    /// # }
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn open(config: &Config) -> Result<SharedClock> {
        let store: Arc<dyn Store> = match &config.store {
            StoreUri::Memory { name: None } => Arc::new(MemoryStore::new()),
            StoreUri::Memory { name: Some(name) } => Arc::new(MemoryStore::named(name)),
            #[cfg(feature = "etcd")]
            StoreUri::Etcd { endpoints, .. } => {
                Arc::new(crate::store::EtcdStore::new(endpoints, config)?)
            }
            #[cfg(not(feature = "etcd"))]
            StoreUri::Etcd { .. } => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    "this build has no etcd store: switch on the feature 'etcd'",
                ));
            }
        };
        SharedClock::with_store(store, config)
    }

    /// A clock to replace this one, whose runtime is lost. It is on the same store if that is in memory.
    #[cfg(feature = "blocking")]
    pub(crate) fn again(&self, config: &Config) -> Result<SharedClock> {
        match config.store {
            StoreUri::Memory { .. } => {
                SharedClock::with_store(self.inner.carriers.store.clone(), config)
            }
            _ => SharedClock::open(config),
        }
    }

    /// A clock on a private store in memory: no network, nothing to install.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// assert_eq!(clock.update().await?.value.get(), 2);
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn memory(process: &str) -> Result<SharedClock> {
        SharedClock::with_store(Arc::new(MemoryStore::new()), &Config::memory(process)?)
    }

    /// A clock on a store that the caller provides. Of `config` it uses the process, the key, the
    /// deadline, the jump bound and the header. A process name of more than 23 bytes stays in memory after the clock
    /// is gone, once for all clocks that bear it.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use lamport_clock::{Config, SharedClock, store::MemoryStore};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let store = Arc::new(MemoryStore::new());
    /// let api = SharedClock::with_store(store.clone(), &Config::memory("api")?)?;
    /// let billing = SharedClock::with_store(store, &Config::memory("billing")?)?;
    /// assert!(api.update().await?.value < billing.update().await?.value);
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_store(store: Arc<dyn Store>, config: &Config) -> Result<SharedClock> {
        let instance = random_instance()?;
        Ok(SharedClock::with_instance(store, config, instance))
    }

    /// As [`with_store`](SharedClock::with_store), with a given instance instead of a random one, so that
    /// a simulation can be repeated exactly. Two clocks with one instance would take each other's times.
    #[doc(hidden)]
    pub fn with_instance(
        store: Arc<dyn Store>,
        config: &Config,
        instance: Instance,
    ) -> SharedClock {
        let process = names::kept(&config.process);
        let keys = Keys::new(&config.key);
        let protocol = Protocol::new(keys, process.clone(), instance, config.max_jump);
        SharedClock {
            timeout: config.timeout,
            on_the_librarys: false,
            inner: Arc::new(Inner {
                local: LocalClock::new(process, instance)
                    .with_max_jump(config.max_jump)
                    .of_a_shared_clock(),
                header: config.header.clone(),
                carriers: Carriers::of(store),
                timeout: config.timeout,
                longest: AtomicU64::new(nanos(config.timeout)),
                protocol: Mutex::new(protocol),
                last_failure: Mutex::default(),
                resting: Arc::default(),
                closed: watch::Sender::new(false),
                background: Background::default(),
            }),
        }
    }

    /// Another handle on this clock, whose calls have this deadline: from 1 ms to a day,
    /// [`ErrorKind::InvalidArgument`] otherwise.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use lamport_clock::SharedClock;
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// let update = clock.within(Duration::from_millis(200))?.update().await?;
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn within(&self, timeout: Duration) -> Result<SharedClock> {
        let timeout = check_timeout(timeout)?;
        self.inner
            .longest
            .fetch_max(nanos(timeout), Ordering::Relaxed);
        Ok(SharedClock {
            timeout,
            ..self.clone()
        })
    }

    /// The same handle, for threads. Its calls may be polled on any thread, because their work runs on
    /// the library's own runtime.
    #[cfg(feature = "blocking")]
    pub(crate) fn on_the_librarys(mut self) -> SharedClock {
        self.on_the_librarys = true;
        self
    }

    /// The same clock with another runtime in place of the library's own, for tests in virtual time. The
    /// clock must be new: without other handles.
    #[doc(hidden)]
    pub fn carried_on(mut self, runtime: Handle) -> SharedClock {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.carriers.own = Some(runtime);
        }
        self
    }
}

/// A new instance: 64 bits from the operating system, never [`Instance::UNKNOWN`].
pub(crate) fn random_instance() -> Result<Instance> {
    let bits = getrandom::u64().map_err(|error| {
        let what = format!("the operating system gives no random number: {error}");
        Error::new(ErrorKind::Internal, what)
    })?;
    Ok(Instance::new(bits.max(1)))
}
