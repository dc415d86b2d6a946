//! The most that a process knows of its store, so that it notices when the store has lost something.
//!
//! A store that is restored from a snapshot, exchanged for another one, or whose keys are deleted
//! stands below times that were handed out. The store can't tell, but a process can that saw more. It
//! hands out nothing from then on, until a person has moved the clock forward
//! ([`repair`](super::repair)): that leaves a mark above everything the process knows.
//!
//! Every answer is held against what was known when its question was *sent*: an answer that another
//! one overtook shows less, and nothing is lost by that.

use super::keys::Repaired;
use super::snapshot::Snapshot;
use crate::clock::Time;
use crate::error::{Error, ErrorKind, Result};

/// What a process has learnt of its store. None of it may ever be less in a later answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Watermark {
    /// Which store it is; 0: nothing is known of it.
    cluster: u64,
    /// The revision that created the base; 0: none was seen.
    created: u64,
    /// The highest revision it has answered with.
    revision: u64,
    /// Where the clock stood.
    time: Time,
    /// How many repairs had been accepted: each makes void what was known before it.
    repairs: u64,
    /// How many had been seen, those included after which nothing was missing.
    marks: u64,
}

/// What an answer means for those who asked.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It shows at least as much as was known.
    Well,
    /// It was asked before a repair that was accepted or seen since: as good as lost.
    Void,
    /// The store has lost something: [`ErrorKind::Regressed`], which says what.
    Lost(Error),
}

/// The state of the store as an answer shows it, before the transaction's own puts.
pub(super) struct Shown<'a> {
    pub(super) before: &'a Snapshot,
    /// Which store answered.
    pub(super) cluster: u64,
    /// The revision of the answer.
    pub(super) revision: u64,
    /// Whether the transaction wrote something, so that its revision is a new one.
    pub(super) wrote: bool,
    /// Whether it can't be stale. A plain read may be (etcd issue 20418): what it shows is refused, and
    /// nothing more is concluded from it.
    pub(super) certain: bool,
}

/// Notices losses: judges every answer, and remembers what it has found.
#[derive(Clone, Debug, Default)]
pub(super) struct LossDetector {
    known: Watermark,
    /// The repairs seen: each counts once, since a store may be restored to a state that had been
    /// repaired before.
    repairs: Vec<Repaired>,
    lost: Option<Loss>,
    /// The newest times handed out: revision, first and last.
    newest: Option<(u64, Time, Time)>,
}

/// A loss that was found.
#[derive(Clone, Debug)]
struct Loss {
    error: Error,
    /// Only a repair makes it good. Where the address led to another store, it may lead back.
    lasting: bool,
}

impl LossDetector {
    /// How many repairs are remembered; a clock is repaired a few times in its life.
    const REMEMBERED: usize = 64;

    /// The watermark: to be kept with each question until its answer is judged.
    pub(super) fn known(&self) -> Watermark {
        self.known
    }

    /// Whether a loss was found, and not made good since.
    pub(super) fn has_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// What that loss is.
    pub(super) fn loss(&self) -> Option<&Error> {
        self.lost.as_ref().map(|loss| &loss.error)
    }

    /// How many repairs were accepted.
    pub(super) fn repairs(&self) -> u64 {
        self.known.repairs
    }

    /// Whether no repair was accepted since `asked`.
    fn is_of_now(&self, asked: Watermark) -> bool {
        asked.repairs == self.known.repairs
    }

    /// What `found` lacks of what was known, as an error that says so.
    pub(super) fn missing(&self, asked: Watermark, found: &Snapshot) -> Option<Error> {
        let mark = Watermark::of(found, asked);
        let new = found.repaired().filter(|mark| !self.repairs.contains(mark));
        let is_repaired = new.is_some_and(|mark| mark.to > asked.time);
        let is_well = asked.is_kept_by(mark) && found.revision >= asked.revision;
        (!is_well && !is_repaired).then(|| asked.lost(mark))
    }

    /// Judges an answer to something that was asked when `asked` was known.
    pub(super) fn judge(&mut self, asked: Watermark, shown: &Shown<'_>) -> Verdict {
        if !self.is_of_now(asked) {
            return Verdict::Void;
        }
        let clock = shown.before.clock();
        let is_whole = clock.is_ok();
        let found = Watermark {
            cluster: shown.cluster,
            revision: shown.revision,
            ..Watermark::of(shown.before, asked)
        };
        let contradiction = match clock {
            Err(error) if error.kind() == ErrorKind::Regressed => Some(error),
            _ if asked.is_kept_by(found) && asked.is_before(shown) => None,
            _ => Some(asked.lost(found)),
        };
        let mark = shown.before.repaired();
        let highest = self.known.time.max(asked.time);
        let is_repaired =
            is_whole && mark.is_some_and(|mark| !self.repairs.contains(&mark) && mark.to > highest);
        let is_well = contradiction.is_none() && self.lost.is_none();
        if !is_well && is_repaired {
            self.start_over();
        } else if let Some(error) = contradiction {
            // It may be of the time between the loss and a repair that was seen since.
            if self.lost.is_none() && asked.marks != self.known.marks {
                return Verdict::Void;
            }
            if shown.certain {
                let known = self.lost.as_ref().is_some_and(|loss| loss.lasting);
                self.lost = Some(Loss {
                    error: error.clone(),
                    lasting: known || !asked.is_of_another_store(found),
                });
            }
            return Verdict::Lost(error);
        } else if let Some(loss) = &self.lost {
            if loss.lasting {
                return Verdict::Lost(loss.error.clone());
            }
            self.lost = None;
        }
        self.remember(mark);
        Verdict::Well
    }

    /// A repair made the clock whole: what was known before is void.
    fn start_over(&mut self) {
        self.known = Watermark {
            repairs: self.known.repairs + 1,
            marks: self.known.marks,
            ..Watermark::default()
        };
        self.lost = None;
        self.newest = None;
    }

    fn remember(&mut self, mark: Option<Repaired>) {
        if let Some(mark) = mark.filter(|mark| !self.repairs.contains(mark)) {
            self.repairs.push(mark);
            self.known.marks += 1;
            let old = self.repairs.len().saturating_sub(LossDetector::REMEMBERED);
            self.repairs.drain(..old);
        }
    }

    /// Learns from a snapshot that was judged to be well.
    pub(super) fn learn(&mut self, after: &Snapshot) {
        let known = &mut self.known;
        if after.cluster != 0 {
            known.cluster = after.cluster;
        }
        known.created = known.created.max(after.created());
        known.revision = known.revision.max(after.revision);
        if let Ok(Some(clock)) = after.clock() {
            known.time = known.time.max(clock);
        }
    }

    /// The last check before times are handed out: what one process hands out rises with the revision
    /// of the answers. Else the store went back between two of its transactions in flight.
    pub(super) fn hand_out(&mut self, revision: u64, first: Time, last: Time) -> Result<()> {
        if let Some((newest, newest_first, newest_last)) = self.newest {
            let rises = match revision.cmp(&newest) {
                std::cmp::Ordering::Greater => first > newest_last,
                std::cmp::Ordering::Less => last < newest_first,
                std::cmp::Ordering::Equal => false,
            };
            if !rises {
                let error = Error::new(
                    ErrorKind::Regressed,
                    format!(
                        "the store has lost times that were handed out: revision {newest} had given \
                         this process {newest_last}, and revision {revision} gives it {first}. No \
                         time is handed out until somebody has moved the clock forward: lamport \
                         repair --at-least {newest_last}"
                    ),
                );
                self.lost = Some(Loss {
                    error: error.clone(),
                    lasting: true,
                });
                return Err(error);
            }
            if revision < newest {
                return Ok(());
            }
        }
        self.newest = Some((revision, first, last));
        Ok(())
    }
}

impl Watermark {
    /// What a snapshot tells of the store. A base that can't be read says nothing of a loss.
    fn of(snapshot: &Snapshot, asked: Watermark) -> Watermark {
        let clock = snapshot.clock();
        Watermark {
            cluster: snapshot.cluster,
            created: snapshot.created(),
            revision: snapshot.revision,
            time: clock.map_or(asked.time, |clock| clock.unwrap_or_default()),
            repairs: 0,
            marks: 0,
        }
    }

    /// The highest time.
    pub fn time(self) -> Time {
        self.time
    }

    /// Whether nothing that was known is missing, and it is the same store.
    fn is_kept_by(self, found: Watermark) -> bool {
        !self.is_of_another_store(found)
            && found.time >= self.time
            && (self.created == 0 || found.created == self.created)
    }

    /// Whether the answer's revision lies where it must: after all that was known.
    fn is_before(self, shown: &Shown<'_>) -> bool {
        shown.revision > self.revision || (!shown.wrote && shown.revision == self.revision)
    }

    fn is_of_another_store(self, found: Watermark) -> bool {
        self.cluster != 0 && found.cluster != 0 && self.cluster != found.cluster
    }

    /// [`ErrorKind::Regressed`] with both sides, and what to do.
    fn lost(self, found: Watermark) -> Error {
        Error::new(
            ErrorKind::Regressed,
            format!(
                "the store has lost times that were handed out: this process knows of times up to \
                 {} ({}), and now it finds {} ({}). Was it restored from a snapshot, were keys \
                 deleted, or is it another store? No time is handed out until somebody has moved \
                 the clock forward: lamport repair --at-least {}",
                self.time,
                self.place(),
                found.time,
                found.place(),
                self.time
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
