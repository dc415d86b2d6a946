//! The connection options that all our etcd clients share.

use std::time::Duration;

use etcd_client::{ConnectOptions, TlsOptions};
use tonic::transport::Endpoint;

use super::tls;
use crate::config::{Address, Config, Credentials, Secret};
use crate::error::Result;

/// The options that the clients of all members share. It has no `Debug`: that of the etcd client's options
/// shows the password.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) tls: Option<TlsOptions>,
    /// How to connect as our own user, if one is configured.
    pub(super) own: ConnectOptions,
    /// How to connect without a user, where the server has no users.
    pub(super) anonymous: ConnectOptions,
    pub(super) password: Option<Secret>,
}

impl Options {
    pub(super) fn new(config: &Config) -> Result<Options> {
        let anonymous = ConnectOptions::new()
            // A member cut off from the others answers "no leader" instead of staying silent.
            .with_require_leader(true)
            .with_auto_token_refresh(true);
        let own = match &config.credentials {
            Some(Credentials { user, password }) => {
                anonymous.clone().with_user(&**user, password.expose())
            }
            None => anonymous.clone(),
        };
        Ok(Options {
            tls: config.tls.as_ref().map(tls::options).transpose()?,
            own,
            anonymous,
            password: config.credentials.as_ref().map(|it| it.password.clone()),
        })
    }

    pub(super) fn endpoint(&self, address: &Address) -> Result<Endpoint, tonic::transport::Error> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))?
            // Bound the attempt itself: one that goes on after our own timeout blocks the next attempt.
            .connect_timeout(Duration::from_secs(1))
            // Not below 5 s: etcd would take such frequent pings for abuse and close healthy connections.
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        match &self.tls {
            Some(tls) => endpoint.tls_config(tls.clone()),
            None => Ok(endpoint),
        }
    }
}
