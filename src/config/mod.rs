//! The configuration. One table of settings serves every language, the flags, the variables and the file.

use std::time::Duration;

use crate::clock::ProcessId;
use crate::error::Result;
use crate::header::Header;

mod durations;
pub(crate) mod files;
mod nodes;
mod resolve;
mod secrets;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod uri;

pub use self::durations::parse_duration;
pub use self::nodes::{Address, Node, Nodes};
pub use self::secrets::{Credentials, Secret, Tls};
pub use self::settings::{Kind, Setting, Settings, Value};
pub use self::uri::StoreUri;

pub(crate) use self::durations::{DAY, check_timeout};

/// The checked configuration of a shared clock.
///
/// [`Config::new`] takes the two things that every clock needs, and `with_*` the rest.
/// [`Config::from_env`] and [`Config::load`] take the [table of settings](Setting::ALL). Explicit
/// arguments win over the environment, the environment over the file, and the file over the built-in
/// defaults. A variable that is set but empty counts as not set.
///
/// A password file and a TLS key file are refused if others can read them: they need mode 600 or less, or
/// 640 or less if root owns them. A password is sent only over TLS or to a loopback address, unless
/// `allow_plaintext` is set. A configuration file and a certificate are refused if anyone but their owner
/// can write to them. A program that is set-user-ID takes no files from the environment.
///
/// ```
/// use std::time::Duration;
/// use lamport_clock::Config;
///
/// let config = Config::new("api", "etcd://10.0.0.1,10.0.0.2/my_clock")?
///     .with_timeout(Duration::from_millis(500))?;
/// assert_eq!(config.key(), "/my_clock");
/// # Ok::<(), lamport_clock::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) process: ProcessId,
    pub(crate) store: StoreUri,
    pub(crate) key: String,
    pub(crate) timeout: Duration,
    pub(crate) max_jump: u64,
    pub(crate) nodes: Nodes,
    pub(crate) tls: Option<Tls>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) allow_plaintext: bool,
    pub(crate) header: Header,
}

impl Config {
    /// The key that the deployed script uses.
    pub const DEFAULT_KEY: &'static str = "/lamport_clock";
    /// The default deadline of one call.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// The configuration of a process and a store ([its text form](StoreUri)). The environment is not read.
    ///
    /// ```
    /// # use lamport_clock::{Config, ErrorKind};
    /// let config = Config::new("api", "etcd://10.0.0.1,10.0.0.2")?;
    /// assert_eq!(config.store().to_string(), "etcd://10.0.0.1:2379,10.0.0.2:2379");
    /// assert_eq!(Config::new("api", "redis://10.0.0.1").unwrap_err().kind(), ErrorKind::InvalidArgument);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn new(process: &str, store: &str) -> Result<Config> {
        let settings = Settings::from([("node", process), ("store", store)]);
        Config::resolve(&settings, &|_| None)
    }

    /// The configuration of a private store in memory. The environment is not read.
    ///
    /// ```
    /// # use lamport_clock::Config;
    /// assert_eq!(Config::memory("api")?.store().to_string(), "memory:");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn memory(process: &str) -> Result<Config> {
        Config::new(process, "memory:")
    }

    /// Loads the configuration from the environment of this process.
    ///
    /// ```no_run
    /// # use lamport_clock::Config;
    /// // NODE_NAME=mx-nodel2 LAMPORT_TIMEOUT=500ms
    /// let config = Config::from_env()?;
    /// println!("{} at {}", config.process(), config.store());
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn from_env() -> Result<Config> {
        Config::load(&Settings::default())
    }

    /// Loads the configuration. Explicit settings win over the environment, the file and the defaults.
    ///
    /// ```
    /// use lamport_clock::{Config, ErrorKind, Settings};
    /// let config = Config::load(&Settings::from([("store", "memory:"), ("timeout", "500ms")]))?;
    /// assert_eq!(config.timeout().as_millis(), 500);
    ///
    /// let wrong = Settings::from([("store", "memory:"), ("timeout", "soon")]);
    /// let error = Config::load(&wrong).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    /// assert!(error.to_string().contains("'timeout'"));
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn load(settings: &Settings) -> Result<Config> {
        let environment = |variable: &str| std::env::var_os(variable);
        if files::has_more_rights_than_its_caller() {
            sources::refuse_files(&environment)?;
        }
        Config::resolve(settings, &environment)
    }

    /// Replaces the store. If the store's URI names a key, that key replaces the configured one.
    ///
    /// ```
    /// # use lamport_clock::Config;
    /// let config = Config::memory("api")?.with_store("etcd://10.0.0.1/orders".parse()?);
    /// assert_eq!(config.store().to_string(), "etcd://10.0.0.1:2379/orders");
    /// assert_eq!(config.key(), "/orders");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn with_store(mut self, store: StoreUri) -> Config {
        if let StoreUri::Etcd { key: Some(key), .. } = &store {
            self.key.clone_from(key);
        }
        self.store = store;
        self
    }

    /// Replaces the key of the record.
    ///
    /// ```
    /// # use lamport_clock::{Config, ErrorKind};
    /// let config = Config::memory("api")?;
    /// assert_eq!(config.key(), Config::DEFAULT_KEY);
    /// assert_eq!(config.clone().with_key("/orders/clock")?.key(), "/orders/clock");
    /// assert_eq!(config.with_key("/a key").unwrap_err().kind(), ErrorKind::InvalidArgument);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn with_key(mut self, key: &str) -> Result<Config> {
        self.key = uri::parse_key(key)?;
        Ok(self)
    }

    /// Replaces the deadline of each call, from 1 ms to a day.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use lamport_clock::Config;
    /// let config = Config::memory("api")?;
    /// assert_eq!(config.timeout(), Config::DEFAULT_TIMEOUT);
    /// let config = config.with_timeout(Duration::from_millis(200))?;
    /// assert_eq!(config.timeout().as_millis(), 200);
    /// assert!(config.with_timeout(Duration::ZERO).is_err());
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn with_timeout(mut self, timeout: Duration) -> Result<Config> {
        self.timeout = check_timeout(timeout)?;
        Ok(self)
    }

    /// Replaces the bound on jumps (logical time): see
    /// [`LocalClock::MAX_JUMP`](crate::LocalClock::MAX_JUMP).
    ///
    /// ```
    /// use lamport_clock::{Config, ErrorKind, SharedClock, Time};
    /// let config = Config::memory("api")?.with_max_jump(1_000);
    /// let clock = SharedClock::open(&config)?;
    /// let error = clock.receive(Time::new(1_001)?).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TooFarAhead);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn with_max_jump(mut self, max_jump: u64) -> Config {
        self.max_jump = max_jump;
        self
    }

    /// Switches TLS on.
    ///
    /// ```
    /// # use lamport_clock::{Config, Tls};
    /// # let files = tempfile::tempdir().unwrap();
    /// # let authority = files.path().join("ca.pem");
    /// # std::fs::write(&authority, "").unwrap();
    /// let tls = Tls { ca: std::fs::read(authority)?, identity: None };
    /// let config = Config::new("api", "etcd://etcd-0.internal")?.with_tls(tls);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_tls(mut self, tls: Tls) -> Config {
        self.tls = Some(tls);
        self
    }

    /// Sets the user and the password for etcd.
    ///
    /// ```
    /// # use lamport_clock::{Config, Credentials, Secret};
    /// let credentials = Credentials { user: "api".to_owned(), password: Secret::new("secret") };
    /// let config = Config::new("api", "etcd://127.0.0.1")?.with_credentials(credentials);
    /// assert_eq!(config.credentials().unwrap().user, "api");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn with_credentials(mut self, credentials: Credentials) -> Config {
        self.credentials = Some(credentials);
        self
    }

    /// Allows sending the password without TLS to another machine.
    ///
    /// ```
    /// use lamport_clock::{Config, Credentials, ErrorKind, Secret, SharedClock};
    /// let credentials = Credentials { user: "api".to_owned(), password: Secret::new("secret") };
    /// let config = Config::new("api", "etcd://10.0.0.1")?.with_credentials(credentials);
    /// # #[cfg(feature = "etcd")] {
    /// let error = SharedClock::open(&config).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    /// let clock = SharedClock::open(&config.with_plaintext_allowed())?;
    /// # }
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn with_plaintext_allowed(mut self) -> Config {
        self.allow_plaintext = true;
        self
    }

    /// Replaces the way in which stamps are written into messages: see [`Header::signed`].
    ///
    /// ```
    /// # use lamport_clock::{Config, Header, SharedClock};
    /// let signed = Header::signed(["a secret of at least 32 characters"])?;
    /// let config = Config::memory("api")?.with_header(signed);
    /// let clock = SharedClock::open(&config)?;
    /// assert!(clock.extract("41@billing").is_err(), "nobody signed it");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn with_header(mut self, header: Header) -> Config {
        self.header = header;
        self
    }

    /// The name of this process.
    pub fn process(&self) -> &ProcessId {
        &self.process
    }

    /// Where the record lives.
    pub fn store(&self) -> &StoreUri {
        &self.store
    }

    /// The record's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The deadline of one call.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How far ahead a message or the record may lie, in logical time.
    pub fn max_jump(&self) -> u64 {
        self.max_jump
    }

    /// The node map. It is empty if a store was given but no map.
    ///
    /// ```
    /// # use lamport_clock::{Config, Settings};
    /// let nodes = Settings::from([("node", "a"), ("nodes", "a=10.0.0.1,b=10.0.0.2")]);
    /// let config = Config::load(&nodes)?;
    /// assert_eq!(config.nodes().find("b")?.address.host(), "10.0.0.2");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// User and password, if given.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// How stamps are written into messages, and which stamps of messages are trusted.
    pub fn header(&self) -> &Header {
        &self.header
    }
}
