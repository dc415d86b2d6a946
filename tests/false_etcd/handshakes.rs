//! Handshakes that never end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use lamport_clock::protocol::{At, KeyRange};
use lamport_clock::store::{EtcdStore, Store};
use lamport_clock::{ErrorKind, Tls};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::WITHIN;
use super::false_etcd::config_at;

#[tokio::test]
async fn a_member_that_is_silent_in_the_handshake_is_left_with_no_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (came, open) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let counted = (came.clone(), open.clone());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (came, open) = counted.clone();
            came.fetch_add(1, Ordering::SeqCst);
            open.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let _ = stream.read_to_end(&mut Vec::new()).await;
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let tls = Tls {
        ca: AUTHORITY.into(),
        identity: None,
    };
    let config = config_at(&address, "5s").with_tls(tls);
    let store = EtcdStore::new(&[address.parse().unwrap()], &config).unwrap();
    let key = KeyRange::key(b"/c");
    for _ in 0..4 {
        let failure = store.read(&key, At::Now, WITHIN).await.unwrap_err();
        assert_eq!(failure.error.kind(), ErrorKind::Timeout);
    }
    assert!(came.load(Ordering::SeqCst) >= 4);
    let all_are_gone = async {
        while open.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let left = tokio::time::timeout(WITHIN, all_are_gone).await;
    assert!(left.is_ok(), "{open:?} of {came:?} are still open");
}

/// Of nobody.
const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBbjCCARWgAwIBAgIUVxncc7cTdVWYqJLmnYO0IyKajTgwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAgFw0yNjExMjkxMjI4MTRaGA8yMTI2MTEwNTEyMjgxNFow
DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDstSe45+SKQ
NHe+pE5f/ppRMm5ljpc5aj0gxoYrvV1N2wukTQCaze1X0+KhaIgzuV7ABlOPEJNT
j+UQD9xmRa+jUzBRMB0GA1UdDgQWBBRiv/8r6qwontdCOS+stCme7qfCVTAfBgNV
HSMEGDAWgBRiv/8r6qwontdCOS+stCme7qfCVTAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0cAMEQCID/FMEQqptk7qA1EkwIZf04q1lywKo20gWrx4oQWaasC
AiAXDNqcOUbMPYynEeiUuVHyHFYvNHE/SNThGIWPHbRVJA==
-----END CERTIFICATE-----
";
