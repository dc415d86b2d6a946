//! Our transactions in the etcd client's words, and its answers in ours.

use etcd_client::{
    Compare as EtcdCompare, CompareOp, GetOptions, GetResponse, KeyValue, ResponseHeader, Txn,
    TxnOp, TxnOpResponse, TxnResponse,
};

use crate::protocol::{At, Compare, Entry, KeyRange, Operation, Reply, Transaction};

pub(super) fn request(transaction: &Transaction) -> Txn {
    let operations = |branch: &[Operation]| branch.iter().map(operation).collect::<Vec<_>>();
    Txn::new()
        .when(transaction.compares.iter().map(compare).collect::<Vec<_>>())
        .and_then(operations(&transaction.then))
        .or_else(operations(&transaction.otherwise))
}

pub(super) fn reply(response: &TxnResponse) -> Reply {
    let mut entries = Vec::new();
    for response in response.op_responses() {
        if let TxnOpResponse::Get(found) = response {
            entries.extend(found.kvs().iter().map(entry));
        }
    }
    in_reply(response.succeeded(), response.header(), entries)
}

pub(super) fn found(response: &GetResponse) -> Reply {
    let entries = response.kvs().iter().map(entry).collect();
    in_reply(true, response.header(), entries)
}

fn in_reply(succeeded: bool, header: Option<&ResponseHeader>, entries: Vec<Entry>) -> Reply {
    Reply {
        succeeded,
        revision: header.map_or(0, |header| unsigned(header.revision())),
        cluster: header.map_or(0, ResponseHeader::cluster_id),
        entries,
    }
}

pub(super) fn entry(found: &KeyValue) -> Entry {
    Entry {
        key: found.key().to_vec(),
        value: found.value().to_vec(),
        create_revision: unsigned(found.create_revision()),
        mod_revision: unsigned(found.mod_revision()),
        version: unsigned(found.version()),
    }
}

/// Revisions are positive in etcd, and signed only on the wire.
pub(super) fn signed(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(revision: i64) -> u64 {
    u64::try_from(revision).unwrap_or(0)
}

/// The end of a range for etcd; `None` for one key alone, which needs no range permission.
pub(super) fn end(range: &KeyRange) -> Option<Vec<u8>> {
    (*range != KeyRange::key(&range.start)).then(|| range.end.clone())
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
        // Revision 0 would mean now.
        At::Revision(revision) => options.with_revision(signed(revision.max(1))),
        At::Anywhere => options.with_serializable(),
    }
}
