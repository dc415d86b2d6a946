//! A process that logs and talks as it is told: what `tests/support/talker.py` does, in Rust. It does not
//! fork.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};

use lamport_clock::blocking::SharedClock;
use lamport_clock::{Config, Line, Settings};
use serde::Serialize;

#[derive(Serialize)]
struct Written<'a> {
    message: &'a str,
    #[serde(flatten)]
    line: Line,
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("usage: talker NAME")?;
    let mut settings = Settings::default();
    settings.set("node", name);
    settings.set("store", "memory:");
    let clock = SharedClock::open(&Config::load(&settings)?)?;
    let mut answers = stdout();
    for command in stdin().lock().lines() {
        let command = command?;
        let (verb, rest) = command.split_once(' ').unwrap_or((&command, ""));
        let answer = match verb {
            "log" => serde_json::to_string(&Written {
                message: rest,
                line: clock.log()?,
            })?,
            "send" => clock.inject()?,
            "receive" => {
                clock.extract(rest)?;
                "ok".to_owned()
            }
            verb => return Err(format!("{verb} is no command").into()),
        };
        writeln!(answers, "{answer}")?;
    }
    Ok(())
}
