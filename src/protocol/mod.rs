//! The update protocol: etcd counts.
//!
//! etcd counts the puts of a key: its *version*. So a get and a put of one key in one transaction is an
//! atomic fetch-and-add that cannot lose. The clock's time is the value in the base, plus what the puts of
//! `taken` since then count ([`Snapshot::clock`]). The transaction of an update says: IF nobody wrote, THEN
//! put the record and a new base, by the rule; ELSE put `taken`, which takes the times. No process retries
//! because others were faster, and none waits for another.
//!
//! Why no time has two owners: each transaction that hands out times raises the clock by at least their
//! number. They are the highest times up to the clock's new one, known from the same atomic step. So the
//! times of all transactions are disjoint and rise with the revision. Nothing identifies a request: a lost
//! reply, a late commit or a crash costs a gap, never a second owner. docs/PROTOCOL.md explains it at
//! length; `tests/model.rs` tries every order of small sizes.
//!
//! This layer does nothing by itself: no I/O, no wall clock, no lock. A [`Protocol`] says which transaction
//! to send, and the caller reports the outcome to it.

use std::sync::Arc;

use self::given::UnderWay;
use self::snapshot::Written;
use self::watermark::LossDetector;
use crate::clock::{Instance, ProcessId, Time, check_jump};
use crate::error::{Error, ErrorKind, Result};

mod call;
mod fold;
mod given;
mod keys;
mod record;
mod repair;
mod snapshot;
mod transaction;
mod update;
mod watermark;

pub use self::call::{Call, Step};
pub use self::fold::Fold;
pub use self::keys::{Base, Keys, Repaired, Taken};
pub use self::record::Record;
pub use self::repair::RepairPlan;
pub use self::snapshot::{Holder, Observed, Snapshot};
pub use self::transaction::{At, Change, Compare, Entry, KeyRange, Operation, Reply, Transaction};
pub use self::update::{Reservation, Update};
pub use self::watermark::Watermark;

/// The protocol of one instance of a process: what it knows of the store.
///
/// Any number of [calls](Call) may be under way at once.
#[derive(Clone, Debug)]
pub struct Protocol {
    keys: Arc<Keys>,
    process: ProcessId,
    instance: Instance,
    max_jump: u64,
    /// The shared clock as it was last seen, at the highest revision; `None` before the first look.
    snapshot: Option<Arc<Snapshot>>,
    losses: LossDetector,
    /// The snapshot after our newest take; `None` once a base accounts for that take.
    took: Option<Arc<Snapshot>>,
    /// Takes by others between the snapshot from which our newest take was composed and that take.
    others: u64,
    /// The smallest number of `others` that makes a crowd: see [`CROWD`].
    crowd: u64,
    /// Whether the local clock was ahead of the shared one when we took last.
    runs_ahead: bool,
    /// Number of folds of ours.
    folds: u64,
}

/// If at least this many others took between two updates of ours, somebody will most likely write before
/// our next one too. With takes at random times, the next update would meet nobody once in a thousand.
const CROWD: u64 = 8;

/// A transaction on its way, and what was known when it was sent.
#[derive(Clone, Debug)]
pub struct Question {
    transaction: Arc<Transaction>,
    /// The snapshot against which its compares check the store.
    seen: Arc<Snapshot>,
    asked: Watermark,
    _under_way: UnderWay,
    /// The record and the base that it writes if the compares hold, so that they need not be parsed again.
    written: Option<Written>,
}

/// What an answer of the store shows.
struct Answer {
    /// The shared clock as the transaction or the read found it.
    before: Arc<Snapshot>,
    /// The shared clock as the transaction left it; after a read, the same snapshot as `before`.
    after: Arc<Snapshot>,
    /// Whether something was written, so that the revision is a new one.
    wrote: bool,
    /// Whether the answer can't be stale. A plain read may be stale (etcd issue 20418): if it shows too
    /// little it is refused, and nothing more is concluded from it.
    certain: bool,
}

impl Protocol {
    /// The most times that one call may ask for: 2^32.
    pub const MAX_COUNT: u64 = 1 << 32;

    /// The protocol of one instance of `process` on the clock under `keys`.
    pub fn new(keys: Keys, process: ProcessId, instance: Instance, max_jump: u64) -> Protocol {
        Protocol {
            keys: Arc::new(keys),
            process,
            instance,
            max_jump,
            snapshot: None,
            losses: LossDetector::default(),
            took: None,
            others: 0,
            crowd: CROWD,
            runs_ahead: false,
            folds: 0,
        }
    }

    /// Sets another crowd [threshold](CROWD), for tests with fewer processes.
    #[doc(hidden)]
    pub fn with_crowd(self, crowd: u64) -> Protocol {
        Protocol { crowd, ..self }
    }

    /// The keys of the clock.
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// The watermark now. Take it before a read is sent, and pass it with the answer to
    /// [`handle_look`](Protocol::handle_look).
    pub fn known(&self) -> Watermark {
        self.losses.known
    }

    /// The loss that was found in the store and not made good since; `None` if there is none.
    pub fn loss(&self) -> Option<&Error> {
        self.losses.lost.as_ref().map(|loss| &loss.error)
    }

    /// How many repairs were accepted after a loss. Each begins a new history of the store: its revisions
    /// are not those of before.
    pub fn repairs(&self) -> u64 {
        self.losses.known.repairs
    }

    /// Judges the reply to a read of [every key](Keys::all), remembers its snapshot and returns it.
    ///
    /// `asked` is what was [`known`](Protocol::known) when the read was sent;
    /// [`ErrorKind::Regressed`] if the reply shows less. A read may be stale for a moment (etcd issue 20418),
    /// so look again before you believe that; `certain` says that enough looks were made.
    /// [`ErrorKind::Unavailable`] if the reply is older than a repair that was seen since: look again.
    pub fn handle_look(
        &mut self,
        asked: Watermark,
        reply: &Reply,
        certain: bool,
    ) -> Result<Arc<Snapshot>> {
        let answer = Answer::read(&self.keys, reply, certain);
        if !self.judge(asked, &answer)? {
            // The read began before a repair, so its answer may come from the state that was lost.
            if !self.losses.shows_newest_repair(&answer) {
                let what = "the answer is older than a repair that was seen meanwhile: ask again";
                return Err(Error::new(ErrorKind::Unavailable, what));
            }
            self.losses.check(self.known(), &answer)?;
            self.adopt(&answer.after);
        }
        Ok(answer.after)
    }

    /// An error if the record lies further above the clock than a legacy writer can have counted. The bound
    /// starts from the shared clock, so a process that was away is not refused. A clock that is not created
    /// yet begins above any record.
    fn check_record(&self, recorded: Time, clock: Option<Time>) -> Result<()> {
        clock.map_or(Ok(()), |clock| {
            let record = "the shared record";
            check_jump(recorded, record, clock, "the shared clock", self.max_jump)
        })
    }

    /// A question with a transaction that is sent now, so it keeps the watermark of now.
    fn ask(&self, transaction: Transaction, seen: &Arc<Snapshot>) -> Question {
        Question {
            transaction: Arc::new(transaction),
            seen: seen.clone(),
            asked: self.known(),
            _under_way: self.losses.given.under_way(),
            written: None,
        }
    }

    /// Every answer passes this check: see [`LossDetector::judge`]. The snapshot of an answer that counts
    /// is adopted.
    fn judge(&mut self, asked: Watermark, answer: &Answer) -> Result<bool> {
        let repairs = self.repairs();
        let judged = self.losses.judge(asked, answer);
        // A snapshot from before a loss or a repair belongs to another history.
        if judged.is_err() || self.repairs() != repairs {
            self.snapshot = None;
            self.took = None;
        }
        if let Ok(true) = judged {
            self.adopt(&answer.after);
        }
        judged
    }

    /// Remembers the snapshot after a take of ours, until that take is folded.
    fn note_take(&mut self, after: &Arc<Snapshot>) {
        let newest = self.snapshot.as_ref();
        let accounted = newest.map_or(0, |newest| newest.accounted());
        // Compared by revision, not by version: replies to several takes may come in any order, and a
        // repair may have created `taken` anew.
        let known = self.took.as_ref().map_or(0, |took| took.revision);
        if after.taken().version > accounted && after.revision > known {
            self.took = Some(after.clone());
        }
    }

    /// Remembers a snapshot that passed the check, unless a newer one is known. Two of one revision differ if
    /// the store went back without losing what we knew. Then the one that came last counts: our compares
    /// would never hold with the other one.
    fn adopt(&mut self, snapshot: &Arc<Snapshot>) {
        self.losses.learn(snapshot);
        let accounted = snapshot.accounted();
        self.took.take_if(|took| took.taken().version <= accounted);
        let is_newest = |known: &Arc<Snapshot>| snapshot.revision >= known.revision;
        if self.snapshot.as_ref().is_none_or(is_newest) {
            self.snapshot = Some(snapshot.clone());
        }
    }
}

impl Question {
    fn writing(self, written: Written) -> Question {
        Question {
            written: Some(written),
            ..self
        }
    }

    /// What to send.
    pub fn transaction(&self) -> &Arc<Transaction> {
        &self.transaction
    }

    /// The shared clock after the transaction, which this reply answers.
    pub fn leaves(&self, reply: &Reply) -> Arc<Snapshot> {
        self.answer(reply).after
    }

    /// What the reply shows. `before` is the snapshot that was seen, brought up to date with what the
    /// transaction read. `after` adds what the transaction wrote.
    fn answer(&self, reply: &Reply) -> Answer {
        let branch = self.transaction.branch(reply.succeeded);
        let record = &self.seen.keys.record;
        // A transaction that reads the record reads every key.
        let reads_all =
            matches!(branch.first(), Some(Operation::Get(range)) if range.start == *record);
        let mut before = Snapshot::clone(&self.seen);
        match reads_all {
            true => before.show_all(&reply.entries),
            false => before.show(&reply.entries),
        }
        let mut after = before.clone();
        after.cluster = reply.cluster;
        after.perform(branch, reply.revision, self.written.as_ref());
        Answer {
            before: Arc::new(before),
            after: Arc::new(after),
            wrote: branch.iter().any(|done| !matches!(done, Operation::Get(_))),
            certain: true,
        }
    }
}

impl Answer {
    /// What a read of [every key](Keys::all) shows.
    fn read(keys: &Arc<Keys>, reply: &Reply, certain: bool) -> Answer {
        let snapshot = Arc::new(Snapshot::of(keys, reply));
        Answer {
            before: snapshot.clone(),
            after: snapshot,
            wrote: false,
            certain,
        }
    }
}

/// Reads every key before a transaction writes any.
fn read_all(keys: &Keys) -> Vec<Operation> {
    [
        KeyRange::key(&keys.record),
        KeyRange::key(&keys.base),
        keys.takes(),
    ]
    .map(Operation::Get)
    .into()
}

// The tests run the protocol on the reference store, which needs the feature `shared`.
#[cfg(all(test, feature = "shared"))]
mod tests;
