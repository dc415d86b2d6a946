//! The `lamport` command run as a process of its own: the way a person or a container runs it.

#![allow(dead_code, reason = "each suite uses its own part of this")]

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use lamport_clock::Setting;
use serde_json::Value;

/// Far longer than anything here takes; past it the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command with these arguments, and nothing of this machine's settings.
pub(crate) fn lamport(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamport"));
    command.args(arguments).stdin(Stdio::null());
    let settings = Setting::ALL.iter().map(|setting| setting.variable);
    for variable in settings.chain(["LC_ALL", "LC_CTYPE", "LANG"]) {
        command.env_remove(variable);
    }
    command
}

/// The commands that connect to a clock, each with arguments by which it ends on a store that holds an
/// update. A test in `cli/usage.rs` compares them with the help.
pub(crate) const CONNECTING: [&[&str]; 8] = [
    &["run", "--count", "1", "--interval", "0s"],
    &["update", "-n", "2"],
    &["read"],
    &["watch", "--from", "1", "--count", "1"],
    &["history"],
    &["nodes"],
    &["repair", "--yes"],
    &["top", "-n", "1"],
];

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    Running::start(&mut lamport(arguments)).finish()
}

/// A command under way; killed when dropped.
pub(crate) struct Running {
    process: Child,
    output: mpsc::Receiver<String>,
    errors: mpsc::Receiver<String>,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    /// The lines of standard output that were not asked for before.
    pub(crate) lines: Vec<String>,
    /// The lines of standard error that were not asked for before.
    pub(crate) errors: Vec<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        Running {
            output: lines_of(process.stdout.take().unwrap()),
            errors: lines_of(process.stderr.take().unwrap()),
            process,
        }
    }

    /// The next line of standard output.
    pub(crate) fn line(&self) -> String {
        match self.output.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("no line within {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => {
                let errors: Vec<_> = self.errors.iter().collect();
                panic!("the command ended; it said {errors:?}")
            }
        }
    }

    /// The next line of standard output, as JSON.
    pub(crate) fn object(&self) -> Value {
        json(&self.line())
    }

    /// The first object from here on for which `wanted` holds.
    pub(crate) fn object_where(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let object = self.object();
            if wanted(&object) {
                return object;
            }
        }
    }

    /// The first line of standard error from here on that contains `part`.
    pub(crate) fn error_with(&self, part: &str) -> String {
        loop {
            let line = self.errors.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("no {part:?} on stderr: {error}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Its standard input, where it was given a pipe.
    pub(crate) fn input(&mut self) -> ChildStdin {
        self.process.stdin.take().expect("a pipe")
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal, for instance `-TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        self.signals(&[signal]);
    }

    /// Sends it signals one after the other, as fast as a shell can.
    pub(crate) fn signals(&self, signals: &[&str]) {
        let id = self.id();
        let kills: Vec<_> = signals
            .iter()
            .map(|signal| format!("kill {signal} {id}"))
            .collect();
        let status = Command::new("sh").args(["-c", &kills.join("; ")]).status();
        // The last ones may find that it has ended.
        assert!(status.unwrap().success() || signals.len() > 1);
    }

    /// Waits for its end and takes what is left of its output.
    pub(crate) fn finish(mut self) -> Ended {
        let rest = |lines: &mpsc::Receiver<String>| {
            let mut rest = Vec::new();
            loop {
                match lines.recv_timeout(PATIENCE) {
                    Ok(line) => rest.push(line),
                    Err(RecvTimeoutError::Disconnected) => return rest,
                    Err(RecvTimeoutError::Timeout) => panic!("it does not end; it said {rest:?}"),
                }
            }
        };
        let lines = rest(&self.output);
        let errors = rest(&self.errors);
        // Both its outputs are closed, so its end is near or here.
        let status = self.process.wait().unwrap();
        Ended {
            code: status.code(),
            lines,
            errors,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Ended {
    /// Its output as JSON, one object a line.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.lines.iter().map(|line| json(line)).collect()
    }

    /// All of standard error.
    pub(crate) fn complaint(&self) -> String {
        self.errors.join("\n")
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is not JSON: {error}"))
}

/// Reads on beside the test, to the end, so that a full pipe stops nobody.
fn lines_of(stream: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}
