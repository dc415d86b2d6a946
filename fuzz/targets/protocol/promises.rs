//! The promises that must hold when a call ends and when a transaction is carried out.

use super::*;

impl World {
    pub(super) fn done(&mut self, who: usize, caller: &Caller, times: &Reservation) {
        let process = &mut self.processes[who];
        let (owner, first, last) = (process.instance, times.first.get(), times.last.get());
        process.local = process.local.max(last);
        assert_eq!(last - first + 1, caller.count);
        assert!(last <= Time::MAX.get());
        assert!(first > caller.local, "{first} is not above the local clock");
        assert!(
            caller.found_whole,
            "{first} was given though everybody could see a loss"
        );

        // Even after a loss, a process repeats neither its own times nor those it knew of.
        for time in first..=last {
            assert!(
                process.given.insert(time),
                "{time} was given to p{owner} twice"
            );
        }
        let (knew, repairs) = caller.knew;
        assert_eq!(
            repairs, caller.heard_after,
            "an answer of before a repair counts"
        );
        assert!(
            last > knew,
            "p{owner} was given {last}, and had known of {knew}"
        );
        // If the process's own take was void and nothing followed it, that take does not count.
        let (knew, repairs) = caller.knew_first.expect("it has sent something");
        let is_known = repairs == caller.heard_after && first <= knew;
        assert!(
            !is_known,
            "p{owner} was given {first}, and had known of {knew}"
        );
        self.assert_bounded(&self.processes[who], caller, times);

        for time in first..=last {
            let other = self.owners.insert(time, owner);
            let is_sound = self.sound_above.is_some_and(|above| time > above);
            assert!(
                other.is_none() || !is_sound,
                "{time} was given to p{owner} too"
            );
        }
        if caller.sound && caller.losses == self.losses {
            let floor = caller.floor;
            assert!(
                first > floor,
                "p{owner} was given {first}, and {floor} had been before it called"
            );
        }
        self.highest = self.highest.max(last);
        if self.losses > 0 {
            return;
        }
        let seen = &self.told[&times.revision];
        assert_eq!((seen.first, seen.value), (times.first, times.last));
        assert_eq!(seen.instance, Some(Instance::new(owner)));
        if caller.blind_writes == self.blind_writes {
            assert!(first > caller.record, "{first} is not above the record");
            let previous = times.previous.as_ref().map(|holder| holder.value);
            assert!(previous < Some(times.first), "{previous:?} before {first}");
        }
    }

    pub(super) fn assert_bounded(&self, process: &Process, caller: &Caller, times: &Reservation) {
        // A transaction under way when a repair was seen is as good as lost.
        let repairs = u32::try_from(process.protocol.known().marks() - caller.repairs).unwrap();
        // So is one that shows that the store went back meanwhile.
        let lost = caller.lost + caller.created + repairs + self.losses - caller.losses;
        assert!(
            times.round_trips <= 2 + lost,
            "{} round trips",
            times.round_trips
        );
        if self.losses > 0 {
            return;
        }
        let writes = self.blind_writes - caller.blind_writes;
        let unseen = u32::from(caller.behind);
        assert!(
            caller.created <= 1 + unseen + caller.lost + writes,
            "created again and again"
        );
        if caller.calm && writes == 0 {
            assert!(
                times.round_trips <= 1 + lost,
                "{} round trips",
                times.round_trips
            );
        }
    }

    pub(super) fn assert_may_fail(&self, process: &Process, caller: &Caller, kind: ErrorKind) {
        let untold = !caller.sound || caller.losses < self.losses || process.tangled;
        let excused = match kind {
            ErrorKind::Regressed => self.losses > 0 && untold,
            ErrorKind::Corrupt => self.spoilt || untold,
            ErrorKind::TooFarAhead | ErrorKind::Exhausted => self.spoilt || untold,
            _ => false,
        };
        assert!(excused, "a call of p{} failed: {kind:?}", process.instance);
    }

    /// Carries out a transaction, and checks its effect against the promises.
    pub(super) fn apply(&mut self, kind: Kind, transaction: &Transaction) -> Reply {
        let before = self.state();
        let reply = self.store.apply(transaction).expect("well formed");
        let after = self.state();
        self.follow();
        if self.losses > 0 || kind == Kind::Repair {
            return reply;
        }
        let (Ok(was), Ok(is)) = (before.clock, after.clock) else {
            // The clock is past its last time, or somebody has spoilt it.
            assert!(self.spoilt, "{kind:?}: {before:?} became {after:?}");
            return reply;
        };
        assert!(is >= was, "the clock went from {was:?} to {is:?}");
        if self.spoilt {
            return reply;
        }
        let recorded = before.record.unwrap_or(0);
        match kind {
            // A fold of a legacy record above the clock counts, from that record, the times that were taken
            // since.
            Kind::Fold if reply.succeeded && was < before.record => {
                assert!(is >= was.max(Some(recorded)));
            }
            Kind::Fold => assert_eq!(is, was),
            Kind::Create if reply.succeeded => assert!(was.is_none() && is > Some(recorded)),
            Kind::Create => assert_eq!(is, was),
            Kind::Update => assert!(is > was),
            Kind::Repair => unreachable!(),
        }
        if reply.succeeded && !transaction.compares.is_empty() {
            assert!(after.record >= before.record, "the record was moved back");
            // A crowd's fold keeps the weights out of the base.
            assert!(
                after.record == after.based || (kind == Kind::Fold && after.based < after.record),
                "a base is written with its record"
            );
            // In a crowd, others take times while the fold is under way.
            assert!(after.record == is || (kind == Kind::Fold && after.record < is));
        }
        reply
    }

    /// The state of the clock, as read from the store and not from any process's memory.
    pub(super) fn state(&mut self) -> State {
        let at = (self.losses, self.store.revision());
        if let Some((looked, state)) = self.looked
            && looked == at
        {
            return state;
        }
        let snapshot = self.snapshot(At::Now);
        let clock = snapshot.clock();
        let clock = clock.map(|clock| clock.map(Time::get));
        if let Ok(Some(clock)) = clock {
            self.topmost = self.topmost.max(clock);
        }
        let record = snapshot.record().ok().flatten();
        let state = State {
            clock: clock.map_err(|error| error.kind()),
            record: record.map(|record| record.value.get()),
            based: snapshot.base().map(|base| base.value.get()),
        };
        self.looked = Some((at, state));
        state
    }

    pub(super) fn snapshot(&self, at: At) -> Snapshot {
        let reply = self.store.read(&self.keys.all(), at).expect("kept");
        let snapshot = Snapshot::of(&self.keys, &reply);
        match at {
            At::Revision(revision) => snapshot.as_of(revision),
            At::Now | At::Anywhere => snapshot,
        }
    }

    /// Passes the new revisions to the watcher.
    pub(super) fn follow(&mut self) {
        if self.losses > 0 {
            return;
        }
        let next = self.watcher.revision + 1;
        let changes = self.store.changes(&self.keys.all(), next, u64::MAX);
        for change in changes.expect("kept") {
            self.watcher.advance(&change);
            let lost = change
                .keys
                .iter()
                .any(|(key, entry)| entry.is_none() && *key == self.keys.record);
            assert_eq!(self.watcher.is_deletion(&change), lost, "{change:?}");
            if let Ok(Some(update)) = self.watcher.update() {
                self.told.insert(change.revision, update);
            }
        }
    }
}
