//! The demo's check of its own updates, and the text of the result.

use std::fmt;

use serde::Serialize;

use lamport_clock::Result;
use lamport_trace::{Call, History, Kind, Options, Violation};

/// The result of the check.
#[derive(Debug, Default, Serialize)]
pub(super) struct Verdict {
    pub(super) ok: bool,
    updates: usize,
    /// Values that were handed out more than once.
    repeated: Vec<u64>,
    /// An update of a node, and a later one of the same node that is not larger.
    went_back: Vec<[u64; 2]>,
    /// An update that had returned, and one that was called after that and is not larger.
    out_of_order: Vec<[u64; 2]>,
}

pub(super) fn check(calls: &[Call]) -> Result<Verdict> {
    let mut history = History::default();
    for call in calls {
        history.push(call.clone())?;
    }
    let found = lamport_trace::check(&history, None, &Options::default());
    let mut verdict = Verdict {
        ok: found.is_good(),
        updates: found.acknowledged,
        ..Verdict::default()
    };
    for violation in &found.violations {
        verdict.add(violation, calls);
    }
    verdict.repeated.dedup();
    Ok(verdict)
}

impl Verdict {
    fn add(&mut self, violation: &Violation, calls: &[Call]) {
        let values = violation
            .lines
            .iter()
            .map(|line| calls[line.line - 1].value);
        let values: Vec<u64> = values.flatten().collect();
        let [before, after] = values[..] else {
            return;
        };
        match violation.kind {
            Kind::Repeated => self.repeated.push(after),
            Kind::WentBack => self.went_back.push([before, after]),
            Kind::OutOfOrder => self.out_of_order.push([before, after]),
            // The other kinds need a log, or calls other than updates. `ok` covers them all the same.
            _ => {}
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ok {
            return f.write_str("no value repeated, none went back, later is larger");
        }
        write!(
            f,
            "REPEATED {:?}, WENT BACK {:?}, OUT OF ORDER {:?}",
            self.repeated, self.went_back, self.out_of_order
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lamport_clock::Instance;
    use lamport_trace::{Action, Outcome};

    fn verdict(updates: &[(u64, u64, u64, u64)]) -> Verdict {
        let calls = updates.iter().map(|&(node, value, called, returned)| {
            let instance = Some(Instance::new(node));
            let mut call = Call::begun(&format!("n{node}"), instance, Action::Update, called);
            call.returned = Some(returned);
            call.outcome = Some(Outcome::Ok);
            call.value = Some(value);
            call
        });
        check(&calls.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_right_order_passes() {
        // The first two overlap, so that either may be the smaller.
        let verdict = verdict(&[(1, 3, 0, 10), (2, 2, 5, 6), (1, 4, 11, 12), (2, 5, 12, 13)]);
        assert!(verdict.ok, "{verdict}");
        assert_eq!(verdict.updates, 4);
    }

    #[test]
    fn what_is_wrong_is_told_by_kind() {
        let found = verdict(&[(1, 2, 0, 10), (2, 2, 0, 10)]);
        assert!(!found.ok);
        assert_eq!(found.repeated, [2]);
        assert!(found.to_string().contains("REPEATED [2]"));
        // The calls are listed in another order than they were made.
        let found = verdict(&[(1, 4, 2, 3), (2, 9, 0, 10), (1, 5, 0, 1)]);
        assert!(!found.ok);
        assert_eq!(found.went_back, [[5, 4]]);
        let found = verdict(&[(1, 7, 0, 1), (2, 6, 2, 3), (3, 8, 0, 9)]);
        assert!(!found.ok);
        assert_eq!(found.out_of_order, [[7, 6]]);
        assert!(found.went_back.is_empty());
    }
}
