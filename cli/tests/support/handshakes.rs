//! A server that does nothing but TLS handshakes, and counts them.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use crate::certificates::Pair;

/// Gone with the test's process: its thread waits for callers until then.
pub(crate) struct Handshakes {
    address: String,
    callers: Arc<AtomicUsize>,
}

impl Handshakes {
    /// Presents this certificate and wants one of the clients, signed by `clients`; speaks TLS 1.3.
    pub(crate) fn start(server: &Pair, clients: &str) -> Handshakes {
        Handshakes::speaking(&[b"h2"], server, clients)
    }

    /// The same in front of something that speaks these protocols (ALPN).
    pub(crate) fn speaking(protocols: &[&[u8]], server: &Pair, clients: &str) -> Handshakes {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(clients).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![CertificateDer::from_pem_file(&server.certificate).unwrap()],
                PrivateKeyDer::from_pem_file(&server.key).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let config = Arc::new(config);

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let callers = Arc::new(AtomicUsize::new(0));
        let counted = callers.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                shake_hands(stream, ServerConnection::new(config.clone()).unwrap());
            }
        });
        Handshakes { address, callers }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How many have called so far.
    pub(crate) fn callers(&self) -> usize {
        self.callers.load(Ordering::SeqCst)
    }
}

fn shake_hands(mut stream: TcpStream, mut connection: ServerConnection) {
    while connection.is_handshaking() {
        if connection.complete_io(&mut stream).is_err() {
            // Its last word, and then it listens to the end: hung up at once, the word would be lost.
            while connection.wants_write() && connection.write_tls(&mut stream).is_ok() {}
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
            return;
        }
    }
}
