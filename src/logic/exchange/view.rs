//! The shared state as replies and watches show it.

use super::{Exchange, Known, Post};
use crate::error::{Error, ErrorKind, Result};
use crate::logic::board::{Granted, Highest, Keys, Repaired, Request, Tail};
use crate::logic::record::Record;
use crate::logic::stamp::Instance;
use crate::logic::time::Time;
use crate::logic::trace::Trace;
use crate::logic::transaction::{Entry, Reply};

/// The shared state as some reply or watch showed it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The record; `None` if there is none.
    pub record: Option<Sighting>,
    /// The highest time under its own key.
    pub highest: Time,
    /// The revision that wrote that key; 0: there is none.
    pub highest_revision: u64,
    /// Up to which revision the requests had been [served](Highest::served).
    pub served: u64,
    /// The newest repair.
    pub repaired: Option<Repaired>,
    /// The store's revision at that moment.
    pub revision: u64,
}

impl Seen {
    /// What a change at `revision` tells of the shared state: `None` if it does not show the record
    /// and the highest time together, which is less than an update needs.
    pub fn of(trace: &Trace<'_>, keys: &Keys, revision: u64) -> Option<Seen> {
        let (record, highest) = (trace.record?, trace.highest?);
        let highest = Highest::parse(&highest.value, keys).ok()?;
        Some(Seen {
            record: Some(Sighting::new(
                keys,
                record.value.clone(),
                record.mod_revision,
            )),
            highest: highest.value,
            highest_revision: record.mod_revision,
            served: highest.served,
            repaired: highest.repaired,
            revision,
        })
    }
}

/// The record as it was found.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The revision that wrote them.
    pub revision: u64,
    /// What they say, or why they say nothing.
    pub record: Result<Record>,
}

impl Sighting {
    /// The record found as `bytes`, written at `revision`.
    pub fn new(keys: &Keys, bytes: Vec<u8>, revision: u64) -> Sighting {
        Sighting {
            record: keys.read_record(&bytes),
            bytes,
            revision,
        }
    }

    /// The value, 0 if it can't be read.
    pub(super) fn value(&self) -> Time {
        self.record
            .as_ref()
            .map_or(Time::ZERO, |record| record.value)
    }
}

/// The shared state as one reply shows it.
#[derive(Clone, Debug)]
pub struct View {
    /// The record; `None` if there is none.
    pub record: Option<Sighting>,
    /// The highest time and the revision that wrote it.
    pub highest: Option<(Highest, u64)>,
    /// The newest grants.
    pub granted: Granted,
    /// The store's revision.
    pub revision: u64,
    /// Which store it is, as [`Reply::cluster`].
    pub cluster: u64,
    /// The revision of the newest request; 0: there is none. Ours, left in this very
    /// transaction, does not count.
    pub(super) tail: u64,
    /// Whose request that is.
    pub(super) tail_of: Option<Instance>,
    /// The oldest requests, oldest first; `None` if they were not asked for.
    pub(super) waiting: Option<Vec<Waiting>>,
}

#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) key: Vec<u8>,
    /// The revision that left it.
    pub(super) revision: u64,
    /// `None` if the key does not name an instance.
    pub(super) instance: Option<Instance>,
    /// `None` if the content can't be read.
    pub(super) request: Option<Request>,
}

impl Waiting {
    fn of(entry: &Entry, keys: &Keys) -> Waiting {
        Waiting {
            instance: keys.requester(&entry.key),
            request: serde_json::from_slice(&entry.value).ok(),
            key: entry.key.clone(),
            revision: entry.mod_revision,
        }
    }
}

impl View {
    /// A reply to a [glance](Exchange::glance) or to a [look](Exchange::look).
    pub(super) fn parse(reply: &Reply, keys: &Keys) -> Result<View> {
        let [record, highest, granted, tail, waiting @ ..] = &reply.gets[..] else {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("the store answered {} reads of 4 or 5", reply.gets.len()),
            ));
        };
        let highest = match highest.first() {
            Some(entry) => Some((Highest::parse(&entry.value, keys)?, entry.mod_revision)),
            None => None,
        };
        Ok(View {
            record: record
                .first()
                .map(|entry| Sighting::new(keys, entry.value.clone(), entry.mod_revision)),
            highest,
            granted: granted
                .first()
                .map(|entry| Granted::parse(&entry.value, entry.mod_revision))
                .unwrap_or_default(),
            tail: tail.first().map_or(0, |entry| entry.mod_revision),
            tail_of: tail.first().and_then(|entry| Tail::parse(&entry.value)),
            waiting: waiting
                .first()
                .map(|waiting| waiting.iter().map(|w| Waiting::of(w, keys)).collect()),
            revision: reply.revision,
            cluster: reply.cluster,
        })
    }

    /// What it tells of the store as a whole.
    pub(super) fn known(&self) -> Known {
        Known {
            cluster: self.cluster,
            revision: self.revision,
            highest: self
                .highest
                .as_ref()
                .map_or(Time::ZERO, |(highest, _)| highest.value),
            repairs: 0,
        }
    }

    /// The newest repair.
    pub(super) fn repaired(&self) -> Option<Repaired> {
        self.highest
            .as_ref()
            .and_then(|(highest, _)| highest.repaired)
    }

    /// Times were handed out, and the record that says so is gone.
    pub(super) fn is_robbed(&self) -> bool {
        self.record.is_none() && self.highest.is_some()
    }

    pub(super) fn seen(&self) -> Seen {
        let (highest, highest_revision) = match &self.highest {
            Some((highest, revision)) => (highest.value, *revision),
            None => (Time::ZERO, 0),
        };
        Seen {
            record: self.record.clone(),
            highest,
            highest_revision,
            served: self.served(),
            repaired: self.repaired(),
            revision: self.revision,
        }
    }

    /// Up to which revision the requests have been served.
    pub(super) fn served(&self) -> u64 {
        self.highest
            .as_ref()
            .map_or(0, |(highest, _)| highest.served)
    }

    /// The revision of the newest request, if it waits; 0: nobody does.
    pub(super) fn awaited(&self) -> u64 {
        match self.tail > self.served() {
            true => self.tail,
            false => 0,
        }
    }

    /// Whether this request lies with the others. A list that was cut short may hold it unseen.
    pub(super) fn waits(&self, instance: Instance, seq: u64) -> bool {
        let Some(waiting) = &self.waiting else {
            return false;
        };
        is_cut_short(waiting)
            || waiting.iter().any(|waiting| {
                waiting.instance == Some(instance)
                    && waiting
                        .request
                        .as_ref()
                        .is_some_and(|request| request.seq == seq)
            })
    }

    /// Whether nobody else's request lies before this one of `instance`.
    pub(super) fn is_oldest(&self, post: &Post, instance: Instance) -> bool {
        let before = |waiting: &Waiting| {
            waiting.revision < post.revision && waiting.instance != Some(instance)
        };
        match &self.waiting {
            Some(waiting) => !waiting.iter().any(before),
            None => post.before <= self.served(),
        }
    }
}

/// Whether more may wait than this list of the oldest shows.
fn is_cut_short(waiting: &[Waiting]) -> bool {
    waiting.len() >= Exchange::LISTED as usize
}
