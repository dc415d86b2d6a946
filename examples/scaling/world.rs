//! The simulation: events in virtual time, and what is measured and checked on the way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashSet};

use lamport_clock::logic::exchange::Times;
use lamport_clock::logic::transaction::{Reply, Transaction};

use crate::Measured;
use crate::process::{After, Caller, Next, Process, Wait};
use crate::random::Random;
use crate::scenarios::Scenario;
use crate::server::{Arrival, Departure, Message, Nanos, Server};
use crate::tally::Tally;
use crate::watches::Written;

pub(crate) const SECOND: Nanos = 1_000_000_000;

pub(crate) struct World<'a> {
    scenario: &'a Scenario,
    now: Nanos,
    random: Random,
    /// What happens when; the number keeps the order of what happens at one moment.
    queue: BinaryHeap<Reverse<(Nanos, u64)>>,
    events: BTreeMap<u64, Event>,
    number: u64,
    server: Server,
    processes: Vec<Process>,
    /// When each caller's next call is due.
    due: Vec<Nanos>,
    clocks: Vec<Clock>,
    /// When each process's watch last told it something: messages of a watch stay in order.
    told: Vec<Nanos>,
    tally: Tally,
}

/// What was handed out of one shared clock.
#[derive(Default)]
struct Clock {
    given: HashSet<u64>,
    highest: u64,
}

enum Event {
    Call(usize),
    Arrive(Arrival),
    ServerFree,
    Answer(usize, u64, Reply),
    GiveUp(usize, u64),
    Resume(usize, u64),
    /// A watch is opened, for grants after this revision.
    Watch(usize, u64),
    Granted(usize, Written),
    Impatience(usize, u64),
}

impl<'a> World<'a> {
    pub(crate) fn new(scenario: &'a Scenario, seed: u64) -> World<'a> {
        let callers = scenario.callers;
        let processes = (0..callers.div_ceil(scenario.per_process)).map(|number| {
            let clock = number % scenario.clocks;
            Process::new(number, &format!("/lamport_clock_{clock}"), clock)
        });
        let mut world = World {
            scenario,
            now: 0,
            random: Random::new(seed),
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            number: 0,
            server: Server::new(scenario.cost),
            processes: processes.collect(),
            due: vec![0; callers],
            clocks: (0..scenario.clocks).map(|_| Clock::default()).collect(),
            told: vec![0; callers],
            tally: Tally::new(callers),
        };
        for process in &mut world.processes {
            process.connect(&mut world.server);
        }
        for caller in 0..callers {
            // A closed loop starts over one second too: nobody deploys in one microsecond.
            let spread = scenario.spread.unwrap_or(SECOND);
            let at = (world.random.fraction() * spread as f64) as Nanos;
            world.due[caller] = at;
            world.at(at, Event::Call(caller));
        }
        world
    }

    /// Runs the scenario; panics where a promise is broken.
    pub(crate) fn run(mut self) -> Measured {
        let mut began = 0;
        let mut served = 0;
        let least = self.scenario.warm_up + self.scenario.least_window;
        let most = self.scenario.warm_up + self.scenario.most_window;
        while let Some(Reverse((at, number))) = self.queue.pop() {
            if at >= most || at >= least && served >= self.scenario.enough {
                break;
            }
            if !self.tally.measuring && at >= self.scenario.warm_up {
                self.tally.measuring = true;
                began = at;
                self.server.served = Default::default();
            }
            self.now = at;
            let event = self.events.remove(&number).expect("each event is kept");
            self.happen(event);
            if self.tally.measuring {
                served = self.server.served.transactions;
            }
        }
        let window = self.now - began;
        self.tally.measured(window, self.server.served)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Call(id) => self.call(id),
            Event::Arrive(arrival) => {
                if self.server.arrive(arrival) {
                    self.start_batch();
                }
            }
            Event::ServerFree => self.start_batch(),
            Event::Answer(process, attempt, reply) => {
                if self.processes[process].attempt == attempt {
                    self.processes[process].hear(self.now, &reply);
                    self.advance(process);
                }
            }
            Event::GiveUp(process, attempt) => self.give_up(process, attempt),
            Event::Resume(process, attempt) => {
                if self.processes[process].attempt == attempt {
                    self.advance(process);
                }
            }
            Event::Watch(process, after) => {
                let key = self.processes[process].granted_key();
                let missed = self.server.watch(process, key, after, self.now);
                self.depart(missed);
            }
            Event::Granted(process, written) => {
                if self.processes[process].hear_granted(written) {
                    self.advance(process);
                }
            }
            Event::Impatience(i, attempt) => {
                let process = &mut self.processes[i];
                if process.attempt == attempt && process.awaits() {
                    process.lose_patience();
                    self.server.watches(process.granted_key()).stop(i);
                    self.advance(i);
                }
            }
        }
    }

    fn call(&mut self, id: usize) {
        let process = id / self.scenario.per_process;
        let caller = Caller {
            id,
            called: self.now,
            floor: self.clocks[self.processes[process].clock].highest,
        };
        if self.processes[process].call(caller) {
            self.advance(process);
        }
    }

    fn advance(&mut self, i: usize) {
        loop {
            match self.processes[i].advance(self.now) {
                Next::Rest => return,
                Next::Send(transaction, within) => return self.send(i, transaction, within),
                Next::Await(wait) => return self.wait(i, &wait),
                Next::Served(callers, times, round_trips) => {
                    self.hand_out(i, &callers, &times, round_trips);
                }
                Next::Failed(error) => panic!("no fault was simulated, and yet: {error}"),
            }
        }
    }

    fn send(&mut self, process: usize, transaction: Transaction, within: Nanos) {
        let attempt = self.processes[process].attempt;
        let way = self.way();
        let arrival = Arrival {
            process,
            attempt,
            transaction,
        };
        self.at(self.now + way, Event::Arrive(arrival));
        self.at(self.now + within, Event::GiveUp(process, attempt));
    }

    fn wait(&mut self, process: usize, wait: &Wait) {
        let attempt = self.processes[process].attempt;
        match wait.open {
            Some(after) => {
                let way = self.way();
                self.at(self.now + way, Event::Watch(process, after));
            }
            None => {
                let key = self.processes[process].granted_key();
                self.server.watches(key).want(process, self.now);
            }
        }
        self.at(self.now + wait.within, Event::Impatience(process, attempt));
    }

    fn give_up(&mut self, process: usize, attempt: u64) {
        if self.processes[process].attempt != attempt {
            return;
        }
        self.tally.gave_up();
        match self.processes[process].give_up(self.now) {
            After::Pause(pause) => {
                let attempt = self.processes[process].attempt;
                self.at(self.now + pause, Event::Resume(process, attempt));
            }
            After::OutOfTime(callers) => {
                self.tally.timed_out(callers.len());
                for caller in callers {
                    self.call_again(caller.id);
                }
                self.advance(process);
            }
        }
    }

    fn start_batch(&mut self) {
        if let Some((departures, free)) = self.server.batch(self.now) {
            self.depart(departures);
            self.at(free, Event::ServerFree);
        }
    }

    fn depart(&mut self, departures: Vec<Departure>) {
        for departure in departures {
            let mut at = departure.at + self.way();
            let process = departure.process;
            let event = match departure.message {
                Message::Answer(attempt, reply) => Event::Answer(process, attempt, reply),
                Message::Granted(written) => {
                    at = at.max(self.told[process]);
                    self.told[process] = at;
                    Event::Granted(process, written)
                }
            };
            self.at(at, event);
        }
    }

    /// Deals the times out as the driver does, and checks what was promised of them.
    fn hand_out(&mut self, i: usize, callers: &[Caller], times: &Times, round_trips: u32) {
        let clock = &mut self.clocks[self.processes[i].clock];
        let first = times.first.get();
        assert_eq!(times.last.get() - first + 1, callers.len() as u64);
        for (value, caller) in (first..).zip(callers) {
            assert!(clock.given.insert(value), "{value} was given twice");
            assert!(
                value > caller.floor,
                "{value} was given to a call that began after {} was known",
                caller.floor
            );
        }
        clock.highest = clock.highest.max(times.last.get());
        self.tally.served(callers, self.now, round_trips);
        for caller in callers {
            self.call_again(caller.id);
        }
    }

    fn call_again(&mut self, id: usize) {
        self.due[id] = match self.scenario.interval {
            Some(interval) => (self.due[id] + interval).max(self.now),
            None => self.now,
        };
        self.at(self.due[id], Event::Call(id));
    }

    /// One way through the network: half a millisecond and a tail.
    fn way(&mut self) -> Nanos {
        let way = self.scenario.way as f64;
        (way + self.random.exponential(way * 0.1)) as Nanos
    }

    fn at(&mut self, at: Nanos, event: Event) {
        self.number += 1;
        self.queue.push(Reverse((at, self.number)));
        self.events.insert(self.number, event);
    }
}
