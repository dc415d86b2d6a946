//! The shared state as replies and watches show it.

use super::Exchange;
use crate::error::{Error, ErrorKind, Result};
use crate::logic::board::{Granted, Highest, Keys, Request};
use crate::logic::record::Record;
use crate::logic::stamp::Instance;
use crate::logic::time::Time;
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
    /// The store's revision at that moment.
    pub revision: u64,
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
    /// The oldest requests, oldest first.
    pub(super) waiting: Vec<Waiting>,
    /// The two newest requests, newest first.
    newest: Vec<Waiting>,
}

#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) key: Vec<u8>,
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
        }
    }

    fn name(&self) -> Option<(Instance, u64)> {
        Some((self.instance?, self.request.as_ref()?.seq))
    }
}

impl View {
    pub(super) fn parse(reply: &Reply, keys: &Keys) -> Result<View> {
        let [record, highest, granted, waiting, newest] = &reply.gets[..] else {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("the store answered {} reads of 5", reply.gets.len()),
            ));
        };
        let first = |entries: &'_ [Entry]| entries.first().cloned();
        Ok(View {
            record: first(record).map(|entry| Sighting::new(keys, entry.value, entry.mod_revision)),
            highest: match first(highest) {
                Some(entry) => Some((Highest::parse(&entry.value, keys)?, entry.mod_revision)),
                None => None,
            },
            granted: first(granted)
                .map(|entry| Granted::parse(&entry.value, entry.mod_revision))
                .unwrap_or_default(),
            waiting: waiting
                .iter()
                .map(|entry| Waiting::of(entry, keys))
                .collect(),
            newest: newest
                .iter()
                .map(|entry| Waiting::of(entry, keys))
                .collect(),
            revision: reply.revision,
        })
    }

    pub(super) fn seen(&self) -> Seen {
        Seen {
            record: self.record.clone(),
            highest: self
                .highest
                .as_ref()
                .map_or(Time::ZERO, |(highest, _)| highest.value),
            highest_revision: self.highest.as_ref().map_or(0, |(_, revision)| *revision),
            revision: self.revision,
        }
    }

    /// Whether this request lies with the others. A list that was cut short may hold it unseen.
    pub(super) fn waits(&self, instance: Instance, seq: u64) -> bool {
        self.is_cut_short()
            || self.waiting.iter().any(|waiting| {
                waiting.instance == Some(instance)
                    && waiting
                        .request
                        .as_ref()
                        .is_some_and(|request| request.seq == seq)
            })
    }

    /// Whether more may wait than the list of the oldest shows.
    fn is_cut_short(&self) -> bool {
        self.waiting.len() >= Exchange::MAX_SERVED as usize
    }

    /// Whether the list of the oldest shows a request of this instance.
    pub(super) fn lists(&self, instance: Instance) -> bool {
        self.waiting
            .iter()
            .any(|waiting| waiting.instance == Some(instance))
    }

    /// The requests whose service we wait for, by instance and number: those before ours; behind
    /// more than can be listed, the one right before ours, since the oldest are served first. Those
    /// that can't be read count for nothing.
    pub(super) fn ahead_of(&self, instance: Instance) -> Vec<(Instance, u64)> {
        let ours = |waiting: &Waiting| waiting.instance == Some(instance);
        if self.is_cut_short() && !self.lists(instance) {
            let before = self.newest.iter().filter(|waiting| !ours(waiting));
            return before.take(1).filter_map(Waiting::name).collect();
        }
        let before = self.waiting.iter().take_while(|waiting| !ours(waiting));
        before.filter_map(Waiting::name).collect()
    }
}
