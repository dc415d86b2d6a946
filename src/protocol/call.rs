//! One update under way: a state machine that says what to send, and takes in the answers.

use std::sync::Arc;

use super::given::Given;
use super::keys::{Base, Keys, Taken, to_json};
use super::snapshot::{Holder, Snapshot, Written, is_void};
use super::transaction::{Operation, Reply, Transaction};
use super::update::Reservation;
use super::{Protocol, Question, read_all};
use crate::clock::Time;
use crate::error::{Error, ErrorKind, Result};

/// One update under way, for one time or several.
#[derive(Clone, Debug)]
pub struct Call {
    /// The local time of the rule, after its increment.
    local: Time,
    count: u64,
    /// The first take, if it was void. The second one takes enough times to lie above everything.
    void: Option<Void>,
    /// Whether an answer has shown the shared clock since the call began.
    informed: bool,
    round_trips: u32,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    /// The next transaction is still to be composed from the newest snapshot.
    Ready,
    /// A transaction is on its way.
    Sent(Question, Offer),
    Finished(Result<Reservation>),
}

/// What an update asks of the store. If nobody has written since its snapshot, it gets the times of the
/// rule; if somebody has, it takes as many times from etcd's counter.
#[derive(Clone, Debug)]
struct Offer {
    /// The last time by the rule. `None` in a crowd: somebody surely wrote, so the update only takes.
    ruled: Option<Time>,
    /// The snapshot to which the rule was applied.
    before: Arc<Snapshot>,
    /// How many times are taken in addition to `count`.
    extra: u64,
    real_timestamp: f64,
}

/// A take whose times nobody gets. While nothing has followed it, the call ignores it.
#[derive(Clone, Debug)]
struct Void {
    /// How many repairs had been accepted by then.
    repairs: u64,
    /// The snapshots of the keys right before this take and right after it.
    before: Arc<Snapshot>,
    after: Arc<Snapshot>,
}

/// What [`Protocol::poll`] wants done.
#[derive(Clone, Debug)]
pub enum Step {
    /// Read [every key](Keys::all) and pass the reply to [`Protocol::handle_look`]. If either fails, the
    /// call has failed.
    Look,
    /// Send this, then call the `handle_*` method that fits the outcome.
    Send(Arc<Transaction>),
    /// The call was served.
    Done(Reservation),
    /// The call can't be served; nothing was handed out.
    Failed(Error),
}

impl Protocol {
    /// Begins a call for `count` times, at least 1. `local` is the local time after the rule's increment.
    pub fn begin(&self, local: Time, count: u64) -> Call {
        Call {
            local,
            count,
            void: None,
            informed: false,
            round_trips: 0,
            stage: Stage::Ready,
        }
    }

    /// What to do now. `real_timestamp` is the wall clock in Unix seconds: it is written beside the
    /// time and decides nothing.
    pub fn poll(&self, call: &mut Call, real_timestamp: f64) -> Step {
        if let Stage::Ready = call.stage {
            let snapshot = self
                .snapshot
                .as_ref()
                .filter(|_| self.losses.lost.is_none());
            let composed = snapshot.map(|seen| self.compose(call, seen, real_timestamp));
            call.stage = match composed {
                Some(Ok(stage)) => stage,
                Some(Err(error)) if call.informed => Stage::Finished(Err(error)),
                // Without a usable snapshot, look first: the store may have been mended since.
                _ => {
                    call.informed = true;
                    Stage::Ready
                }
            };
        }
        match &call.stage {
            Stage::Sent(question, _) => Step::Send(question.transaction.clone()),
            Stage::Finished(Ok(times)) => Step::Done(times.clone()),
            Stage::Finished(Err(error)) => Step::Failed(error.clone()),
            Stage::Ready => Step::Look,
        }
    }

    /// The transaction was carried out, and this is the answer.
    pub fn handle_reply(&mut self, call: &mut Call, reply: &Reply) {
        if let Stage::Sent(question, offer) = call.stage.clone() {
            call.round_trips += 1;
            let next = self.conclude(call, &question, &offer, reply);
            call.stage = next.unwrap_or_else(|error| Stage::Finished(Err(error)));
        }
    }

    /// No answer: the transaction may have been carried out, or may yet be. Its times are nobody's.
    pub fn handle_lost(&mut self, call: &mut Call) {
        if let Stage::Sent(..) = call.stage {
            call.round_trips += 1;
            call.stage = Stage::Ready;
        }
    }

    /// The transaction was not carried out and never will be.
    pub fn handle_refused(&mut self, call: &mut Call) {
        if let Stage::Sent(..) = call.stage {
            call.stage = Stage::Ready;
        }
    }

    /// Drops the snapshot, so that the next call looks before it writes. The snapshot may be the reason why
    /// the store can't carry out a transaction: a compare may hold a record too large for one request. That
    /// record may be gone by then.
    pub fn forget(&mut self) {
        self.snapshot = None;
    }

    /// The next transaction, composed from the newest snapshot `seen`.
    fn compose(&self, call: &Call, seen: &Arc<Snapshot>, real_timestamp: f64) -> Result<Stage> {
        let recorded = seen.recorded()?;
        let clock = seen.clock()?;
        let counted = clock.unwrap_or_default();
        let known = counted.max(recorded);
        self.check_record(recorded, clock)?;
        let above = call.local.max(recorded);
        // A restored store may have the revision again, with another take.
        let is_last = |void: &&Void| {
            void.after.revision == seen.revision
                && void.after.taken() == seen.taken()
                && void.repairs == self.repairs()
        };
        let void = call.void.as_ref().filter(is_last);
        let before = void.map_or(seen, |void| &void.before);
        let ruled = above.max(before.clock()?.unwrap_or_default());
        let ruled = ruled.after(call.count)?;
        // If the comparison fails, the transaction takes times instead. They must not pass the last time.
        above.max(counted).after(call.count)?;
        let in_a_crowd = self.others >= self.crowd && call.void.is_none() && clock.is_some();
        let offer = Offer {
            ruled: (!in_a_crowd).then_some(ruled),
            before: before.clone(),
            extra: match call.void {
                Some(_) => above.ahead_of(counted),
                // The take runs only if somebody else took first, above the record. So the clock is at
                // least one further.
                None if self.runs_ahead => call.local.ahead_of(known).saturating_sub(1),
                None => 0,
            },
            real_timestamp,
        };
        let question = match offer.ruled {
            Some(value) => self.update(call, value, &offer, seen),
            None => {
                let then = self.take(call, &offer);
                self.ask(
                    Transaction {
                        then,
                        ..Transaction::default()
                    },
                    seen,
                )
            }
        };
        Ok(Stage::Sent(question, offer))
    }

    /// An update: IF nobody wrote, THEN the base by the rule and the record; ELSE a take.
    ///
    /// The first update of all creates the clock this way, above what legacy writers left. Nothing else
    /// creates base or `taken`, so the ELSE of the first update takes nothing.
    fn update(&self, call: &Call, value: Time, offer: &Offer, seen: &Arc<Snapshot>) -> Question {
        let mut base = self.base(seen, value, offer.real_timestamp);
        base.first = call.first(value);
        base.count = call.count;
        let written = Written::by(base, seen);
        let mut then = written.puts(&self.keys);
        then.extend(delete_weights(seen));
        let otherwise = if seen.taken().version == 0 {
            then.push(self.put_taken(call, 0, offer.real_timestamp));
            read_all(&self.keys)
        } else {
            self.take(call, offer)
        };
        let transaction = Transaction {
            compares: seen.is_current(),
            then,
            otherwise,
        };
        self.ask(transaction, seen).writing(written)
    }

    /// Reads the clock, then raises it by the number of times taken.
    fn take(&self, call: &Call, offer: &Offer) -> Vec<Operation> {
        let mut take = read_all(&self.keys);
        take.push(self.put_taken(call, call.count, offer.real_timestamp));
        // The put of `taken` counts for one.
        let more = offer.extra + call.count - 1;
        let bits = (0..Keys::WEIGHTS).filter(|bit| more >> bit & 1 == 1);
        take.extend(bits.map(|bit| Operation::Put(self.keys.weight(bit), Vec::new())));
        take
    }

    fn put_taken(&self, call: &Call, count: u64, real_timestamp: f64) -> Operation {
        let taken = Taken {
            process: self.process.as_str().to_owned(),
            instance: self.instance,
            count,
            local: call.local,
            attempt: call.attempt(),
            real_timestamp,
        };
        Operation::Put(self.keys.taken.clone(), to_json(&taken))
    }

    /// A base at `value`, written by this process, which accounts for every take that was seen.
    pub(super) fn base(&self, seen: &Snapshot, value: Time, real_timestamp: f64) -> Base {
        let mut base = Base::counted(value, self.process.as_str(), self.instance, real_timestamp);
        // The update that creates the clock puts `taken` once, together with the base.
        base.taken = seen.taken().version.max(1);
        base.created = seen.taken().create_revision;
        base
    }

    /// The stage that follows from an answer: the call has its times, or needs another transaction.
    fn conclude(
        &mut self,
        call: &mut Call,
        question: &Question,
        offer: &Offer,
        reply: &Reply,
    ) -> Result<Stage> {
        let answer = question.answer(reply);
        if !self.judge(question.asked, &answer)? {
            return Ok(Stage::Ready);
        }
        call.informed = true;
        // Nothing was written: somebody else had created the clock first.
        if !answer.wrote {
            return Ok(Stage::Ready);
        }
        let (seen, before, revision) = (&question.seen, &answer.before, answer.after.revision);
        // `call.local` includes the 1 that the rule adds. That 1 alone does not count as running ahead.
        let known = seen.clock().ok().flatten().unwrap_or_default();
        let ahead = call.local.ahead_of(known) > 1;
        if let (true, Some(ruled)) = (reply.succeeded, offer.ruled) {
            self.others = 0;
            self.runs_ahead &= ahead;
            let first = call.first(ruled);
            return self.hand_out(call, first, question, offer, &offer.before, revision);
        }
        self.note_take(&answer.after);
        let recorded = before.recorded()?;
        // This is no loss: `judge` would have reported one. So no clock was known when the take was sent,
        // and a take is only sent to a clock that is known.
        let Some(clock) = before.clock()? else {
            return Err(nonsense("keys that nobody had known were gone".to_owned()));
        };
        let first = clock.after(offer.extra)?.after(1)?;
        self.others = before.taken().version.saturating_sub(seen.taken().version);
        self.runs_ahead = ahead && clock < call.local;
        if !is_void(first, call.local, call.attempt(), recorded) {
            return self.hand_out(call, first, question, offer, before, revision);
        }
        if call.void.is_some() {
            let what = format!("a take above {} gave {first}", call.local);
            return Err(nonsense(what));
        }
        call.void = Some(Void {
            repairs: self.repairs(),
            before: before.clone(),
            after: answer.after.clone(),
        });
        Ok(Stage::Ready)
    }

    /// Hands out the times from `first` on. The newest update in the snapshot `before` is the one right
    /// before these times.
    fn hand_out(
        &mut self,
        call: &Call,
        first: Time,
        question: &Question,
        offer: &Offer,
        before: &Snapshot,
        revision: u64,
    ) -> Result<Stage> {
        let last = first.after(call.count - 1)?;
        let new = Given {
            revision,
            first,
            last,
        };
        let handed_out = self.losses.hand_out(question.asked, new);
        if !handed_out.inspect_err(|_| self.snapshot = None)? {
            return Ok(Stage::Ready);
        }
        Ok(Stage::Finished(Ok(Reservation {
            first,
            last,
            process: self.process.clone(),
            instance: self.instance,
            previous: before.newest().map(|newest| Holder {
                value: newest.value,
                process: newest.process,
            }),
            real_timestamp: offer.real_timestamp,
            revision,
            round_trips: call.round_trips,
            regressed: before.set_back_from(),
        })))
    }
}

impl Call {
    /// The number of the next try, for [`Taken::attempt`].
    fn attempt(&self) -> u8 {
        1 + u8::from(self.void.is_some())
    }

    /// The first of the call's times, if the last one is `last`.
    fn first(&self, last: Time) -> Time {
        Time::saturating(last.get() - self.count + 1)
    }
}

/// A base accounts for the weights, so its writer deletes them.
pub(super) fn delete_weights(snapshot: &Snapshot) -> impl Iterator<Item = Operation> {
    snapshot
        .weights()
        .map(|(_, entry)| Operation::Delete(entry.key.clone()))
}

fn nonsense(what: String) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("the store counts in a way that makes no sense: {what}"),
    )
}
