//! The most that a process knows of its store, so that it notices when the store has lost something.
//!
//! A store may be restored from a snapshot, exchanged for another one, or lose keys. It then stands below
//! times that were handed out. The store can't tell, but a process that saw more can. That process hands
//! out nothing from then on, until a person has moved the clock forward ([`repair`](super::repair)). The
//! repair leaves a mark above everything the process knows.
//!
//! Every answer is compared with what was known when its question was *sent*. An answer that another one
//! overtook shows less, and that is no loss.

use super::Answer;
use super::given::{AllGiven, Given};
use super::keys::Repaired;
use super::snapshot::{Snapshot, lost};
use crate::clock::Time;
use crate::error::{Error, ErrorKind, Result};

/// What a process has learnt of its store. None of it may ever be less in a later answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Watermark {
    /// The id of the store; 0: not known.
    cluster: u64,
    /// The revision that created the base; 0: none was seen.
    created: u64,
    /// The highest revision that the store has answered with.
    pub(super) revision: u64,
    /// The highest time that the clock has shown.
    pub(super) time: Time,
    /// How many repairs were accepted. Each makes void what was known before it.
    pub(super) repairs: u64,
    /// How many repairs were seen, including those that came when this process missed nothing.
    marks: u64,
}

/// Notices losses: judges every answer, and remembers what it has found.
#[derive(Clone, Debug, Default)]
pub(super) struct LossDetector {
    /// What is known now. Each question keeps a copy, against which its answer is judged.
    pub(super) known: Watermark,
    /// The marks of the repairs seen. Each counts once: a store may be restored to a state that still
    /// holds the mark of an earlier repair.
    repairs: Vec<Repaired>,
    /// The loss that was found and not made good since.
    pub(super) lost: Option<Loss>,
    pub(super) given: AllGiven,
}

/// A loss that was found.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    pub(super) error: Error,
    /// Whether only a repair makes it good. An address that led to another store may lead back by itself.
    lasting: bool,
}

impl LossDetector {
    /// How many repairs are remembered; a clock is repaired a few times in its life.
    const REMEMBERED: usize = 64;

    /// [`ErrorKind::Regressed`] if the answer lacks something that was known when its question was sent
    /// (`asked`), and no repair explains that.
    pub(super) fn check(&self, asked: Watermark, answer: &Answer) -> Result<()> {
        match asked.lacks(answer, self.known) {
            Some(error) if !self.is_repaired(asked, answer) => Err(error),
            _ => Ok(()),
        }
    }

    /// Judges an answer. `asked` is the watermark of when its question was sent. False: the answer is as good
    /// as lost, because a repair was accepted since then, or one was seen that the answer does not show, or
    /// it shows one that is not the newest thing known. The next answer tells what is lost.
    /// [`ErrorKind::Regressed`] if the store has lost something.
    pub(super) fn judge(&mut self, asked: Watermark, answer: &Answer) -> Result<bool> {
        if asked.repairs != self.known.repairs {
            return Ok(false);
        }
        // An answer later than all before it must show all that is known.
        let is_latest = self.known.revision + u64::from(answer.wrote) <= answer.after.revision;
        let lacks = asked.lacks(answer, self.known);
        let lacks = lacks.or_else(|| is_latest.then(|| self.lacks(answer))?);
        let was_lost = self.lost.is_some() || lacks.is_some();
        if was_lost && asked.marks == self.known.marks && self.is_repaired(asked, answer) {
            // A repair made the clock whole: what was known before is void.
            self.known = Watermark {
                repairs: self.known.repairs + 1,
                marks: self.known.marks,
                ..Watermark::default()
            };
            self.given = AllGiven::default();
        } else if asked.marks != self.known.marks
            && (lacks.is_some() || !self.shows_newest_repair(answer))
        {
            // It may come from a state that the store has lost.
            return Ok(false);
        } else if lacks.is_none() && self.new_mark(answer).is_some() && self.lacks(answer).is_some()
        {
            return Ok(false);
        } else if let Some(error) = lacks {
            if answer.certain {
                let known = self.lost.as_ref().is_some_and(|loss| loss.lasting);
                self.lost = Some(Loss {
                    error: error.clone(),
                    lasting: known || !asked.is_of_another_store(answer.after.cluster),
                });
            }
            return Err(error);
        } else if let Some(loss) = self.lost.as_ref().filter(|loss| loss.lasting) {
            return Err(loss.error.clone());
        }
        self.lost = None;
        if let Some(mark) = self.new_mark(answer) {
            self.repairs.push(mark);
            self.known.marks += 1;
            if self.repairs.len() > LossDetector::REMEMBERED {
                self.repairs.remove(0);
            }
        }
        Ok(true)
    }

    /// The mark of the repair that the answer shows, if that was not seen before.
    fn new_mark(&self, answer: &Answer) -> Option<Repaired> {
        let mark = answer.before.repaired();
        mark.filter(|mark| !self.repairs.contains(mark))
    }

    /// Whether the answer shows that a new repair has made the clock whole, above all that is known.
    fn is_repaired(&self, asked: Watermark, answer: &Answer) -> bool {
        let highest = self.known.time.max(asked.time);
        let is_above = |mark: Repaired| mark.to > highest;
        answer.before.clock().is_ok() && self.new_mark(answer).is_some_and(is_above)
    }

    /// As [`Watermark::lacks`], of what is known by now.
    fn lacks(&self, answer: &Answer) -> Option<Error> {
        self.known.lacks(answer, self.known)
    }

    /// Whether the answer was given after the newest repair that was seen: every later base bears its mark.
    pub(super) fn shows_newest_repair(&self, answer: &Answer) -> bool {
        answer.before.repaired().as_ref() == self.repairs.last()
    }

    /// Raises the watermark to a snapshot that passed the check.
    pub(super) fn learn(&mut self, after: &Snapshot) {
        let known = &mut self.known;
        if after.cluster != 0 {
            known.cluster = after.cluster;
        }
        known.created = known.created.max(after.based().create_revision);
        known.revision = known.revision.max(after.revision);
        if let Ok(Some(clock)) = after.clock() {
            known.time = known.time.max(clock);
        }
    }

    /// The last check before times are handed out: the times of one process rise with the revisions of its
    /// answers. If not, the store went back between two transactions in flight. False: that can't be told
    /// any more, so the answer is as good as lost.
    pub(super) fn hand_out(&mut self, asked: Watermark, new: Given) -> Result<bool> {
        if asked.time < self.given.forgotten() {
            return Ok(false);
        }
        let Err(other) = self.given.add(new, self.known.time) else {
            return Ok(true);
        };
        let what = format!(
            "revision {} had given this process {}, and revision {} gives it {}.",
            other.revision, other.last, new.revision, new.first
        );
        let error = lost(what, Some(self.known.time));
        self.lost = Some(Loss {
            error: error.clone(),
            lasting: true,
        });
        Err(error)
    }
}

impl Watermark {
    /// The highest time.
    pub fn time(self) -> Time {
        self.time
    }

    /// How many repairs were seen: what was asked before one of them may have to be asked again.
    pub fn marks(self) -> u64 {
        self.marks
    }

    /// [`ErrorKind::Regressed`] if the answer lacks something that was known. The message shows both. `known` is
    /// what is known by now: it names the highest time, and the creation of the clock, of which there is one.
    fn lacks(self, answer: &Answer, known: Watermark) -> Option<Error> {
        let after = &answer.after;
        let clock = match answer.before.clock() {
            Err(error) if error.kind() == ErrorKind::Regressed && known.time > Time::ZERO => {
                // The error ends with the command that repairs.
                let what = format!("{error} --at-least {}", known.time);
                return Some(Error::new(ErrorKind::Regressed, what));
            }
            Err(error) if error.kind() == ErrorKind::Regressed => return Some(error),
            // A base that can't be read is no evidence of a loss.
            Err(_) => self.time,
            Ok(clock) => clock.unwrap_or_default(),
        };
        let found = answer.before.based().create_revision;
        let left = after.based().create_revision;
        let is_kept = !self.is_of_another_store(after.cluster)
            && clock >= self.time
            && (self.created == 0 || self.created == found)
            && (known.created == 0 || left == 0 || known.created == left);
        // A transaction that wrote something has a revision of its own.
        let is_later = self.revision + u64::from(answer.wrote) <= after.revision;
        let place = |cluster, revision| match cluster {
            0 => format!("revision {revision}"),
            _ => format!("revision {revision} of cluster {cluster:x}"),
        };
        let what = || {
            format!(
                "this process knows of times up to {} ({}), and now it finds {clock} ({}). Was it \
                 restored from a snapshot, were keys deleted, or is it another store?",
                self.time,
                place(self.cluster, self.revision),
                place(after.cluster, after.revision)
            )
        };
        (!is_kept || !is_later).then(|| lost(what(), Some(known.time)))
    }

    fn is_of_another_store(self, cluster: u64) -> bool {
        self.cluster != 0 && cluster != 0 && self.cluster != cluster
    }
}
