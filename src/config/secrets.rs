//! TLS and credentials for etcd.

use std::fmt;

/// TLS for the connection to etcd. The fields hold the contents of PEM files.
///
/// ```no_run
/// # use lamport_clock::{Secret, Tls};
/// let tls = Tls {
///     ca: std::fs::read("/etc/lamport/ca.pem")?,
///     identity: Some((
///         std::fs::read("/etc/lamport/client.pem")?,
///         Secret::new(std::fs::read_to_string("/etc/lamport/client-key.pem")?),
///     )),
/// };
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificates of the authorities to trust, as PEM.
    pub ca: Vec<u8>,
    /// Certificate and key of this client, for mutual TLS.
    pub identity: Option<(Vec<u8>, Secret)>,
}

/// User and password for etcd.
///
/// ```
/// # use lamport_clock::{Credentials, Secret};
/// let credentials = Credentials { user: "api".to_owned(), password: Secret::new("secret") };
/// assert!(!format!("{credentials:?}").contains("secret"));
/// ```
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// A text that is never printed, not even by `Debug`.
///
/// Its memory is not wiped when it is dropped. The etcd client and the TLS library keep their own copies
/// for as long as they may have to connect again, so wiping this copy would promise a protection that
/// does not exist.
///
/// ```
/// # use lamport_clock::Secret;
/// let secret = Secret::new("open sesame");
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// assert_eq!(secret.expose(), "open sesame");
/// ```
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
