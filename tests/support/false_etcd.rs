//! A server in etcd's place that answers whatever a test wants, down to the bytes.
//!
//! What it is asked comes as it was sent, and what it says goes out as it is: nothing here knows what an
//! answer should look like but the few shapes at the end.

#![allow(dead_code, reason = "each suite uses its own part of this")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use lamport_clock::{Config, Settings};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it says next on one call.
pub(crate) enum Say {
    /// One message.
    Message(Vec<u8>),
    /// These bytes, where messages should be.
    Raw(Vec<u8>),
    /// The end of the call, with a status and its text.
    Status(u32, &'static str),
    /// Nothing more, and the call goes on.
    Silence,
}

pub(crate) struct FalseEtcd {
    address: String,
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl FalseEtcd {
    /// Serves with `answer`: of the method (`KV/Txn`) and its request.
    pub(crate) async fn start(
        answer: impl Fn(&str, &[u8]) -> Vec<Say> + Send + Sync + 'static,
    ) -> FalseEtcd {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let answer: Arc<Answer> = Arc::new(answer);
        let counted = asked.clone();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, answer.clone(), counted.clone()));
            }
        });
        FalseEtcd {
            address,
            asked,
            serving,
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How many calls have come by now.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The configuration of a process that takes it for etcd.
    pub(crate) fn config(&self, timeout: &str) -> Config {
        config_at(&self.address, timeout)
    }
}

impl Drop for FalseEtcd {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The configuration of a process whose etcd should be at `address`.
pub(crate) fn config_at(address: &str, timeout: &str) -> Config {
    Config::load(&Settings::from([
        ("node", "test"),
        ("store", &*format!("etcd://{address}")),
        ("key", Config::DEFAULT_KEY),
        ("timeout", timeout),
    ]))
    .unwrap()
}

type Answer = dyn Fn(&str, &[u8]) -> Vec<Say> + Send + Sync;

async fn serve(stream: TcpStream, answer: Arc<Answer>, asked: Arc<AtomicUsize>) {
    let Ok(mut connection) = server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, response))) = connection.accept().await {
        asked.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(respond(request, response, answer.clone()));
    }
}

async fn respond(
    request: Request<RecvStream>,
    mut response: SendResponse<Bytes>,
    answer: Arc<Answer>,
) -> Option<()> {
    let (head, mut body) = request.into_parts();
    let mut asked = Vec::new();
    // A stream of requests goes on; its first message is enough.
    while asked.len() < 5 || asked.len() < 5 + length(&asked) {
        let data = body.data().await?.ok()?;
        let _ = body.flow_control().release_capacity(data.len());
        asked.extend_from_slice(&data);
    }
    let begin = Response::builder().header("content-type", "application/grpc");
    let mut stream = response
        .send_response(begin.body(()).unwrap(), false)
        .ok()?;
    let method = head.uri.path().trim_start_matches("/etcdserverpb.");
    for say in answer(method, &asked[5..]) {
        match say {
            Say::Message(message) => {
                let mut framed = vec![0];
                framed.extend((message.len() as u32).to_be_bytes());
                framed.extend(message);
                send(&mut stream, framed)?;
            }
            Say::Raw(bytes) => send(&mut stream, bytes)?,
            Say::Status(code, text) => {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", code.into());
                trailers.insert("grpc-message", text.parse().unwrap());
                return stream.send_trailers(trailers).ok();
            }
            Say::Silence => {
                // Until the client has gone.
                std::future::poll_fn(|context| stream.poll_reset(context))
                    .await
                    .ok()?;
            }
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", 0.into());
    stream.send_trailers(trailers).ok()
}

fn length(framed: &[u8]) -> usize {
    u32::from_be_bytes(framed[1..5].try_into().unwrap()) as usize
}

fn send(stream: &mut SendStream<Bytes>, bytes: Vec<u8>) -> Option<()> {
    stream.send_data(bytes.into(), false).ok()
}

/// A field of protobuf with a number in it.
pub(crate) fn number(field: u64, value: i64) -> Vec<u8> {
    [varint(field << 3), varint(value as u64)].concat()
}

/// A field of protobuf with bytes or a message in it.
pub(crate) fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [
        varint(field << 3 | 2),
        varint(value.len() as u64),
        value.to_vec(),
    ]
    .concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    while value > 0x7f {
        encoded.push(value as u8 | 0x80);
        value >>= 7;
    }
    encoded.push(value as u8);
    encoded
}

/// The header of an answer, as a field of it.
pub(crate) fn header(revision: i64) -> Vec<u8> {
    bytes(1, &[number(1, 7), number(3, revision)].concat())
}

/// A key with its revisions (created, written) and version.
pub(crate) fn key_value(key: &str, numbers: [i64; 3], value: &str) -> Vec<u8> {
    let [created, written, version] = numbers;
    [
        bytes(1, key.as_bytes()),
        number(2, created),
        number(3, written),
        number(4, version),
        bytes(5, value.as_bytes()),
    ]
    .concat()
}

/// What a read answers with these keys.
pub(crate) fn range_response(revision: i64, keys: &[Vec<u8>]) -> Vec<u8> {
    let mut response = header(revision);
    response.extend(keys.iter().flat_map(|key| bytes(2, key)));
    response.extend(number(4, keys.len() as i64));
    response
}

/// What a transaction answers, with each operation's answer as a field of its own kind.
pub(crate) fn txn_response(revision: i64, succeeded: bool, operations: &[Vec<u8>]) -> Vec<u8> {
    let mut response = [header(revision), number(2, succeeded.into())].concat();
    response.extend(operations.iter().flat_map(|operation| bytes(3, operation)));
    response
}

/// What a watch says first.
pub(crate) fn watch_confirmed(revision: i64) -> Vec<u8> {
    [header(revision), number(3, 1)].concat()
}

/// What a watch tells: each event of a type (0: put, 1: deletion).
pub(crate) fn watch_events(revision: i64, events: &[(i64, Vec<u8>)]) -> Vec<u8> {
    let event =
        |(kind, key): &(i64, Vec<u8>)| bytes(11, &[number(1, *kind), bytes(2, key)].concat());
    [header(revision), events.iter().flat_map(event).collect()].concat()
}
