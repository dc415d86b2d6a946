//! TLS against real etcd servers with certificates that the tests make: what works, and what each
//! mistake is told as.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use lamport_clock::{Config, Error, ErrorKind, Settings, SharedClock, WatchEvent};

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/command.rs"]
mod command;
#[path = "support/handshakes.rs"]
mod handshakes;
#[path = "tls/settings.rs"]
mod settings;
#[path = "../../tests/support/mod.rs"]
mod support;

use certificates::{Authority, Pair, Validity};
use handshakes::Handshakes;
use support::{Etcd, Setup};

const HOSTS: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

/// An etcd that serves with `server`; with `clients` it wants a certificate of every client.
fn etcd(members: usize, server: &Pair, clients: Option<(&Authority, &Pair)>) -> Etcd {
    let mut setup = Setup {
        tls: true,
        arguments: vec![
            format!("--cert-file={}", server.certificate),
            format!("--key-file={}", server.key),
        ],
        control: vec!["--insecure-skip-tls-verify".to_owned()],
    };
    if let Some((authority, control)) = clients {
        let trusted = authority.certificate();
        setup.arguments.push("--client-cert-auth".to_owned());
        setup.arguments.push(format!("--trusted-ca-file={trusted}"));
        setup
            .control
            .push(format!("--cert={}", control.certificate));
        setup.control.push(format!("--key={}", control.key));
    }
    Etcd::start_with(members, setup)
}

/// Far beyond any patience: nothing below may end by it.
fn settings(store: &str, ca: Option<&str>, client: Option<&Pair>) -> Settings {
    let mut settings = Settings::from([("node", "a"), ("store", store), ("timeout", "1m")]);
    if let Some(ca) = ca {
        settings.set("tls_ca", ca);
    }
    if let Some(pair) = client {
        settings.set("tls_cert", &*pair.certificate);
        settings.set("tls_key", &*pair.key);
    }
    settings
}

async fn connect(settings: &Settings) -> lamport_clock::Result<SharedClock> {
    SharedClock::connect(Config::load(settings)?).await
}

/// It refuses by itself, not at the deadline, and says all of `parts`.
async fn refused(settings: &Settings, kind: ErrorKind, parts: &[&str]) -> Error {
    let error = connect(settings).await.unwrap_err();
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
    assert!(!message.contains("not done within"), "{message}");
    error
}

#[tokio::test]
async fn a_clock_works_over_mutual_tls_and_survives_a_member() {
    let ca = Authority::new("test CA");
    let server = ca.sign("server", &HOSTS, Validity::Now);
    let client = ca.sign("client", &[], Validity::Now);
    let mut etcd = etcd(3, &server, Some((&ca, &client)));
    let settings = settings(&etcd.uri(), Some(&ca.certificate()), Some(&client));
    let clock = connect(&settings).await.unwrap();
    let mut watch = clock.watch().await.unwrap();
    let first = clock.update().await.unwrap().value;
    let leader = etcd.leader();
    etcd.kill(leader);
    let second = clock.update().await.unwrap().value;
    assert!(second > first);
    loop {
        match watch.next().await.unwrap() {
            WatchEvent::Updated(seen) if seen.value == second => break,
            WatchEvent::Updated(_) | WatchEvent::Interrupted(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_we_cannot_trust_is_named_with_the_reason() {
    let ca = Authority::new("test CA");
    let ca_file = ca.certificate();
    let server = ca.sign("server", &HOSTS, Validity::Now);
    let etcd_now = etcd(1, &server, None);
    let address = etcd_now.endpoints()[0].to_string();
    let uri = etcd_now.uri();
    let clock = connect(&settings(&uri, Some(&ca_file), None))
        .await
        .unwrap();
    assert_eq!(clock.update().await.unwrap().value.get(), 2);

    // The second one has the same name, and another key.
    for stranger in [Authority::new("another CA"), Authority::new("test CA")] {
        let settings = settings(&uri, Some(&stranger.certificate()), None);
        let parts = [&*address, "not signed by the CA in LAMPORT_TLS_CA"];
        refused(&settings, ErrorKind::Unavailable, &parts).await;
    }
    let plaintext = settings(&uri, None, None);
    let parts = [&*address, "wants TLS", "LAMPORT_TLS_CA"];
    refused(&plaintext, ErrorKind::Unavailable, &parts).await;

    for (called, names, validity, parts) in [
        (
            "expired",
            &HOSTS[..],
            Validity::Expired,
            &["expired", "days ago", "renewed"][..],
        ),
        (
            "future",
            &HOSTS,
            Validity::NotYet,
            &["not valid for another", "clock"],
        ),
        (
            "elsewhere",
            &["etcd.example", "10.9.8.7"],
            Validity::Now,
            &[
                "for other names (etcd.example, 10.9.8.7), not for 127.0.0.1",
                "LAMPORT_STORE",
            ],
        ),
    ] {
        let etcd = etcd(1, &ca.sign(called, names, validity), None);
        let settings = settings(&etcd.uri(), Some(&ca_file), None);
        let address = etcd.endpoints()[0].to_string();
        let error = refused(&settings, ErrorKind::Unavailable, parts).await;
        assert!(error.to_string().contains(&address), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_so() {
    let etcd = Etcd::start(1);
    let ca = Authority::new("test CA");
    // etcd hangs up. It may do so before it has read all, as the other one always does.
    for address in [etcd.endpoints()[0].to_string(), hangs_up_unread()] {
        let settings = settings(&format!("etcd://{address}"), Some(&ca.certificate()), None);
        let parts = [
            &*address,
            "does not answer with TLS",
            "unset LAMPORT_TLS_CA",
        ];
        refused(&settings, ErrorKind::Unavailable, &parts).await;
    }
}

/// The address of a server that hangs up on what it has not read, which resets the connection.
fn hangs_up_unread() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for caller in listener.incoming().map_while(Result::ok) {
            let _ = caller.peek(&mut [0]);
        }
    });
    address
}

#[tokio::test]
async fn a_client_that_etcd_cannot_trust_is_denied_with_what_to_set() {
    let (ca, stranger) = (Authority::new("test CA"), Authority::new("another CA"));
    let ca_file = ca.certificate();
    let server = ca.sign("server", &HOSTS, Validity::Now);
    let client = ca.sign("client", &[], Validity::Now);
    let etcd = etcd(1, &server, Some((&ca, &client)));
    let address = etcd.endpoints()[0].to_string();
    let uri = etcd.uri();
    let clock = connect(&settings(&uri, Some(&ca_file), Some(&client))).await;
    clock.unwrap().update().await.unwrap();
    // What the second kind of server says comes after the client's part of the handshake.
    let tls_1_3 = Handshakes::start(&server, &ca_file);
    let later = format!("etcd://{}", tls_1_3.address());
    for (uri, address) in [(uri, &*address), (later, tls_1_3.address())] {
        for client in [
            None,
            Some(stranger.sign("stranger", &[], Validity::Now)),
            Some(ca.sign("expired", &[], Validity::Expired)),
        ] {
            let settings = settings(&uri, Some(&ca_file), client.as_ref());
            let parts = [
                address,
                "client certificate",
                "LAMPORT_TLS_CERT",
                "LAMPORT_TLS_KEY",
            ];
            refused(&settings, ErrorKind::Denied, &parts).await;
        }
    }
}

#[tokio::test]
async fn tls_in_front_of_something_else_is_told_from_etcd() {
    let ca = Authority::new("test CA");
    let server = ca.sign("server", &HOSTS, Validity::Now);
    let client = ca.sign("client", &[], Validity::Now);
    let web = Handshakes::speaking(&[], &server, &ca.certificate());
    let uri = format!("etcd://{}", web.address());
    let settings = settings(&uri, Some(&ca.certificate()), Some(&client));
    let parts = [web.address(), "with TLS, but it does not speak gRPC"];
    refused(&settings, ErrorKind::Unavailable, &parts).await;
}

#[tokio::test]
async fn who_is_not_trusted_does_not_hammer() {
    let (ca, stranger) = (Authority::new("test CA"), Authority::new("another CA"));
    let server = stranger.sign("server", &HOSTS, Validity::Now);
    let servers = [0, 1, 2].map(|_| Handshakes::start(&server, &stranger.certificate()));
    let addresses = servers.each_ref().map(Handshakes::address);
    let uri = format!("etcd://{}", addresses.join(","));
    let settings = settings(&uri, Some(&ca.certificate()), None);
    let clock = SharedClock::open(&Config::load(&settings).unwrap()).unwrap();
    for _ in 0..5 {
        let error = clock.update().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        for address in addresses {
            assert!(error.to_string().contains(address), "{error}");
        }
    }
    let callers: usize = servers.iter().map(Handshakes::callers).sum();
    // Each is asked by the first call, and one by each later one; a few are looked after besides.
    assert!((3..=15).contains(&callers), "{callers} connections");
}

#[tokio::test]
async fn a_member_whose_certificate_expired_is_left_for_another() {
    let ca = Authority::new("test CA");
    let expired = ca.sign("expired", &HOSTS, Validity::Expired);
    let first = Handshakes::start(&expired, &ca.certificate());
    let etcd = etcd(1, &ca.sign("server", &HOSTS, Validity::Now), None);
    let good = etcd.endpoints()[0].to_string();
    let uri = format!("etcd://{},{good}", first.address());
    let clock = connect(&settings(&uri, Some(&ca.certificate()), None)).await;
    let clock = clock.unwrap();
    clock.update().await.unwrap();
    assert_eq!(clock.location(), good);
}

#[tokio::test]
async fn a_handshake_that_never_ends_ends_at_the_deadline() {
    let ca = Authority::new("test CA");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut settings = settings(&format!("etcd://{address}"), Some(&ca.certificate()), None);
    settings.set("timeout", Duration::from_millis(1_500));
    let clock = SharedClock::open(&Config::load(&settings).unwrap()).unwrap();
    for error in [
        connect(&settings).await.unwrap_err(),
        clock.update().await.unwrap_err(),
        clock.read().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        let message = error.to_string();
        assert!(
            message.contains(&address) && message.contains("1.5s"),
            "{message}"
        );
    }
}

/// A clock and a watch that run when the server's certificate expires go on when a new one is there.
#[tokio::test]
async fn a_server_with_a_new_certificate_is_found_again() {
    let ca = Authority::new("test CA");
    let server = ca.sign("server", &HOSTS, Validity::Now);
    let mut etcd = etcd(1, &server, None);
    let settings = settings(&etcd.uri(), Some(&ca.certificate()), None);
    let config = Config::load(&settings).unwrap();
    let clock = SharedClock::connect(config.with_timeout(Duration::from_secs(5)).unwrap())
        .await
        .unwrap();
    let mut watch = clock.watch().await.unwrap();
    let before = clock.update().await.unwrap().value;
    etcd.kill(0);
    ca.sign("server", &HOSTS, Validity::Expired);
    etcd.restart(0);
    let error = loop {
        let error = clock.update().await.unwrap_err();
        if !error.to_string().contains("refused") {
            break error;
        }
    };
    assert!(error.to_string().contains("expired"), "{error}");
    // The watch meets it, too.
    loop {
        match watch.next().await.unwrap() {
            WatchEvent::Interrupted(_) => break,
            WatchEvent::Updated(seen) => assert_eq!(seen.value, before),
            other => panic!("{other:?}"),
        }
    }
    etcd.kill(0);
    ca.sign("server", &HOSTS, Validity::Now);
    etcd.restart(0);
    let after = loop {
        if let Ok(update) = clock.update().await {
            break update.value;
        }
    };
    assert!(after > before);
    loop {
        match watch.next().await.unwrap() {
            WatchEvent::Updated(seen) if seen.value == after => break,
            WatchEvent::Updated(_) | WatchEvent::Interrupted(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
