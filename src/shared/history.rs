//! The updates that the store still keeps.

use tokio::time::Instant;

use super::Session;
use crate::error::{ErrorKind, Result};
use crate::protocol::{At, Observed, Snapshot};

/// The newest updates, oldest first, and what lies before them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The updates.
    pub updates: Vec<Observed>,
    /// The store no longer keeps what came before this revision: the history was cut there, not at the
    /// limit and not at the first update.
    pub compacted_before: Option<u64>,
    /// How many revisions held something that can't be read; they are left out.
    pub unreadable: usize,
}

/// From the newest update back to its predecessors, one read each. A watch from an old revision would
/// bring the same, but makes the server search everything from there on, and slows writers.
///
/// One deadline for the whole walk, as for every call.
pub(super) async fn walk_back(
    session: &Session,
    limit: usize,
    deadline: Instant,
) -> Result<History> {
    let keys = session.inner.protocol().keys().clone();
    let mut history = History::default();
    let mut at = At::Now;
    while history.updates.len() < limit {
        let reply = match (session.read_range(&keys.all(), at, deadline).await, at) {
            (Ok(reply), _) => reply,
            (Err(error), At::Revision(at)) if error.kind() == ErrorKind::Compacted => {
                history.compacted_before = Some(at + 1);
                break;
            }
            (Err(error), _) => return Err(error),
        };
        let snapshot = Snapshot::of(&keys, &reply);
        let revision = snapshot.written_at();
        if revision == 0 {
            break;
        }
        // What the newest write did is told by the state that it left.
        match snapshot.as_of(revision).update() {
            Ok(update) => history.updates.extend(update),
            Err(_) => history.unreadable += 1,
        }
        if revision == 1 {
            break;
        }
        at = At::Revision(revision - 1);
    }
    history.updates.reverse();
    Ok(history)
}
