//! The log of a recorded demo. It holds the nodes' updates, and messages that they send each other in
//! between, so that the lines have a causal order. `lamport order`, `explain` and `diagram` read it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::super::Ending;
use lamport_clock::blocking::SharedClock;
use lamport_clock::{Line, Stamp, Update};

/// The second node's wall clock is behind by this much, as happens in practice. By its own wall clock the
/// node answers before it is asked.
const BEHIND: Duration = Duration::from_millis(300);

/// The lines of all nodes, as JSON.
#[derive(Default)]
pub(super) struct Diary {
    pub(super) lines: Vec<u8>,
    /// The stamp of each node's newest line.
    last: Vec<Option<Stamp>>,
    round: usize,
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    line: &'a Line,
    lamport_kind: &'static str,
    timestamp: f64,
    level: &'static str,
    message: String,
}

/// The line of an update. An update has its own time, so the clock does not tick for the line.
#[derive(Serialize)]
struct Taken {
    lamport: String,
    lamport_instance: String,
    lamport_after: Vec<String>,
    lamport_kind: &'static str,
    timestamp: f64,
    level: &'static str,
    message: String,
}

impl Diary {
    /// Writes the line of an update, with which a node took a time from the shared clock.
    pub(super) fn update(&mut self, node: usize, update: &Update) -> Result<(), Ending> {
        let stamp = update.stamp();
        let before = self.last_of(node).take();
        let taken = Taken {
            lamport: stamp.to_string(),
            lamport_instance: stamp.instance.to_string(),
            lamport_after: before.iter().map(|stamp| format!("{stamp:#}")).collect(),
            lamport_kind: "update",
            timestamp: wall(node),
            level: "info",
            message: format!("took {} from the shared clock", update.value),
        };
        self.write(&taken)?;
        *self.last_of(node) = Some(stamp);
        Ok(())
    }

    /// Each node asks another node and gets an answer. The next round pairs the nodes differently.
    pub(super) fn messages(&mut self, clocks: &[SharedClock]) -> Result<(), Ending> {
        let count = clocks.len();
        if count < 2 {
            return Ok(());
        }
        let away = 1 + self.round % (count - 1);
        self.round += 1;
        for node in 0..count {
            let other = (node + away) % count;
            let (name, other_name) = (clocks[node].process(), clocks[other].process());
            let asked = self.line(
                clocks,
                node,
                "send",
                format!("asks {other_name}: is there tea?"),
            )?;
            clocks[other].receive(&asked)?;
            let left = 3 + (node + self.round) % 5;
            let answered = self.line(
                clocks,
                other,
                "send",
                format!("answers {name}: {left} are left"),
            )?;
            clocks[node].receive(&answered)?;
            self.line(
                clocks,
                node,
                "receive",
                format!("knows that {left} are left"),
            )?;
        }
        Ok(())
    }

    fn line(
        &mut self,
        clocks: &[SharedClock],
        node: usize,
        kind: &'static str,
        message: String,
    ) -> Result<Stamp, Ending> {
        let line = clocks[node].log()?;
        self.write(&Entry {
            line: &line,
            lamport_kind: kind,
            timestamp: wall(node),
            level: "info",
            message,
        })?;
        *self.last_of(node) = Some(line.stamp.clone());
        Ok(line.stamp)
    }

    fn last_of(&mut self, node: usize) -> &mut Option<Stamp> {
        if self.last.len() <= node {
            self.last.resize(node + 1, None);
        }
        &mut self.last[node]
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), Ending> {
        super::super::output::append_json(&mut self.lines, line)
    }
}

/// What the node's wall clock shows, in seconds since 1970.
fn wall(node: usize) -> f64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let behind = if node == 1 { BEHIND } else { Duration::ZERO };
    now.saturating_sub(behind).as_secs_f64()
}
