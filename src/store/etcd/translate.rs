//! Our transactions in the etcd client's words, and its answers in ours.

use etcd_client::{
    Compare as EtcdCompare, CompareOp, GetOptions, GetResponse, KeyValue, ResponseHeader,
    SortOrder, SortTarget, Txn, TxnOp, TxnOpResponse, TxnResponse,
};

use crate::logic::transaction::{Compare, Entry, Get, KeyRange, Operation, Reply, Transaction};

pub(super) fn request(transaction: &Transaction) -> Txn {
    let operations = |branch: &[Operation]| branch.iter().map(operation).collect::<Vec<_>>();
    Txn::new()
        .when(transaction.compares.iter().map(compare).collect::<Vec<_>>())
        .and_then(operations(&transaction.then))
        .or_else(operations(&transaction.otherwise))
}

pub(super) fn reply(response: &TxnResponse) -> Reply {
    let gets = response
        .op_responses()
        .into_iter()
        .filter_map(|response| match response {
            TxnOpResponse::Get(get) => Some(entries(&get)),
            _ => None,
        });
    Reply {
        succeeded: response.succeeded(),
        revision: response
            .header()
            .map_or(0, |header| unsigned(header.revision())),
        cluster: response.header().map_or(0, ResponseHeader::cluster_id),
        gets: gets.collect(),
    }
}

pub(super) fn entries(found: &GetResponse) -> Vec<Entry> {
    found.kvs().iter().map(entry).collect()
}

pub(super) fn entry(found: &KeyValue) -> Entry {
    Entry {
        key: found.key().to_vec(),
        value: found.value().to_vec(),
        mod_revision: unsigned(found.mod_revision()),
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
        Compare::Value(key, value) => {
            EtcdCompare::value(key.clone(), CompareOp::Equal, value.clone())
        }
    }
}

fn operation(operation: &Operation) -> TxnOp {
    match operation {
        Operation::Put(key, value) => TxnOp::put(key.clone(), value.clone(), None),
        Operation::Delete(key) => TxnOp::delete(key.clone(), None),
        Operation::Get(get) => TxnOp::get(get.range.start.clone(), Some(options(get))),
    }
}

pub(super) fn options(get: &Get) -> GetOptions {
    let mut options = GetOptions::new()
        .with_limit(i64::from(get.limit))
        .with_revision(get.at.map_or(0, signed));
    if let Some(end) = end(&get.range) {
        options = options
            .with_range(end)
            .with_sort(SortTarget::Mod, SortOrder::Ascend);
    }
    options
}
