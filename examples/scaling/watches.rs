//! Watches of the grants, as `src/shared/grants.rs` opens and closes them.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::server::Nanos;
use crate::world::SECOND;

/// A watch is kept for so long after its process last waited.
pub(crate) const IDLE: Nanos = SECOND / 10;
/// So many states are kept for those who come to watch.
const KEPT: usize = 64;

/// What a commit wrote under the grants' key of one clock.
#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) revision: u64,
    pub(crate) bytes: Rc<[u8]>,
}

/// Who watches the grants' key of one clock.
#[derive(Default)]
pub(crate) struct Watches {
    /// Each process, and until when.
    until: BTreeMap<usize, Nanos>,
    /// The newest states, each with the moment from which on it is known.
    newest: VecDeque<(Nanos, Written)>,
}

impl Watches {
    /// Begins or prolongs a watch.
    pub(crate) fn want(&mut self, process: usize, now: Nanos) {
        self.until.insert(process, now + IDLE);
    }

    /// What was written after revision `after`, and since when it is known.
    pub(crate) fn since(&self, after: u64) -> impl Iterator<Item = &(Nanos, Written)> {
        self.newest
            .iter()
            .filter(move |(_, written)| written.revision > after)
    }

    pub(crate) fn stop(&mut self, process: usize) {
        self.until.remove(&process);
    }

    /// Remembers what was written; returns who is to be told.
    pub(crate) fn write(&mut self, at: Nanos, written: Written) -> Vec<usize> {
        self.newest.push_back((at, written));
        if self.newest.len() > KEPT {
            self.newest.pop_front();
        }
        self.until.retain(|_, until| *until >= at);
        self.until.keys().copied().collect()
    }
}
