//! The configuration: one list of settings, the same in every language, flag, variable and file.

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::{quote, quote_without_secrets, short};
use crate::logic::clock::LocalClock;
use crate::logic::stamp::ProcessId;
use crate::nodes::{Address, Nodes};

mod files;

/// What a shared clock needs to know, checked.
///
/// Explicit arguments win over the environment, that over the file, that over what is built in:
///
/// | variable | name in [`Settings`] and in the file | default |
/// |---|---|---|
/// | `NODE_NAME` | `node` | none; required unless the store is given |
/// | `LAMPORT_NODES` | `nodes` | the three deployed nodes, [`Nodes::BUILT_IN`] |
/// | `LAMPORT_STORE` | `store` | etcd on one's own node, then on the others |
/// | `LAMPORT_KEY` | `key` | `/lamport_clock` |
/// | `LAMPORT_TIMEOUT` | `timeout` | `5s`, the deadline of one call |
/// | `LAMPORT_MAX_JUMP` | `max_jump` | 2^48, see [`LocalClock::MAX_JUMP`] |
/// | `LAMPORT_CONFIG` | `config` | none; a TOML file with these names |
/// | `LAMPORT_TLS_CA` | `tls_ca` | off; a PEM file switches TLS on |
/// | `LAMPORT_TLS_CERT`, `LAMPORT_TLS_KEY` | `tls_cert`, `tls_key` | off; PEM files for mutual TLS |
/// | `LAMPORT_USER`, `LAMPORT_PASSWORD_FILE` | `user`, `password_file` | off |
/// | `LAMPORT_ALLOW_PLAINTEXT` | `allow_plaintext` | `false`; `true` sends a password without TLS |
///
/// The files of the password and of the TLS key are refused where others can read them: mode 600 or
/// less, or 640 where root owns them. A password is sent over TLS or to a loopback address alone,
/// unless `allow_plaintext` says otherwise.
///
/// A variable that is set but empty counts as not set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Who this process is.
    pub process: ProcessId,
    /// Where the record lives.
    pub store: StoreUri,
    /// The record's key.
    pub key: String,
    /// The deadline of one call.
    pub timeout: Duration,
    /// How far ahead a message or the record may lie.
    pub max_jump: u64,
    /// The node map.
    pub nodes: Nodes,
    /// TLS, if it is on.
    pub tls: Option<Tls>,
    /// User and password, if given.
    pub credentials: Option<Credentials>,
    /// Whether the password may be sent without TLS to another machine.
    pub allow_plaintext: bool,
}

/// Explicit settings, as text; what is `None` comes from the environment, the file or the defaults.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the table at `Config` says what each is")]
pub struct Settings {
    pub node: Option<String>,
    pub nodes: Option<String>,
    pub store: Option<String>,
    pub key: Option<String>,
    pub timeout: Option<String>,
    pub max_jump: Option<String>,
    pub config: Option<String>,
    pub tls_ca: Option<String>,
    pub tls_cert: Option<String>,
    pub tls_key: Option<String>,
    pub user: Option<String>,
    pub password_file: Option<String>,
    pub allow_plaintext: Option<String>,
}

impl Config {
    /// The deployed script's key.
    pub const DEFAULT_KEY: &'static str = "/lamport_clock";
    /// The deadline of one call, unless told otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// The configuration of this process's environment.
    pub fn from_env() -> Result<Config> {
        Config::load(&Settings::default())
    }

    /// Explicit settings over the environment, the file and the defaults.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn load(settings: &Settings) -> Result<Config> {
        Config::resolve(settings, &|variable| std::env::var_os(variable))
    }

    /// The configuration of a private store in memory, whatever the environment says.
    pub fn memory(process: &str) -> Result<Config> {
        let settings = Settings {
            node: Some(process.to_owned()),
            store: Some("memory:".to_owned()),
            ..Settings::default()
        };
        Config::resolve(&settings, &|_| None)
    }

    /// The same with another deadline for each call.
    pub fn with_timeout(mut self, timeout: Duration) -> Config {
        self.timeout = timeout;
        self
    }

    /// The same with another bound on jumps (logical time).
    pub fn with_max_jump(mut self, max_jump: u64) -> Config {
        self.max_jump = max_jump;
        self
    }

    /// [`load`](Config::load) with an environment of the caller's: for tests and for the fuzzer, which
    /// can't change the process's own.
    #[doc(hidden)]
    pub fn resolve(
        settings: &Settings,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Config> {
        let sources = Sources::gather(settings, environment)?;

        let nodes = sources.parse("nodes", Nodes::from_str)?.unwrap_or_default();
        let node = sources.parse("node", ProcessId::new)?;
        let given_store = sources.parse("store", StoreUri::from_str)?;
        let (process, store) = match (node, given_store) {
            (Some(process), Some(store)) => (process, store),
            (None, Some(store)) => (unnamed_process()?, store),
            (Some(process), None) => {
                let endpoints = sources.parse("node", |name| nodes.own_first(name))?;
                let endpoints = endpoints.expect("the node was given");
                (
                    process,
                    StoreUri::Etcd {
                        endpoints,
                        key: None,
                    },
                )
            }
            (None, None) => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!(
                        "NODE_NAME is not set: it names this node, one of {nodes}. \
                         Or say where the record lives: LAMPORT_STORE=etcd://host:port or memory:"
                    ),
                ));
            }
        };
        // The key may stand in the store's URI too; of the two the more explicit one counts, and
        // in the same place the URI.
        let key_in_uri = match &store {
            StoreUri::Etcd { key: Some(key), .. } => Some((sources.rank("store"), key.clone())),
            _ => None,
        };
        let key = match (sources.parse("key", parse_key)?, key_in_uri) {
            (Some(key), Some((rank, _))) if sources.rank("key") < rank => key,
            (_, Some((_, key))) => key,
            (Some(key), None) => key,
            (None, None) => Config::DEFAULT_KEY.to_owned(),
        };
        let config = Config {
            process,
            store,
            key,
            timeout: sources
                .parse("timeout", parse_timeout)?
                .unwrap_or(Config::DEFAULT_TIMEOUT),
            max_jump: sources
                .parse("max_jump", parse_max_jump)?
                .unwrap_or(LocalClock::MAX_JUMP),
            tls: sources.tls()?,
            credentials: sources.credentials()?,
            allow_plaintext: sources
                .parse("allow_plaintext", parse_flag)?
                .unwrap_or(false),
            nodes,
        };
        if let StoreUri::Etcd { endpoints, .. } = &config.store {
            config.refuse_exposed_password(endpoints)?;
        }
        Ok(config)
    }

    /// A password that would travel in the clear to one of `endpoints` is not sent, unless that is
    /// allowed. Every store asks here again, since a configuration can be changed after it was read.
    pub(crate) fn refuse_exposed_password(&self, endpoints: &[Address]) -> Result<()> {
        let Some(endpoint) = endpoints.iter().find(|endpoint| !endpoint.is_loopback()) else {
            return Ok(());
        };
        if self.credentials.is_none() || self.tls.is_some() || self.allow_plaintext {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "the password of LAMPORT_PASSWORD_FILE would travel to {endpoint} in the clear, \
                 for everyone on the way to read: switch TLS on (LAMPORT_TLS_CA), or, where the \
                 network itself is trusted, set LAMPORT_ALLOW_PLAINTEXT=true"
            ),
        ))
    }
}

/// Where the record lives.
///
/// Text form: `memory:` (private to one clock), `memory:name` (shared by the clocks of this process
/// that use the name), or `etcd://host:port,host:port/key` with ports and key optional.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUri {
    /// In this process.
    Memory {
        /// Which of the process's stores; `None`: a new one.
        name: Option<String>,
    },
    /// In etcd.
    Etcd {
        /// The members to use, the preferred one first; at least one.
        endpoints: Vec<Address>,
        /// The record's key, if the URI names it.
        key: Option<String>,
    },
}

impl FromStr for StoreUri {
    type Err = Error;

    fn from_str(text: &str) -> Result<StoreUri> {
        let refused = |why: &str| {
            Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "{} is not a store: {why}; it takes memory: or \
                     etcd://host:port,host:port/key",
                    quote_without_secrets(text)
                ),
            ))
        };
        if let Some(name) = text.strip_prefix("memory:") {
            if name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/') {
                return refused("the name of a store in memory has no spaces and no '/'");
            }
            let name = (!name.is_empty()).then(|| name.to_owned());
            return Ok(StoreUri::Memory { name });
        }
        let Some(rest) = text.strip_prefix("etcd://") else {
            if text.starts_with("http://") || text.starts_with("https://") {
                return refused(
                    "it begins with etcd:// also over TLS, which LAMPORT_TLS_CA switches on",
                );
            }
            return refused("it begins with neither memory: nor etcd://");
        };
        let (hosts, key) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        if hosts.contains('@') {
            // Not quoted: what stands before the '@' may be a password.
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "a store takes no user or password in its URI: use LAMPORT_USER and \
                 LAMPORT_PASSWORD_FILE",
            ));
        }
        let mut endpoints = Vec::new();
        for host in hosts.split(',') {
            match host.parse::<Address>() {
                Ok(address) if endpoints.contains(&address) => {
                    return refused(&format!("{address} stands there twice"));
                }
                Ok(address) => endpoints.push(address),
                Err(error) => return refused(&error.to_string()),
            }
        }
        let key = match key {
            "" | "/" => None,
            key => match parse_key(key) {
                Ok(key) => Some(key),
                Err(error) => return refused(&error.to_string()),
            },
        };
        Ok(StoreUri::Etcd { endpoints, key })
    }
}

impl fmt::Display for StoreUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreUri::Memory { name } => write!(f, "memory:{}", name.as_deref().unwrap_or("")),
            StoreUri::Etcd { endpoints, key } => {
                f.write_str("etcd://")?;
                for (i, endpoint) in endpoints.iter().enumerate() {
                    let comma = if i > 0 { "," } else { "" };
                    write!(f, "{comma}{endpoint}")?;
                }
                f.write_str(key.as_deref().unwrap_or(""))
            }
        }
    }
}

/// TLS towards etcd. The contents of PEM files.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Whom to trust.
    pub ca: Vec<u8>,
    /// Certificate and key of this client, for mutual TLS.
    pub identity: Option<(Vec<u8>, Secret)>,
}

/// User and password towards etcd.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Something that is never printed, not even by `Debug`.
///
/// Its memory is not wiped when it is dropped: the etcd client and the TLS library keep copies of
/// their own for as long as they may have to connect again, so wiping this one would promise what
/// nobody keeps.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Secret {
        Secret(secret.into())
    }

    /// The secret itself. Named so that its uses are easy to find.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A duration as people write it: `2s`, `500ms`, `1.5s`, `1m`, or a bare number of seconds.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        _ => f64::NAN,
    };
    // A day is far more than any wait of ours, and far less than what a `Duration` can't hold.
    match number.parse::<f64>() {
        Ok(number) if (0.0..=86_400.0).contains(&(number * scale)) => {
            Ok(Duration::from_secs_f64(number * scale))
        }
        _ => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "{} is not a duration: it takes 2s, 500ms or 1m, at most a day",
                quote(text)
            ),
        )),
    }
}

fn parse_timeout(text: &str) -> Result<Duration> {
    let timeout = parse_duration(text)?;
    if timeout < Duration::from_millis(1) {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("{} is too short for a deadline: at least 1ms", quote(text)),
        ));
    }
    Ok(timeout)
}

fn parse_flag(text: &str) -> Result<bool> {
    text.parse().map_err(|_| {
        Error::new(
            ErrorKind::InvalidArgument,
            format!("{} is neither true nor false", quote(text)),
        )
    })
}

fn parse_max_jump(text: &str) -> Result<u64> {
    text.parse().map_err(|error| {
        Error::with_source(
            ErrorKind::InvalidArgument,
            format!(
                "{} is not a distance in logical time: it takes a whole number",
                quote(text)
            ),
            error,
        )
    })
}

fn parse_key(text: &str) -> Result<String> {
    let bad = |c: char| c.is_control() || c.is_whitespace();
    let well_formed = text.len() <= 512 && text.len() > 1 && !text.ends_with('/');
    if !text.starts_with('/') || !well_formed || text.contains(bad) {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "{} is not a key for the record: it takes the form /name or /path/name, at most 512 \
                 bytes, without spaces",
                quote_without_secrets(text)
            ),
        ));
    }
    Ok(text.to_owned())
}

/// The name of a process that was given none but knows where its store is.
fn unnamed_process() -> Result<ProcessId> {
    ProcessId::new(&format!("pid-{}", std::process::id()))
}

/// Every setting's text with where it came from.
struct Sources(Vec<Source>);

struct Source {
    name: &'static str,
    /// 0: explicit, 1: environment, 2: file.
    rank: u8,
    origin: String,
    text: String,
}

impl Sources {
    fn gather(
        settings: &Settings,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Sources> {
        let mut sources = Sources(Vec::new());
        for (name, _, given) in list(settings) {
            if let Some(text) = given {
                sources.add(name, 0, format!("argument '{name}'"), text.clone());
            }
        }
        for (name, variable, _) in list(settings) {
            let Some(value) = environment(variable).filter(|value| !value.is_empty()) else {
                continue;
            };
            let text = value.into_string().map_err(|value| {
                Error::new(
                    ErrorKind::InvalidArgument,
                    format!(
                        "{variable} is {}: it must be UTF-8",
                        quote_without_secrets(&value.to_string_lossy())
                    ),
                )
            })?;
            sources.add(name, 1, variable.to_owned(), text);
        }
        if let Some(file) = sources.find("config").map(|source| source.text.clone()) {
            sources.read_file(&file, settings)?;
        }
        Ok(sources)
    }

    fn read_file(&mut self, file: &str, settings: &Settings) -> Result<()> {
        let refused = |why: String| {
            Error::new(
                ErrorKind::InvalidArgument,
                format!("the configuration file {}: {why}", quote(file)),
            )
        };
        let text = files::read(file).map_err(|error| refused(error.to_string()))?;
        let text = String::from_utf8(text).map_err(|error| refused(error.to_string()))?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| {
            // Not its `Display`, which shows the whole line: of any length, and a secret may stand
            // in it by mistake.
            let before = text.get(..error.span().map_or(0, |span| span.start));
            let line = before.unwrap_or_default().matches('\n').count() + 1;
            refused(format!("line {line}: {}", short(error.message())))
        })?;
        for (key, value) in table {
            let known = list(settings)
                .into_iter()
                .find(|(name, variable, _)| key == *name || key == *variable);
            let Some((name, _, _)) = known.filter(|(name, _, _)| *name != "config") else {
                let names: Vec<_> = list(settings).iter().map(|(name, _, _)| *name).collect();
                return Err(refused(format!(
                    "there is no setting {}; there are {}",
                    quote(&key),
                    names.join(", ")
                )));
            };
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                other => {
                    return Err(refused(format!(
                        "{key} is a {}, not a text",
                        other.type_str()
                    )));
                }
            };
            self.add(name, 2, format!("{key} in {}", quote(file)), text);
        }
        Ok(())
    }

    fn add(&mut self, name: &'static str, rank: u8, origin: String, text: String) {
        self.0.push(Source {
            name,
            rank,
            origin,
            text,
        });
    }

    /// The most explicit source of a setting: they stand in the order of their rank.
    fn find(&self, name: &str) -> Option<&Source> {
        self.0.iter().find(|source| source.name == name)
    }

    fn rank(&self, name: &str) -> u8 {
        self.find(name).map_or(u8::MAX, |source| source.rank)
    }

    fn parse<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T>) -> Result<Option<T>> {
        let Some(source) = self.find(name) else {
            return Ok(None);
        };
        parse(&source.text)
            .map(Some)
            .map_err(|error| Error::new(error.kind(), format!("{}: {error}", source.origin)))
    }

    fn tls(&self) -> Result<Option<Tls>> {
        let cert = self.parse("tls_cert", files::read)?;
        let key = self.parse("tls_key", files::read_secret)?;
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, Secret(key))),
            (None, None) => None,
            _ => return Err(incomplete("LAMPORT_TLS_CERT and LAMPORT_TLS_KEY")),
        };
        match (self.parse("tls_ca", files::read)?, identity) {
            (Some(ca), identity) => Ok(Some(Tls { ca, identity })),
            (None, Some(_)) => Err(incomplete("LAMPORT_TLS_CERT and LAMPORT_TLS_CA")),
            (None, None) => Ok(None),
        }
    }

    fn credentials(&self) -> Result<Option<Credentials>> {
        let user = self.parse("user", |user| Ok(user.to_owned()))?;
        match (user, self.parse("password_file", files::read_password)?) {
            (Some(user), Some(password)) => Ok(Some(Credentials {
                user,
                password: Secret(password),
            })),
            (None, None) => Ok(None),
            _ => Err(incomplete("LAMPORT_USER and LAMPORT_PASSWORD_FILE")),
        }
    }
}

/// The one list: name, variable, and what was given explicitly.
fn list(settings: &Settings) -> [(&'static str, &'static str, &Option<String>); 13] {
    [
        ("node", "NODE_NAME", &settings.node),
        ("nodes", "LAMPORT_NODES", &settings.nodes),
        ("store", "LAMPORT_STORE", &settings.store),
        ("key", "LAMPORT_KEY", &settings.key),
        ("timeout", "LAMPORT_TIMEOUT", &settings.timeout),
        ("max_jump", "LAMPORT_MAX_JUMP", &settings.max_jump),
        ("config", "LAMPORT_CONFIG", &settings.config),
        ("tls_ca", "LAMPORT_TLS_CA", &settings.tls_ca),
        ("tls_cert", "LAMPORT_TLS_CERT", &settings.tls_cert),
        ("tls_key", "LAMPORT_TLS_KEY", &settings.tls_key),
        ("user", "LAMPORT_USER", &settings.user),
        (
            "password_file",
            "LAMPORT_PASSWORD_FILE",
            &settings.password_file,
        ),
        (
            "allow_plaintext",
            "LAMPORT_ALLOW_PLAINTEXT",
            &settings.allow_plaintext,
        ),
    ]
}

fn incomplete(pair: &str) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("{pair} belong together: set both or neither"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(settings: Settings, variables: &[(&str, &str)]) -> Result<Config> {
        Config::resolve(&settings, &|name| {
            let (_, value) = variables.iter().find(|(variable, _)| *variable == name)?;
            Some(OsString::from(value))
        })
    }

    fn refusal(variables: &[(&str, &str)]) -> Error {
        resolve(Settings::default(), variables).unwrap_err()
    }

    #[test]
    fn the_deployed_environment_is_enough() {
        let config = resolve(Settings::default(), &[("NODE_NAME", "mx-nodel3")]).unwrap();
        assert_eq!(
            config.store.to_string(),
            "etcd://172.21.0.12:2379,172.21.0.10:2379,172.21.0.11:2379"
        );
        assert_eq!(config.key, "/lamport_clock");
        assert_eq!(config.timeout, Duration::from_secs(5));
        assert_eq!(config.process.as_str(), "mx-nodel3");
    }

    #[test]
    fn arguments_win_over_environment_over_file_over_built_in() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "key = '/file'\ntimeout = 7\nLAMPORT_STORE = 'memory:file'\nallow_plaintext = true\n",
        )
        .unwrap();
        let path = file.path().to_str().unwrap();
        let variables = [("LAMPORT_CONFIG", path), ("LAMPORT_KEY", "/variable")];
        let config = resolve(Settings::default(), &variables).unwrap();
        assert_eq!(config.key, "/variable");
        assert_eq!(config.timeout, Duration::from_secs(7));
        assert_eq!(config.store.to_string(), "memory:file");
        assert!(config.allow_plaintext);
        let settings = Settings {
            key: Some("/argument".to_owned()),
            timeout: Some("250ms".to_owned()),
            ..Settings::default()
        };
        let config = resolve(settings, &variables).unwrap();
        assert_eq!(config.key, "/argument");
        assert_eq!(config.timeout, Duration::from_millis(250));
    }

    #[test]
    fn the_more_explicit_key_counts() {
        let store = ("LAMPORT_STORE", "etcd://h/uri");
        let config = resolve(Settings::default(), &[store, ("LAMPORT_KEY", "/key")]).unwrap();
        assert_eq!(config.key, "/uri");
        let settings = Settings {
            key: Some("/argument".to_owned()),
            ..Settings::default()
        };
        assert_eq!(resolve(settings, &[store]).unwrap().key, "/argument");
    }

    #[test]
    fn a_wrong_value_names_the_variable_the_value_and_what_is_allowed() {
        let node = ("NODE_NAME", "mx-nodel");
        for (variable, value, allowed) in [
            ("NODE_NAME", "nobody", "mx-nodel2=172.21.0.11"),
            ("LAMPORT_NODES", "a", "name=host[:port]"),
            ("LAMPORT_STORE", "redis://h", "etcd://"),
            ("LAMPORT_STORE", "https://h:2379", "LAMPORT_TLS_CA"),
            ("LAMPORT_STORE", "etcd://", "host"),
            ("LAMPORT_STORE", "etcd://h,h", "twice"),
            ("LAMPORT_STORE", "etcd://h:99999/k", "65535"),
            ("LAMPORT_STORE", "etcd://h/k/", "key"),
            ("LAMPORT_STORE", "memory:a b", "spaces"),
            ("LAMPORT_KEY", "clock", "/name"),
            ("LAMPORT_TIMEOUT", "soon", "500ms"),
            ("LAMPORT_TIMEOUT", "0s", "1ms"),
            ("LAMPORT_TIMEOUT", "-1s", "500ms"),
            ("LAMPORT_TIMEOUT", "99999m", "a day"),
            ("LAMPORT_MAX_JUMP", "-1", "whole number"),
            ("LAMPORT_TLS_CA", "/nonexistent/ca.pem", "can't be read"),
            ("LAMPORT_ALLOW_PLAINTEXT", "yes", "true nor false"),
        ] {
            let mut variables = vec![(variable, value)];
            if variable != "NODE_NAME" {
                variables.push(node);
            }
            let message = refusal(&variables).to_string();
            for part in [variable, value, allowed] {
                assert!(message.contains(part), "{variable}={value}: {message}");
            }
        }
        assert_eq!(
            refusal(&[("NODE_NAME", "x")]).kind(),
            ErrorKind::UnknownNode
        );
    }

    #[test]
    fn nothing_set_at_all_says_what_to_set() {
        for variables in [&[][..], &[("NODE_NAME", "")]] {
            let message = refusal(variables).to_string();
            assert!(message.contains("NODE_NAME") && message.contains("LAMPORT_STORE"));
        }
    }

    #[test]
    fn a_file_with_an_unknown_name_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        for (content, part) in [
            ("stoer = 'memory:'", "stoer"),
            ("store = [1]", "array"),
            ("store = 'memory:'\nallow_plaintext = 1", "true nor false"),
            ("store", "configuration file"),
        ] {
            std::fs::write(file.path(), content).unwrap();
            let message = refusal(&[("LAMPORT_CONFIG", path)]).to_string();
            assert!(
                message.contains(part) && message.contains(path),
                "{message}"
            );
        }
    }

    #[test]
    fn secrets_are_not_printed_and_come_in_pairs() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "swordfish\n").unwrap();
        let path = file.path().to_str().unwrap();
        let store = ("LAMPORT_STORE", "memory:");
        let user = ("LAMPORT_USER", "u");
        let both = [store, user, ("LAMPORT_PASSWORD_FILE", path)];
        let config = resolve(Settings::default(), &both).unwrap();
        let credentials = config.credentials.as_ref().unwrap();
        assert_eq!(credentials.password.expose(), "swordfish");
        assert!(!format!("{config:?}").contains("swordfish"));
        assert!(refusal(&[store, user]).to_string().contains("both"));
        for (variable, value) in [
            ("LAMPORT_STORE", "etcd://me:swordfish@h"),
            ("LAMPORT_STORE", "https://me:swordfish@h"),
            ("LAMPORT_STORE", "etcd://me:sword/swordfish@h"),
            ("LAMPORT_STORE", "redis:me:swordfish@h"),
            ("LAMPORT_NODES", "a=http://me:swordfish@h"),
            ("LAMPORT_NODES", "me:swordfish@h"),
            ("LAMPORT_NODES", "me:swordfish@h =h"),
            ("NODE_NAME", "me:swordfish@h"),
        ] {
            let node = ("NODE_NAME", "mx-nodel");
            let message = refusal(&[(variable, value), node]).to_string();
            assert!(!message.contains("swordfish"), "{value}: {message}");
        }
        std::fs::write(file.path(), "store = 'etcd://me:swordfish@h\n").unwrap();
        let message = refusal(&[("LAMPORT_CONFIG", path)]).to_string();
        assert!(!message.contains("swordfish"), "{message}");
        assert!(message.contains("line 1"), "{message}");
    }

    #[test]
    fn a_password_is_sent_in_the_clear_only_to_this_machine_or_where_it_is_allowed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "swordfish").unwrap();
        let path = file.path().to_str().unwrap();
        let user = [("LAMPORT_USER", "u"), ("LAMPORT_PASSWORD_FILE", path)];
        let with = |more: &[(&str, &str)]| resolve(Settings::default(), &[&user, more].concat());
        for store in [
            "memory:",
            "etcd://127.0.0.1,localhost:1,[::1],127.9.9.9",
            "etcd://LOCALHOST",
        ] {
            with(&[("LAMPORT_STORE", store)]).unwrap();
        }
        for (name, value, exposed) in [
            ("NODE_NAME", "mx-nodel", "172.21.0.10:2379"),
            (
                "LAMPORT_STORE",
                "etcd://127.0.0.1,10.0.0.5",
                "10.0.0.5:2379",
            ),
            (
                "LAMPORT_STORE",
                "etcd://localhost.example",
                "localhost.example",
            ),
            ("LAMPORT_STORE", "etcd://[::]", "[::]:2379"),
        ] {
            let error = with(&[(name, value)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            let message = error.to_string();
            for part in [exposed, "LAMPORT_TLS_CA", "LAMPORT_ALLOW_PLAINTEXT=true"] {
                assert!(message.contains(part), "{message}");
            }
            assert!(!message.contains("swordfish"), "{message}");
            let denied = with(&[(name, value), ("LAMPORT_ALLOW_PLAINTEXT", "false")]);
            assert!(denied.is_err());
            let allowed = with(&[(name, value), ("LAMPORT_ALLOW_PLAINTEXT", "true")]);
            assert!(allowed.unwrap().allow_plaintext);
            with(&[(name, value), ("LAMPORT_TLS_CA", path)]).unwrap();
        }
    }

    #[test]
    fn durations_parse() {
        for (text, millis) in [
            ("2s", 2_000),
            ("500ms", 500),
            ("1.5", 1_500),
            ("1m", 60_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(millis));
        }
        for text in [
            "", "s", "1h", "1 s", "-1s", "1e3s", "1..2s", "nan", "9999999s",
        ] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
