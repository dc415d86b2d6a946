//! Another program that measures its own side: it is asked line by line and answers in JSON, so
//! that its turns can alternate with ours.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;

use crate::{Failure, machine};

/// A running program; it ends when its input does.
pub(crate) struct Partner {
    name: String,
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Partner {
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Result<Partner, Failure> {
        let name = program.display().to_string();
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name} can't be started: {error}"))?;
        Ok(Partner {
            name,
            questions: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().ok_or("no pipe")?),
            child,
        })
    }

    /// Says `question` and waits for the answer.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, question: &str) -> Result<T, Failure> {
        self.say(question)?;
        self.answer()
    }

    pub(crate) fn say(&mut self, question: &str) -> Result<(), Failure> {
        let questions = self.questions.as_mut().ok_or("already ended")?;
        writeln!(questions, "{question}")?;
        Ok(())
    }

    /// The processor time it has used, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        machine::cpu_of(self.child.id())
    }

    pub(crate) fn answer<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line)
            .map_err(|error| format!("{} answered {line:?}: {error}", self.name).into())
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        // Told to end by the end of its input; killed in case it does not listen.
        drop(self.questions.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
