//! The updates that the store still keeps.

use tokio::time::Instant;

use super::{Inner, Observed};
use crate::error::{ErrorKind, Result};
use crate::logic::trace::Trace;
use crate::logic::transaction::{Get, KeyRange, Operation, Transaction};

/// The newest updates, oldest first, and what lies before them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The updates.
    pub updates: Vec<Observed>,
    /// The store no longer keeps what came before revision so-and-so: the history was cut there,
    /// not at the limit and not at the first update.
    pub compacted_before: Option<u64>,
    /// So many revisions held a record that can't be read; they are left out.
    pub unreadable: usize,
}

/// From the newest record back to its predecessors, one read each. A watch from an old revision
/// would bring the same, but makes the server search everything from there on, and slows writers.
///
/// One deadline for the whole walk, as for every call.
pub(super) async fn walk_back(inner: &Inner, limit: usize, deadline: Instant) -> Result<History> {
    let mut history = History::default();
    let mut at = None;
    while history.updates.len() < limit {
        let get = |key: &[u8]| {
            Operation::Get(Get {
                at,
                ..Get::all(KeyRange::key(key))
            })
        };
        let keys = &inner.keys;
        let look = Transaction {
            then: vec![get(&keys.record), get(&keys.highest), get(&keys.granted)],
            ..Transaction::default()
        };
        let reply = match (inner.transact(&look, deadline).await, at) {
            (Ok(reply), _) => reply,
            (Err(error), Some(at)) if error.kind() == ErrorKind::Compacted => {
                history.compacted_before = Some(at + 1);
                break;
            }
            (Err(error), _) => return Err(error),
        };
        let trace = Trace::of(keys, reply.gets.iter().flatten());
        let Some(record) = trace.record else {
            break;
        };
        match trace.updates(keys) {
            Ok(updates) => history.updates.extend(updates.into_iter().rev()),
            Err(_) => history.unreadable += 1,
        }
        if record.mod_revision <= 1 {
            break;
        }
        at = Some(record.mod_revision - 1);
    }
    history.updates.truncate(limit);
    history.updates.reverse();
    Ok(history)
}
