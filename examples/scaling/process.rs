//! One process: the library's own state machine, and around it what the driver of the library does
//! with it (`src/shared/driver.rs`, `src/shared/grants.rs`, `src/store/etcd/mod.rs`): callers that
//! gather behind the request under way, the patience of an attempt and of the wait for a grant, the
//! pause before the next attempt, the deadline of a call.

use std::collections::VecDeque;
use std::mem;

use lamport_clock::logic::board::Keys;
use lamport_clock::logic::exchange::{Exchange, Step, Times};
use lamport_clock::logic::transaction::{Reply, Transaction};
use lamport_clock::{Error, Instance, ProcessId, Time};

use crate::server::{Nanos, Server};
use crate::watches::{IDLE, Written};

const MILLISECOND: Nanos = 1_000_000;
/// The default of `LAMPORT_TIMEOUT`.
pub(crate) const TIMEOUT: Nanos = 5_000 * MILLISECOND;
const LEAST_PATIENCE: Nanos = 300 * MILLISECOND;
const SHORTEST_PAUSE: Nanos = 10 * MILLISECOND;
const LONGEST_PAUSE: Nanos = 250 * MILLISECOND;
/// Bounds of the wait to be served by others, for one who is next to nobody.
const LEAST_WAIT: Nanos = 50 * MILLISECOND;
const MOST_WAIT: Nanos = 500 * MILLISECOND;
/// So many states of the grants are remembered.
const REMEMBERED: usize = 16;
/// The wall clock at the start, for records of a true length.
const EPOCH: f64 = 1_790_000_000.123_456;

pub(crate) struct Process {
    exchange: Exchange,
    /// Which of the shared clocks it belongs to.
    pub(crate) clock: usize,
    local: u64,
    waiting: Vec<Caller>,
    in_flight: Vec<Caller>,
    /// The attempt under way; what concerns another one comes too late.
    pub(crate) attempt: u64,
    sent: Nanos,
    patience: Nanos,
    /// Not all lose patience with a grant at once.
    spread: Nanos,
    pause: Nanos,
    deadline: Nanos,
    round_trips: u32,
    /// How long a round trip takes at present, smoothed.
    round_trip: Nanos,
    /// Waits to be served by others: for grants after this revision.
    awaited: Option<u64>,
    /// When it last waited, while its watch lasts.
    wanted: Option<Nanos>,
    /// The grants that its watches told of, in rising order.
    heard: VecDeque<Written>,
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
    Send(Transaction, Nanos),
    /// Others will serve it; it helps itself after so long.
    Await(Wait),
    /// These have their times, in order, after so many round trips.
    Served(Vec<Caller>, Times, u32),
    /// The protocol refuses.
    Failed(Error),
}

/// A wait to be served.
pub(crate) struct Wait {
    pub(crate) within: Nanos,
    /// The revision after which a watch is to be opened; `None`: one is open.
    pub(crate) open: Option<u64>,
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
            exchange: Exchange::new(Keys::new(record), name, instance, 1 << 48),
            clock,
            local: 0,
            waiting: Vec::new(),
            in_flight: Vec::new(),
            attempt: 0,
            sent: 0,
            patience: LEAST_PATIENCE,
            spread: number as Nanos % 16,
            pause: 0,
            deadline: 0,
            round_trips: 0,
            round_trip: 0,
            awaited: None,
            wanted: None,
            heard: VecDeque::new(),
        }
    }

    /// Where the grants of its clock lie.
    pub(crate) fn granted_key(&self) -> &[u8] {
        &self.exchange.keys().granted
    }

    /// Looks once, long before it is measured, as a process does when it opens its clock.
    pub(crate) fn connect(&mut self, server: &mut Server) {
        let asked = self.exchange.known();
        let (reply, _) = server.apply(&self.exchange.look_transaction());
        let seen = self.exchange.handle_look(asked, &reply);
        seen.expect("an empty store can be read");
    }

    /// Queues a caller up; true if nothing was under way.
    pub(crate) fn call(&mut self, caller: Caller) -> bool {
        self.waiting.push(caller);
        self.in_flight.is_empty()
    }

    /// What the protocol wants now.
    pub(crate) fn advance(&mut self, now: Nanos) -> Next {
        if self.in_flight.is_empty() {
            if self.waiting.is_empty() {
                return Next::Rest;
            }
            self.begin();
        }
        match self.poll(now) {
            Step::Send(transaction) => {
                self.attempt += 1;
                self.round_trips += 1;
                self.sent = now;
                let within = self.patience.min(self.deadline.saturating_sub(now));
                Next::Send(transaction, within)
            }
            Step::Await { after } => {
                self.attempt += 1;
                self.awaited = Some(after);
                let base = (self.round_trip * 10).clamp(LEAST_WAIT, MOST_WAIT);
                let patience = base + base * self.spread / 16;
                let open = self.wanted.is_none_or(|wanted| now > wanted + IDLE);
                self.wanted = Some(now);
                Next::Await(Wait {
                    within: patience.min(self.deadline.saturating_sub(now)),
                    open: open.then_some(after),
                })
            }
            Step::Done(times) => {
                self.local = self.local.max(times.last.get());
                Next::Served(mem::take(&mut self.in_flight), times, self.round_trips)
            }
            Step::Failed(error) => Next::Failed(error),
        }
    }

    /// What the protocol wants beyond what was heard already.
    fn poll(&mut self, now: Nanos) -> Step {
        loop {
            let step = self.exchange.poll(EPOCH + now as f64 / 1e9);
            let Step::Await { after, .. } = step else {
                return step;
            };
            let mut heard = self.heard.iter();
            let Some(newer) = heard.find(|written| written.revision > after) else {
                return step;
            };
            let (bytes, revision) = (newer.bytes.clone(), newer.revision);
            self.exchange.handle_granted(&bytes, revision);
        }
    }

    /// The watch tells of grants; true if it waited for them.
    pub(crate) fn hear_granted(&mut self, written: Written) -> bool {
        let waited = self.awaited.is_some_and(|after| written.revision > after);
        if self
            .heard
            .back()
            .is_none_or(|newest| newest.revision < written.revision)
        {
            self.heard.push_back(written);
        }
        if self.heard.len() > REMEMBERED {
            self.heard.pop_front();
        }
        if waited {
            self.awaited = None;
        }
        waited
    }

    pub(crate) fn awaits(&self) -> bool {
        self.awaited.is_some()
    }

    /// Nobody served it in time: it gives its watch up too.
    pub(crate) fn lose_patience(&mut self) {
        self.awaited = None;
        self.wanted = None;
        self.exchange.handle_impatience();
    }

    pub(crate) fn hear(&mut self, now: Nanos, reply: &Reply) {
        let took = now - self.sent;
        self.round_trip = (self.round_trip * 7 + took) / 8;
        self.patience = (took * 4).max(LEAST_PATIENCE);
        self.pause = 0;
        self.exchange.handle_reply(reply);
    }

    /// No answer came in time.
    pub(crate) fn give_up(&mut self, now: Nanos) -> After {
        self.exchange.handle_lost();
        self.attempt += 1;
        if now < self.deadline {
            self.patience *= 2;
        }
        let pause = self.pause;
        self.pause = (pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        if now + pause >= self.deadline {
            return After::OutOfTime(mem::take(&mut self.in_flight));
        }
        After::Pause(pause)
    }

    fn begin(&mut self) {
        self.in_flight = mem::take(&mut self.waiting);
        let newest = self.in_flight.iter().map(|caller| caller.called).max();
        self.deadline = newest.expect("somebody waits") + TIMEOUT;
        self.round_trips = 0;
        self.pause = 0;
        self.local += 1;
        let local = Time::new(self.local).expect("far below the end of time");
        self.exchange.begin(local, self.in_flight.len() as u64);
    }
}
