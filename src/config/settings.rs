//! The table of settings, and the values that are given for them.

use std::collections::BTreeMap;
use std::time::Duration;

/// A row of the table of settings. The command line, the environment, the file, Python and C accept
/// exactly the settings of this table.
///
/// ```
/// use lamport_clock::Setting;
/// for setting in Setting::ALL {
///     let flag = format!("--{}", setting.name.replace('_', "-"));
///     println!("{flag:<20} {:<24} {}", setting.variable, setting.help);
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The name in a file, in Python and in C. The flag is this name with hyphens.
    pub name: &'static str,
    /// The environment variable.
    pub variable: &'static str,
    /// The kind of value that the setting takes.
    pub kind: Kind,
    /// The meaning of the setting, in one line.
    pub help: &'static str,
    /// The default, as shown to people; empty if there is none.
    pub default: &'static str,
}

/// The kind of value that a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A text. The placeholder, such as `FILE`, names its form.
    Text(&'static str),
    /// A length of time: see [`parse_duration`](crate::parse_duration).
    Duration,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
}

const fn text(form: &'static str) -> Kind {
    Kind::Text(form)
}

#[rustfmt::skip]
const ALL: &[Setting] = &[
    Setting { name: "node", variable: "NODE_NAME", kind: text("NAME"), default: "the host's name",
        help: "The name of this process; where no store is given also its node in the node map" },
    Setting { name: "nodes", variable: "LAMPORT_NODES", kind: text("MAP"), default: "three built-in nodes",
        help: "The node map, for use without a store: name=host[:port],..." },
    Setting { name: "store", variable: "LAMPORT_STORE", kind: text("URI"), default: "etcd of that node, then of the others",
        help: "Where the clock lives: etcd://host:port,.../key, or memory: to try it" },
    Setting { name: "key", variable: "LAMPORT_KEY", kind: text("KEY"), default: "/lamport_clock",
        help: "The clock's key in etcd" },
    Setting { name: "timeout", variable: "LAMPORT_TIMEOUT", kind: Kind::Duration, default: "5s",
        help: "The deadline of one call" },
    Setting { name: "max_jump", variable: "LAMPORT_MAX_JUMP", kind: Kind::Number, default: "2^32",
        help: "How far ahead a message or the record may lie, in logical time" },
    Setting { name: "config", variable: "LAMPORT_CONFIG", kind: text("FILE"), default: "",
        help: "A TOML file with these settings" },
    Setting { name: "tls_ca", variable: "LAMPORT_TLS_CA", kind: text("FILE"), default: "",
        help: "The authorities that vouch for etcd: switches TLS on" },
    Setting { name: "tls_cert", variable: "LAMPORT_TLS_CERT", kind: text("FILE"), default: "",
        help: "This client's certificate" },
    Setting { name: "tls_key", variable: "LAMPORT_TLS_KEY", kind: text("FILE"), default: "",
        help: "This client's key" },
    Setting { name: "user", variable: "LAMPORT_USER", kind: text("NAME"), default: "",
        help: "The user of etcd" },
    Setting { name: "password_file", variable: "LAMPORT_PASSWORD_FILE", kind: text("FILE"), default: "",
        help: "The file that holds the password" },
    Setting { name: "allow_plaintext", variable: "LAMPORT_ALLOW_PLAINTEXT", kind: Kind::Flag, default: "false",
        help: "Send the password without TLS to other machines, too" },
    Setting { name: "header_key_file", variable: "LAMPORT_HEADER_KEY_FILE", kind: text("FILE"), default: "",
        help: "The file with the key that signs stamps in messages" },
];

impl Setting {
    /// All settings, each shown as an argument.
    ///
    /// `node` is the name of this process; the default is the host's name. If no store is given, `node`
    /// is required, and names the node whose etcd member is asked first.
    ///
    /// ```
    /// # use lamport_clock::{Config, Settings};
    /// let config = Config::load(&Settings::from([("node", "mx-nodel2")]))?;
    /// assert_eq!(config.process().as_str(), "mx-nodel2");
    /// assert!(config.store().to_string().starts_with("etcd://172.21.0.11:2379,172.21.0.10:2379"));
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    ///
    /// `nodes` is the node map. It replaces the built-in one.
    ///
    /// ```
    /// # use lamport_clock::{Config, Settings};
    /// let config = Config::load(&Settings::from([("node", "b"), ("nodes", "a=10.0.0.1,b=10.0.0.2")]))?;
    /// assert_eq!(config.store().to_string(), "etcd://10.0.0.2:2379,10.0.0.1:2379");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    ///
    /// `store` says where the record lives, whatever the node map says.
    ///
    /// ```
    /// # use lamport_clock::{Config, Settings};
    /// let config = Config::load(&Settings::from([("store", "etcd://10.0.0.1,10.0.0.2/orders")]))?;
    /// assert_eq!(config.key(), "/orders");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    ///
    /// `key` is the record's key. As an argument it wins over a key in the store URI of the environment.
    ///
    /// ```
    /// # use lamport_clock::{Config, Settings};
    /// let config = Config::load(&Settings::from([("store", "memory:"), ("key", "/orders")]))?;
    /// assert_eq!(config.key(), "/orders");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    ///
    /// `timeout` is the deadline of each call, from 1 ms to a day.
    ///
    /// ```
    /// # use lamport_clock::{Config, Settings};
    /// let config = Config::load(&Settings::from([("store", "memory:"), ("timeout", "1.5s")]))?;
    /// assert_eq!(config.timeout().as_millis(), 1_500);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    ///
    /// `max_jump` is how far ahead a message may lie, in logical time.
    ///
    /// ```
    /// # use lamport_clock::{Config, Settings};
    /// let config = Config::load(&Settings::from([("store", "memory:"), ("max_jump", "1000")]))?;
    /// assert_eq!(config.max_jump(), 1_000);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    ///
    /// `config` is a TOML file with other settings. Arguments and environment variables win over the file.
    ///
    /// ```
    /// # use lamport_clock::{Config, Settings};
    /// # let file = tempfile::NamedTempFile::new()?;
    /// # let path = file.path().to_str().unwrap();
    /// std::fs::write(path, "store = 'memory:'\ntimeout = '500ms'\nkey = '/orders'")?;
    /// let config = Config::load(&Settings::from([("config", path), ("key", "/billing")]))?;
    /// assert_eq!((config.timeout().as_millis(), config.key()), (500, "/billing"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// `tls_ca` is a file with the certificates of the authorities to trust for etcd. It switches TLS on.
    ///
    /// ```no_run
    /// # use lamport_clock::{Config, Settings};
    /// let config = Config::load(&Settings::from([
    ///     ("store", "etcd://etcd-0.internal"),
    ///     ("tls_ca", "/etc/lamport/ca.pem"),
    /// ]))?;
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    ///
    /// `tls_cert` and `tls_key` are this client's certificate and key, for an etcd that asks for them.
    ///
    /// ```no_run
    /// # use lamport_clock::{Config, Settings};
    /// let config = Config::load(&Settings::from([
    ///     ("store", "etcd://etcd-0.internal"),
    ///     ("tls_ca", "/etc/lamport/ca.pem"),
    ///     ("tls_cert", "/etc/lamport/client.pem"),
    ///     ("tls_key", "/etc/lamport/client-key.pem"),
    /// ]))?;
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    ///
    /// `user` and `password_file` must be given together.
    ///
    /// ```
    /// # use lamport_clock::{Config, ErrorKind, Settings};
    /// # let file = tempfile::NamedTempFile::new()?;
    /// # let path = file.path().to_str().unwrap();
    /// std::fs::write(path, "secret\n")?;
    /// let mut settings = Settings::from([("store", "etcd://127.0.0.1"), ("user", "api")]);
    /// assert_eq!(Config::load(&settings).unwrap_err().kind(), ErrorKind::InvalidArgument);
    /// settings.set("password_file", path);
    /// assert_eq!(Config::load(&settings)?.credentials().unwrap().user, "api");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// `allow_plaintext` lets the password travel without TLS, for networks that are trusted.
    ///
    /// ```
    /// # use lamport_clock::{Config, Settings};
    /// # let file = tempfile::NamedTempFile::new()?;
    /// # let path = file.path().to_str().unwrap();
    /// # std::fs::write(path, "secret")?;
    /// let mut settings = Settings::from([("store", "etcd://10.0.0.1"), ("user", "api")]);
    /// settings.set("password_file", path);
    /// assert!(Config::load(&settings).unwrap_err().to_string().contains("LAMPORT_ALLOW_PLAINTEXT"));
    /// settings.set("allow_plaintext", true);
    /// assert!(Config::load(&settings).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// `header_key_file` is a file with the key that signs the stamps in messages.
    ///
    /// ```
    /// # use lamport_clock::{Config, Settings};
    /// # let file = tempfile::NamedTempFile::new()?;
    /// # let path = file.path().to_str().unwrap();
    /// std::fs::write(path, "a secret of at least 32 characters")?;
    /// let config = Config::load(&Settings::from([("store", "memory:"), ("header_key_file", path)]))?;
    /// assert!(config.header().is_signed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const ALL: &'static [Setting] = ALL;

    pub(super) fn named(name: &str) -> Option<&'static Setting> {
        let is_it = |setting: &&Setting| name == setting.name || name == setting.variable;
        Setting::ALL.iter().find(is_it)
    }
}

/// The value given for a setting. [`Config::load`](crate::Config::load) refuses a value that the setting
/// doesn't take.
///
/// ```
/// # use std::time::Duration;
/// # use lamport_clock::Value;
/// assert_eq!(Value::from("500ms"), Value::Text("500ms".to_owned()));
/// assert_eq!(Value::from(Duration::from_secs(1)), Value::Duration(Duration::from_secs(1)));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
#[non_exhaustive]
pub enum Value {
    Text(String),
    Duration(Duration),
    Number(u64),
    Flag(bool),
}

impl Value {
    /// The value as a person would write it.
    pub(super) fn text(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            // An `f64` keeps every nanosecond up to a day, the longest duration that a setting takes.
            Value::Duration(duration) => format!("{}s", duration.as_secs_f64()),
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<Duration> for Value {
    fn from(duration: Duration) -> Value {
        Value::Duration(duration)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::Number(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Flag(flag)
    }
}

/// Explicitly given settings, by the names of the [table](Setting::ALL). The values of all other settings
/// come from the environment, the file or the defaults.
///
/// ```
/// use lamport_clock::{Config, Settings};
///
/// let mut settings = Settings::from([("store", "memory:"), ("node", "api")]);
/// settings.set("max_jump", 1_000_000);
/// assert_eq!(Config::load(&settings)?.max_jump(), 1_000_000);
/// # Ok::<(), lamport_clock::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Settings(BTreeMap<String, Value>);

impl Settings {
    /// Sets a value, in place of an earlier one. A name that is not in the table is refused when the
    /// settings are loaded.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Removes a setting, as if it had not been given.
    ///
    /// ```
    /// # use lamport_clock::Settings;
    /// let mut settings = Settings::from([("node", "api"), ("key", "/orders")]);
    /// settings.remove("key");
    /// let left: Vec<_> = settings.iter().map(|(name, _)| name).collect();
    /// assert_eq!(left, ["node"]);
    /// ```
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The given settings: each name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

impl<V: Into<Value>, const N: usize> From<[(&str, V); N]> for Settings {
    fn from(given: [(&str, V); N]) -> Settings {
        let given = given.map(|(name, value)| (name.to_owned(), value.into()));
        Settings(given.into())
    }
}
