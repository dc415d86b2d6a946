//! What must hold of the times that a process was given.

use lamport_clock::protocol::Reservation;

use super::{Slot, World};

impl World {
    pub(super) fn hand_out(&mut self, i: usize, k: usize, times: &Reservation) {
        let Some(slot) = self.processes[i].slots[k].take() else {
            return;
        };
        let (first, last) = (times.first.get(), times.last.get());
        let problems = self.problems(i, &slot, first, last);
        for problem in problems {
            self.breaks(format!("p{i} was given {first}..{last}: {problem}"));
        }
        self.given.extend(first..=last);
        self.highest = self.highest.max(last);
        self.served += 1;
        let process = &mut self.processes[i];
        process.mine.extend(first..=last);
        process.local = process.local.max(last);
        self.came_back |= process.refused;
    }

    /// What is wrong with these times.
    fn problems(&self, i: usize, slot: &Slot, first: u64, last: u64) -> Vec<String> {
        let mut problems = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                problems.push(what);
            }
        };
        must(
            last + 1 - first == slot.count,
            format!("{} were asked for", slot.count),
        );
        let trips = slot.transactions;
        must(
            trips <= 2 + slot.lost + slot.creations + usize::from(self.era > 0),
            format!("{trips} transactions, {} lost", slot.lost),
        );
        must(
            first > slot.local,
            format!("the local clock stood at {}", slot.local),
        );
        let repaired = self.repaired.filter(|(_, era)| *era == self.era);
        let is_well = self.era == 0 || (slot.after_repair && repaired.is_some());
        if is_well {
            must(
                first > slot.floor,
                format!("{} was there before the call", slot.floor),
            );
        }
        if self.era == 0 {
            let legacy = slot.legacy;
            must(
                first > legacy,
                format!("a legacy writer had written {legacy} before the call"),
            );
        }
        if let (Some((to, _)), true) = (repaired, slot.after_repair) {
            must(first > to, format!("the clock was repaired to {to}"));
        }
        // Exact, to the digit, unless others wrote between a void take and the next transaction.
        let found = &slot.found;
        let calm = found.windows(2).all(|pair| pair[0].after == pair[1].before);
        if let Some(start) = found.first()
            && self.era == 0
            && calm
            && slot.lost == 0
        {
            let rule = slot.local.max(start.clock).max(start.record) + 1;
            // A local clock that ran ahead of what was known takes more than it needs, once others wrote.
            let knew = slot.knew.unwrap_or(0);
            let ahead = slot.local > knew + 1 && start.clock > knew;
            must(
                first == rule || (ahead && first > rule),
                format!("the rule says {rule}"),
            );
        }
        if let Some(newest) = found.last()
            && newest.era == self.era
        {
            let seen = newest.watched;
            must(
                seen == Some((first, last)),
                format!("a watcher saw {seen:?}"),
            );
        }
        if (first..=last).any(|value| self.given.contains(&value)) {
            must(self.era > 0, "again".to_owned());
            let knew = slot.knew.unwrap_or(0);
            must(first > knew, format!("again, by one who knew of {knew}"));
            let own = (first..=last).any(|value| self.processes[i].mine.contains(&value));
            must(!own, "again, by the same process".to_owned());
            if let Some((to, _)) = repaired {
                must(first <= to, "again, after the repair".to_owned());
            } else {
                must(
                    !self.visible,
                    "again, after a loss that everybody can see".to_owned(),
                );
            }
        }
        problems
    }
}
