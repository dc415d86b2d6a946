//! The store behind the faults: one map, its watches, and the log of updates that it keeps apart,
//! whatever becomes of the map.
//!
//! The log is the judge's, so it is made of what `keys` reads without any code of the protocol.

mod keys;

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use lamport_clock::protocol::{At, Change, KeyRange, Operation, Reply, Transaction};
use lamport_clock::store::Failure;
use lamport_clock::store::mvcc::Mvcc;
use lamport_clock::{Error, ErrorKind};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::random::Random;
use keys::{BASE, Did, Found, TAKEN, WEIGHTS, did};
pub(crate) use keys::{RECORD, was_folded};

pub(crate) struct Server {
    state: Mutex<State>,
    /// A revision was written, or the map was exchanged.
    pub(crate) changed: Notify,
}

struct State {
    map: Mvcc,
    /// The clock's keys as they are now.
    keys: Found,
    /// How often the map was exchanged: what is under way then gets lost.
    epoch: u64,
    log: Vec<Value>,
    /// How long the log was when the store lost something that was not repaired yet, and from where on
    /// times may be handed out all the same.
    lost_at: Option<(usize, u64)>,
    highest: u64,
    /// The first write that no clock may make.
    broken: Option<String>,
}

/// What the store loses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loss {
    /// All that was written since some time.
    Snapshot,
    AnotherCluster,
    Base,
    Taken,
    BaseAndTaken,
    RecordAndBase,
    /// Every weight that there is.
    Weights,
    Everything,
}

impl Loss {
    /// Whether somebody who knows of nothing finds an empty clock there, which is another one.
    pub(crate) fn leaves_another_clock(self) -> bool {
        matches!(
            self,
            Loss::AnotherCluster | Loss::BaseAndTaken | Loss::Everything
        )
    }

    /// From which time on times may be handed out before the repair. Those who know what the weights
    /// counted put it into the base, if nobody came before them: then nothing is lost.
    pub(crate) fn leaves_times_from(self, highest: u64) -> u64 {
        match self {
            // The takes of those who are refused may come so far, too.
            Loss::Snapshot | Loss::Weights => highest + 1,
            _ => u64::MAX,
        }
    }

    fn takes(self, key: &[u8]) -> bool {
        match self {
            Loss::Snapshot | Loss::AnotherCluster => false,
            Loss::Base => key == BASE,
            Loss::Taken => key == TAKEN,
            Loss::BaseAndTaken => key == BASE || key == TAKEN,
            Loss::RecordAndBase => key == RECORD || key == BASE,
            Loss::Weights => key.starts_with(WEIGHTS),
            Loss::Everything => true,
        }
    }
}

impl Server {
    pub(crate) fn new() -> Server {
        Server {
            state: Mutex::new(State {
                map: Mvcc::of_cluster(1),
                keys: Found::default(),
                epoch: 0,
                log: Vec::new(),
                lost_at: None,
                highest: 0,
                broken: None,
            }),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.state().epoch
    }

    pub(crate) fn revision(&self) -> u64 {
        self.state().map.revision()
    }

    /// Where the clock stood at its highest, times that were given up included: processes know of those.
    pub(crate) fn highest(&self) -> u64 {
        self.state().highest
    }

    /// The first write that no clock may make.
    pub(crate) fn broken(&self) -> Option<String> {
        self.state().broken.clone()
    }

    pub(crate) fn apply(&self, transaction: &Transaction) -> Result<Reply, Error> {
        let mut state = self.state();
        let before = state.map.revision();
        let reply = state.map.apply(transaction)?;
        if reply.revision > before {
            let changes = state
                .map
                .changes(&everything(), reply.revision, reply.revision)?;
            for change in changes {
                state.write_down(&change);
            }
            drop(state);
            self.changed.notify_waiters();
        }
        Ok(reply)
    }

    /// What lies under the keys; late by `behind` revisions, as a member may be that is asked for what
    /// it has.
    pub(crate) fn read(&self, range: &KeyRange, at: At, behind: u64) -> Result<Reply, Failure> {
        let state = self.state();
        let (mut at, mut revision) = (at, state.map.revision());
        if at == At::Anywhere && revision > behind.max(state.map.kept_from()) {
            revision = (revision - behind).max(state.map.kept_from());
            at = At::Revision(revision);
        }
        let reply = state
            .map
            .read(range, at)
            .map_err(|error| kept(&state, error))?;
        Ok(Reply { revision, ..reply })
    }

    pub(crate) fn changes(
        &self,
        range: &KeyRange,
        from: u64,
    ) -> Result<(u64, Vec<Change>), Failure> {
        let state = self.state();
        let newest = state.map.revision();
        if newest < from {
            return Ok((newest, Vec::new()));
        }
        let changes = state.map.changes(range, from, newest);
        changes
            .map(|changes| (newest, changes))
            .map_err(|error| kept(&state, error))
    }

    /// Forgets all but the newest revisions.
    pub(crate) fn compact(&self, random: &mut Random) {
        let mut state = self.state();
        let revision = state.map.revision();
        state.map.compact(revision.saturating_sub(random.below(4)));
    }

    pub(crate) fn write(&self, operations: Vec<Operation>) {
        let transaction = Transaction {
            then: operations,
            ..Transaction::default()
        };
        self.apply(&transaction).unwrap();
    }

    pub(crate) fn put_record(&self, value: &[u8]) {
        self.write(vec![Operation::Put(RECORD.to_vec(), value.to_vec())]);
    }

    pub(crate) fn delete_record(&self) {
        self.write(vec![Operation::Delete(RECORD.to_vec())]);
    }

    /// What lies under the record's key.
    pub(crate) fn record(&self) -> Option<Vec<u8>> {
        let state = self.state();
        state.keys.0.get(RECORD).map(|entry| entry.value.clone())
    }

    pub(crate) fn snapshot(&self) -> Mvcc {
        self.state().map.clone()
    }

    /// Where the clock would stand after this loss; `None` if there is nothing to lose, or if anybody
    /// could see it.
    pub(crate) fn clock_after(&self, loss: Loss) -> Option<u64> {
        let mut keys = self.state().keys.clone();
        let before = keys.0.len();
        keys.0.retain(|key, _| !loss.takes(key));
        (keys.0.len() < before).then(|| keys.clock()).flatten()
    }

    pub(crate) fn lose(&self, loss: Loss, snapshot: &Mvcc) {
        let mut state = self.state();
        state.lost_at = Some((state.log.len(), loss.leaves_times_from(state.highest)));
        let lost = state.keys.0.keys().filter(|key| loss.takes(key));
        let lost: Vec<_> = lost.cloned().map(Operation::Delete).collect();
        drop(state);
        match loss {
            Loss::Snapshot => self.exchange(snapshot.clone()),
            Loss::AnotherCluster => self.exchange(Mvcc::of_cluster(2 + self.epoch())),
            Loss::Weights => {
                self.write(lost);
                // What is under way could make up for it, and those who know less go on.
                self.exchange(self.snapshot());
            }
            _ => self.write(lost),
        }
    }

    fn exchange(&self, map: Mvcc) {
        let mut state = self.state();
        let entries = map.read(&everything(), At::Now).unwrap().entries;
        let keys = entries.into_iter().map(|entry| (entry.key.clone(), entry));
        state.keys = Found(keys.collect());
        state.map = map;
        state.epoch += 1;
        drop(state);
        self.changed.notify_waiters();
    }

    /// What is wrong with a clock that has come to rest, if anything is: three keys are left, and the
    /// record shows the newest time.
    pub(crate) fn unrest(&self) -> Option<String> {
        let keys = self.state().keys.clone();
        let at_rest = keys.0.keys().eq([RECORD, BASE, TAKEN])
            && keys.record() == keys.clock()
            && keys.json(BASE)?["taken"] == keys.0[TAKEN].version;
        let texts = keys.0.values().map(|entry| {
            let [key, value] =
                [&entry.key, &entry.value].map(|bytes| String::from_utf8_lossy(bytes));
            format!("{key} (version {}): {value}", entry.version)
        });
        (!at_rest).then(|| texts.collect::<Vec<_>>().join("\n"))
    }

    /// The log of updates, as `lamport watch --json` would print it; `in_turn` with the entries' places
    /// for revisions, since those of an exchanged map begin anew.
    pub(crate) fn log(&self, in_turn: bool) -> String {
        let mut text = r#"{"notice":"watching","endpoint":"simulated","from":1}"#.to_owned();
        let state = self.state();
        for (i, line) in state.log.iter().enumerate() {
            let mut line = line.clone();
            if in_turn {
                if line["notice"] == "deleted" {
                    continue;
                }
                line["revision"] = json!(i + 1);
            }
            text.push('\n');
            text.push_str(&line.to_string());
        }
        text
    }
}

impl State {
    fn write_down(&mut self, change: &Change) {
        let before = self.keys.clone();
        for (key, entry) in &change.keys {
            match entry {
                Some(entry) => self.keys.0.insert(key.clone(), entry.clone()),
                None => self.keys.0.remove(key),
            };
        }
        let did = did(&before, &self.keys, change);
        self.check(&before, change.revision);
        self.highest = self.highest.max(self.keys.clock().unwrap_or(0));
        let line = match did {
            Did::Nothing => return,
            Did::Deleted => json!({"notice": "deleted", "revision": change.revision}),
            Did::Unreadable => json!({"notice": "unreadable", "revision": change.revision}),
            Did::Updated(update) => update,
        };
        let process = line["process_id"].as_str().unwrap_or_default();
        if process.starts_with("repair:")
            && let Some((length, from)) = self.lost_at.take()
        {
            // What was written in between nobody was given: that is looked at apart.
            let between = self.log.split_off(length);
            let given = between
                .into_iter()
                .filter(|line| line["first"].as_u64() >= Some(from));
            self.log.extend(given);
        }
        self.log.push(line);
    }

    /// The clock never goes back.
    fn check(&mut self, before: &Found, revision: u64) {
        if self.lost_at.is_some() || self.broken.is_some() {
            return;
        }
        let (stood, stands) = (before.clock().unwrap_or(0), self.keys.clock());
        let is_there = [BASE, TAKEN]
            .iter()
            .any(|key| self.keys.0.contains_key(*key));
        if (is_there && stands.is_none()) || stands.is_some_and(|stands| stands < stood) {
            let what = format!("the clock went from {stood} to {stands:?} at revision {revision}");
            self.broken = Some(what);
        }
    }
}

fn everything() -> KeyRange {
    KeyRange::new(RECORD, "/lamport_clock0")
}

fn kept(state: &State, error: Error) -> Failure {
    Failure {
        kept_from: Some(state.map.kept_from()),
        ..Failure::answered(error)
    }
}

pub(crate) fn unavailable(why: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("simulated: {why}"))
}

pub(crate) fn milliseconds(n: u64) -> Duration {
    Duration::from_millis(n)
}
