//! A call of a process, from its beginning to its end, and the folds beside it.

use lamport_clock::ErrorKind;
use lamport_clock::protocol::{Compare, Fold, Operation, Step};

use super::{Found, Slot, World, time};
use crate::keys::{self, BASE, Clock, TAKEN};
use crate::sizes::Size;

impl World {
    pub(super) fn call(&mut self, i: usize, k: usize, count: u64) {
        let after_repair = self.repaired.is_some_and(|(_, era)| era == self.era);
        let process = &mut self.processes[i];
        process.calls -= 1;
        process.local += 1;
        let slot = Slot {
            call: process.protocol.begin(time(process.local), count),
            count,
            local: process.local,
            floor: self.highest,
            legacy: self.legacy,
            after_repair,
            sent: None,
            reply: None,
            transactions: 0,
            creations: 0,
            lost: 0,
            found: Vec::new(),
            knew: None,
            repairs: 0,
        };
        process.slots[k] = Some(slot);
        self.poll(i, k);
    }

    /// Does what the protocol of the call says next.
    pub(super) fn poll(&mut self, i: usize, k: usize) {
        let process = &mut self.processes[i];
        let Some(slot) = &mut process.slots[k] else {
            return;
        };
        let known = process.protocol.known().time().get();
        match process.protocol.poll(&mut slot.call, 0.0) {
            Step::Look => slot.sent = None,
            Step::Send(transaction) => {
                // One more where others created the clock in the same moment.
                let creates = transaction
                    .compares
                    .contains(&Compare::ModRevision(BASE.into(), 0));
                slot.transactions += 1;
                slot.creations += usize::from(creates);
                slot.knew.get_or_insert(known);
                slot.repairs = process.protocol.known().marks();
                slot.sent = Some(transaction);
            }
            Step::Done(times) => self.hand_out(i, k, &times),
            Step::Failed(error) => self.fail(i, k, error.kind()),
        }
    }

    pub(super) fn arrive(&mut self, i: usize, k: usize) {
        let Some(Slot {
            sent: Some(transaction),
            ..
        }) = self.processes[i].slots[k].clone()
        else {
            return;
        };
        let (clock, record) = (keys::clock(&self.store), keys::record(&self.store));
        let before = self.store.revision();
        let reply = self.apply(&transaction);
        let watched = self.watched();
        let wrote = transaction
            .branch(reply.succeeded)
            .iter()
            .any(|operation| !matches!(operation, Operation::Get(_)));
        // The first update of all creates the clock.
        let before_it = match clock {
            Clock::At(clock) => Some(clock),
            Clock::Empty => Some(0),
            Clock::Lost => None,
        };
        if let (Some(clock), true) = (before_it, wrote) {
            if let Clock::At(after) = keys::clock(&self.store)
                && after <= clock
            {
                self.breaks(format!("an update moved the clock from {clock} to {after}"));
            }
            if let Some(slot) = &mut self.processes[i].slots[k] {
                slot.found.push(Found {
                    clock,
                    record,
                    before,
                    after: reply.revision,
                    era: self.era,
                    watched,
                });
            }
        }
        if let Some(slot) = &mut self.processes[i].slots[k] {
            slot.reply = Some(reply);
        }
    }

    pub(super) fn hear(&mut self, size: &Size, i: usize, k: usize) {
        let process = &mut self.processes[i];
        let Some(slot) = &mut process.slots[k] else {
            return;
        };
        let Some(reply) = slot.reply.take() else {
            return;
        };
        // The process has seen a repair since it asked, so this reply may not count.
        slot.lost += usize::from(slot.repairs != process.protocol.known().marks());
        process.protocol.handle_reply(&mut slot.call, &reply);
        if size.crowd > 0
            && process.fold.is_none()
            && process.protocol.fold_due().is_some()
            && let Some(seen) = process.protocol.snapshot().cloned()
        {
            // Every so-manieth take, here of a crowd that fits the model.
            let takes = keys::entry(&self.store, TAKEN).zip(keys::entry(&self.store, BASE));
            let takes = takes.map_or(0, |(taken, base)| {
                taken.version.saturating_sub(keys::number(&base, "taken"))
            });
            if takes.is_multiple_of(size.crowd) {
                process.fold = process.protocol.fold(Fold::InACrowd, &seen, 0.0);
            }
        }
        self.poll(i, k);
    }

    pub(super) fn lose(&mut self, i: usize, k: usize) {
        self.left.losses -= 1;
        let process = &mut self.processes[i];
        if let Some(slot) = &mut process.slots[k] {
            slot.reply = None;
            slot.lost += 1;
            slot.found.clear();
            slot.knew = None;
            process.protocol.handle_lost(&mut slot.call);
        }
        self.poll(i, k);
    }

    pub(super) fn fold(&mut self, i: usize) {
        let Some(fold) = self.processes[i].fold.take() else {
            return;
        };
        let before = keys::clock(&self.store);
        let legacy = keys::record(&self.store);
        let reply = self.apply(fold.transaction());
        if reply.succeeded && self.watched().is_some() {
            self.breaks("a watcher sees an update in a fold".to_owned());
        }
        if let (Clock::At(before), Clock::At(after)) = (before, keys::clock(&self.store))
            && self.era == 0
            && after > before.max(legacy)
        {
            self.breaks(format!("a fold moved the clock from {before} to {after}"));
        }
        self.processes[i].protocol.handle_fold(&fold, &reply);
    }

    pub(super) fn fail(&mut self, i: usize, k: usize, kind: ErrorKind) {
        let process = &mut self.processes[i];
        let Some(slot) = process.slots[k].take() else {
            return;
        };
        process.refused = true;
        if kind != ErrorKind::Regressed || self.era == 0 {
            self.breaks(format!("p{i} failed: {kind:?}"));
        } else if slot.after_repair
            && let Some((to, era)) = self.repaired
            && era == self.era
            && self.processes[i].protocol.known().time().get() < to
        {
            self.breaks(format!("p{i} was refused after the repair"));
        }
    }
}
