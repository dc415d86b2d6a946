//! The update protocol: how one request for times travels to the shared record and back.
//!
//! A state machine without I/O: [`poll`](Exchange::poll) says which transaction to send, the
//! `handle_*` methods are told what became of it. Who drives it decides about time, transport and
//! retries; this file decides what is written, and when a time belongs to whom.
//!
//! Plain optimistic retry collapses under a crowd, since each round has one winner and all others
//! try again. Here a loser leaves its request beside the record, and whoever commits next serves
//! everyone who waits (the helping of Herlihy's wait-free constructions, 1991, with etcd's
//! transaction as the compare-and-swap). So the second commit after a request was left has read it.
//!
//! That holds whoever helps. To spare the store the attempts that can only fail, the one who waits
//! longest serves and the others await their grant, as in a queue lock (Mellor-Crummey and Scott,
//! 1991); but nobody depends on it: who loses patience helps. As there, a newcomer learns only who
//! came right before it, from the `tail`: to queue up costs the same however many wait.
//!
//! Why no time has two owners: times are handed out by a transaction that compares the record's
//! revision, so between the reading of the record and its writing nobody else wrote. A time counts
//! as ours only if the reply says "committed", or if a grant bears our instance and the number of
//! this very request. After an unknown outcome the request gets a new number: if the old one did
//! commit, its times are a gap.

use std::mem;

use self::known::Repairs;
use self::rule::{Base, Offer};
use super::board::{Batch, Grant, Granted, Highest, Keys, Request, Tail, to_json};
use super::stamp::{Instance, ProcessId};
use super::time::Time;
use super::transaction::{Compare, Get, KeyRange, Operation, Reply, Transaction};
use crate::error::{Error, ErrorKind, Result};

mod known;
mod repair;
mod rule;
mod view;

pub use self::known::Known;
pub use self::repair::Condition;
pub use self::rule::Times;
pub use self::view::{Seen, Sighting, View};

/// The protocol of one process: one request at a time, and what is remembered between them.
#[derive(Clone, Debug)]
pub struct Exchange {
    keys: Keys,
    process: ProcessId,
    instance: Instance,
    max_jump: u64,
    /// The number of the newest request.
    seq: u64,
    /// The shared state as it was last seen; `None` before the first look.
    seen: Option<Seen>,
    /// The highest time that this process has ever known.
    highest: Time,
    known: Known,
    /// The highest time that others granted us. The record as we saw it last may be older: where that
    /// is found again, times are lost.
    granted: Time,
    repairs: Repairs,
    /// The store has lost something, or is another one, and was not found well since.
    lost: bool,
    /// How many repairs were accepted in a store that had lost something.
    restored: u64,
    /// In what state the store was found that had lost something: what it makes up for by itself
    /// does not bring back what others were given.
    forgot: Option<Known>,
    current: Option<Current>,
}

/// What [`Exchange::poll`] wants done.
#[derive(Clone, Debug)]
pub enum Step {
    /// Send this transaction and tell a `handle_*` method what became of it.
    Send(Transaction),
    /// Others before us will serve us. Tell [`Exchange::handle_granted`] what is written under the
    /// grants' key after revision `after`, or [`Exchange::handle_impatience`] that it took too long.
    Await {
        /// The revision from which on a grant may be ours.
        after: u64,
    },
    /// The request was served.
    Done(Times),
    /// The request can't be served; nothing was handed out.
    Failed(Error),
}

impl Exchange {
    /// The most times that one request may ask for: 2^32.
    pub const MAX_COUNT: u64 = 1 << 32;
    /// The most requests of others that one transaction serves.
    ///
    /// Each costs a delete; etcd takes 128 operations in a transaction unless told otherwise.
    pub const MAX_SERVED: u32 = 100;
    /// So many requests are read by who serves: those, its own, and one that tells of more.
    const LISTED: u32 = Exchange::MAX_SERVED + 2;

    /// The protocol of one life of `process` on the clock under `keys`.
    pub fn new(keys: Keys, process: ProcessId, instance: Instance, max_jump: u64) -> Exchange {
        Exchange {
            keys,
            process,
            instance,
            max_jump,
            seq: 0,
            seen: None,
            highest: Time::ZERO,
            known: Known::default(),
            granted: Time::ZERO,
            repairs: Repairs::default(),
            lost: false,
            restored: 0,
            forgot: None,
            current: None,
        }
    }

    /// Begins a request for `count` times, at least 1, with the local time of the rule (after its
    /// increment). A request that was begun before and not finished is abandoned.
    pub fn begin(&mut self, local: Time, count: u64) {
        self.seq += 1;
        let phase = match self.seen {
            // Not where the store has lost something: a request would be left there, time and again.
            Some(_) if !self.lost => Phase::Propose,
            _ => Phase::Look,
        };
        self.current = Some(Current {
            local,
            count,
            phase,
            asked: self.known(),
            post: None,
            informed: false,
            impatient: false,
            in_flight: None,
            round_trips: 0,
        });
    }

    /// What to do now. `real_timestamp` is the wall clock in Unix seconds: it is written into the
    /// record and decides nothing.
    pub fn poll(&mut self, real_timestamp: f64) -> Step {
        let Some(mut current) = self.current.take() else {
            return Step::Failed(Error::new(ErrorKind::Internal, "no request was begun"));
        };
        if self.is_void(current.asked) && current.is_open() {
            // Whatever was granted to this request may lie before the repair: now it is another one.
            self.seq += 1;
            current.post = None;
            current.phase = match self.seen {
                Some(_) => Phase::Propose,
                None => Phase::Look,
            };
        }
        let step = match mem::replace(&mut current.phase, Phase::Propose) {
            Phase::Finished(result) => match result {
                Ok(times) => Step::Done(times),
                Err(error) => Step::Failed(error),
            },
            Phase::Withdraw(error) => {
                current.phase = Phase::Withdraw(error);
                Step::Send(self.withdraw(&current))
            }
            Phase::Look => {
                current.phase = Phase::Look;
                Step::Send(self.look_transaction())
            }
            Phase::Doubt => {
                current.phase = Phase::Doubt;
                Step::Send(self.ask_again(&current))
            }
            Phase::Await(turn) => {
                let step = Step::Await { after: turn.heard };
                current.phase = Phase::Await(turn);
                step
            }
            // Only a store that has lost something could carry it out, and would look well after it.
            Phase::Propose if self.knows_more_than_it_saw() => Step::Send(self.ask_again(&current)),
            Phase::Propose => match self.propose(&current, real_timestamp) {
                Ok((transaction, offer)) => {
                    current.in_flight = Some(offer);
                    Step::Send(transaction)
                }
                Err(error) => {
                    // What we remember speaks against it; somebody may have mended it since.
                    if current.informed {
                        current.fail(error);
                    } else {
                        // A restored store may stand at an older revision than we remember.
                        self.seen = None;
                        current.phase = Phase::Look;
                    }
                    self.current = Some(current);
                    return self.poll(real_timestamp);
                }
            },
            Phase::Help(view) => match self.help(&current, &view, real_timestamp) {
                Ok((transaction, offer)) => {
                    current.in_flight = Some(offer);
                    current.phase = Phase::Help(view);
                    Step::Send(transaction)
                }
                Err(error) => {
                    current.fail(error);
                    self.current = Some(current);
                    return self.poll(real_timestamp);
                }
            },
        };
        if matches!(step, Step::Send(_) | Step::Await { .. }) {
            current.asked = self.known();
            self.current = Some(current);
        }
        step
    }

    /// The transaction was carried out, and this is the answer.
    pub fn handle_reply(&mut self, reply: &Reply) {
        let Some(mut current) = self.current.take() else {
            return;
        };
        current.round_trips += 1;
        let offer = current.in_flight.take();
        if offer.is_some() && reply.succeeded && self.is_void(current.asked) {
            // Committed in the store as it was before it was repaired: as good as lost.
            self.current = Some(current);
            return;
        }
        match (&current.phase, offer) {
            (Phase::Withdraw(error), _) => current.phase = Phase::Finished(Err(error.clone())),
            (Phase::Propose | Phase::Help(_), Some(offer)) if reply.succeeded => {
                let found = Known {
                    cluster: reply.cluster,
                    revision: reply.revision,
                    highest: offer.stood,
                    repairs: 0,
                };
                if let Some(less) = self.found_less(current.asked, found) {
                    // It holds all that we compared, and not all that we know: others may have been
                    // given these times. Nobody gets them now.
                    self.note_loss(current.asked, found);
                    current.phase = Phase::Finished(Err(current.asked.lost(less)));
                    self.current = Some(current);
                    return;
                }
                self.known = self.known.and(Known {
                    highest: offer.newest,
                    ..found
                });
                self.highest = self.highest.max(offer.newest);
                self.seen = Some(Seen {
                    highest: offer.newest,
                    highest_revision: reply.revision,
                    served: offer.served,
                    repaired: offer.repaired,
                    revision: reply.revision,
                    record: Some(Sighting {
                        revision: reply.revision,
                        ..offer.record
                    }),
                });
                current.phase = Phase::Finished(Ok(Times {
                    revision: reply.revision,
                    round_trips: current.round_trips,
                    ..offer.mine
                }));
            }
            (phase, _) => {
                // A compare failed: our request now lies with the others, if it did not already.
                let queues_up = matches!(phase, Phase::Propose | Phase::Help(_) | Phase::Doubt);
                let view = View::parse(reply, &self.keys);
                if queues_up && current.post.is_none() {
                    current.post = Some(Post {
                        revision: reply.revision,
                        before: view.as_ref().map_or(u64::MAX, View::awaited),
                    });
                }
                match view {
                    Ok(view) => self.absorb(&mut current, view),
                    Err(error) => current.fail(error),
                }
            }
        }
        self.current = Some(current);
    }

    /// The transaction was certainly not carried out: the same may be sent again.
    pub fn handle_refused(&mut self) {
        if let Some(current) = &mut self.current {
            current.round_trips += 1;
            current.in_flight = None;
            current.give_up_withdrawing();
        }
    }

    /// Nobody knows whether the transaction was, or will be, carried out.
    pub fn handle_lost(&mut self) {
        let Some(current) = &mut self.current else {
            return;
        };
        current.round_trips += 1;
        current.in_flight = None;
        if matches!(current.phase, Phase::Look) {
            // Only a look was lost.
            return;
        }
        // Whatever was or will be granted to the old number belongs to nobody.
        self.seq += 1;
        current.post = None;
        if matches!(current.phase, Phase::Help(_)) {
            current.phase = Phase::Propose;
            // Those behind us wait for a request that is gone, and we would wait behind them.
            current.impatient = true;
        }
        current.give_up_withdrawing();
    }

    /// While we [await](Step::Await) our grant: what lies under the grants' key, as `revision` wrote
    /// it. Ends the wait if we were served, or if all who came before us were and we are next.
    pub fn handle_granted(&mut self, bytes: &[u8], revision: u64) {
        let Some(mut current) = self.current.take() else {
            return;
        };
        if let Phase::Await(turn) = &mut current.phase
            && revision > turn.heard
        {
            turn.heard = revision;
            let granted = Granted::parse(bytes, revision);
            let next = granted.served() >= turn.before;
            let ours = granted.find(self.instance, self.seq).is_some();
            let told = Known {
                revision,
                highest: granted.newest(),
                ..Known::default()
            };
            // If we know of more, others of our process were quicker, or the store was restored while
            // we waited: a look tells.
            let certain =
                !self.is_void(current.asked) && self.found_less(self.known(), told).is_none();
            if certain && let Some(times) = self.times_granted(&granted, current.round_trips) {
                current.phase = Phase::Finished(Ok(times));
            } else if next || ours {
                // It is our turn to serve, or we were passed over: see who is there.
                current.phase = Phase::Look;
            }
        }
        self.current = Some(current);
    }

    /// The [wait](Step::Await) for our grant took too long: whoever should serve us may be gone.
    pub fn handle_impatience(&mut self) {
        if let Some(current) = &mut self.current {
            if matches!(current.phase, Phase::Await(_)) {
                current.phase = Phase::Look;
            }
            current.impatient = true;
        }
    }

    /// A read or a watch saw the shared state; what is older than what we know is passed over.
    ///
    /// Also what tells of another repair than the newest one we accepted: a watch may bring late what
    /// was there before it, and a look will see one that is newer.
    pub fn observe(&mut self, seen: Seen) {
        if seen.repaired != self.repairs.newest() {
            return;
        }
        let told = Known {
            revision: seen.revision,
            highest: seen.highest,
            ..Known::default()
        };
        if told.revision >= self.known.revision && told.highest < self.known.highest {
            // No stale read: newer than all we know, and less.
            self.note_loss(self.known, told);
            return;
        }
        if self
            .seen
            .as_ref()
            .is_none_or(|known| known.revision < seen.revision)
        {
            // A value from far ahead may be a slip that somebody mends: it is not taken to heart.
            let value = seen.record.as_ref().map_or(Time::ZERO, Sighting::value);
            let newest = seen.highest.max(value);
            if newest.ahead_of(self.highest) <= self.max_jump {
                self.highest = self.highest.max(newest);
            }
            self.known = self.known.and(told);
            self.seen = Some(seen);
        }
    }

    /// The record changed at `revision` in a way that says too little: unless something newer is
    /// known, the next request looks first.
    pub fn forget_before(&mut self, revision: u64) {
        if self
            .seen
            .as_ref()
            .is_some_and(|seen| seen.revision < revision)
        {
            self.seen = None;
        }
    }

    /// What is known of the store, to be kept until the answer to what is sent now has come: see
    /// [`handle_look`](Exchange::handle_look).
    pub fn known(&self) -> Known {
        Known {
            highest: self.known.highest.max(self.granted),
            ..self.known
        }
    }

    /// How often the store was repaired after it had lost something: its revisions are not those of
    /// before, so whoever stands at one of these stands nowhere.
    pub fn restored(&self) -> u64 {
        self.restored
    }

    /// The transaction that reads the shared state and changes nothing.
    pub fn look_transaction(&self) -> Transaction {
        Transaction {
            then: self.look(),
            ..Transaction::default()
        }
    }

    /// A reply to [`look_transaction`](Exchange::look_transaction), to be shown and remembered.
    ///
    /// [`ErrorKind::Regressed`] if it shows less than was [`known`](Exchange::known) when it was asked
    /// for. A read may be stale for a moment (etcd issue 20418), so that is worth a second look.
    pub fn handle_look(&mut self, asked: Known, reply: &Reply) -> Result<View> {
        let view = View::parse(reply, &self.keys)?;
        self.judge(asked, &view)?;
        self.observe(view.seen());
        Ok(view)
    }

    /// Whether the store still has all that we knew when we asked.
    fn judge(&mut self, asked: Known, view: &View) -> Result<()> {
        let found = view.known();
        if view.is_robbed() {
            return Err(self.robbed(found));
        }
        if self.repairs.excuse(view.repaired(), self.known) {
            // Somebody has moved the clock past all we know: what we knew before is void.
            if self.found_less(self.known, found).is_some() {
                self.restored += 1;
                self.seen = None;
            }
            self.known = Known {
                repairs: self.known.repairs + 1,
                ..found
            };
            self.granted = Time::ZERO;
            self.forgot = None;
        } else if self.is_void(asked) {
            // Of what was asked before a repair nothing is to be learnt: whoever asked asks again.
            return Err(asked.lost(found));
        } else if let Some(less) = self.found_less(asked, found) {
            return Err(asked.lost(less));
        }
        self.known = self.known.and(found);
        self.repairs.remember(view.repaired());
        self.lost = false;
        Ok(())
    }

    /// Whether a repair was accepted since this was known: another caller of this process saw it.
    fn is_void(&self, asked: Known) -> bool {
        asked.repairs != self.known.repairs
    }

    /// In what state the store is found that has less than was known, or was once found.
    fn found_less(&self, asked: Known, found: Known) -> Option<Known> {
        if asked.is_contradicted_by(found) {
            return Some(found);
        }
        self.forgot
    }

    /// What was no stale read speaks of a loss.
    fn note_loss(&mut self, asked: Known, found: Known) {
        self.lost = true;
        // It is of the store as it was: it can't say who waits in this one.
        self.seen = None;
        if asked.is_forgotten_in(found) {
            self.forgot.get_or_insert(found);
        }
    }

    fn robbed(&self, found: Known) -> Error {
        Error::new(
            ErrorKind::Regressed,
            format!(
                "the record under {} is gone, and times up to {} were handed out. No time is handed \
                 out until somebody has moved the clock forward: lamport repair",
                String::from_utf8_lossy(&self.keys.record),
                found.highest
            ),
        )
    }

    /// The keys of the clock.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What a reply that did not commit means for the request.
    fn absorb(&mut self, current: &mut Current, view: View) {
        current.informed = true;
        if let Err(error) = self.judge(current.asked, &view) {
            if self.is_void(current.asked) {
                return;
            }
            let found = view.known();
            // A read may have been stale; what has gone through the store's log is not. Once bitten
            // we leave it at the read, which leaves nothing in a store that is not ours, unless it
            // says what only a repair could make good.
            let is_news =
                !self.lost || (self.forgot.is_none() && current.asked.is_forgotten_in(found));
            if matches!(current.phase, Phase::Look) && is_news {
                // Asked again it may be left with the others once more: as another request.
                self.seq += 1;
                current.post = None;
                current.phase = Phase::Doubt;
            } else {
                self.note_loss(current.asked, found);
                current.fail(error);
            }
            return;
        }
        self.observe(view.seen());
        let just_left = |post: &Post| post.revision == view.revision;
        if self.is_void(current.asked) {
            // By a repair that was just accepted. The request begins anew, unless it was left in this
            // very transaction: then it came after the repair.
            if !current.post.as_ref().is_some_and(just_left) {
                return;
            }
            current.asked = self.known();
        }
        if matches!(current.phase, Phase::Look) && current.post.is_none() {
            current.phase = Phase::Propose;
            return;
        }
        if let Some(times) = self.times_granted(&view.granted, current.round_trips) {
            current.phase = Phase::Finished(Ok(times));
            return;
        }
        let waits = |post: &Post| {
            just_left(post)
                // Not if all requests of its time count as served, or the tail as never written:
                // somebody deleted keys, and nobody would ever stop for ours.
                || (view.served() < post.revision
                    && post.revision <= view.tail
                    && view.waits(self.instance, self.seq))
        };
        let Some(post) = current.post.filter(waits) else {
            // Neither waiting nor granted: an older request of ours took this one's place, or we
            // slept while the grant passed by. Ask anew, under a new number.
            self.seq += 1;
            current.post = None;
            current.phase = Phase::Help(view);
            return;
        };
        // The oldest serves all; the others only get in its way. Who has waited in vain once, helps,
        // and so does who may stand behind nobody but itself: a request of ours whose fate we never
        // learned. Both need to see everybody first.
        let behind_ourselves = view.tail_of == Some(self.instance) && view.tail == post.before;
        let helps = current.impatient || behind_ourselves;
        current.phase = if view.is_oldest(&post, self.instance) {
            Phase::Help(view)
        } else if helps && view.waiting.is_none() {
            Phase::Look
        } else if current.impatient {
            Phase::Help(view)
        } else {
            Phase::Await(Turn {
                before: post.before,
                heard: view.revision,
            })
        };
    }

    /// Our times, if they are among the grants.
    fn times_granted(&mut self, granted: &Granted, round_trips: u32) -> Option<Times> {
        let found = granted.find(self.instance, self.seq)?;
        self.highest = self.highest.max(found.grant.last());
        self.granted = self.granted.max(found.grant.last());
        let first_of_batch = found.batch.grants.first() == Some(found.grant);
        Some(Times {
            first: found.grant.first,
            last: found.grant.last(),
            previous: found.previous,
            regressed: found
                .batch
                .regressed
                .filter(|_| first_of_batch)
                .map(Time::saturating),
            revision: found.batch.revision,
            real_timestamp: found.batch.real_timestamp,
            round_trips,
        })
    }

    /// IF nobody wrote since we looked, and nobody waits, THEN take the times, ELSE queue up.
    fn propose(&self, current: &Current, real_timestamp: f64) -> Result<(Transaction, Offer)> {
        let seen = self.seen.clone().unwrap_or_default();
        let base = Base::of(&seen, self.highest)?;
        let mine = self.own_request(current);
        let (grant, times) = base.serve(self.instance, &mine, self.max_jump, real_timestamp)?;
        let offer = base.offer(&grant, seen.served, times, real_timestamp);
        let mut compares = self.unchanged(&seen);
        compares.push(Compare::ModRevision(self.keys.tail.clone(), seen.served));
        let transaction = Transaction {
            compares,
            then: self.put_record(&offer, &grant),
            otherwise: [self.glance(), self.queue_up(current)].concat(),
        };
        Ok((transaction, offer))
    }

    /// The record as we saw it last is not the newest that we know of.
    fn knows_more_than_it_saw(&self) -> bool {
        let seen = self.seen.as_ref().map_or(Time::ZERO, |seen| seen.highest);
        seen < self.known().highest
    }

    /// Queue up and read, through the store's log: what comes back is not stale.
    fn ask_again(&self, current: &Current) -> Transaction {
        Transaction {
            // Holds nowhere: this attempt is not for the times.
            compares: vec![Compare::ModRevision(self.keys.record.clone(), u64::MAX)],
            then: Vec::new(),
            otherwise: [self.glance(), self.queue_up(current)].concat(),
        }
    }

    /// Serve everyone who waits, oldest first, and ourselves.
    ///
    /// Our own request is always among the served, even past the limit: so one commit of ours ends
    /// our wait, and the oldest of the others are never passed over.
    fn help(
        &self,
        current: &Current,
        view: &View,
        real_timestamp: f64,
    ) -> Result<(Transaction, Offer)> {
        let mut base = Base::of(&view.seen(), self.highest)?;
        let previous = base.previous.clone();
        let regressed = base.regressed;
        let mine = self.own_request(current);

        let listed = view.waiting.as_deref().unwrap_or_default();
        let mut grants = Vec::with_capacity(listed.len() + 1);
        let mut my_times = None;
        let mut cleared = Vec::with_capacity(listed.len() + 1);
        let mut others = 0;
        let mut newest_served = None;
        let mut some_are_left = false;
        for waiting in listed {
            let ours = waiting.instance == Some(self.instance);
            if !ours {
                if others == Exchange::MAX_SERVED {
                    some_are_left = true;
                    break;
                }
                others += 1;
            }
            newest_served = Some(waiting.revision);
            cleared.push(waiting.key.clone());
            if ours {
                let (grant, times) =
                    base.serve(self.instance, &mine, self.max_jump, real_timestamp)?;
                base.advance(&grant);
                grants.push(grant);
                my_times = Some(times);
                continue;
            }
            // A request that can't be read or served is cleared away without a grant: whoever left
            // it will find itself neither waiting nor granted, and learn why by its own attempt.
            let (Some(instance), Some(request)) = (waiting.instance, &waiting.request) else {
                continue;
            };
            if let Ok((grant, _)) = base.serve(instance, request, self.max_jump, real_timestamp) {
                base.advance(&grant);
                grants.push(grant);
            }
        }
        let my_times = match my_times {
            Some(times) => times,
            None => {
                let (grant, times) =
                    base.serve(self.instance, &mine, self.max_jump, real_timestamp)?;
                base.advance(&grant);
                grants.push(grant);
                if current.post.is_some() {
                    cleared.push(self.keys.request(self.instance));
                }
                times
            }
        };

        let newest = grants.last().expect("our own grant is among them").clone();
        let served = match newest_served {
            Some(revision) if some_are_left => revision,
            // Nobody else was there when we queued up, or these are all.
            _ => current
                .post
                .map_or(view.tail, |post| view.tail.max(post.revision)),
        };
        let offer = base.offer(&newest, served, my_times, real_timestamp);
        let mut granted = view.granted.clone();
        granted.push(Batch {
            revision: 0,
            previous,
            served,
            regressed: regressed.map(Time::get),
            real_timestamp,
            grants,
        });
        let mut then = self.put_record(&offer, &newest);
        then.push(Operation::Put(self.keys.granted.clone(), to_json(&granted)));
        then.extend(cleared.into_iter().map(Operation::Delete));
        let mut otherwise = self.look();
        if current.post.is_none() {
            otherwise.extend(self.queue_up(current));
        }
        Ok((
            Transaction {
                compares: self.unchanged(&view.seen()),
                then,
                otherwise,
            },
            offer,
        ))
    }

    /// Takes our request back. If nobody waited before it and nobody came after it, the tail goes
    /// too, or the next one to come would wait behind nobody.
    fn withdraw(&self, current: &Current) -> Transaction {
        let request = Operation::Delete(self.keys.request(self.instance));
        let served = self.seen.as_ref().map_or(0, |seen| seen.served);
        match current.post.filter(|post| post.before <= served) {
            Some(post) => Transaction {
                compares: vec![Compare::ModRevision(self.keys.tail.clone(), post.revision)],
                then: vec![request.clone(), Operation::Delete(self.keys.tail.clone())],
                otherwise: vec![request],
            },
            None => Transaction {
                then: vec![request],
                ..Transaction::default()
            },
        }
    }

    fn own_request(&self, current: &Current) -> Request {
        Request {
            seq: self.seq,
            local: current.local,
            count: current.count,
            process_id: self.process.to_string(),
        }
    }

    /// The record is the one that was seen. The bytes are compared beside the revision since a
    /// restored store may use a revision a second time.
    ///
    /// So is the highest time: "no record" alone may be the same absence seen twice, with updates
    /// and a deletion in between.
    fn unchanged(&self, seen: &Seen) -> Vec<Compare> {
        let key = || self.keys.record.clone();
        let highest = Compare::ModRevision(self.keys.highest.clone(), seen.highest_revision);
        match &seen.record {
            Some(sighting) => vec![
                Compare::ModRevision(key(), sighting.revision),
                Compare::Value(key(), sighting.bytes.clone()),
                highest,
            ],
            None => vec![Compare::ModRevision(key(), 0), highest],
        }
    }

    fn put_record(&self, offer: &Offer, newest: &Grant) -> Vec<Operation> {
        let highest = Highest {
            value: newest.last(),
            count: newest.count,
            instance: newest.instance,
            served: offer.served,
            repaired: offer.repaired,
        };
        vec![
            Operation::Put(self.keys.record.clone(), offer.record.bytes.clone()),
            Operation::Put(self.keys.highest.clone(), to_json(&highest)),
        ]
    }

    /// Leaves our request with the others. After the reads: the tail that they show is not ours.
    fn queue_up(&self, current: &Current) -> Vec<Operation> {
        let request = to_json(&self.own_request(current));
        let tail = Tail {
            instance: self.instance,
        };
        vec![
            Operation::Put(self.keys.request(self.instance), request),
            Operation::Put(self.keys.tail.clone(), to_json(&tail)),
        ]
    }

    /// Reads all that has a fixed size, more or less: what it costs does not grow with those who
    /// wait. [`View::parse`] takes it apart in the same order.
    fn glance(&self) -> Vec<Operation> {
        [
            &self.keys.record,
            &self.keys.highest,
            &self.keys.granted,
            &self.keys.tail,
        ]
        .map(|key| Operation::Get(Get::all(KeyRange::key(key))))
        .into()
    }

    /// Reads everything.
    fn look(&self) -> Vec<Operation> {
        let mut reads = self.glance();
        reads.push(Operation::Get(Get {
            limit: Exchange::LISTED,
            ..Get::all(KeyRange::prefix(&self.keys.waiting))
        }));
        reads
    }
}

/// The request in hand.
#[derive(Clone, Debug)]
struct Current {
    local: Time,
    count: u64,
    phase: Phase,
    /// What was known when the transaction in flight was sent.
    asked: Known,
    /// Our request, under its present number, if it lies with the others.
    post: Option<Post>,
    /// Whether a reply has shown the shared state since the request began.
    informed: bool,
    /// Whether we waited for others to serve us, and they did not.
    impatient: bool,
    /// What the transaction in flight hands out if it commits.
    in_flight: Option<Offer>,
    round_trips: u32,
}

#[derive(Clone, Debug)]
enum Phase {
    /// Nothing is known yet, or it is our turn to serve and others may have come: read.
    Look,
    /// A read showed less than we know: see whether it was stale.
    Doubt,
    /// Try the short way, from what was seen last.
    Propose,
    /// Wait to be served.
    Await(Turn),
    /// Serve all who wait in this view.
    Help(View),
    /// Take the request back, then fail.
    Withdraw(Error),
    Finished(Result<Times>),
}

/// A request that lies with the others.
#[derive(Clone, Copy, Debug)]
struct Post {
    /// The revision that left it.
    revision: u64,
    /// The revision of the request right before it; 0: nobody waited.
    before: u64,
}

/// Our place among those who wait.
#[derive(Clone, Debug)]
struct Turn {
    /// It is our turn once the request of this revision was served.
    before: u64,
    /// The newest revision of the grants that we know.
    heard: u64,
}

impl Current {
    fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Withdraw(_) | Phase::Finished(_))
    }

    fn fail(&mut self, error: Error) {
        self.phase = if self.post.is_some() {
            Phase::Withdraw(error)
        } else {
            Phase::Finished(Err(error))
        };
    }

    /// One attempt at taking the request back is enough: what stays behind is served as a gap.
    fn give_up_withdrawing(&mut self) {
        if let Phase::Withdraw(error) = &self.phase {
            self.phase = Phase::Finished(Err(error.clone()));
        }
    }
}

// The reference store is the protocol's partner in the tests.
#[cfg(all(test, feature = "shared"))]
mod tests;
