//! Certificates for a test, made by the test.

#![allow(dead_code, reason = "each suite uses its own part of this")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// An authority that signs whatever it is asked to.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// When a certificate is valid.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Validity {
    Now,
    Expired,
    NotYet,
}

/// The files of a certificate and its key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Authority {
            folder,
            issuer: Issuer::new(params, key),
        }
    }

    /// The file of its own certificate.
    pub(crate) fn certificate(&self) -> String {
        self.path("ca.pem")
    }

    /// A certificate for these names (host names and addresses) and its key.
    ///
    /// It is good for servers and for clients: etcd's own gateway presents the server's to itself.
    pub(crate) fn sign(&self, called: &str, names: &[&str], validity: Validity) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, called);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        (params.not_before, params.not_after) = match validity {
            Validity::Now => (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1)),
            Validity::Expired => (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1)),
            Validity::NotYet => (date_time_ymd(2110, 1, 1), date_time_ymd(2120, 1, 1)),
        };
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pair = Pair {
            certificate: self.path(&format!("{called}.pem")),
            key: self.path(&format!("{called}-key.pem")),
        };
        fs::write(&pair.certificate, certificate.pem()).unwrap();
        write_secret(&pair.key, &key.serialize_pem());
        pair
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// A file that only its owner can read.
pub(crate) fn write_secret(path: impl AsRef<Path>, content: &str) {
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}
