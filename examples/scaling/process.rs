//! One process: the library's own state machine, and around it what the driver of the library does
//! with it (`src/shared/driver.rs`, `src/shared/fold.rs`, `src/store/etcd/patience.rs`): callers that
//! gather behind the request under way, the patience of an attempt, the pause before the next one,
//! the deadline of a call, and the folds.

use std::mem;
use std::sync::Arc;

use lamport_clock::protocol::{
    Call, Fold, KeyRange, Keys, Protocol, Question, Reply, Reservation, Snapshot, Step, Transaction,
};
use lamport_clock::{Error, Instance, LocalClock, ProcessId, Time};

use crate::server::{Nanos, Server};

const MILLISECOND: Nanos = 1_000_000;
/// The default of `LAMPORT_TIMEOUT`.
pub(crate) const TIMEOUT: Nanos = 5_000 * MILLISECOND;
/// How long after a take a process looks whether it rests: whether no call of its own is under way.
pub(crate) const REST: Nanos = 5 * MILLISECOND;
const LEAST_PATIENCE: Nanos = 300 * MILLISECOND;
/// Each attempt goes to another member; patience doubles when all of them were silent.
const MEMBERS: u32 = 3;
const SHORTEST_PAUSE: Nanos = 10 * MILLISECOND;
const LONGEST_PAUSE: Nanos = 250 * MILLISECOND;
/// The wall clock at the start, for records of a true length.
const EPOCH: f64 = 1_790_000_000.123_456;

pub(crate) struct Process {
    protocol: Protocol,
    /// Which of the shared clocks it belongs to.
    pub(crate) clock: usize,
    local: u64,
    waiting: Vec<Caller>,
    in_flight: Vec<Caller>,
    /// What carries those in flight.
    call: Option<Call>,
    /// The attempt under way; what concerns another one comes too late.
    pub(crate) attempt: u64,
    sent: Nanos,
    patience: Nanos,
    /// How many attempts ran out of this patience.
    ran_out: u32,
    pause: Nanos,
    deadline: Nanos,
    round_trips: u32,
    /// Attempts of this call that were given up.
    lost: u32,
    /// A rest is awaited, to fold in it.
    resting: bool,
}

/// A call of `update` that waits for its time.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) id: usize,
    pub(crate) called: Nanos,
    /// The highest time handed out by anybody before the call.
    pub(crate) floor: u64,
}

/// What a process wants next.
pub(crate) enum Next {
    /// Nobody waits.
    Rest,
    /// Carry this to the server; give it up after so long.
    Send(Arc<Transaction>, Nanos),
    /// These have their times, in order.
    Served(Vec<Caller>, Reservation, Trips),
    /// The protocol refuses.
    Failed(Error),
}

/// The transactions of one request.
pub(crate) struct Trips {
    pub(crate) all: u32,
    /// Those whose answer did not come in time.
    pub(crate) lost: u32,
}

/// What a process does about its folds.
pub(crate) enum Folding {
    Nothing,
    /// Sends this, beside whatever else goes on.
    Send(Box<Question>),
    /// Waits for a [`REST`].
    Rest,
    /// Reads this first, as its member has it.
    Look(KeyRange),
}

/// What to do after an attempt was given up.
pub(crate) enum After {
    Pause(Nanos),
    OutOfTime(Vec<Caller>),
}

impl Process {
    pub(crate) fn new(number: usize, record: &str, clock: usize) -> Process {
        let name = ProcessId::new(&format!("container-{number:05}")).expect("a valid name");
        // Sixteen hexadecimal digits, as those that are drawn at random.
        let instance = Instance::new(0x5eed_0000_0000_0000 + number as u64);
        Process {
            protocol: Protocol::new(Keys::new(record), name, instance, LocalClock::MAX_JUMP),
            clock,
            local: 0,
            waiting: Vec::new(),
            in_flight: Vec::new(),
            call: None,
            attempt: 0,
            sent: 0,
            patience: LEAST_PATIENCE,
            ran_out: 0,
            pause: 0,
            deadline: 0,
            round_trips: 0,
            lost: 0,
            resting: false,
        }
    }

    /// Looks once, long before it is measured, as a process does when it opens its clock.
    pub(crate) fn connect(&mut self, server: &mut Server) {
        let asked = self.protocol.known();
        let (reply, _) = server.read(&self.protocol.keys().all());
        let seen = self.protocol.handle_look(asked, &reply, true);
        seen.expect("an empty store can be read");
    }

    /// Creates its clock, which happens once in a clock's life; returns the time that it took.
    pub(crate) fn create(&mut self, server: &mut Server) -> u64 {
        self.local += 1;
        let local = Time::new(self.local).expect("far below the end of time");
        let mut call = self.protocol.begin(local, 1);
        loop {
            match self.protocol.poll(&mut call, EPOCH) {
                Step::Send(transaction) => {
                    let (reply, _) = server.apply(&transaction);
                    self.protocol.handle_reply(&mut call, &reply);
                }
                Step::Done(times) => {
                    self.local = times.last.get();
                    return self.local;
                }
                Step::Look | Step::Failed(_) => unreachable!("it is alone"),
            }
        }
    }

    /// Queues a caller up; true if nothing was under way.
    pub(crate) fn call(&mut self, caller: Caller) -> bool {
        self.waiting.push(caller);
        self.in_flight.is_empty()
    }

    /// What the protocol wants now.
    pub(crate) fn advance(&mut self, now: Nanos) -> Next {
        if self.call.is_none() {
            if self.waiting.is_empty() {
                return Next::Rest;
            }
            self.begin();
        }
        let call = self.call.as_mut().expect("one was begun");
        match self.protocol.poll(call, wall(now)) {
            Step::Send(transaction) => {
                self.attempt += 1;
                self.round_trips += 1;
                self.sent = now;
                let within = self.patience.min(self.deadline.saturating_sub(now));
                Next::Send(transaction, within)
            }
            Step::Done(times) => {
                self.call = None;
                self.local = self.local.max(times.last.get());
                let trips = Trips {
                    all: self.round_trips,
                    lost: self.lost,
                };
                Next::Served(mem::take(&mut self.in_flight), times, trips)
            }
            Step::Failed(error) => Next::Failed(error),
            Step::Look => unreachable!("it has looked, and the store loses nothing"),
        }
    }

    pub(crate) fn hear(&mut self, now: Nanos, reply: &Reply) {
        // The attempt is over: nobody gives it up any more.
        self.attempt += 1;
        let took = now - self.sent;
        self.patience = (took * 4).max(LEAST_PATIENCE);
        self.ran_out = 0;
        self.pause = 0;
        if let Some(call) = &mut self.call {
            self.protocol.handle_reply(call, reply);
        }
    }

    /// No answer came in time.
    pub(crate) fn give_up(&mut self, now: Nanos) -> After {
        if let Some(call) = &mut self.call {
            self.protocol.handle_lost(call);
        }
        self.lost += 1;
        self.attempt += 1;
        self.ran_out += 1;
        if self.ran_out >= MEMBERS {
            self.patience *= 2;
            self.ran_out = 0;
        }
        let pause = self.pause;
        self.pause = (pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        if now + pause >= self.deadline {
            self.call = None;
            return After::OutOfTime(mem::take(&mut self.in_flight));
        }
        After::Pause(pause)
    }

    /// After a request: when to fold what it took.
    pub(crate) fn when_to_fold(&mut self, now: Nanos) -> Folding {
        match self.protocol.fold_due() {
            None => Folding::Nothing,
            Some(Fold::InACrowd) => match self.protocol.snapshot().cloned() {
                Some(seen) => self.fold(Fold::InACrowd, &seen, now),
                None => Folding::Nothing,
            },
            // One rest is enough for all takes before it.
            Some(Fold::AtRest) if self.resting => Folding::Nothing,
            Some(Fold::AtRest) => {
                self.resting = true;
                Folding::Rest
            }
        }
    }

    /// A [`REST`] is over.
    pub(crate) fn rested(&mut self, now: Nanos) -> Folding {
        self.resting = false;
        if !self.in_flight.is_empty() || !self.waiting.is_empty() {
            return Folding::Nothing;
        }
        match self.protocol.sole_take() {
            Some(seen) => self.fold(Fold::AtRest, &seen, now),
            None => Folding::Look(self.protocol.keys().all()),
        }
    }

    /// The answer to the read before a fold at rest.
    pub(crate) fn looked(&mut self, now: Nanos, reply: &Reply) -> Folding {
        let seen = Arc::new(Snapshot::of(self.protocol.keys(), reply));
        self.fold(Fold::AtRest, &seen, now)
    }

    pub(crate) fn folded(&mut self, question: &Question, reply: &Reply) {
        self.protocol.handle_fold(question, reply);
    }

    fn fold(&self, form: Fold, seen: &Arc<Snapshot>, now: Nanos) -> Folding {
        match self.protocol.fold(form, seen, wall(now)) {
            Some(question) => Folding::Send(Box::new(question)),
            None => Folding::Nothing,
        }
    }

    fn begin(&mut self) {
        self.in_flight = mem::take(&mut self.waiting);
        let newest = self.in_flight.iter().map(|caller| caller.called).max();
        self.deadline = newest.expect("somebody waits") + TIMEOUT;
        self.round_trips = 0;
        self.lost = 0;
        self.pause = 0;
        self.local += 1;
        let local = Time::new(self.local).expect("far below the end of time");
        self.call = Some(self.protocol.begin(local, self.in_flight.len() as u64));
    }
}

fn wall(now: Nanos) -> f64 {
    EPOCH + now as f64 / 1e9
}
