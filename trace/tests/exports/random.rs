//! Random histories of processes that send each other messages, begin anew and take times from a shared
//! clock; with vector clocks beside them that know nothing of Lamport's.

use std::collections::VecDeque;

use serde_json::json;

/// xorshift64*.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}

pub(crate) struct History {
    /// The lines as they were written, each with what its message says.
    pub(crate) lines: Vec<String>,
    /// By line: its life, and the vector clock.
    pub(crate) clocks: Vec<(usize, Vec<u64>)>,
}

impl History {
    /// Whether one line came before another one, as vector clocks tell.
    pub(crate) fn is_before(&self, a: usize, b: usize) -> bool {
        let ((life, of_a), (_, of_b)) = (&self.clocks[a], &self.clocks[b]);
        a != b && of_b[*life] >= of_a[*life]
    }
}

struct Life {
    process: usize,
    instance: u64,
    time: u64,
    clock: Vec<u64>,
    after: Vec<String>,
}

const LIVES: usize = 12;

pub(crate) fn history(seed: u64, steps: usize, lines_told: u64) -> History {
    let mut random = Random::new(seed);
    let names = ["api", "billing", "shop \"x\"}", "日本", "a,b%;c"];
    let count = 2 + random.below(4) as usize;
    let mut lives: Vec<Life> = Vec::new();
    let mut current: Vec<usize> = Vec::new();
    for process in 0..count {
        current.push(lives.len());
        lives.push(begun(process, &mut random));
    }
    let mut sent: VecDeque<(usize, String, u64, Vec<u64>)> = VecDeque::new();
    let mut shared: Option<(u64, Vec<u64>)> = None;
    let mut history = History {
        lines: Vec::new(),
        clocks: Vec::new(),
    };
    for _ in 0..steps {
        let process = random.below(count as u64) as usize;
        let life = current[process];
        match random.below(10) {
            // A message leaves, with a line or without one.
            0..4 => {
                let to = random.below(count as u64) as usize;
                tick(&mut lives, life);
                let own = &lives[life];
                let stamp = stamp(own, &names);
                sent.push_back((to, stamp, own.time, own.clock.clone()));
                if random.below(10) < lines_told {
                    log(&mut lives, life, &mut history, &names, "send");
                }
            }
            // One arrives, in any order.
            4..7 => {
                let at = random.below(sent.len().max(1) as u64) as usize;
                let Some((to, stamp, time, clock)) = sent.remove(at) else {
                    continue;
                };
                let life = current[to];
                let own = &mut lives[life];
                own.time = own.time.max(time);
                own.clock = joined(&own.clock, &clock);
                tick(&mut lives, life);
                let own = &mut lives[life];
                let is_own = stamp.contains(&format!("{:016x}", own.instance));
                if !is_own {
                    own.after.push(match random.below(2) {
                        0 => stamp,
                        _ => format!("{stamp};at={}", own.time),
                    });
                }
                // Without the time of arrival it is known from the line on, and so is what it says.
                log(&mut lives, life, &mut history, &names, "receive");
            }
            7 => {
                let own = &mut lives[life];
                if let Some((time, clock)) = &shared {
                    own.time = own.time.max(*time);
                    own.clock = joined(&own.clock, clock);
                }
                log(&mut lives, life, &mut history, &names, "update");
                shared = Some((lives[life].time, lives[life].clock.clone()));
            }
            8 if lives.len() < LIVES => {
                log(&mut lives, life, &mut history, &names, "");
                current[process] = lives.len();
                lives.push(begun(process, &mut random));
            }
            _ => log(&mut lives, life, &mut history, &names, ""),
        }
    }
    for life in current {
        log(&mut lives, life, &mut history, &names, "");
    }
    history
}

fn begun(process: usize, random: &mut Random) -> Life {
    Life {
        process,
        instance: random.below(1 << 31) << 8 | 1,
        time: 0,
        clock: vec![0; LIVES],
        after: Vec::new(),
    }
}

fn joined(a: &[u64], b: &[u64]) -> Vec<u64> {
    a.iter().zip(b).map(|(a, b)| *a.max(b)).collect()
}

fn tick(lives: &mut [Life], life: usize) {
    lives[life].time += 1;
    lives[life].clock[life] += 1;
}

fn stamp(life: &Life, names: &[&str]) -> String {
    // As stamps in messages have it.
    let mut name = String::new();
    for byte in names[life.process].bytes() {
        match byte {
            b'!'..=b'~' if !b"%;, \"".contains(&byte) => name.push(byte.into()),
            byte => name.push_str(&format!("%{byte:02X}")),
        }
    }
    let name = name.replace("%20", "_").replace("%3B", "_");
    format!("{}@{name};instance={:016x}", life.time, life.instance)
}

fn log(lives: &mut [Life], life: usize, history: &mut History, names: &[&str], kind: &str) {
    tick(lives, life);
    let own = &mut lives[life];
    let stamp = stamp(own, names);
    let number = history.lines.len();
    let line = json!({
        "lamport": stamp.split(';').next(), "lamport_instance": format!("{:016x}", own.instance),
        "lamport_after": own.after, "lamport_kind": kind, "level": "info",
        "timestamp": format!("2026-11-29T12:00:{:02}.{:03}Z", number / 1000 % 60, number % 1000),
        "message": format!("{number} {{\"api\": 1}} {kind} \u{202e}; end <b>\n\\N\"'#"),
    });
    history.lines.push(line.to_string());
    history.clocks.push((life, own.clock.clone()));
    own.after = vec![stamp];
}
