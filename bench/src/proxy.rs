//! A network that takes its time: a TCP proxy that hands on what it gets a while later.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::Failure;

/// Listens on a port of its own for clients of `member`; says where. What goes either way is handed
/// on after `delay`, in order, however much is on its way.
pub(crate) async fn listen(member: String, delay: Duration) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let member = member.clone();
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect(member).await else {
                    return;
                };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::join!(
                    later(from_client, to_server, delay),
                    later(from_server, to_client, delay),
                );
            });
        }
    });
    Ok(address)
}

/// One way of a connection, until it ends.
async fn later(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(MOST_ON_THE_WAY);
    let read = async move {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut bytes).await {
            let piece = (Instant::now() + delay, bytes[..length].to_vec());
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((at, bytes)) = arriving.recv().await {
            sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

const MOST_ON_THE_WAY: usize = 1_024;
