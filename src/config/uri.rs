//! Where the record lives, as one text.

use std::fmt;
use std::str::FromStr;

use super::nodes::Address;
use super::settings::Setting;
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::{is_hidden, quote_without_secrets};

/// Where the record lives.
///
/// Text form: `memory:` (private to one clock), `memory:name` (shared by the clocks of this process
/// that use the name), or `etcd://host:port,host:port/key` with ports and key optional. It has no
/// parameters: each has a [setting](Setting::ALL).
///
/// A key is taken as it stands, and belongs to one clock. `base` and `taken` as parts of its path, empty
/// parts, `.`, `..`, `?`, `#`, blanks and what can't be seen are refused: they would name another key
/// than they seem to, or one that another clock uses.
///
/// ```
/// use lamport_clock::StoreUri;
/// let store: StoreUri = "etcd://10.0.0.1,10.0.0.2:12379/orders".parse()?;
/// let StoreUri::Etcd { endpoints, key } = &store else { panic!() };
/// assert_eq!((endpoints[1].port(), key.as_deref()), (12379, Some("/orders")));
///
/// let error = "etcd://10.0.0.1/orders?timeout=2s".parse::<StoreUri>().unwrap_err();
/// assert!(error.to_string().contains("LAMPORT_TIMEOUT"));
/// # Ok::<(), lamport_clock::Error>(())
/// ```
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
            if name.contains('/') {
                return refused("the name of a store in memory has no '/'");
            }
            if let Some(flaw) = foreign_part(name) {
                return refused(&flaw);
            }
            let name = (!name.is_empty()).then(|| name.to_owned());
            return Ok(StoreUri::Memory { name });
        }
        let Some(rest) = text.strip_prefix("etcd://") else {
            if text.starts_with("http://") || text.starts_with("https://") {
                return refused(
                    "write etcd:// in its place, also for TLS, which LAMPORT_TLS_CA switches on",
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
        if let Some(flaw) = foreign_part(rest) {
            return refused(&flaw);
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

/// The record's key: `/name` or `/path/name`, taken as it stands, byte for byte. So what is no part of a
/// key, or looks like another one, is refused.
pub(super) fn parse_key(text: &str) -> Result<String> {
    match flaw(text) {
        None => Ok(text.to_owned()),
        Some(why) => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "{} is not a key for the record: {why}; it takes the form /name or /path/name, at most \
                 512 bytes, without spaces",
                quote_without_secrets(text)
            ),
        )),
    }
}

/// What is wrong with a key.
fn flaw(key: &str) -> Option<String> {
    let Some(path) = key.strip_prefix('/') else {
        return Some("it does not begin with '/'".to_owned());
    };
    if key.len() > 512 {
        return Some(format!("it has {} bytes", key.len()));
    }
    if let Some(flaw) = foreign_part(key) {
        return Some(flaw);
    }
    path.split('/').find_map(|segment| match segment {
        "" => Some("a part of its path is empty".to_owned()),
        "." | ".." => Some(format!(
            "'{segment}' is no step in it, and would be a key of its own"
        )),
        "base" | "taken" => Some(format!(
            "'{segment}' is where the clock above keeps its own keys: name it otherwise"
        )),
        _ => None,
    })
}

/// What stands in a store's URI or a key, and belongs elsewhere or can't be seen.
fn foreign_part(text: &str) -> Option<String> {
    if let Some((_, query)) = text.split_once('?') {
        // What follows may be a password: of it no more is shown than the name of a setting.
        let name = query.split(['=', '&', '#']).next().unwrap_or_default();
        return Some(match Setting::named(&name.replace('-', "_")) {
            Some(setting) => format!(
                "'?{}' is no part of it: use {} or {}",
                setting.name, setting.variable, setting.name
            ),
            None => "what follows '?' is no part of it: what else there is to say has a setting of its own, \
                     such as LAMPORT_TIMEOUT"
                .to_owned(),
        });
    }
    if text.contains('#') {
        return Some("it contains '#'".to_owned());
    }
    let bad = |c: &char| c.is_whitespace() || is_hidden(*c);
    let c = text.chars().find(bad)?;
    Some(format!("it contains '{}'", c.escape_default()))
}
