//! What may happen next, and that it happens.

use lamport_clock::protocol::At;
use lamport_clock::store::mvcc::Mvcc;

use super::{Slot, World, named};
use crate::keys;
use crate::sizes::Size;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// A process calls for so many times.
    Call(usize, usize, u64),
    /// It has to look first.
    Look(usize, usize),
    /// Its transaction takes effect.
    Arrive(usize, usize),
    /// It hears the reply.
    Hear(usize, usize),
    /// It gives its transaction up, which may take effect later.
    Lose(usize, usize),
    /// Its transaction takes effect, and the reply is lost.
    LoseReply(usize, usize),
    /// It rests, and begins to fold what it took.
    Rest(usize),
    /// Its fold takes effect, and it hears the reply.
    Fold(usize),
    LoseFold(usize),
    LoseFoldReply(usize),
    /// A transaction that was given up takes effect after all.
    ArriveLate(usize),
    Tick(usize),
    LegacyGet,
    LegacyPut,
    Crash(usize),
    Delete(u8),
    Save,
    /// The store is as it was when it was saved; with `true` its revisions go on later.
    Restore(bool),
    /// An operator looks, with the highest time that anybody knows, and moves the clock.
    RepairLook,
    Repair,
}

impl World {
    pub(crate) fn actions(&self, size: &Size, actions: &mut Vec<Action>) {
        if self.broken.is_some() {
            return;
        }
        for (i, process) in self.processes.iter().enumerate() {
            let calls = |k: usize| process.slots[k].is_some();
            for (k, slot) in process.slots.iter().enumerate() {
                match slot {
                    None if process.calls > 0 && (k == 0 || calls(0)) => {
                        actions.extend(size.counts.iter().map(|n| Action::Call(i, k, *n)));
                    }
                    None => {}
                    Some(slot) => match (&slot.sent, &slot.reply) {
                        (None, _) => actions.push(Action::Look(i, k)),
                        (Some(_), Some(_)) => actions.push(Action::Hear(i, k)),
                        (Some(_), None) => {
                            actions.push(Action::Arrive(i, k));
                            if self.left.losses > 0 {
                                actions.push(Action::Lose(i, k));
                                actions.push(Action::LoseReply(i, k));
                            }
                        }
                    },
                }
            }
            if process.fold.is_some() {
                actions.push(Action::Fold(i));
                if self.left.losses > 0 {
                    actions.push(Action::LoseFold(i));
                    actions.push(Action::LoseFoldReply(i));
                }
            } else if size.folds && !(size.is_quiet() && calls(0)) && self.can_fold(i) {
                actions.push(Action::Rest(i));
            }
            if self.left.ticks > 0 {
                actions.push(Action::Tick(i));
            }
            let has_begun = process.calls < size.calls;
            if self.left.crashes > 0 && has_begun {
                actions.push(Action::Crash(i));
            }
        }
        actions.extend((0..self.late.len()).map(Action::ArriveLate));
        if self.left.legacy_writes > 0 {
            actions.push(match self.legacy_read {
                None => Action::LegacyGet,
                Some(_) => Action::LegacyPut,
            });
        }
        if self.given.is_empty() {
            return;
        }
        if self.left.deletions > 0 {
            let there = |mask: &&u8| {
                let names = named(**mask);
                names
                    .iter()
                    .all(|key| keys::entry(&self.store, key).is_some())
            };
            actions.extend(
                size.deleted
                    .iter()
                    .filter(there)
                    .map(|mask| Action::Delete(*mask)),
            );
        }
        if self.left.saves > 0 {
            actions.push(Action::Save);
        }
        let has_newer = |saved: &Mvcc| saved.revision() < self.store.revision();
        if self.left.restores > 0 && self.saved.as_ref().is_some_and(has_newer) {
            actions.push(Action::Restore(false));
            if size.bump {
                actions.push(Action::Restore(true));
            }
        }
        if self.left.repairs > 0 && self.era > 0 {
            actions.push(match self.repair {
                None => Action::RepairLook,
                Some(_) => Action::Repair,
            });
        }
    }

    pub(crate) fn act(&mut self, size: &Size, action: Action) {
        match action {
            Action::Call(i, k, count) => self.call(i, k, count),
            Action::Look(i, k) => {
                let process = &mut self.processes[i];
                let range = process.protocol.keys().all();
                let reply = self.store.read(&range, At::Now).unwrap();
                let asked = process.protocol.known();
                let looked = process.protocol.handle_look(asked, &reply, true);
                if let Some(slot) = &mut process.slots[k] {
                    slot.found.clear();
                    slot.knew = None;
                }
                match looked {
                    Ok(_) => self.poll(i, k),
                    Err(error) => self.fail(i, k, error.kind()),
                }
            }
            Action::Arrive(i, k) => {
                self.arrive(i, k);
                if size.pipeline == 1 {
                    self.hear(size, i, k);
                }
            }
            Action::Hear(i, k) => self.hear(size, i, k),
            Action::Lose(i, k) => {
                if let Some(Slot {
                    sent: Some(sent), ..
                }) = &self.processes[i].slots[k]
                {
                    self.late.push(sent.clone());
                }
                self.lose(i, k);
            }
            Action::LoseReply(i, k) => {
                self.arrive(i, k);
                self.lose(i, k);
            }
            Action::Rest(i) => {
                let fold = self.rested(i);
                self.processes[i].fold = fold;
                if size.is_quiet() {
                    self.fold(i);
                }
            }
            Action::Fold(i) => self.fold(i),
            Action::LoseFold(i) => {
                self.left.losses -= 1;
                if let Some(fold) = self.processes[i].fold.take() {
                    self.late.push(fold.transaction().clone());
                }
            }
            Action::LoseFoldReply(i) => {
                self.left.losses -= 1;
                if let Some(fold) = self.processes[i].fold.take() {
                    self.apply(fold.transaction());
                }
            }
            Action::ArriveLate(late) => {
                let transaction = self.late.remove(late);
                self.apply(&transaction);
            }
            Action::Tick(i) => {
                self.left.ticks -= 1;
                self.processes[i].local += size.tick;
            }
            Action::LegacyGet => self.legacy_read = Some(keys::record(&self.store)),
            Action::LegacyPut => self.legacy_put(),
            Action::Crash(i) => self.crash(size, i),
            Action::Delete(mask) => self.delete(mask),
            Action::Save => {
                self.left.saves -= 1;
                self.saved = Some(self.store.clone());
            }
            Action::Restore(bump) => {
                self.left.restores -= 1;
                self.era += 1;
                let later = self.store.revision() + 20;
                self.store = self.saved.clone().expect("it was saved");
                while bump && self.store.revision() < later {
                    self.put("/other", b"x");
                }
            }
            Action::RepairLook => self.look_for_repair(),
            Action::Repair => self.go_on_with_repair(),
        }
    }
}
