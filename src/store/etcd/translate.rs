//! Translates our transactions into the etcd client's types, and its answers into ours.
//!
//! The server may not be etcd, or may be broken. So an answer is accepted only if it fits the request and
//! does not contradict itself; any other counts as no answer.

use etcd_client::proto::{PbKeyValue, PbRangeResponse, PbResponseHeader, PbTxnOpResponse};
use etcd_client::{
    Compare as EtcdCompare, CompareOp, GetOptions, GetResponse, Txn, TxnOp, TxnResponse,
};

use super::failure::Cause;
use crate::error::Result;
use crate::protocol::{At, Compare, Entry, KeyRange, Operation, Reply, Transaction};

pub(super) fn request(transaction: &Transaction) -> Txn {
    let operations = |branch: &[Operation]| branch.iter().map(operation).collect::<Vec<_>>();
    Txn::new()
        .when(transaction.compares.iter().map(compare).collect::<Vec<_>>())
        .and_then(operations(&transaction.then))
        .or_else(operations(&transaction.otherwise))
}

pub(super) fn reply(response: TxnResponse, to: &Transaction) -> Result<Reply, Cause> {
    let TxnResponse(response) = response;
    let mut reply = headed(response.succeeded, response.header)?;
    let operations = to.branch(reply.succeeded);
    if response.responses.len() != operations.len() {
        return Err(Cause::senseless("it does not answer what was asked"));
    }
    for (operation, answer) in operations.iter().zip(response.responses) {
        match (operation, answer.response) {
            (Operation::Get(range), Some(PbTxnOpResponse::ResponseRange(found))) => {
                reply.entries.extend(entries(found, range, reply.revision)?);
            }
            (Operation::Put(..), Some(PbTxnOpResponse::ResponsePut(_)))
            | (Operation::Delete(_), Some(PbTxnOpResponse::ResponseDeleteRange(_))) => {}
            _ => return Err(Cause::senseless("it does not answer what was asked")),
        }
    }
    Ok(reply)
}

pub(super) fn found(response: GetResponse, range: &KeyRange, at: At) -> Result<Reply, Cause> {
    let GetResponse(mut response) = response;
    let reply = headed(true, response.header.take())?;
    let newest = match at {
        At::Revision(revision) => revision,
        At::Now | At::Anywhere => reply.revision,
    };
    Ok(Reply {
        entries: entries(response, range, newest)?,
        ..reply
    })
}

fn headed(succeeded: bool, header: Option<PbResponseHeader>) -> Result<Reply, Cause> {
    let header = header.ok_or_else(|| Cause::senseless("it has no header"))?;
    Ok(Reply {
        succeeded,
        revision: positive(header.revision)?,
        cluster: header.cluster_id,
        entries: Vec::new(),
    })
}

/// The keys of `range` that were found, none of them written after revision `newest`.
fn entries(found: PbRangeResponse, range: &KeyRange, newest: u64) -> Result<Vec<Entry>, Cause> {
    let whole = !found.more && usize::try_from(found.count) == Ok(found.kvs.len());
    if !whole || !found.kvs.is_sorted_by(|a, b| a.key < b.key) {
        return Err(Cause::senseless("its keys are not what it counts"));
    }
    let entries = found.kvs.into_iter().map(|found| entry(found, range));
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    if entries.iter().any(|entry| entry.mod_revision > newest) {
        return Err(Cause::senseless("a key was written in the future"));
    }
    // etcd's ranges have no gap, so it also returns the keys that lie in ours.
    entries.retain(|entry| range.contains(&entry.key));
    Ok(entries)
}

/// The state of a key after one revision.
pub(super) fn entry(found: PbKeyValue, range: &KeyRange) -> Result<Entry, Cause> {
    let entry = Entry {
        create_revision: positive(found.create_revision)?,
        mod_revision: positive(found.mod_revision)?,
        version: positive(found.version)?,
        key: within(found.key, range)?,
        value: found.value,
    };
    // A revision puts a key at most once: a key has at most as many versions as revisions since its creation.
    let puts = entry.mod_revision.checked_sub(entry.create_revision);
    match puts.is_some_and(|puts| entry.version <= puts + 1) {
        true => Ok(entry),
        false => Err(Cause::senseless("a key has more versions than revisions")),
    }
}

pub(super) fn within(key: Vec<u8>, range: &KeyRange) -> Result<Vec<u8>, Cause> {
    match *range.start <= *key && *key < *range.end {
        true => Ok(key),
        false => Err(Cause::senseless("it tells of keys that nobody asked for")),
    }
}

/// Revisions and versions are positive in etcd, and signed only on the wire.
pub(super) fn positive(number: i64) -> Result<u64, Cause> {
    match u64::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(Cause::senseless("a revision or a version is not positive")),
    }
}

pub(super) fn signed(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

/// The end of a range for etcd; `None` for one key alone, which needs no range permission.
pub(super) fn end(range: &KeyRange) -> Option<Vec<u8>> {
    let is_one = range.end.strip_prefix(&*range.start) == Some(&[0]);
    (!is_one).then(|| range.end.clone())
}

fn compare(compare: &Compare) -> EtcdCompare {
    match compare {
        Compare::ModRevision(key, revision) => {
            EtcdCompare::mod_revision(key.clone(), CompareOp::Equal, signed(*revision))
        }
        Compare::VersionAtLeast(key, version) => {
            let below = signed(*version) - 1;
            EtcdCompare::version(key.clone(), CompareOp::Greater, below)
        }
        Compare::Value(key, value) => {
            EtcdCompare::value(key.clone(), CompareOp::Equal, value.clone())
        }
    }
}

fn operation(operation: &Operation) -> TxnOp {
    match operation {
        Operation::Put(key, value) => TxnOp::put(key.clone(), value.clone(), None),
        Operation::Delete(key) => TxnOp::delete(key.clone(), None),
        Operation::Get(range) => TxnOp::get(range.start.clone(), Some(options(range, At::Now))),
    }
}

pub(super) fn options(range: &KeyRange, at: At) -> GetOptions {
    let options = match end(range) {
        Some(end) => GetOptions::new().with_range(end),
        None => GetOptions::new(),
    };
    match at {
        At::Now => options,
        // To etcd, revision 0 means the newest.
        At::Revision(revision) => options.with_revision(signed(revision.max(1))),
        At::Anywhere => options.with_serializable(),
    }
}
