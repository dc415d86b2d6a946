//! The rule of an update: new = max(local, global) + 1, for one request or for several in a row.

use super::Exchange;
use super::view::{Seen, Sighting};
use crate::error::{Error, ErrorKind, Result};
use crate::logic::board::{Grant, Holder, Repaired, Request};
use crate::logic::clock::check_jump;
use crate::logic::record::Record;
use crate::logic::stamp::Instance;
use crate::logic::time::Time;

/// The times that a request was given: `first` to `last`, consecutive, nobody else's.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// The first time.
    pub first: Time,
    /// The last time.
    pub last: Time,
    /// Who held the record before, and at what value.
    pub previous: Option<Holder>,
    /// The highest time known, if the record stood below it: somebody had moved it back.
    pub regressed: Option<Time>,
    /// The revision at which the times were handed out.
    pub revision: u64,
    /// When, by the wall clock of the process that wrote the record (Unix seconds).
    pub real_timestamp: f64,
    /// How many transactions this request took.
    pub round_trips: u32,
}

/// What a transaction hands out if it commits.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// The record that it writes; its revision comes with the reply.
    pub(super) record: Sighting,
    /// That record's value.
    pub(super) newest: Time,
    /// The highest time under its own key, as it stands in what the transaction compares.
    pub(super) stood: Time,
    /// Up to which revision the requests are then [served](crate::logic::board::Highest::served).
    pub(super) served: u64,
    /// The newest repair, handed on.
    pub(super) repaired: Option<Repaired>,
    /// Our own times, save what only the reply tells.
    pub(super) mine: Times,
}

/// From where the next times are counted.
pub(super) struct Base {
    /// The highest time known to anybody.
    global: Time,
    pub(super) previous: Option<Holder>,
    pub(super) regressed: Option<Time>,
    repaired: Option<Repaired>,
    stood: Time,
}

impl Base {
    pub(super) fn of(seen: &Seen, known: Time) -> Result<Base> {
        let record = match &seen.record {
            Some(sighting) => Some(sighting.record.clone()?),
            None => None,
        };
        let value = record.as_ref().map_or(Time::ZERO, |record| record.value);
        let highest = seen.highest.max(known);
        Ok(Base {
            global: value.max(highest),
            regressed: (value < highest).then_some(highest),
            repaired: seen.repaired,
            stood: seen.highest,
            previous: record.map(|record| Holder {
                value: record.value,
                process_id: record.process_id,
            }),
        })
    }

    /// The times of one request by the rule: new = max(local, global) + 1, `count` of them.
    pub(super) fn serve(
        &self,
        instance: Instance,
        request: &Request,
        max_jump: u64,
        real_timestamp: f64,
    ) -> Result<(Grant, Times)> {
        if request.count == 0 || request.count > Exchange::MAX_COUNT {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "{} times can't be taken at once: the count goes from 1 to {}",
                    request.count,
                    Exchange::MAX_COUNT
                ),
            ));
        }
        let before = request.local.max(self.global);
        check_jump(self.global, request.local, max_jump, "the shared record")?;
        check_jump(
            request.local,
            self.global,
            max_jump,
            "this process's local clock",
        )?;
        let first = before.after(1)?;
        let last = before.after(request.count)?;
        let grant = Grant {
            instance,
            seq: request.seq,
            first,
            count: request.count,
            process_id: request.process_id.clone(),
        };
        let times = Times {
            first,
            last,
            previous: self.previous.clone(),
            regressed: self.regressed,
            revision: 0,
            real_timestamp,
            round_trips: 0,
        };
        Ok((grant, times))
    }

    pub(super) fn advance(&mut self, grant: &Grant) {
        self.global = grant.last();
        self.regressed = None;
        self.previous = Some(Holder {
            value: grant.last(),
            process_id: grant.process_id.clone(),
        });
    }

    pub(super) fn offer(
        &self,
        newest: &Grant,
        served: u64,
        mine: Times,
        real_timestamp: f64,
    ) -> Offer {
        let record = Record {
            value: newest.last(),
            process_id: newest.process_id.clone(),
            real_timestamp: Some(real_timestamp),
        };
        Offer {
            record: Sighting {
                bytes: record.to_json(),
                revision: 0,
                record: Ok(record),
            },
            newest: newest.last(),
            stood: self.stood,
            served,
            repaired: self.repaired,
            mine,
        }
    }
}
