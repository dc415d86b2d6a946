//! The steps of a call and of a fold, and their lost messages.

use super::*;

impl World {
    /// One step of a call: it begins, sends a transaction, has this transaction carried out, or hears the
    /// reply.
    pub(super) fn go_on(
        &mut self,
        who: usize,
        which: usize,
        bytes: &mut Unstructured<'_>,
    ) -> Result<()> {
        if self.process(who).calls.len() <= which {
            let (ticks, count) = (bytes.int_in_range(1..=9)?, bytes.int_in_range(1..=9)?);
            self.begin(who, ticks, count);
        } else {
            self.advance(who, which);
        }
        Ok(())
    }

    pub(super) fn begin(&mut self, who: usize, ticks: u64, count: u64) {
        let state = self.state();
        let (floor, losses, blind_writes) = (self.highest, self.losses, self.blind_writes);
        let sound = self.sound_above.is_some();
        let newest = self.store.revision();
        let process = self.process(who);
        let Ok(local) = Time::new(process.local + ticks) else {
            return;
        };
        process.local = local.get();
        let record = state.record.unwrap_or(0);
        let clock = state.clock.ok().flatten();
        let seen = process.protocol.snapshot();
        let behind = seen.is_some_and(|seen| seen.revision < newest);
        process.calls.push(Caller {
            call: process.protocol.begin(local, count),
            flight: Flight::None,
            local: local.get(),
            count,
            floor,
            record,
            calm: clock.is_some_and(|clock| local.get() <= clock && record <= clock),
            losses,
            blind_writes,
            sound,
            behind,
            repairs: process.protocol.known().marks(),
            lost: 0,
            created: 0,
            knew: (0, 0),
            knew_first: None,
            found_whole: true,
            heard_after: 0,
        });
    }

    pub(super) fn advance(&mut self, who: usize, which: usize) {
        let caller = &mut self.processes[who].calls[which];
        match std::mem::replace(&mut caller.flight, Flight::None) {
            Flight::None => self.poll(who, which),
            Flight::Sent(kind, transaction) => {
                let whole = self.state().clock.is_ok();
                let reply = self.apply(kind, &transaction);
                let caller = &mut self.processes[who].calls[which];
                caller.found_whole = whole;
                caller.flight = Flight::Applied(reply);
            }
            Flight::Applied(reply) => {
                let process = &mut self.processes[who];
                let caller = &mut process.calls[which];
                caller.heard_after = process.protocol.repairs();
                process.protocol.handle_reply(&mut caller.call, &reply);
                process.learn();
            }
        }
    }

    pub(super) fn poll(&mut self, who: usize, which: usize) {
        self.wall += 1.0;
        let process = &mut self.processes[who];
        let caller = &mut process.calls[which];
        match process.protocol.poll(&mut caller.call, self.wall) {
            Step::Look => {
                if self.look(who, true) {
                    return;
                }
                let caller = self.processes[who].calls.remove(which);
                self.assert_may_fail(&self.processes[who], &caller, ErrorKind::Regressed);
            }
            Step::Send(transaction) => {
                let taken = |operation: &Operation| matches!(operation, Operation::Put(key, _) if *key == self.keys.taken);
                // In a crowd a take compares nothing.
                let creates =
                    !transaction.compares.is_empty() && transaction.then.iter().any(taken);
                let kind = match creates {
                    true => Kind::Create,
                    false => Kind::Update,
                };
                caller.created += u32::from(kind == Kind::Create);
                caller.knew = process.knew;
                caller.knew_first.get_or_insert(process.knew);
                caller.flight = Flight::Sent(kind, transaction);
            }
            Step::Done(times) => {
                let caller = process.calls.remove(which);
                self.done(who, &caller, &times);
            }
            Step::Failed(error) => {
                let caller = process.calls.remove(which);
                self.assert_may_fail(&self.processes[who], &caller, error.kind());
            }
        }
    }

    /// One step of a fold: it begins, is carried out, or hears the reply.
    pub(super) fn fold(&mut self, who: usize, bytes: &mut Unstructured<'_>) -> Result<()> {
        self.process(who);
        match self.processes[who].fold.take() {
            None => {
                let form = *bytes.choose(&[Fold::AtRest, Fold::InACrowd])?;
                let newest = self.store.revision();
                let seen = match bytes.int_in_range(0..=3)? {
                    // A snapshot from a server that lags behind.
                    0 => self.snapshot(At::Revision(
                        newest.saturating_sub(bytes.int_in_range(0..=3)?),
                    )),
                    1 => self.snapshot(At::Now),
                    _ => match self.processes[who].protocol.snapshot() {
                        Some(seen) => Snapshot::clone(seen),
                        None => return Ok(()),
                    },
                };
                self.begin_fold(who, form, seen);
            }
            Some((question, None)) => {
                let reply = self.apply(Kind::Fold, question.transaction());
                self.processes[who].fold = Some((question, Some(reply)));
            }
            Some((question, Some(reply))) => {
                let process = &mut self.processes[who];
                process.protocol.handle_fold(&question, &reply);
                process.learn();
            }
        }
        Ok(())
    }

    pub(super) fn begin_fold(&mut self, who: usize, form: Fold, seen: Snapshot) {
        self.wall += 1.0;
        let protocol = &self.processes[who].protocol;
        let question = protocol.fold(form, &Arc::new(seen), self.wall);
        self.processes[who].fold = question.map(|question| (question, None));
    }

    /// The reply is never heard. The transaction has taken effect, will take effect later, or never does.
    pub(super) fn lose(&mut self, who: usize, which: usize, later: bool) {
        let process = self.process(who);
        let Some(caller) = process.calls.get_mut(which) else {
            return;
        };
        let late = match std::mem::replace(&mut caller.flight, Flight::None) {
            Flight::None => return,
            Flight::Sent(kind, transaction) => later.then_some((kind, transaction)),
            Flight::Applied(_) => None,
        };
        caller.lost += 1;
        process.protocol.handle_lost(&mut caller.call);
        self.late.extend(late);
    }

    pub(super) fn refuse(&mut self, who: usize, which: usize) {
        let process = self.process(who);
        let Some(caller) = process.calls.get_mut(which) else {
            return;
        };
        if let Flight::Sent(kind, _) = caller.flight {
            caller.flight = Flight::None;
            caller.created -= u32::from(kind == Kind::Create);
            process.protocol.handle_refused(&mut caller.call);
        }
    }

    /// The deadline of a call passes; the transaction that it has sent may still arrive.
    pub(super) fn give_up(&mut self, who: usize, which: usize) {
        self.lose(who, which, true);
        let calls = &mut self.process(who).calls;
        if which < calls.len() {
            calls.remove(which);
        }
    }

    pub(super) fn lose_fold(&mut self, who: usize, later: bool) {
        if let Some((question, None)) = self.process(who).fold.take()
            && later
        {
            self.late.push((Kind::Fold, question.transaction().clone()));
        }
    }

    pub(super) fn crash(&mut self, who: usize) {
        self.lose_fold(who, true);
        let new = self.new_process();
        let old = std::mem::replace(self.process(who), new);
        for caller in old.calls {
            if let Flight::Sent(kind, transaction) = caller.flight {
                self.late.push((kind, transaction));
            }
        }
    }

    pub(super) fn arrive_late(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        if !self.late.is_empty() {
            let at = bytes.choose_index(self.late.len())?;
            let (kind, transaction) = self.late.swap_remove(at);
            self.apply(kind, &transaction);
        }
        Ok(())
    }

    /// Reads the store as a `read` of this process does. Returns whether the process can go on with the clock
    /// that it was shown.
    pub(super) fn look(&mut self, who: usize, certain: bool) -> bool {
        self.process(who);
        let reply = self.store.read(&self.keys.all(), At::Now).unwrap();
        let process = &mut self.processes[who];
        let asked = process.protocol.known();
        let shown = process.protocol.handle_look(asked, &reply, certain);
        process.learn();
        match shown {
            Ok(_) => true,
            Err(error) => {
                // No look is under way while anything else happens, so none is late.
                assert_eq!(error.kind(), ErrorKind::Regressed, "{error}");
                assert!(self.losses > 0, "{error}");
                false
            }
        }
    }
}
