//! The store behind the faults: one shelf, its watches, and the log of the record that it keeps apart,
//! whatever becomes of the shelf.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use lamport_clock::logic::board::Keys;
use lamport_clock::logic::trace::{Observed, Trace};
use lamport_clock::logic::transaction::{Entry, Get, KeyRange, Operation, Reply, Transaction};
use lamport_clock::store::shelf::Shelf;
use lamport_clock::store::{Change, Failure};
use lamport_clock::{Error, ErrorKind};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::random::Random;

pub(crate) struct Server {
    state: Mutex<State>,
    /// A revision was written, or the shelf was exchanged.
    pub(crate) changed: Notify,
    pub(crate) keys: Keys,
}

struct State {
    shelf: Shelf,
    /// How often the shelf was exchanged: what is under way then gets lost.
    epoch: u64,
    log: Vec<Value>,
    /// How long the log was when the store lost something that was not repaired yet.
    lost_at: Option<usize>,
    highest: u64,
}

/// What the record is robbed of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    Snapshot,
    AnotherCluster,
    Record,
    Highest,
    Everything,
}

impl Server {
    pub(crate) fn new() -> Server {
        Server {
            state: Mutex::new(State {
                shelf: Shelf::of_cluster(1),
                epoch: 0,
                log: Vec::new(),
                lost_at: None,
                highest: 0,
            }),
            changed: Notify::new(),
            keys: Keys::new("/lamport_clock"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.state().epoch
    }

    pub(crate) fn revision(&self) -> u64 {
        self.state().shelf.revision()
    }

    /// The highest time that ever stood in the record by the rule.
    pub(crate) fn highest(&self) -> u64 {
        self.state().highest
    }

    pub(crate) fn apply(&self, transaction: &Transaction) -> Result<Reply, Error> {
        let mut state = self.state();
        let before = state.shelf.revision();
        let reply = state.shelf.apply(transaction)?;
        if reply.revision > before {
            let range = self.keys.trace();
            let changes = state
                .shelf
                .changes(&range, reply.revision, reply.revision)?;
            for change in changes {
                self.write_down(&change, &mut state);
            }
            drop(state);
            self.changed.notify_waiters();
        }
        Ok(reply)
    }

    /// As `lamport watch --json` would print it.
    fn write_down(&self, change: &Change, state: &mut State) {
        let revision = change.revision;
        let written: Vec<&Entry> = change.keys.iter().filter_map(|(_, e)| e.as_ref()).collect();
        let trace = Trace::of(&self.keys, written);
        if trace.record.is_none() {
            let gone = |(key, entry): &(Vec<u8>, Option<Entry>)| {
                *key == self.keys.record && entry.is_none()
            };
            if change.keys.iter().any(gone) {
                let notice = json!({"notice": "deleted", "revision": revision});
                state.log.push(notice);
            }
            return;
        }
        match trace.updates(&self.keys) {
            Ok(updates) => {
                for update in updates {
                    if update.instance.is_some() {
                        state.highest = state.highest.max(update.value.get());
                    }
                    if update.process_id.starts_with("repair:")
                        && let Some(length) = state.lost_at.take()
                    {
                        // What was written in between nobody was given: that is looked at apart.
                        state.log.truncate(length);
                    }
                    state.log.push(line(&update));
                }
            }
            Err(_) => state
                .log
                .push(json!({"notice": "unreadable", "revision": revision})),
        }
    }

    pub(crate) fn changes(
        &self,
        range: &KeyRange,
        from: u64,
    ) -> Result<(u64, Vec<Change>), Failure> {
        let state = self.state();
        let newest = state.shelf.revision();
        if newest < from {
            return Ok((newest, Vec::new()));
        }
        let changes = state.shelf.changes(range, from, newest);
        changes
            .map(|changes| (newest, changes))
            .map_err(|error| Failure {
                kept_from: Some(state.shelf.kept_from()),
                ..Failure::answered(error)
            })
    }

    /// Forgets all but the newest revisions.
    pub(crate) fn compact(&self, random: &mut Random) {
        let mut state = self.state();
        let revision = state.shelf.revision();
        state
            .shelf
            .compact(revision.saturating_sub(random.below(4)));
    }

    pub(crate) fn write(&self, operations: Vec<Operation>) {
        let transaction = Transaction {
            then: operations,
            ..Transaction::default()
        };
        self.apply(&transaction).unwrap();
    }

    pub(crate) fn put(&self, key: &[u8], value: &[u8]) {
        self.write(vec![Operation::Put(key.to_vec(), value.to_vec())]);
    }

    /// What lies under the record's key.
    pub(crate) fn record(&self) -> Option<Vec<u8>> {
        let look = Transaction {
            then: vec![Operation::Get(Get::all(KeyRange::key(&self.keys.record)))],
            ..Transaction::default()
        };
        let mut reply = self.apply(&look).unwrap();
        reply.gets.remove(0).pop().map(|entry| entry.value)
    }

    pub(crate) fn snapshot(&self) -> Shelf {
        self.state().shelf.clone()
    }

    pub(crate) fn lose(&self, loss: Loss, snapshot: &Shelf) {
        let delete = |key: &[u8]| Operation::Delete(key.to_vec());
        let keys = &self.keys;
        let mut state = self.state();
        state.lost_at = Some(state.log.len());
        drop(state);
        match loss {
            Loss::Snapshot => self.exchange(snapshot.clone()),
            Loss::AnotherCluster => self.exchange(Shelf::of_cluster(2 + self.epoch())),
            Loss::Record => self.write(vec![delete(&keys.record)]),
            Loss::Highest => self.write(vec![delete(&keys.highest)]),
            Loss::Everything => self.write(vec![
                delete(&keys.record),
                delete(&keys.highest),
                delete(&keys.granted),
                delete(&keys.tail),
            ]),
        }
    }

    fn exchange(&self, shelf: Shelf) {
        let mut state = self.state();
        state.shelf = shelf;
        state.epoch += 1;
        drop(state);
        self.changed.notify_waiters();
    }

    /// The log of the record; `in_turn` with the entries' places for revisions, since those of an
    /// exchanged shelf begin anew.
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

fn line(update: &Observed) -> Value {
    json!({
        "value": update.value.get(),
        "first": update.first.get(),
        "process_id": update.process_id,
        "instance": update.instance.map(|instance| instance.to_string()),
        "revision": update.revision,
    })
}

pub(crate) fn unavailable(why: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("simulated: {why}"))
}

pub(crate) fn milliseconds(n: u64) -> Duration {
    Duration::from_millis(n)
}
