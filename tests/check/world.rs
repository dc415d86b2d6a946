//! A clock as it should be, a few lines long, and what is recorded of it.

use lamport_clock::Instance;
use lamport_clock::check::{Action, Call, History, Log, Options, Outcome, Verdict, check};
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
}

struct Record {
    value: Option<u64>,
    highest: u64,
    revision: u64,
}

impl World {
    /// `calls` calls by five processes; in `old` of a thousand steps a writer of the old kind comes
    /// between.
    pub(crate) fn run(seed: u64, calls: usize, old: u64) -> World {
        let mut random = Random::new(seed);
        let mut world = World {
            calls: Vec::new(),
            log: Vec::new(),
        };
        let mut record = Record {
            value: None,
            highest: 0,
            revision: 0,
        };
        let mut processes: Vec<Process> = (0..5)
            .map(|i| Process {
                name: format!("p{i}"),
                local: 0,
                call: None,
                done: false,
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
                    process.local += random.below(2);
                    let mut call = Call::begun(&process.name, Some(instance), action, now);
                    if action != Action::Read {
                        call.local = Some(process.local);
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
                            world.carry_out(call, &mut process.local, &mut record, &mut random);
                        }
                    }
                }
                Some(_) => {
                    let mut call = process.call.take().unwrap();
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
        record: &mut Record,
        random: &mut Random,
    ) {
        call.outcome = Some(Outcome::Ok);
        if call.operation == Action::Read {
            call.value = record.value;
            call.revision = record.value.map(|_| record.revision);
            return;
        }
        let count = match call.operation {
            Action::Reserve => 1 + random.below(9),
            _ => 1,
        };
        *local += 1;
        let known = record.value.unwrap_or(0).max(record.highest);
        let first = known.max(*local) + 1;
        let last = first + count - 1;
        let regressed = (record.value.unwrap_or(0) < record.highest).then_some(record.highest);
        let previous = record.value.replace(last);
        record.highest = last;
        record.revision += 1;
        let name = call.process.clone();
        self.write(&name, call.instance, first, last, record.revision);
        // The reply may be lost.
        if random.below(20) == 0 {
            call.outcome = Some(Outcome::Unknown);
            call.local = None;
            return;
        }
        *local = last;
        call.first = Some(first);
        call.value = Some(last);
        call.previous = Some(previous);
        call.regressed = regressed;
        call.revision = Some(record.revision);
    }

    fn write_blindly(&mut self, record: &mut Record, random: &mut Random) {
        let value = random.below(record.highest + 10);
        record.value = Some(value);
        record.revision += 1;
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
            "process_id": process,
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
