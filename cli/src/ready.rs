//! `lamport ready`: asks a run whether its updates succeed. It is for health checks in containers that
//! hold no other program.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::output::Output;
use super::{Ending, args, refuse_connection_settings};
use lamport_clock::excerpt::escape;
use lamport_clock::{Error, ErrorKind, Settings};

/// A run that takes longer than this to answer is not healthy.
const DEADLINE: Duration = Duration::from_secs(3);

/// The most bytes of an answer that are read: far more than a run sends.
const LARGEST: usize = 64 * 1024;

#[derive(Serialize)]
struct Readiness<'a> {
    ready: bool,
    why: &'a str,
}

pub(super) fn ready(
    args: &args::Ready,
    settings: &Settings,
    output: &Output,
) -> Result<(), Ending> {
    refuse_connection_settings(settings, "ready", "it asks a run, and no store")?;
    let address = args.address;
    let answer = ask(address).map_err(|error| {
        Error::with_source(
            ErrorKind::Unavailable,
            format!("no run with --metrics answers on {address}: {error}"),
            error,
        )
    })?;
    let (ready, why) = read(&answer).ok_or_else(|| {
        Error::new(
            ErrorKind::Unavailable,
            format!("what answers on {address} is no run with --metrics"),
        )
    })?;
    if !ready {
        return Err(Ending::Failed(Error::new(ErrorKind::Unavailable, why)));
    }
    if output.json {
        return output.object(&Readiness { ready, why });
    }
    output.line(escape(why))
}

/// The whole answer to `GET /readyz`, by the deadline.
fn ask(address: SocketAddr) -> io::Result<String> {
    let end = Instant::now() + DEADLINE;
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_write_timeout(Some(DEADLINE))?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while answer.len() < LARGEST {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => break,
            length => answer.extend_from_slice(&piece[..length]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Whether the run is ready, and its text; `None` if `answer` does not come from a run.
fn read(answer: &str) -> Option<(bool, &str)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    match status {
        "200" => Some((true, body.trim_end())),
        "503" => Some((false, body.trim_end())),
        _ => None,
    }
}
