//! What lies beside the record: who waits, what was granted, and the highest time known to all.
//!
//! Four kinds of keys below the record's own, all JSON so that a person can read them:
//!
//! | key | content | written by |
//! |---|---|---|
//! | `<record>/waiting/<instance>` | a [`Request`] | the process that lost a race |
//! | `<record>/tail` | a [`Tail`], whose request is the newest | the same, in the same transaction |
//! | `<record>/granted` | [`Granted`], the newest grants | whoever serves the waiting |
//! | `<record>/highest` | [`Highest`] | every update |

use std::collections::HashSet;
use std::mem;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::record::Record;
use super::stamp::Instance;
use super::time::Time;
use super::transaction::KeyRange;
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::excerpt;

/// The keys of one shared clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Keys {
    /// The record.
    pub record: Vec<u8>,
    /// The grants to processes that waited.
    pub granted: Vec<u8>,
    /// The highest time known to all, and whose it is.
    pub highest: Vec<u8>,
    /// Written with every request: its revision is the newest request's, so one compare tells
    /// whether somebody came, however many wait.
    pub tail: Vec<u8>,
    /// Below it one request for each process that waits.
    pub waiting: Vec<u8>,
}

impl Keys {
    /// The keys of the clock whose record lies under `record`.
    pub fn new(record: &str) -> Keys {
        let below = |name: &str| format!("{record}/{name}").into_bytes();
        Keys {
            record: record.as_bytes().to_vec(),
            granted: below("granted"),
            highest: below("highest"),
            tail: below("tail"),
            waiting: below("waiting/"),
        }
    }

    /// The key of the request of one instance.
    pub fn request(&self, instance: Instance) -> Vec<u8> {
        let mut key = self.waiting.clone();
        key.extend_from_slice(instance.to_string().as_bytes());
        key
    }

    /// What the record says; the error names its key.
    pub(crate) fn read_record(&self, bytes: &[u8]) -> Result<Record> {
        Record::parse(bytes).map_err(|error| {
            let key = String::from_utf8_lossy(&self.record);
            Error::with_source(error.kind(), format!("under {key}: {error}"), error)
        })
    }

    /// The instance whose request lies under `key`.
    pub(crate) fn requester(&self, key: &[u8]) -> Option<Instance> {
        let name = key.strip_prefix(&*self.waiting)?;
        std::str::from_utf8(name).ok()?.parse().ok()
    }

    /// Every key under which an update leaves a trace, as one range.
    ///
    /// It relies on the order of the names, `granted` < `highest` < `tail` < `waiting/`, so that a
    /// watch of this range hears of every update once and of no request. Keys of others that fall
    /// into the range (`/lamport_clock-old`) are passed over by name.
    pub fn trace(&self) -> KeyRange {
        KeyRange::through(&self.record, &self.highest)
    }
}

/// A process asks for `count` consecutive times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Which request of its instance this is; a new one after every unknown outcome.
    pub seq: u64,
    /// The local time of the rule, after its increment.
    #[serde(with = "number")]
    pub local: Time,
    /// How many times it takes.
    pub count: u64,
    /// Who asks.
    pub process_id: String,
}

/// Whose request is the newest. What counts is the revision that wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    /// Who left it.
    #[serde(with = "hex")]
    pub instance: Instance,
}

impl Tail {
    /// Whose it is; `None` if it can't be read.
    pub fn parse(bytes: &[u8]) -> Option<Instance> {
        let tail: Tail = serde_json::from_slice(bytes).ok()?;
        Some(tail.instance)
    }
}

/// The newest grants, oldest batch first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Granted {
    /// One batch for each transaction that served others.
    pub batches: Vec<Batch>,
}

/// The grants of one transaction, in the order of their times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// The revision of the transaction; 0 in the newest batch, whose writer could not know it: it
    /// is the revision of the key.
    pub revision: u64,
    /// The record as the transaction found it.
    pub previous: Option<Holder>,
    /// As [`Highest::served`]; 0 in all but the newest batch.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub served: u64,
    /// The highest time known then, if the record stood below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regressed: Option<u64>,
    /// When, by the wall clock of the process that served (Unix seconds).
    pub real_timestamp: f64,
    /// Who got what.
    pub grants: Vec<Grant>,
}

/// Who held the record, and at what value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// The value.
    #[serde(with = "number")]
    pub value: Time,
    /// The process, as the record named it.
    pub process_id: String,
}

/// The times `first`, `first + 1`, … `first + count - 1` belong to one request.
///
/// Written as a row, `["00000000000000ff", 7, 42, 1, "mx-nodel"]`: everyone who waits reads them all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Row<'_>", into = "Row<'static>")]
pub struct Grant {
    /// Whose request.
    pub instance: Instance,
    /// Which request of that instance.
    pub seq: u64,
    /// The first time.
    pub first: Time,
    /// How many.
    pub count: u64,
    /// The process of that instance.
    pub process_id: String,
}

/// A [`Grant`] on its way: instance, number, first time, count, process.
#[derive(Serialize, Deserialize)]
struct Row<'a>(
    #[serde(with = "hex")] Instance,
    u64,
    #[serde(with = "number")] Time,
    u64,
    Cow<'a, str>,
);

impl From<Row<'_>> for Grant {
    fn from(Row(instance, seq, first, count, process_id): Row<'_>) -> Grant {
        Grant {
            instance,
            seq,
            first,
            count,
            process_id: process_id.into_owned(),
        }
    }
}

impl From<Grant> for Row<'static> {
    fn from(grant: Grant) -> Row<'static> {
        Row(
            grant.instance,
            grant.seq,
            grant.first,
            grant.count,
            Cow::Owned(grant.process_id),
        )
    }
}

impl Grant {
    /// The last time of the grant.
    pub fn last(&self) -> Time {
        Time::saturating(
            self.first
                .get()
                .saturating_add(self.count.saturating_sub(1)),
        )
    }

    fn holder(&self) -> Holder {
        Holder {
            value: self.last(),
            process_id: self.process_id.clone(),
        }
    }
}

impl Batch {
    /// Its grants to other instances than these, as one batch for each unbroken run, so that every
    /// grant keeps its predecessor.
    fn without(self, instances: &HashSet<Instance>) -> Vec<Batch> {
        let Batch {
            revision,
            // Only the newest batch says it, and this is an older one.
            served: _,
            real_timestamp,
            mut previous,
            mut regressed,
            grants,
        } = self;
        let mut runs: Vec<Batch> = Vec::new();
        let mut broken = true;
        for grant in grants {
            let holder = grant.holder();
            if instances.contains(&grant.instance) {
                broken = true;
            } else if broken {
                broken = false;
                runs.push(Batch {
                    revision,
                    served: 0,
                    previous: previous.take(),
                    regressed,
                    real_timestamp,
                    grants: vec![grant],
                });
            } else if let Some(run) = runs.last_mut() {
                run.grants.push(grant);
            }
            previous = Some(holder);
            regressed = None;
        }
        runs
    }
}

impl Granted {
    /// At most so many grants are kept, one for each of the newest instances: however often others
    /// are served meanwhile, a requester finds its own until so many different ones came after it.
    pub const KEPT: usize = 128;

    /// What lies under the key, whose revision is `mod_revision`.
    ///
    /// Grants that can't be read count as none: their requesters find nothing and ask again, which
    /// costs a gap in the times and never a second owner.
    pub fn parse(bytes: &[u8], mod_revision: u64) -> Granted {
        let mut granted: Granted = serde_json::from_slice(bytes).unwrap_or_default();
        if let Some(newest) = granted.batches.last_mut() {
            newest.revision = mod_revision;
        }
        granted
    }

    /// Up to which revision the newest batch [served](Batch::served).
    pub fn served(&self) -> u64 {
        self.batches.last().map_or(0, |batch| batch.served)
    }

    /// The last time of the newest grant: the highest time as the transaction left it that made it.
    pub fn newest(&self) -> Time {
        let newest = self.batches.last().and_then(|batch| batch.grants.last());
        newest.map_or(Time::ZERO, Grant::last)
    }

    /// The grant to request `seq` of `instance`, with its batch and its predecessor.
    pub fn find(&self, instance: Instance, seq: u64) -> Option<Found<'_>> {
        self.batches.iter().rev().find_map(|batch| {
            let at = batch
                .grants
                .iter()
                .position(|grant| grant.instance == instance && grant.seq == seq)?;
            Some(Found {
                batch,
                grant: &batch.grants[at],
                previous: match at {
                    0 => batch.previous.clone(),
                    _ => Some(batch.grants[at - 1].holder()),
                },
            })
        })
    }

    /// Adds the newest batch, and lets go what nobody can ask for any more: an instance has one
    /// request at a time, so the grants before its newest; beyond [`Granted::KEPT`] the oldest.
    pub fn push(&mut self, batch: Batch) {
        let served: HashSet<Instance> = batch.grants.iter().map(|grant| grant.instance).collect();
        let older = mem::take(&mut self.batches);
        self.batches = older
            .into_iter()
            .flat_map(|batch| batch.without(&served))
            .collect();
        self.batches.push(batch);
        let mut count: usize = self.batches.iter().map(|batch| batch.grants.len()).sum();
        let mut old = 0;
        while count > Granted::KEPT && old + 1 < self.batches.len() {
            count -= self.batches[old].grants.len();
            old += 1;
        }
        self.batches.drain(..old);
    }
}

/// A grant found in [`Granted`].
pub struct Found<'a> {
    /// The transaction that made it.
    pub batch: &'a Batch,
    /// The grant.
    pub grant: &'a Grant,
    /// Who held the record just before it.
    pub previous: Option<Holder>,
}

/// The highest time that was handed out, in the same transaction as the record.
///
/// A writer of the old kind overwrites the record without looking and can move it back; it does
/// not know this key, so the next update of ours starts above it all the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Highest {
    /// The time.
    #[serde(with = "number")]
    pub value: Time,
    /// How many consecutive times, ending with it, were handed out together.
    pub count: u64,
    /// To whom.
    #[serde(with = "hex")]
    pub instance: Instance,
    /// Every request that was left at this revision or before was served or is gone. Nobody waits if
    /// it is the newest request's.
    #[serde(default)]
    pub served: u64,
    /// The newest repair; every update hands it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Repaired>,
}

/// A mark that somebody moved the clock forward by hand, after the store had lost times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repaired {
    /// Whose clock did it.
    #[serde(with = "hex")]
    pub by: Instance,
    /// The time to which it moved the clock; what had been handed out lies below. A clock that repairs
    /// twice goes further the second time, so both together tell one repair from any other.
    #[serde(with = "number")]
    pub from: Time,
}

impl Highest {
    /// What lies under the key; [`ErrorKind::Corrupt`] if it can't be read: without it nobody can
    /// tell whether a blind writer moved the record back.
    pub fn parse(bytes: &[u8], keys: &Keys) -> Result<Highest> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::with_source(
                ErrorKind::Corrupt,
                format!(
                    "the highest time under {} can't be read: {}",
                    String::from_utf8_lossy(&keys.highest),
                    excerpt(bytes)
                ),
                error,
            )
        })
    }
}

/// What is not worth writing.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The JSON of something of ours.
pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("numbers, texts and lists always serialise")
}

/// A time as a JSON number, checked on the way in.
mod number {
    use super::Time;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &Time, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(time.get())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        Time::new(u64::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// An instance as its text, since its 64 bits are too many for a JSON number.
mod hex {
    use super::Instance;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(instance: &Instance, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(instance)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Instance, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(grants: usize, from: u64) -> Batch {
        let grant = |i| Grant {
            instance: Instance::new(from + i),
            seq: 1,
            first: Time::new(from + i).unwrap(),
            count: 1,
            process_id: format!("p{}", from + i),
        };
        Batch {
            revision: 0,
            previous: None,
            served: 0,
            regressed: None,
            real_timestamp: 0.5,
            grants: (0..grants as u64).map(grant).collect(),
        }
    }

    #[test]
    fn the_trace_holds_every_update_and_no_request() {
        let keys = Keys::new("/lamport_clock");
        let trace = keys.trace();
        for key in [&keys.record, &keys.granted, &keys.highest] {
            assert!(trace.contains(key));
        }
        assert!(!trace.contains(&keys.tail));
        assert!(!KeyRange::prefix(&keys.waiting).contains(&keys.tail));
        let request = keys.request(Instance::new(7));
        assert!(!trace.contains(&request));
        assert!(KeyRange::prefix(&keys.waiting).contains(&request));
        assert_eq!(keys.requester(&request), Some(Instance::new(7)));
        assert_eq!(keys.requester(b"/lamport_clock/waiting/x"), None);
    }

    #[test]
    fn old_grants_go_whole_batches_at_a_time_and_the_newest_stays() {
        let mut granted = Granted::default();
        for i in 0..5 {
            granted.push(batch(60, 1 + i * 60));
        }
        assert_eq!(granted.batches.len(), 2);
        assert!(granted.find(Instance::new(1), 1).is_none());
        granted.push(batch(300, 1_000));
        assert_eq!(granted.batches.len(), 1);
    }

    #[test]
    fn a_grant_is_found_with_its_predecessor_and_its_revision() {
        let mut granted = Granted::default();
        granted.push(batch(3, 10));
        let text = to_json(&granted);
        let granted = Granted::parse(&text, 77);
        let found = granted.find(Instance::new(11), 1).unwrap();
        assert_eq!(found.batch.revision, 77);
        assert_eq!(found.previous.unwrap().process_id, "p10");
        assert!(granted.find(Instance::new(11), 2).is_none());
        assert_eq!(Granted::parse(b"rubbish", 1), Granted::default());
    }

    #[test]
    fn highest_survives_its_text_and_rubbish_is_corrupt() {
        let keys = Keys::new("/c");
        let highest = Highest {
            value: Time::MAX,
            count: 3,
            instance: Instance::new(u64::MAX),
            served: 7,
            repaired: Some(Repaired {
                by: Instance::new(255),
                from: Time::ZERO,
            }),
        };
        assert_eq!(Highest::parse(&to_json(&highest), &keys).unwrap(), highest);
        let error = Highest::parse(br#"{"value":9007199254740992}"#, &keys).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("/c/highest"), "{error}");
    }
}
