//! The simulation: events in virtual time, and what is measured and checked on the way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashSet};
use std::sync::Arc;

use lamport_clock::protocol::{KeyRange, Reply, Reservation, Transaction};

use crate::Measured;
use crate::process::{After, Caller, Folding, Next, Process, REST, Trips};
use crate::random::Random;
use crate::scenarios::Scenario;
use crate::server::{Arrival, Departure, Nanos, Purpose, Server};
use crate::tally::Tally;

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
    tally: Tally,
}

/// What was handed out of one shared clock.
#[derive(Default)]
struct Clock {
    given: HashSet<u64>,
    highest: u64,
    /// The highest value that its record has shown.
    recorded: u64,
    /// Values handed out above that, and when.
    unrecorded: BTreeMap<u64, Nanos>,
}

enum Event {
    Call(usize),
    Arrive(Arrival),
    ServerFree,
    Answer(usize, Purpose, Reply),
    /// A clock's record shows this value.
    Recorded(usize, u64),
    GiveUp(usize, u64),
    Resume(usize, u64),
    /// A process may have rested by now.
    Rested(usize),
    /// A read arrives.
    Look(usize, KeyRange),
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
            tally: Tally::new(callers),
        };
        for (number, process) in world.processes.iter_mut().enumerate() {
            process.connect(&mut world.server);
            // The first of each clock, in the order of their numbers.
            if number < scenario.clocks {
                let clock = &mut world.clocks[number];
                clock.highest = process.create(&mut world.server);
                clock.given.insert(clock.highest);
            }
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
            Event::Answer(process, purpose, reply) => self.answer(process, purpose, &reply),
            Event::Recorded(clock, value) => {
                let clock = &mut self.clocks[clock];
                clock.recorded = clock.recorded.max(value);
                let beyond = clock.unrecorded.split_off(&(value + 1));
                for handed_out in std::mem::replace(&mut clock.unrecorded, beyond).into_values() {
                    self.tally.recorded(self.now - handed_out);
                }
            }
            Event::GiveUp(process, attempt) => self.give_up(process, attempt),
            Event::Resume(process, attempt) => {
                if self.processes[process].attempt == attempt {
                    self.advance(process);
                }
            }
            Event::Rested(process) => {
                let folding = self.processes[process].rested(self.now);
                self.fold(process, folding);
            }
            Event::Look(process, range) => {
                let answer = self.server.look(process, &range, self.now);
                self.depart(vec![answer]);
            }
        }
    }

    fn answer(&mut self, i: usize, purpose: Purpose, reply: &Reply) {
        let process = &mut self.processes[i];
        match purpose {
            Purpose::Attempt(attempt) => {
                if process.attempt == attempt {
                    process.hear(self.now, reply);
                    self.advance(i);
                }
            }
            Purpose::Fold(question) => process.folded(&question, reply),
            Purpose::Look => {
                let folding = process.looked(self.now, reply);
                self.fold(i, folding);
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
                Next::Served(callers, times, trips) => {
                    self.hand_out(i, &callers, &times, &trips);
                    let folding = self.processes[i].when_to_fold(self.now);
                    self.fold(i, folding);
                }
                Next::Failed(error) => panic!("no fault was simulated, and yet: {error}"),
            }
        }
    }

    fn send(&mut self, process: usize, transaction: Arc<Transaction>, within: Nanos) {
        let attempt = self.processes[process].attempt;
        self.arrive(process, Purpose::Attempt(attempt), transaction);
        self.at(self.now + within, Event::GiveUp(process, attempt));
    }

    fn fold(&mut self, process: usize, folding: Folding) {
        match folding {
            Folding::Nothing => {}
            Folding::Send(question) => {
                let transaction = question.transaction().clone();
                self.arrive(process, Purpose::Fold(question), transaction);
            }
            Folding::Rest => self.at(self.now + REST, Event::Rested(process)),
            Folding::Look(range) => {
                let way = self.way();
                self.at(self.now + way, Event::Look(process, range));
            }
        }
    }

    fn arrive(&mut self, process: usize, purpose: Purpose, transaction: Arc<Transaction>) {
        let way = self.way();
        let arrival = Arrival {
            process,
            purpose,
            transaction,
        };
        self.at(self.now + way, Event::Arrive(arrival));
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
            let process = departure.process;
            if let Some(value) = departure.recorded {
                let clock = self.processes[process].clock;
                self.at(departure.at, Event::Recorded(clock, value));
            }
            let way = self.way();
            let answer = Event::Answer(process, departure.purpose, departure.reply);
            self.at(departure.at + way, answer);
        }
    }

    /// Deals the times out as the driver does, and checks what was promised of them.
    fn hand_out(&mut self, i: usize, callers: &[Caller], times: &Reservation, trips: &Trips) {
        let clock = &mut self.clocks[self.processes[i].clock];
        let first = times.first.get();
        assert_eq!(times.last.get() - first + 1, callers.len() as u64);
        assert!(trips.all <= 2 + trips.lost, "{} round trips", trips.all);
        for (value, caller) in (first..).zip(callers) {
            assert!(clock.given.insert(value), "{value} was given twice");
            assert!(
                value > caller.floor,
                "{value} was given to a call that began after {} was known",
                caller.floor
            );
            if value > clock.recorded {
                clock.unrecorded.insert(value, self.now);
            } else {
                self.tally.recorded(0);
            }
        }
        clock.highest = clock.highest.max(times.last.get());
        self.tally.served(callers, self.now, trips.all);
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
