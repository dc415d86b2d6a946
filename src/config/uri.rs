//! Where the record lives, as one text.

use std::fmt;
use std::str::FromStr;

use super::nodes::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::quote_without_secrets;

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

/// The record's key.
pub(super) fn parse_key(text: &str) -> Result<String> {
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
