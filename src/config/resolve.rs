//! Resolves the settings of all sources to a checked configuration.

use std::ffi::OsString;
use std::str::FromStr;

use super::durations::parse_deadline;
use super::sources::{Sources, parse_flag, parse_number, unnamed_process};
use super::{Address, Config, Nodes, Settings, StoreUri, uri};
use crate::clock::{LocalClock, ProcessId};
use crate::error::{Error, Result};
use crate::header::Header;

impl Config {
    /// As [`load`](Config::load), with an environment that the caller passes in. It serves tests and the
    /// fuzzer, which can't change the environment of the process.
    #[doc(hidden)]
    pub fn resolve(
        settings: &Settings,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Config> {
        let sources = Sources::gather(settings, environment)?;
        let node = sources.read("node", ProcessId::new)?;
        let map = sources.read("nodes", Nodes::from_str)?;
        let (store, nodes) = match sources.read("store", StoreUri::from_str)? {
            Some(store) => (store, map.unwrap_or(Nodes::NONE)),
            None => {
                // The error below names the nodes of a given map, but not those of the built-in one.
                let one_of = map.as_ref().map(|map| format!(", one of {map}"));
                let nodes = map.unwrap_or_default();
                let endpoints = sources.read("node", |name| nodes.own_first(name))?;
                let endpoints = endpoints.ok_or_else(|| {
                    Error::invalid(format!(
                        "no store is given: 'store' or LAMPORT_STORE says where the clock lives, \
                         such as etcd://host:port, or memory: to try it. Or NODE_NAME names this \
                         node in the node map{}",
                        one_of.unwrap_or_default()
                    ))
                })?;
                let key = None;
                (StoreUri::Etcd { endpoints, key }, nodes)
            }
        };
        // The URI of the store may name the key too. The more explicit source wins; if both keys come
        // from the same source, that of the URI wins.
        let key = sources.read("key", uri::parse_key)?;
        let in_uri = match &store {
            StoreUri::Etcd { key, .. } => key.clone(),
            StoreUri::Memory { .. } => None,
        };
        let key = match sources.rank("key") < sources.rank("store") {
            true => key.or(in_uri),
            false => in_uri.or(key),
        };
        let config = Config {
            process: node.map_or_else(unnamed_process, Ok)?,
            store,
            key: key.unwrap_or_else(|| Config::DEFAULT_KEY.to_owned()),
            timeout: sources
                .read("timeout", parse_deadline)?
                .unwrap_or(Config::DEFAULT_TIMEOUT),
            max_jump: sources
                .read("max_jump", parse_number)?
                .unwrap_or(LocalClock::MAX_JUMP),
            tls: sources.tls()?,
            credentials: sources.credentials()?,
            allow_plaintext: sources
                .read("allow_plaintext", parse_flag)?
                .unwrap_or(false),
            header: sources
                .read("header_key_file", Header::from_file)?
                .unwrap_or_default(),
            nodes,
        };
        if let StoreUri::Etcd { endpoints, .. } = &config.store {
            config.refuse_exposed_password(endpoints)?;
        }
        Ok(config)
    }

    /// Refuses to send the password unencrypted to one of `endpoints`, unless that is allowed. The etcd
    /// store checks this again, since a configuration can be changed after it was loaded.
    pub(crate) fn refuse_exposed_password(&self, endpoints: &[Address]) -> Result<()> {
        if self.credentials.is_none() || self.tls.is_some() || self.allow_plaintext {
            return Ok(());
        }
        match endpoints.iter().find(|endpoint| !endpoint.is_loopback()) {
            None => Ok(()),
            Some(endpoint) => Err(Error::invalid(format!(
                "the password of LAMPORT_PASSWORD_FILE would travel to {endpoint} in the clear, \
                 for everyone on the way to read: switch TLS on (LAMPORT_TLS_CA), or, where the \
                 network itself is trusted, set LAMPORT_ALLOW_PLAINTEXT=true"
            ))),
        }
    }
}
