//! What opens doors: TLS, users, passwords.

use std::fmt;

/// TLS towards etcd. The contents of PEM files.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificates of those to trust, as PEM.
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
