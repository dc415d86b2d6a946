//! The settings of TLS: which files are refused, and how the command takes them.

use std::fs;

use lamport_clock::{Config, ErrorKind, SharedClock};

use super::certificates::{Authority, Pair, Validity, write_secret};
use super::{HOSTS, command, etcd, settings};

#[tokio::test]
async fn files_that_are_no_certificates_and_keys_are_refused_before_anybody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name).display().to_string();
        write_secret(&path, content);
        path
    };
    let ca = Authority::new("test CA");
    let ca_file = ca.certificate();
    let (one, two) = (
        ca.sign("one", &[], Validity::Now),
        ca.sign("two", &[], Validity::Now),
    );
    let garbage = file("garbage", "swordfish");
    let empty = file("empty", "");
    let torn = file(
        "torn",
        "-----BEGIN CERTIFICATE-----\nc3dvcmRmaXNo\n-----END CERTIFICATE-----\n",
    );
    let cut = file("cut", "-----BEGIN PRIVATE KEY-----\nswordfish");
    let encrypted = file(
        "encrypted",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc3dvcmRmaXNo\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let old_style = file(
        "old-style",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n\
         c3dvcmRmaXNo\n-----END RSA PRIVATE KEY-----\n",
    );
    let certificate = fs::read_to_string(&one.certificate).unwrap();
    let no_key = file("no-key", &certificate);
    let pair = |certificate: &str, key: &str| Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
    };
    for (ca, client, part) in [
        (
            &garbage,
            None,
            "no certificate in the file of LAMPORT_TLS_CA",
        ),
        (&empty, None, "no certificate in the file of LAMPORT_TLS_CA"),
        (
            &torn,
            None,
            "no certificate in the file of LAMPORT_TLS_CA can be read",
        ),
        (
            &ca_file,
            Some(pair(&garbage, &one.key)),
            "no certificate in the file of LAMPORT_TLS_CERT",
        ),
        (
            &ca_file,
            Some(pair(&empty, &one.key)),
            "no certificate in the file of LAMPORT_TLS_CERT",
        ),
        (
            &ca_file,
            Some(pair(&one.certificate, &garbage)),
            "no key in the file of LAMPORT_TLS_KEY",
        ),
        (
            &ca_file,
            Some(pair(&one.certificate, &empty)),
            "no key in the file of LAMPORT_TLS_KEY",
        ),
        (
            &ca_file,
            Some(pair(&one.certificate, &no_key)),
            "no key in the file of LAMPORT_TLS_KEY",
        ),
        (
            &ca_file,
            Some(pair(&one.certificate, &cut)),
            "no key in the file of LAMPORT_TLS_KEY",
        ),
        (
            &ca_file,
            Some(pair(&one.certificate, &encrypted)),
            "encrypted",
        ),
        (
            &ca_file,
            Some(pair(&one.certificate, &old_style)),
            "encrypted",
        ),
        (&ca_file, Some(pair(&torn, &one.key)), "can't be used"),
        (
            &ca_file,
            Some(pair(&one.certificate, &two.key)),
            "does not belong to the certificate",
        ),
    ] {
        let settings = settings("etcd://203.0.113.1", Some(ca), client.as_ref());
        let config = Config::load(&settings).unwrap();
        let error = SharedClock::open(&config).unwrap_err();
        let message = error.to_string();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{message}");
        assert!(
            message.contains(part) && message.contains("LAMPORT_TLS"),
            "{message}"
        );
        for secret in ["swordfish", "c3dvcmRmaXNo"] {
            assert!(!message.contains(secret), "{message}");
        }
    }
}

#[test]
fn the_command_takes_the_settings_as_flags_and_variables_and_tells_wrong_ones_as_usage() {
    let ca = Authority::new("test CA");
    let server = ca.sign("server", &HOSTS, Validity::Now);
    let client = ca.sign("client", &[], Validity::Now);
    let etcd = etcd(1, &server, Some((&ca, &client)));
    let (uri, ca_file) = (etcd.uri(), ca.certificate());
    let flags = [
        "update",
        "--store",
        &uri,
        "--tls-ca",
        &ca_file,
        "--tls-cert",
        &client.certificate,
        "--tls-key",
        &client.key,
    ];
    let ended = command::run(&flags);
    assert_eq!((ended.code, &*ended.lines[0]), (Some(0), "2"), "{ended:?}");
    let mut by_variables = command::lamport(&["read", "--store", &uri]);
    by_variables
        .env("LAMPORT_TLS_CA", &ca_file)
        .env("LAMPORT_TLS_CERT", &client.certificate)
        .env("LAMPORT_TLS_KEY", &client.key);
    let ended = command::Running::start(&mut by_variables).finish();
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let ended = command::run(&["update", "--store", &uri, "--tls-ca", &ca_file]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.complaint().contains("LAMPORT_TLS_CERT"), "{ended:?}");
    for command in command::CONNECTING {
        let ended = command::run(&[command, &["--store", &uri, "--tls-ca", &client.key]].concat());
        // `nodes` says it of each member.
        let (code, told) = match command[0] {
            "nodes" => (1, &ended.lines),
            _ => (2, &ended.errors),
        };
        assert_eq!(ended.code, Some(code), "{command:?}: {ended:?}");
        assert!(told.concat().contains("LAMPORT_TLS_CA"), "{ended:?}");
    }
}
