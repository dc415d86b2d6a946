//! A clock as it should be, a few lines long, and what is recorded of it.

use lamport_clock::Instance;
use lamport_trace::{Action, Call, History, Log, Options, Outcome, Verdict, check};
use serde_json::{Value, json};

use super::random::Random;

/// What was recorded.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) calls: Vec<Call>,
    pub(crate) log: Vec<Value>,
}

struct Process {
    name: String,
    local: u64,
    call: Option<Call>,
    /// The record is written, or read, and the answer is on its way.
    done: bool,
    /// Its call took times that it had to give up, and takes others.
    void: Option<Void>,
}

/// The clock and the record as a take that was void found them.
struct Void {
    revision: u64,
    clock: u64,
    record: u64,
    previous: Option<u64>,
    count: u64,
}

#[derive(Default)]
struct Record {
    /// Where the clock stands.
    clock: u64,
    /// The newest time, by whom it may be, and its revision; `None` before the first.
    newest: Option<(u64, u64)>,
    /// What a legacy writer left, and when.
    old: Option<(u64, u64)>,
    /// The revision at which times were taken last.
    taken: u64,
    revision: u64,
}

impl Record {
    fn value(&self) -> u64 {
        self.old.map_or(self.clock, |(value, _)| value)
    }

    /// What a look shows.
    fn shown(&self) -> Option<(u64, u64)> {
        self.old
            .filter(|(value, _)| *value > self.clock || self.newest.is_none())
            .or(self.newest)
    }

    fn previous(&self) -> Option<u64> {
        self.shown().map(|(value, _)| value)
    }

    /// The clock, if a legacy writer has just moved the record below it.
    fn regressed(&self) -> Option<u64> {
        let (value, revision) = self.old?;
        (value < self.clock && revision > self.taken).then_some(self.clock)
    }

    /// Times up to `last` are taken.
    fn take(&mut self, last: u64) {
        self.revision += 1;
        self.clock = last;
        self.taken = self.revision;
        self.newest = Some((last, self.revision));
    }
}

impl World {
    /// `calls` calls by five processes; in `old` of a thousand steps a legacy writer comes
    /// between.
    pub(crate) fn run(seed: u64, calls: usize, old: u64) -> World {
        let mut random = Random::new(seed);
        let mut world = World {
            calls: Vec::new(),
            log: Vec::new(),
        };
        let mut record = Record::default();
        let mut processes: Vec<Process> = (0..5)
            .map(|i| Process {
                name: format!("p{i}"),
                local: 0,
                call: None,
                done: false,
                void: None,
            })
            .collect();
        let mut now = 0;
        while world.calls.len() < calls {
            now += 1 + random.below(3);
            if random.in_a_thousand(old) {
                world.write_blindly(&mut record, &mut random);
            }
            let i = random.below(5) as usize;
            let process = &mut processes[i];
            let instance = Instance::new(i as u64 + 1);
            match &mut process.call {
                None => {
                    let action = *random.pick(&[
                        Action::Update,
                        Action::Update,
                        Action::Reserve,
                        Action::Read,
                    ]);
                    process.local += *random.pick(&[0, 1, 1, 6]);
                    let mut call = Call::begun(&process.name, Some(instance), action, now);
                    if action != Action::Read {
                        call.local = Some(process.local);
                        process.local += 1;
                    }
                    process.call = Some(call);
                    process.done = false;
                }
                Some(call) if !process.done => {
                    process.done = true;
                    match random.below(20) {
                        0 => call.outcome = Some(Outcome::Failed),
                        1 => call.outcome = Some(Outcome::Unknown),
                        _ => {
                            let (local, void) = (&mut process.local, &mut process.void);
                            world.carry_out(call, local, void, &mut record, &mut random);
                            process.done = process.void.is_none();
                        }
                    }
                }
                Some(_) => {
                    let mut call = process.call.take().unwrap();
                    process.void = None;
                    call.returned = Some(now);
                    world.calls.push(call);
                }
            }
        }
        world
    }

    fn carry_out(
        &mut self,
        call: &mut Call,
        local: &mut u64,
        void: &mut Option<Void>,
        record: &mut Record,
        random: &mut Random,
    ) {
        if call.operation == Action::Read {
            call.outcome = Some(Outcome::Ok);
            (call.value, call.revision) = record.shown().unzip();
            return;
        }
        let count = match (&void, call.operation) {
            (Some(void), _) => void.count,
            (None, Action::Reserve) => 1 + random.below(9),
            (None, _) => 1,
        };
        let trips = 1 + u32::from(void.is_some());
        let above = |record: u64, clock: u64| record.max(*local).max(clock) + 1;
        let (first, previous, writes_record) = match void.take() {
            // Nothing followed, so it is as if it had not been.
            Some(void) if void.revision == record.revision => {
                (above(void.record, void.clock), void.previous, true)
            }
            Some(void) => {
                let extra = above(void.record, 0).saturating_sub(1 + void.clock + void.count);
                (record.clock + extra + 1, record.previous(), false)
            }
            None if random.below(2) == 0 => {
                (above(record.value(), record.clock), record.previous(), true)
            }
            // Others wrote since it looked.
            None => {
                let first = record.clock + 1;
                if first <= *local || first <= record.value() {
                    let (clock, previous) = (record.clock, record.previous());
                    let seen = record.value();
                    record.take(clock + count);
                    *void = Some(Void {
                        revision: record.revision,
                        clock,
                        record: seen,
                        previous,
                        count,
                    });
                    return;
                }
                (first, record.previous(), false)
            }
        };
        let last = first + count - 1;
        let regressed = record.regressed();
        record.take(last);
        if writes_record {
            record.old = None;
        }
        let name = call.process.clone();
        self.write(&name, call.instance, first, last, record.revision);
        // The reply may be lost.
        if random.below(20) == 0 {
            call.outcome = Some(Outcome::Unknown);
            call.local = None;
            return;
        }
        *local = last;
        call.outcome = Some(Outcome::Ok);
        call.first = Some(first);
        call.value = Some(last);
        call.previous = Some(previous);
        call.regressed = regressed;
        call.revision = Some(record.revision);
        call.round_trips = Some(trips);
    }

    fn write_blindly(&mut self, record: &mut Record, random: &mut Random) {
        let value = random.below(record.clock + 10) + random.pick(&[0, 0, 30]);
        record.revision += 1;
        record.old = Some((value, record.revision));
        self.write("old", None, value, value, record.revision);
    }

    pub(crate) fn write(
        &mut self,
        process: &str,
        instance: Option<Instance>,
        first: u64,
        last: u64,
        revision: u64,
    ) {
        self.log.push(json!({
            "value": last,
            "first": first,
            "process": process,
            "instance": instance.map(|instance| instance.to_string()),
            "real_timestamp": 1.5,
            "revision": revision,
        }));
    }

    pub(crate) fn history(&self) -> History {
        let mut history = History::default();
        let lines = self
            .calls
            .iter()
            .map(|call| serde_json::to_string(call).unwrap());
        let text = lines.collect::<Vec<_>>().join("\n");
        history.read("history", text.as_bytes()).unwrap();
        history
    }

    /// The log stands from its second line on.
    pub(crate) fn log_text(&self) -> String {
        let mut text = r#"{"notice":"watching","endpoint":"memory:","from":1}"#.to_owned();
        for entry in &self.log {
            text.push('\n');
            text.push_str(&entry.to_string());
        }
        text
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict_with(&Options::default())
    }

    pub(crate) fn verdict_with(&self, options: &Options) -> Verdict {
        let log = Log::read("log", self.log_text().as_bytes()).unwrap();
        check(&self.history(), Some(&log), options)
    }
}
