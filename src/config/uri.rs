//! Where the record lives, as one text.

use std::fmt;
use std::str::FromStr;

use super::nodes::{Address, malformed};
use super::settings::Setting;
use crate::error::{Error, Result};
use crate::excerpt::is_hidden;

/// Where the record lives.
///
/// Text form: `memory:` (private to one clock), `memory:name` (shared by the clocks of this process
/// that use the name), or `etcd://host:port,host:port/key` with ports and key optional. It has no
/// parameters: everything else is a [setting](Setting::ALL).
///
/// A key is taken byte for byte, and belongs to one clock. `base` and `taken` as parts of its path, empty
/// parts, `.`, `..`, `?`, `#`, blanks and invisible characters are refused. A key with one of them would
/// not be the key that it seems to be, or would be in use by another clock.
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
    /// In the memory of this process.
    Memory {
        /// The name of the store within this process; `None` makes a new store.
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
        let rest = text.strip_prefix("etcd://");
        let hosts = rest.and_then(|rest| rest.split('/').next());
        if hosts.is_some_and(|hosts| hosts.contains('@')) {
            // Not quoted: what stands before the '@' may be a password.
            return Err(Error::invalid(
                "a store takes no user or password in its URI: use LAMPORT_USER and \
                 LAMPORT_PASSWORD_FILE",
            ));
        }
        let takes = "memory: or etcd://host:port,host:port/key";
        StoreUri::parse(text).map_err(malformed(text, "a store", takes))
    }
}

impl StoreUri {
    /// Errors hold only the reason; `malformed` adds the text and the accepted form.
    fn parse(text: &str) -> Result<StoreUri> {
        let refused = |why: &str| Err(Error::invalid(why));
        if let Some(name) = text.strip_prefix("memory:") {
            if name.contains('/') {
                return refused("the name of a store in memory has no '/'");
            }
            refuse_foreign_part(name)?;
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
        refuse_foreign_part(rest)?;
        let (hosts, key) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let mut endpoints = Vec::new();
        for host in hosts.split(',') {
            let address: Address = host.parse()?;
            if endpoints.contains(&address) {
                return refused(&format!("{address} stands there twice"));
            }
            endpoints.push(address);
        }
        let key = match key {
            "" | "/" => None,
            key => Some(parse_key(key)?),
        };
        Ok(StoreUri::Etcd { endpoints, key })
    }
}

impl fmt::Display for StoreUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreUri::Memory { name } => write!(f, "memory:{}", name.as_deref().unwrap_or("")),
            StoreUri::Etcd { endpoints, key } => {
                let endpoints: Vec<_> = endpoints.iter().map(Address::to_string).collect();
                let key = key.as_deref().unwrap_or("");
                write!(f, "etcd://{}{key}", endpoints.join(","))
            }
        }
    }
}

/// Checks the record's key: `/name` or `/path/name`. It is used byte for byte. So text that is no part of
/// a key, or makes a key look like another one, is refused.
pub(super) fn parse_key(text: &str) -> Result<String> {
    let takes = "the form /name or /path/name, at most 512 bytes, without spaces";
    check_key(text).map_err(malformed(text, "a key for the record", takes))?;
    Ok(text.to_owned())
}

/// Errors hold only the reason; `malformed` adds the text and the accepted form.
fn check_key(key: &str) -> Result<()> {
    let Some(path) = key.strip_prefix('/') else {
        return Err(Error::invalid("it does not begin with '/'"));
    };
    if key.len() > 512 {
        return Err(Error::invalid(format!("it has {} bytes", key.len())));
    }
    refuse_foreign_part(key)?;
    path.split('/').try_for_each(|segment| {
        let why = match segment {
            "" => "a part of its path is empty".to_owned(),
            "." | ".." => format!("'{segment}' is no step in it, and would be a key of its own"),
            "base" | "taken" => format!(
                "'{segment}' is where the clock above keeps its own keys: name it otherwise"
            ),
            _ => return Ok(()),
        };
        Err(Error::invalid(why))
    })
}

/// Refuses a '?', a '#', blanks and invisible characters in the URI of a store or in a key.
fn refuse_foreign_part(text: &str) -> Result<()> {
    if let Some((_, query)) = text.split_once('?') {
        // The text after '?' may be a password. Only the name of a setting is shown.
        let name = query.split(['=', '&', '#']).next().unwrap_or_default();
        let why = match Setting::named(&name.replace('-', "_")) {
            Some(Setting { name, variable, .. }) => {
                format!("'?{name}' is no part of it: use {variable} or {name}")
            }
            None => "what follows '?' is no part of it: what else there is to say has a setting of its own, \
                     such as LAMPORT_TIMEOUT"
                .to_owned(),
        };
        return Err(Error::invalid(why));
    }
    let is_foreign = |c: &char| *c == '#' || c.is_whitespace() || is_hidden(*c);
    match text.chars().find(is_foreign) {
        Some(c) => Err(Error::invalid(format!(
            "it contains '{}'",
            c.escape_default()
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Settings};
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_key_belongs_to_one_clock() {
        for (key, part) in [
            ("/a/base", "'base'"),
            ("/a/taken", "'taken'"),
            ("/a/taken/01", "'taken'"),
            ("/base", "'base'"),
            ("/a/base/b", "'base'"),
            ("//team", "empty"),
            ("/team/", "empty"),
            ("/a//b", "empty"),
            ("/", "empty"),
            ("/./team", "'.'"),
            ("/a/..", "'..'"),
            ("/team?timeout=2s", "use LAMPORT_TIMEOUT or timeout"),
            ("/team?max-jump=5", "use LAMPORT_MAX_JUMP or max_jump"),
            ("/team?x=1", "what follows '?'"),
            ("/team#a", "'#'"),
            ("/te am", "' '"),
            ("/te\u{a0}am", r"\u{a0}"),
            ("/te\u{200b}am", r"\u{200b}"),
            ("/te\u{202e}am", r"\u{202e}"),
            ("/te\u{9b}am", r"\u{9b}"),
        ] {
            let in_uri = format!("etcd://h{key}");
            let settings = Settings::from([("store", "memory:"), ("key", key)]);
            let mut refused = vec![
                Config::memory("a").unwrap().with_key(key),
                Config::resolve(&settings, &|_| None),
            ];
            if key != "/" {
                refused.push(Config::new("a", &in_uri));
            }
            for error in refused.into_iter().map(Result::unwrap_err) {
                assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{key:?}");
                assert!(error.to_string().contains(part), "{key:?}: {error}");
            }
        }
        for key in [
            "/orders",
            "/a/waiting/b",
            "/a/based",
            "/a/taken-over",
            "/zürich",
            "/a.b/..c",
        ] {
            let store = format!("etcd://h{key}");
            let config = Config::new("a", &store).unwrap();
            assert_eq!(config.key(), key);
            assert_eq!(config.store().to_string(), format!("etcd://h:2379{key}"));
        }
    }

    #[test]
    fn a_stores_uri_has_no_parameters() {
        for (store, part) in [
            ("etcd://h?timeout=2s", "use LAMPORT_TIMEOUT or timeout"),
            ("etcd://h/?timeout=2s", "use LAMPORT_TIMEOUT or timeout"),
            ("etcd://h#a", "'#'"),
            ("etcd://h\u{200b}", r"\u{200b}"),
            ("memory:team?timeout=2s", "use LAMPORT_TIMEOUT or timeout"),
            ("memory:te\u{202e}am", r"\u{202e}"),
            ("memory:a/b", "'/'"),
        ] {
            let message = store.parse::<StoreUri>().unwrap_err().to_string();
            assert!(message.contains(part), "{store}: {message}");
        }
        let secret = Config::new("a", "etcd://h/k?password=swordfish");
        let message = secret.unwrap_err().to_string();
        assert!(!message.contains("swordfish"), "{message}");
    }
}
