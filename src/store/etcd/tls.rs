//! TLS: whether the configured certificates and key can be used, and what a failed handshake means.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use etcd_client::{Certificate, Identity, TlsOptions};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, RootCertStore};
use tonic::transport::Endpoint;

use super::failure::Cause;
use crate::config::{Address, Tls};
use crate::error::{Error, ErrorKind, Result};

/// A handshake that takes longer fails. Without a bound, a handshake with a silent peer would never end: a
/// caller that gives up a pending connection does not wake the task that makes it.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The TLS options of a connection, made after a check that certificates and key can be read.
///
/// Without this check the TLS client would ignore what is not a certificate, and then trust no server.
pub(super) fn options(tls: &Tls) -> Result<TlsOptions> {
    check_authority(&tls.ca)?;
    let authority = Certificate::from_pem(tls.ca.as_slice());
    let mut options = TlsOptions::new()
        .ca_certificate(authority)
        .timeout(HANDSHAKE);
    if let Some((certificate, key)) = &tls.identity {
        check_identity(certificate, key.expose())?;
        options = options.identity(Identity::from_pem(certificate, key.expose()));
    }
    Ok(options)
}

fn check_authority(pem: &[u8]) -> Result<()> {
    let mut roots = RootCertStore::empty();
    let mut unreadable = None;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let added = match certificate {
            Ok(certificate) => roots.add(certificate).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        unreadable = added.err().or(unreadable);
    }
    match unreadable {
        // Bundles of public authorities hold some certificates that are too old to be read.
        _ if !roots.is_empty() => Ok(()),
        Some(why) => Err(Error::invalid(format!(
            "no certificate in the file of LAMPORT_TLS_CA can be read: {why}"
        ))),
        None => Err(no_certificate("LAMPORT_TLS_CA")),
    }
}

/// Errors about the key don't show its text: it is a secret even if it is malformed.
fn check_identity(certificate: &[u8], key: &str) -> Result<()> {
    match CertificateDer::pem_slice_iter(certificate).next() {
        Some(Ok(_)) => {}
        Some(Err(error)) => {
            return Err(Error::invalid(format!(
                "the certificate in the file of LAMPORT_TLS_CERT can't be read: {error}"
            )));
        }
        None => return Err(no_certificate("LAMPORT_TLS_CERT")),
    }
    if key.contains("ENCRYPTED") {
        return Err(Error::invalid(
            "the key in the file of LAMPORT_TLS_KEY is encrypted, and nobody is there to ask for \
             its passphrase: decrypt it (openssl pkey -in KEY -out NEWKEY) and chmod 600 the result",
        ));
    }
    if PrivateKeyDer::from_pem_slice(key.as_bytes()).is_err() {
        return Err(Error::invalid(
            "there is no key in the file of LAMPORT_TLS_KEY: it takes PEM (-----BEGIN PRIVATE \
             KEY-----)",
        ));
    }
    Ok(())
}

fn no_certificate(variable: &str) -> Error {
    Error::invalid(format!(
        "there is no certificate in the file of {variable}: it takes PEM (-----BEGIN \
         CERTIFICATE-----)"
    ))
}

/// The error for a certificate or a key that can be read but not used.
pub(super) fn unusable(error: &(dyn StdError + 'static), endpoint: &Address) -> Error {
    let error = innermost(error);
    Error::invalid(match error.downcast_ref() {
        Some(rustls::Error::InconsistentKeys(_)) => {
            "the key of LAMPORT_TLS_KEY does not belong to the certificate of LAMPORT_TLS_CERT"
                .to_owned()
        }
        Some(_) => format!(
            "the key of LAMPORT_TLS_KEY and the certificate of LAMPORT_TLS_CERT can't be used: \
             {error}"
        ),
        None => format!("{endpoint} can't be reached: {error}"),
    })
}

/// The error that caused all the others. An [`io::Error`] doesn't return the error it wraps as its source.
pub(super) fn innermost<'a>(
    mut error: &'a (dyn StdError + 'static),
) -> &'a (dyn StdError + 'static) {
    loop {
        let kept = error.downcast_ref().and_then(io::Error::get_ref);
        error = match (kept, error.source()) {
            (Some(kept), _) => kept,
            (None, Some(source)) => source,
            (None, None) => return error,
        };
    }
}

/// Why a handshake failed, given its innermost error. `None` if no handshake failed, or for a reason that
/// has nothing to do with TLS.
pub(super) fn explain(error: &(dyn StdError + 'static), connecting: bool) -> Option<Cause> {
    let says = error.to_string();
    // In TLS 1.3 the server refuses a client after the client's own handshake is over. By then the error
    // passes through HTTP/2, which keeps only its text.
    let refusal = CERTIFICATE_ALERTS
        .into_iter()
        .find(|alert| says == rustls::Error::AlertReceived(*alert).to_string());
    if let Some(alert) = refusal {
        let message = format!(
            "etcd wants a client certificate that it trusts, and refused what it got ({alert:?}): set \
             LAMPORT_TLS_CERT and LAMPORT_TLS_KEY to one that a CA in its --trusted-ca-file signed, \
             that has not expired, and that is good for clients"
        );
        return Some(Cause::untrusted(ErrorKind::Denied, message));
    }
    let why = match error.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(error)) => {
            let message = format!("can't connect: {}", of_certificate(error));
            return Some(Cause::untrusted(ErrorKind::Unavailable, message));
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            format!("the server refuses to speak TLS with us ({alert:?})")
        }
        Some(rustls::Error::InvalidMessage(_)) => NO_TLS.to_owned(),
        Some(_) => says,
        None if connecting && says.contains("HTTP/2 was not negotiated") => format!(
            "something answers there with TLS, but it does not speak gRPC ({says}): is this the address \
             of etcd's clients?"
        ),
        // etcd without TLS hangs up. If it had not read all of the handshake, that resets the connection.
        // While a connection is made, only a handshake is reset: a server where nothing listens refuses.
        None if connecting && (says == "tls handshake eof" || is_reset(error)) => NO_TLS.to_owned(),
        None => return None,
    };
    Some(Cause::not_connected(&why))
}

fn is_reset(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref().map(io::Error::kind) == Some(io::ErrorKind::ConnectionReset)
}

/// A server that is shutting down also closes connections like this.
const NO_TLS: &str = "the server does not answer with TLS: start it with TLS (https:// in its \
                      --listen-client-urls), or unset LAMPORT_TLS_CA";

const CERTIFICATE_ALERTS: [AlertDescription; 9] = [
    AlertDescription::NoCertificate,
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnknownCA,
    AlertDescription::AccessDenied,
    AlertDescription::CertificateRequired,
];

fn of_certificate(error: &CertificateError) -> String {
    match error {
        // `BadSignature`: a CA of the same name, but with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate is not signed by the CA in LAMPORT_TLS_CA".to_owned()
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the server's certificate expired {} ago by this machine's clock: it must be renewed",
            days(time.as_secs().saturating_sub(not_after.as_secs()))
        ),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the server's certificate is not valid for another {} by this machine's clock: set the \
             clock right, or issue the certificate anew",
            days(not_before.as_secs().saturating_sub(time.as_secs()))
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            format!(
                "the server's certificate is for other names ({}), not for {}: reach it under one \
                 of them (LAMPORT_STORE, LAMPORT_NODES), or issue it for this one",
                names.join(", "),
                expected.to_str()
            )
        }
        other => format!(
            "the server's certificate is refused: {}",
            rustls::Error::InvalidCertificate(other.clone())
        ),
    }
}

fn days(seconds: u64) -> String {
    match seconds / 86_400 {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// `DnsName("etcd.example")` without its wrapping.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"')
}

/// Whether the server at `address` speaks TLS. Asked if it broke off an unencrypted connection.
pub(super) async fn is_spoken_at(address: &Address) -> bool {
    // We trust no certificate and send no request: it is enough that the server sends a certificate.
    let connection = Endpoint::from_shared(format!("https://{address}"))
        .and_then(|endpoint| endpoint.tls_config(TlsOptions::new()));
    let Ok(endpoint) = connection else {
        return false;
    };
    match endpoint.connect().await {
        Ok(_) => true,
        Err(error) => matches!(
            innermost(&error).downcast_ref(),
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_))
        ),
    }
}
