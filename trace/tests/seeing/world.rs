//! Processes that send each other messages and log some of what they do. Beside it stands what
//! nobody in it knows: a vector clock and the true time for each event.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;

use lamport_trace::{Events, Point, Reader};

use crate::random::Random;

pub(crate) struct World {
    pub(crate) lines: Vec<Line>,
    /// By process: by how much its wall clock is ahead, in nanoseconds.
    pub(crate) offsets: Vec<i64>,
    pub(crate) messages: usize,
}

/// One logged line, and what it was made of.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) process: usize,
    pub(crate) time: u64,
    pub(crate) text: String,
    /// How many events of each process came before it, its own included.
    vector: Vec<u64>,
}

impl Line {
    /// Whether this one happened before the other.
    pub(crate) fn is_before(&self, other: &Line) -> bool {
        let own = self.vector[self.process];
        own <= other.vector[self.process] && self.vector != other.vector
    }
}

struct Process {
    time: u64,
    vector: Vec<u64>,
    arrived: Vec<String>,
    last: Option<u64>,
    inbox: VecDeque<(u64, usize, Vec<u64>, i64)>,
}

/// How the lines are written.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    /// When messages arrived is said.
    pub(crate) at: bool,
    /// Plain text in place of JSON.
    pub(crate) plain: bool,
}

impl World {
    pub(crate) fn run(seed: u64, steps: u64, form: Form) -> World {
        let mut random = Random::new(seed);
        let count = 2 + random.below(4) as usize;
        let spread = |random: &mut Random| random.below(20_000_000) as i64 - 10_000_000;
        let offsets: Vec<i64> = (0..count).map(|_| spread(&mut random)).collect();
        // Some clocks are written in whole milliseconds.
        let digits: Vec<usize> = (0..count).map(|_| *random.pick(&[3, 6, 9])).collect();
        let mut processes: Vec<Process> = (0..count)
            .map(|_| Process {
                time: random.below(5),
                vector: vec![0; count],
                arrived: Vec::new(),
                last: None,
                inbox: VecDeque::new(),
            })
            .collect();
        let mut world = World {
            lines: Vec::new(),
            offsets,
            messages: 0,
        };
        let mut now = 1_764_331_200_000_000_000;
        for step in 0..steps + count as u64 {
            now += random.below(3_000_000) as i64;
            // In the end each writes a line, so that nothing stays untold.
            let at = match step.checked_sub(steps) {
                Some(at) => at as usize,
                None => random.below(count as u64) as usize,
            };
            let what = if step < steps { random.below(4) } else { 0 };
            let process = &mut processes[at];
            let has_come = process
                .inbox
                .front()
                .is_some_and(|message| message.3 <= now);
            process.time += 1;
            process.vector[at] += 1;
            match what {
                1 => {
                    let to = (at + 1 + random.below(count as u64 - 1) as usize) % count;
                    let arrives = now + random.below(5_000_000) as i64;
                    let message = (process.time, at, process.vector.clone(), arrives);
                    processes[to].inbox.push_back(message);
                    world.messages += 1;
                }
                2 if has_come => {
                    let (sent, from, vector, _) = process.inbox.pop_front().unwrap();
                    process.time = process.time.max(sent + 1);
                    for (own, other) in process.vector.iter_mut().zip(vector) {
                        *own = (*own).max(other);
                    }
                    let at = match form.at {
                        true => format!(";at={}", process.time),
                        false => String::new(),
                    };
                    process
                        .arrived
                        .push(format!("{}{at}", stamp(sent, from, form)));
                }
                _ => {
                    let wall = now + world.offsets[at];
                    let text = line(process, at, wall, digits[at], form);
                    world.lines.push(Line {
                        process: at,
                        time: process.time,
                        text,
                        vector: process.vector.clone(),
                    });
                    process.last = Some(process.time);
                    process.arrived.clear();
                }
            }
        }
        world
    }

    /// The lines for which it is true, each process's in a file of its own.
    pub(crate) fn read(
        &self,
        mut keep: impl FnMut(usize) -> bool,
    ) -> (Events, HashMap<usize, u32>) {
        let mut reader = Reader::default();
        for process in 0..self.offsets.len() {
            reader.begin(&name(process));
            for (i, line) in self.lines.iter().enumerate() {
                if line.process == process && keep(i) {
                    reader.feed(format!("{}\n", line.text).as_bytes());
                }
            }
        }
        let events = reader.finish();
        let lives = (0..).zip(events.lives());
        let lives = lives
            .map(|(life, known)| (number(&known.process), life))
            .collect();
        (events, lives)
    }

    pub(crate) fn point(&self, line: usize, lives: &HashMap<usize, u32>) -> Option<Point> {
        let Line { process, time, .. } = self.lines[line];
        lives.get(&process).map(|&life| Point { life, time })
    }
}

pub(crate) fn name(process: usize) -> String {
    format!("p{process}")
}

fn number(name: &str) -> usize {
    name[1..].parse().unwrap()
}

fn stamp(time: u64, process: usize, form: Form) -> String {
    match form.plain {
        true => format!("{time}@p{process}"),
        false => format!("{time}@p{process};instance={:016x}", process + 1),
    }
}

fn line(process: &Process, at: usize, wall: i64, digits: usize, form: Form) -> String {
    let mut causes: Vec<String> = process
        .last
        .iter()
        .map(|&time| stamp(time, at, form))
        .collect();
    causes.extend(process.arrived.iter().cloned());
    let mut wall_text = String::new();
    let (seconds, nanoseconds) = (wall / 1_000_000_000, wall % 1_000_000_000);
    let fraction = format!("{nanoseconds:09}");
    write!(wall_text, "{seconds}.{}", &fraction[..digits]).unwrap();
    if form.plain {
        let words: Vec<String> = causes.iter().map(|cause| format!(" <{cause}")).collect();
        let words = if words.is_empty() {
            " <-".to_owned()
        } else {
            words.concat()
        };
        return format!("worked on it {}@p{at}{words}", process.time);
    }
    format!(
        "{{\"time\":\"{wall_text}\",\"lamport\":\"{}@p{at}\",\"lamport_instance\":\"{:016x}\",\"lamport_after\":{causes:?}}}",
        process.time,
        at + 1,
    )
}
