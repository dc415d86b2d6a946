//! What a process knows of its store, so that it notices when the store has forgotten.
//!
//! A store that is restored from a snapshot, exchanged for another one, or robbed of the clock's keys
//! stands below times that were handed out. It can't tell; who was there can. Such a process hands
//! out nothing until a person has moved the clock forward ([`repair`](super::repair)): that leaves a
//! mark which stands above all that the process knows.

use crate::error::{Error, ErrorKind};
use crate::logic::board::Repaired;
use crate::logic::time::Time;

/// What a process has learnt of its store. None of it may ever be less in a later answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Known {
    /// Which store it is; 0: nothing is known of it.
    pub(super) cluster: u64,
    /// The highest revision it has answered with.
    pub(super) revision: u64,
    /// The highest time under its own key. Not the record's: writers of the old kind move that.
    pub(super) highest: Time,
    /// How many repairs had been accepted: each makes void what was known before it.
    pub(super) repairs: u64,
}

impl Known {
    /// Both together: what two answers tell.
    pub(super) fn and(self, other: Known) -> Known {
        Known {
            cluster: if other.cluster == 0 {
                self.cluster
            } else {
                other.cluster
            },
            revision: self.revision.max(other.revision),
            highest: self.highest.max(other.highest),
            repairs: self.repairs.max(other.repairs),
        }
    }

    /// Whether an answer to something that was sent when this was known is of another store, or of an
    /// older state of it.
    pub(super) fn is_contradicted_by(self, found: Known) -> bool {
        self.is_of_another_store(found)
            || found.revision < self.revision
            || found.highest < self.highest
    }

    pub(super) fn is_of_another_store(self, found: Known) -> bool {
        self.cluster != 0 && found.cluster != 0 && self.cluster != found.cluster
    }

    /// Whether nothing but a repair brings back what is missing. A record alone that is gone may be
    /// written again, and an address may lead back to the right store: then nothing is missing.
    pub(super) fn is_forgotten_in(self, found: Known) -> bool {
        self.is_contradicted_by(found) && !self.is_of_another_store(found)
    }

    /// [`ErrorKind::Regressed`] with both sides, and what to do.
    pub(super) fn lost(self, found: Known) -> Error {
        Error::new(
            ErrorKind::Regressed,
            format!(
                "the store has lost times that were handed out: this process knows of times up to \
                 {} ({}), and now it finds {} ({}). Was it restored from a snapshot, were keys \
                 deleted, or is it another store? No time is handed out until somebody has moved \
                 the clock forward: lamport repair --at-least {}",
                self.highest,
                self.place(),
                found.highest,
                found.place(),
                self.highest
            ),
        )
    }

    fn place(self) -> String {
        match self.cluster {
            0 => format!("revision {}", self.revision),
            cluster => format!("revision {} of cluster {cluster:x}", self.revision),
        }
    }
}

/// The repairs that a process has seen: each counts once, since a store may be restored to a state
/// that had been repaired before.
#[derive(Clone, Debug, Default)]
pub(super) struct Repairs(Vec<Repaired>);

impl Repairs {
    /// So many are remembered; a clock is repaired a few times in its life.
    const REMEMBERED: usize = 64;

    /// Whether this repair is news, and moved the clock past all that is `known`.
    pub(super) fn excuse(&self, repaired: Option<Repaired>, known: Known) -> bool {
        repaired
            .is_some_and(|repaired| !self.0.contains(&repaired) && repaired.from > known.highest)
    }

    pub(super) fn newest(&self) -> Option<Repaired> {
        self.0.last().copied()
    }

    pub(super) fn remember(&mut self, repaired: Option<Repaired>) {
        let Some(repaired) = repaired else {
            return;
        };
        if !self.0.contains(&repaired) {
            self.0.push(repaired);
            let old = self.0.len().saturating_sub(Repairs::REMEMBERED);
            self.0.drain(..old);
        }
    }
}
