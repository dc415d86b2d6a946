//! Losses and writes that operators and other programs cause in the store, and its repair.

use super::*;

impl World {
    /// Repairs the store, as somebody does who is told that it has lost times, with or without reason.
    /// Returns whether the repair moved the clock past all times there ever were.
    pub(super) fn repair(&mut self, who: usize, told: bool) -> bool {
        self.state();
        self.wall += 1.0;
        self.process(who);
        let protocol = self.processes[who].protocol.clone();
        let at_least = if told {
            self.topmost.max(self.highest)
        } else {
            0
        };
        let at_least = Time::new(at_least).expect("a clock");
        let reply = self.store.read(&self.keys.all(), At::Now).unwrap();
        let Ok(plan) = protocol.plan_repair(protocol.known(), &reply, at_least) else {
            return false;
        };
        assert!(plan.to > at_least);
        // A record that lies far ahead by mistake must be mended first: the repair would confirm it.
        if plan.to.get() > self.topmost.max(self.highest) + 1_000 {
            return false;
        }
        let mut seen = plan.found.clone();
        for _ in 0..2 {
            let Ok(question) = protocol.repair(&plan, &seen, self.wall) else {
                return false;
            };
            let reply = self.apply(Kind::Repair, question.transaction());
            assert!(reply.succeeded, "nobody wrote in between");
            seen = question.leaves(&reply);
            if protocol.repair_done(&plan, &seen).is_some() {
                self.repaired(plan.to.get(), told);
                return told;
            }
        }
        panic!("a repair takes two transactions");
    }

    pub(super) fn repaired(&mut self, to: u64, told: bool) {
        let state = self.state();
        assert_eq!((state.clock, state.record), (Ok(Some(to)), Some(to)));
        let was_sound = self.sound_above.is_some();
        let other = self.owners.insert(to, 0);
        if told || was_sound {
            assert_eq!(other, None, "{to} was given before the repair");
            assert!(to > self.highest, "{to} lies below {}", self.highest);
        }
        self.highest = self.highest.max(to);
        if told && !was_sound {
            self.sound_above = Some(to);
        }
    }

    pub(super) fn lost(&mut self) {
        self.losses += 1;
        self.sound_above = None;
        for process in &mut self.processes {
            let applied = |caller: &Caller| matches!(caller.flight, Flight::Applied(_));
            process.tangled |=
                process.calls.iter().any(applied) || matches!(process.fold, Some((_, Some(_))));
        }
    }

    /// An operator restores a snapshot, and may raise the revision as etcd's tools can.
    pub(super) fn restore(&mut self, revisions: u8) {
        if let Some(saved) = self.saved.clone()
            && saved.revision() < self.store.revision()
        {
            self.state();
            self.lost();
            self.store = saved;
            for _ in 0..revisions {
                self.write(vec![Operation::Put(b"/elsewhere".to_vec(), Vec::new())]);
            }
        }
    }

    /// The address of the store leads to another cluster, or back again.
    pub(super) fn exchange(&mut self) {
        self.state();
        self.lost();
        std::mem::swap(&mut self.store, &mut self.other);
        self.saved = None;
    }

    /// An operator deletes some of the keys.
    pub(super) fn delete(&mut self, which: u8) {
        let keys = self.keys.clone();
        let mut doomed = Vec::new();
        for (bit, key) in [&keys.record, &keys.base, &keys.taken]
            .into_iter()
            .enumerate()
        {
            if which >> bit & 1 == 1 {
                doomed.push(key.clone());
            }
        }
        if which >> 3 == 1 {
            doomed.extend((0..Keys::WEIGHTS).map(|bit| keys.weight(bit)));
        }
        let found = self.store.read(&keys.all(), At::Now).unwrap().entries;
        let is_loss = |entry: &Entry| doomed.contains(&entry.key) && entry.key != keys.record;
        if found.iter().any(is_loss) {
            self.state();
            self.lost();
        } else {
            // The deletion of the record alone is no loss.
            self.blind_writes += 1;
        }
        self.write(doomed.into_iter().map(Operation::Delete).collect());
    }

    pub(super) fn write(&mut self, then: Vec<Operation>) {
        let transaction = Transaction {
            then,
            ..Transaction::default()
        };
        self.store.apply(&transaction).unwrap();
        self.follow();
    }

    /// Another program writes the record as it likes, or writes keys that only clocks write.
    pub(super) fn write_blindly(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let keys = self.keys.clone();
        self.blind_writes += 1;
        let mut beside = None;
        let operation = match bytes.int_in_range(0..=9)? {
            0..=3 => {
                let value = bytes.int_in_range(0..=self.highest + 5)?;
                Operation::Put(keys.record.clone(), record(value))
            }
            4 => {
                self.spoilt = true;
                let value = bytes.int_in_range(0..=Time::MAX.get() + 1)?;
                Operation::Put(keys.record.clone(), record(value))
            }
            5 => {
                self.spoilt = true;
                let length = bytes.int_in_range(0..=20)?.min(bytes.len());
                Operation::Put(keys.record.clone(), bytes.bytes(length)?.to_vec())
            }
            // An unknown process takes a time, which becomes a gap.
            6 => Operation::Put(keys.taken.clone(), b"rubbish".to_vec()),
            kind @ (7 | 8) => {
                // Takes a few times, or nearly all there are.
                self.spoilt |= kind == 8;
                let most = if kind == 8 { Keys::WEIGHTS } else { 6 };
                let weight = keys.weight(bytes.int_in_range(0..=most - 1)?);
                beside = Some(Operation::Put(weight, Vec::new()));
                Operation::Put(keys.taken.clone(), Vec::new())
            }
            // The base said how far the clock had come, so that is lost.
            _ => {
                self.state();
                self.lost();
                Operation::Put(keys.base.clone(), b"rubbish".to_vec())
            }
        };
        if self.state().clock == Ok(None)
            && !matches!(&operation, Operation::Put(key, _) if *key == keys.record)
        {
            // There is no clock yet, and keys that are written before it make none.
            self.lost();
        }
        self.write([Some(operation), beside].into_iter().flatten().collect());
        self.state();
        Ok(())
    }
}
