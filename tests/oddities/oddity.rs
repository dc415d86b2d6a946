//! One case of `test_oddities.py` in Rust: `oddity NODE HEADER`, and the rest in the environment. A line
//! for each step says what came of it: `ok`, or the kind of the error.

use std::process::ExitCode;

use lamport_clock::blocking::SharedClock;
use lamport_clock::{Config, Result, Settings};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(node), Some(header)) = (args.next(), args.next()) else {
        eprintln!("usage: oddity NODE HEADER");
        return ExitCode::from(2);
    };
    let mut settings = Settings::default();
    if !node.is_empty() {
        settings.set("node", node);
    }
    let opened = Config::load(&settings).and_then(|config| SharedClock::open(&config));
    tell("open", &opened);
    if let Ok(clock) = opened {
        tell("update", &clock.update());
        tell("extract", &clock.extract(&header));
        tell("read", &clock.read());
        tell("history", &clock.history(10));
        clock.close();
    }
    ExitCode::SUCCESS
}

fn tell<T>(step: &str, outcome: &Result<T>) {
    let outcome = outcome
        .as_ref()
        .map_or_else(|error| error.kind().name(), |_| "ok");
    println!("{step} {outcome}");
}
