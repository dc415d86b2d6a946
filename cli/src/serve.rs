//! `run --metrics`: answers HTTP beside the run, and never delays it.
//!
//! The server has a thread of its own. Each connection carries one request and has a deadline. The number
//! of connections is bounded.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use super::Ending;
use super::metrics::Metrics;
use lamport_clock::{Error, ErrorKind};

/// At most this many connections are open at once; others wait in the system's queue.
const CONNECTIONS: usize = 16;

/// How long a connection may stay, whatever its client does.
const DEADLINE: Duration = Duration::from_secs(5);

/// The pause after a failed accept, for instance if no file descriptor is free.
const REST: Duration = Duration::from_millis(100);

/// The limit for a request's head, in bytes: the lowest that hyper allows.
const LARGEST_HEAD: usize = 8192;

/// The HTTP server. It answers until it is dropped.
pub(super) struct Server {
    /// The address that the server listens on.
    pub(super) address: SocketAddr,
    /// The thread ends when this sender is dropped.
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(address: SocketAddr, metrics: Arc<Metrics>) -> Result<Server, Ending> {
        let unusable = |error: std::io::Error| {
            Ending::Usage(Error::with_source(
                ErrorKind::InvalidArgument,
                format!("--metrics can't listen on {address}: {error}"),
                error,
            ))
        };
        let listener = TcpListener::bind(address).map_err(unusable)?;
        listener.set_nonblocking(true).map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(unusable)?;
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                    return;
                };
                tokio::select! {
                    () = accept(listener, metrics) => (),
                    _ = stopped => (),
                }
            });
        };
        let thread = std::thread::Builder::new()
            .name("lamport-metrics".to_owned())
            .spawn(work)
            .map_err(unusable)?;
        Ok(Server {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, metrics: Arc<Metrics>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = free.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let metrics = metrics.clone();
                tokio::spawn(async move {
                    // A client that is too slow, or gone, gets no answer.
                    let _ = timeout(DEADLINE, converse(stream, metrics)).await;
                    drop(place);
                });
            }
            Err(_) => sleep(REST).await,
        }
    }
}

async fn converse(stream: TcpStream, metrics: Arc<Metrics>) -> hyper::Result<()> {
    let answers = service_fn(move |request| {
        let answer = answer(&request, &metrics);
        async move { Ok::<_, Infallible>(answer) }
    });
    http1::Builder::new()
        .keep_alive(false)
        .half_close(true)
        // `DEADLINE` bounds the whole connection, and so the reading of the head.
        .header_read_timeout(None)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), answers)
        .await
}

fn answer(request: &Request<Incoming>, metrics: &Metrics) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD alone\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    match request.uri().path() {
        "/metrics" => match metrics.text() {
            Ok(metrics) => {
                let mut response = text(StatusCode::OK, metrics);
                let format = HeaderValue::from_static(prometheus::TEXT_FORMAT);
                response.headers_mut().insert(CONTENT_TYPE, format);
                response
            }
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        "/readyz" => match metrics.readiness() {
            Ok(why) => text(StatusCode::OK, why + "\n"),
            Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
        },
        _ => text(StatusCode::NOT_FOUND, "here are /metrics and /readyz\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
