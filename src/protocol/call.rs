//! One update under way: a state machine that is asked what to send, and told what came back.

use std::sync::Arc;

use super::keys::{Base, Keys, Taken, to_json};
use super::record::Record;
use super::snapshot::{Holder, Observed, Snapshot, is_void};
use super::transaction::{Operation, Reply, Transaction};
use super::watermark::Verdict;
use super::{Answer, Protocol, Question, read_all};
use crate::clock::{Time, check_jump};
use crate::error::{Error, ErrorKind, Result};

/// One update under way, for one time or several.
#[derive(Clone, Debug)]
pub struct Call {
    /// The local time of the rule, after its increment.
    local: Time,
    count: u64,
    /// 2 once a take was void: then it takes enough to lie above everything.
    attempt: u8,
    /// The take that was void.
    void: Option<Void>,
    /// Whether an answer has shown the shared clock since the call began.
    informed: bool,
    round_trips: u32,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// To be decided from the newest snapshot.
    Ready,
    /// A transaction is on its way.
    Sent(Question, Offer),
    Finished(Result<Times>),
}

/// What an update hands out if nobody wrote in between, and what its take adds otherwise.
#[derive(Clone, Debug)]
struct Offer {
    /// In a crowd somebody writes, so that is not asked: `None`.
    ruled: Option<Ruled>,
    /// How much more than `count` is taken.
    extra: u64,
    real_timestamp: f64,
}

/// The times by the rule: up to `value`.
#[derive(Clone, Debug)]
struct Ruled {
    value: Time,
    came: Came,
}

/// What came right before the times of a call.
#[derive(Clone, Debug)]
struct Came {
    previous: Option<Holder>,
    regressed: Option<Time>,
}

impl Came {
    fn before(snapshot: &Snapshot) -> Came {
        let holder = |newest: Observed| Holder {
            value: newest.value,
            process: newest.process,
        };
        Came {
            previous: snapshot.newest().map(holder),
            regressed: snapshot.set_back_from(),
        }
    }
}

/// A take whose times are nobody's: as long as nothing followed it, it is as if it had not been.
#[derive(Clone, Debug)]
struct Void {
    revision: u64,
    /// How many repairs had been accepted.
    repairs: u64,
    /// The clock before it.
    clock: Time,
    came: Came,
}

/// The times that a call was given: `first` to `last`, consecutive, nobody else's.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// The first time.
    pub first: Time,
    /// The last time.
    pub last: Time,
    /// The holder of the newest time before.
    pub previous: Option<Holder>,
    /// The highest time taken, if a legacy writer had just moved the record below it.
    pub regressed: Option<Time>,
    /// The revision at which the times were handed out.
    pub revision: u64,
    /// When, by the wall clock of this process (Unix seconds).
    pub real_timestamp: f64,
    /// How many transactions the call took.
    pub round_trips: u32,
}

/// What [`Protocol::poll`] wants done.
#[derive(Clone, Debug)]
pub enum Step {
    /// Read [every key](Keys::all), and tell [`Protocol::handle_look`] what they are. If that fails
    /// the call has failed.
    Look,
    /// Send this, and tell a `handle_*` method what became of it.
    Send(Arc<Transaction>),
    /// The call was served.
    Done(Times),
    /// The call can't be served; nothing was handed out.
    Failed(Error),
}

impl Protocol {
    /// Begins a call for `count` times, at least 1, with the local time of the rule (after its
    /// increment).
    pub fn begin(&self, local: Time, count: u64) -> Call {
        Call {
            local,
            count,
            attempt: 1,
            void: None,
            informed: false,
            round_trips: 0,
            state: State::Ready,
        }
    }

    /// What to do now. `real_timestamp` is the wall clock in Unix seconds: it is written beside the
    /// time and decides nothing.
    pub fn poll(&self, call: &mut Call, real_timestamp: f64) -> Step {
        if let State::Ready = call.state {
            let snapshot = self.snapshot.as_ref().filter(|_| !self.losses.has_lost());
            let Some(snapshot) = snapshot else {
                call.informed = true;
                return Step::Look;
            };
            call.state = match self.compose(call, snapshot, real_timestamp) {
                Ok(state) => state,
                // What we remember speaks against it; somebody may have mended it since.
                Err(_) if !call.informed => {
                    call.informed = true;
                    return Step::Look;
                }
                Err(error) => State::Finished(Err(error)),
            };
        }
        match &call.state {
            State::Sent(question, _) => Step::Send(question.transaction.clone()),
            State::Finished(Ok(times)) => Step::Done(times.clone()),
            State::Finished(Err(error)) => Step::Failed(error.clone()),
            State::Ready => Step::Look,
        }
    }

    /// The transaction was carried out, and this is the answer.
    pub fn handle_reply(&mut self, call: &mut Call, reply: &Reply) {
        let (question, offer) = match std::mem::replace(&mut call.state, State::Ready) {
            State::Sent(question, offer) => (question, offer),
            other => {
                call.state = other;
                return;
            }
        };
        call.round_trips += 1;
        let answer = question.answer(reply);
        match self.judge(&question, reply, &answer) {
            Verdict::Lost(error) => call.state = State::Finished(Err(error)),
            Verdict::Void => {}
            Verdict::Well => {
                call.informed = true;
                // Somebody else had created the clock: then nothing was written.
                if question.writes(reply.succeeded) {
                    let times = self.times(call, &offer, &question.seen, &answer);
                    call.conclude(times);
                }
            }
        }
    }

    /// No answer: the transaction may have been carried out, or may yet be. Its times are nobody's.
    pub fn handle_lost(&mut self, call: &mut Call) {
        if let State::Sent(..) = call.state {
            call.round_trips += 1;
            call.state = State::Ready;
        }
    }

    /// The transaction was not carried out and never will be.
    pub fn handle_refused(&mut self, call: &mut Call) {
        if let State::Sent(..) = call.state {
            call.state = State::Ready;
        }
    }

    /// The next call looks before it writes: what is remembered may be why the store can't carry out what
    /// is asked (it compares a record that is too large for one request), and be gone by then.
    pub fn forget(&mut self) {
        self.snapshot = None;
    }

    /// The next transaction, from what the newest snapshot says.
    fn compose(&self, call: &Call, snapshot: &Arc<Snapshot>, real_timestamp: f64) -> Result<State> {
        let recorded = snapshot.recorded()?;
        let clock = snapshot.clock()?;
        let counted = clock.unwrap_or_default();
        check_jump(recorded, counted, self.max_jump, "the shared record")?;
        check_jump(
            call.local,
            counted.max(recorded),
            self.max_jump,
            "this process's local clock",
        )?;
        let above = call.local.max(recorded);
        let void = call.void.as_ref().filter(|void| {
            void.revision == snapshot.revision && void.repairs == self.losses.repairs()
        });
        let ruled = above.max(void.map_or(counted, |void| void.clock));
        // The take, if it comes to that, must not run past the last time either.
        above.max(counted).after(call.count)?;
        let in_a_crowd = self.others >= self.crowd && call.attempt == 1 && clock.is_some();
        let offer = Offer {
            ruled: (!in_a_crowd).then_some(Ruled {
                value: ruled.after(call.count)?,
                came: match void {
                    Some(void) => void.came.clone(),
                    None => Came::before(snapshot),
                },
            }),
            extra: match call.attempt {
                // If it takes at all, somebody else took, and above the record.
                1 if self.runs_ahead => {
                    let known = counted.max(recorded);
                    call.local.ahead_of(known).saturating_sub(1)
                }
                1 => 0,
                _ => above.ahead_of(counted),
            },
            real_timestamp,
        };
        let transaction = match &offer.ruled {
            Some(ruled) => self.update(call, ruled.value, &offer, snapshot, clock.is_none()),
            None => Transaction {
                then: self.take(call, &offer),
                ..Transaction::default()
            },
        };
        Ok(State::Sent(self.ask(transaction, snapshot), offer))
    }

    /// IF nobody wrote, THEN the rule and the record with it, ELSE a take.
    ///
    /// The first update of all creates the clock with it, above what legacy writers left. Nothing else
    /// creates base or `taken`, so there it takes nothing otherwise.
    fn update(
        &self,
        call: &Call,
        value: Time,
        offer: &Offer,
        snapshot: &Snapshot,
        creates: bool,
    ) -> Transaction {
        let keys = &self.keys;
        let record = Record {
            value,
            process_id: self.process.to_string(),
            real_timestamp: Some(offer.real_timestamp),
        };
        let mut base = self.base(value, offer.real_timestamp);
        (base.taken, base.created) = if creates { (1, 0) } else { snapshot.taken() };
        base.first = Time::saturating(value.get() - call.count + 1);
        base.count = call.count;
        let mut then = vec![
            Operation::Put(keys.record.clone(), record.to_json()),
            Operation::Put(keys.base.clone(), to_json(&base.after(snapshot.base()))),
        ];
        then.extend(delete_weights(snapshot));
        if creates {
            then.push(self.put_taken(call, 0, offer.real_timestamp));
        }
        Transaction {
            compares: snapshot.is_current(),
            then,
            otherwise: match creates {
                true => read_all(keys),
                false => self.take(call, offer),
            },
        }
    }

    /// Shows the clock, and raises it by what is taken.
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
            process: self.process.to_string(),
            instance: self.instance,
            count,
            local: call.local,
            attempt: call.attempt,
            real_timestamp,
        };
        Operation::Put(self.keys.taken.clone(), to_json(&taken))
    }

    /// A base at `value`, written by this process.
    pub(super) fn base(&self, value: Time, real_timestamp: f64) -> Base {
        Base::counted(value, self.process.as_str(), self.instance, real_timestamp)
    }

    /// The times that an answer gives, or that its take was void, to be tried once more.
    fn times(
        &mut self,
        call: &Call,
        offer: &Offer,
        seen: &Snapshot,
        answer: &Answer,
    ) -> Result<Outcome> {
        let (before, after) = (&answer.before, &answer.after);
        // Its own step is not what makes it run ahead.
        let known = seen.clock().ok().flatten().unwrap_or_default();
        let ahead = call.local.ahead_of(known) > 1;
        if let (true, Some(ruled)) = (answer.succeeded, &offer.ruled) {
            self.others = 0;
            self.runs_ahead &= ahead;
            let first = Time::saturating(ruled.value.get() - call.count + 1);
            return self.hand_out(call, first, offer, ruled.came.clone(), answer);
        }
        self.note_take(after);
        let recorded = before.recorded()?;
        let Some(clock) = before.clock()? else {
            // No loss, or it would have been judged one: nobody had created the clock when it was
            // last seen, and a take is only sent to a clock that was.
            return Err(Error::new(
                ErrorKind::Internal,
                "the clock's keys were gone, and nobody had known them",
            ));
        };
        let first = clock.after(offer.extra)?.after(1)?;
        first.after(call.count - 1)?;
        self.others = before.taken().0.saturating_sub(seen.taken().0);
        self.runs_ahead = ahead && clock < call.local;
        if !is_void(first, call.local, call.attempt, recorded) {
            return self.hand_out(call, first, offer, Came::before(before), answer);
        }
        if call.attempt > 1 {
            return Err(Error::new(
                ErrorKind::Internal,
                format!(
                    "the store counts in a way that makes no sense: a take above {} gave {first}",
                    call.local
                ),
            ));
        }
        Ok(Outcome::Void(Void {
            revision: after.revision,
            repairs: self.losses.repairs(),
            clock,
            came: Came::before(before),
        }))
    }

    fn hand_out(
        &mut self,
        call: &Call,
        first: Time,
        offer: &Offer,
        came: Came,
        answer: &Answer,
    ) -> Result<Outcome> {
        let last = first.after(call.count - 1)?;
        let revision = answer.after.revision;
        if let Err(error) = self.losses.hand_out(revision, first, last) {
            self.snapshot = None;
            return Err(error);
        }
        Ok(Outcome::Times(Times {
            first,
            last,
            previous: came.previous,
            regressed: came.regressed,
            revision,
            real_timestamp: offer.real_timestamp,
            round_trips: call.round_trips,
        }))
    }
}

/// What an answer to an update comes to.
enum Outcome {
    Times(Times),
    Void(Void),
}

impl Call {
    fn conclude(&mut self, outcome: Result<Outcome>) {
        self.state = match outcome {
            Ok(Outcome::Times(times)) => State::Finished(Ok(times)),
            Ok(Outcome::Void(void)) => {
                self.attempt = 2;
                self.void = Some(void);
                State::Ready
            }
            Err(error) => State::Finished(Err(error)),
        };
    }
}

/// A base accounts for the weights, so its writer deletes them.
pub(super) fn delete_weights(snapshot: &Snapshot) -> impl Iterator<Item = Operation> {
    snapshot
        .weights()
        .map(|entry| Operation::Delete(entry.key.clone()))
}
