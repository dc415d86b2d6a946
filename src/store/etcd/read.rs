//! Transactions that only read, carried out as plain reads.
//!
//! Never as an etcd transaction: before 3.5.5 a member crashes when the client of a read-only
//! transaction goes away at the wrong moment (etcd issue 14110), and 3.5.5 and 3.5.6 may still do so
//! when it was slow (issue 14891). A caller that gives up, or a process that ends, must not take the
//! store with it. A plain read answers such a client with an error.

use etcd_client::{Client, GetResponse, ResponseHeader};
use futures_util::future::try_join_all;

use super::failure::Cause;
use super::translate;
use crate::error::ErrorKind;
use crate::logic::transaction::{Get, Operation, Reply, Transaction};

/// The reads of a transaction that does nothing else.
pub(super) fn alone(transaction: &Transaction) -> Option<Vec<&Get>> {
    let reads = transaction.then.iter().map(|operation| match operation {
        Operation::Get(get) => Some(get),
        Operation::Put(..) | Operation::Delete(_) => None,
    });
    reads
        .collect::<Option<Vec<_>>>()
        .filter(|_| transaction.compares.is_empty())
}

/// All of them at one revision: the first one's, and the others then look back to it.
pub(super) async fn at_once(client: &Client, gets: &[&Get]) -> Result<Reply, Cause> {
    const ATTEMPTS: usize = 3;
    let mut attempt = 1;
    loop {
        match try_at_once(client, gets).await {
            // Compacted between the first and the others: there is a newer revision to read.
            Err(cause) if cause.is(ErrorKind::Compacted) && attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

async fn try_at_once(client: &Client, gets: &[&Get]) -> Result<Reply, Cause> {
    // Those that look back anyway need not wait for each other.
    let pinned = gets.iter().all(|get| get.at.is_some());
    let (first, others) = gets.split_at(if pinned { 0 } else { 1.min(gets.len()) });
    let mut replies = Vec::with_capacity(gets.len());
    for get in first {
        replies.push(read(client, get, None).await?);
    }
    let at = replies.first().map(revision);
    replies.extend(try_join_all(others.iter().map(|get| read(client, get, at))).await?);
    Ok(Reply {
        succeeded: true,
        revision: replies.first().map_or(0, revision),
        cluster: replies
            .first()
            .and_then(GetResponse::header)
            .map_or(0, ResponseHeader::cluster_id),
        gets: replies.iter().map(translate::entries).collect(),
    })
}

async fn read(client: &Client, get: &Get, at: Option<u64>) -> Result<GetResponse, Cause> {
    let get = Get {
        at: get.at.or(at),
        ..get.clone()
    };
    let options = translate::options(&get);
    let key = get.range.start;
    Ok(client.clone().get(key, Some(options)).await?)
}

fn revision(reply: &GetResponse) -> u64 {
    reply
        .header()
        .map_or(0, |header| translate::unsigned(header.revision()))
}
