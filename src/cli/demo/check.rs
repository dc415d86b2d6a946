//! What the demo checks of the updates that it saw. It knows nothing of how they came about.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// An update that a node took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) node: usize,
    pub(super) value: u64,
    /// Just before it was called, by a clock that all nodes share.
    pub(super) called: Duration,
    /// Just after it returned.
    pub(super) returned: Duration,
}

/// What was found.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) ok: bool,
    updates: usize,
    /// Values that were handed out more than once.
    repeated: Vec<u64>,
    /// An update of a node, and a later one of the same node that is not larger.
    went_back: Vec<[u64; 2]>,
    /// An update that had returned before another was called, and that one, which is not larger.
    out_of_order: Vec<[u64; 2]>,
}

pub(super) fn check(taken: &[Taken]) -> Verdict {
    let mut seen = HashSet::new();
    let mut repeated: Vec<u64> = taken
        .iter()
        .map(|update| update.value)
        .filter(|value| !seen.insert(*value))
        .collect();
    repeated.sort_unstable();
    repeated.dedup();

    let mut by_call = taken.to_vec();
    by_call.sort_by_key(|update| update.called);
    let nodes: HashSet<usize> = taken.iter().map(|update| update.node).collect();
    let went_back = nodes
        .into_iter()
        .flat_map(|node| {
            let own = by_call.iter().filter(|update| update.node == node);
            let values: Vec<u64> = own.map(|update| update.value).collect();
            falls(&values)
        })
        .collect::<Vec<_>>();

    let out_of_order = out_of_order(taken, &by_call);
    Verdict {
        ok: repeated.is_empty() && went_back.is_empty() && out_of_order.is_empty(),
        updates: taken.len(),
        repeated,
        went_back,
        out_of_order,
    }
}

/// The places where a row does not rise.
fn falls(values: &[u64]) -> Vec<[u64; 2]> {
    let pairs = values.windows(2).map(|pair| [pair[0], pair[1]]);
    pairs.filter(|[before, after]| after <= before).collect()
}

/// For each update in the order of the calls: is it above all that had returned by then?
fn out_of_order(taken: &[Taken], by_call: &[Taken]) -> Vec<[u64; 2]> {
    let mut by_return = taken.to_vec();
    by_return.sort_by_key(|update| update.returned);
    let mut returned = by_return.iter().peekable();
    let mut highest = None;
    let mut found = Vec::new();
    for update in by_call {
        while let Some(earlier) = returned.next_if(|earlier| earlier.returned < update.called) {
            highest = highest.max(Some(earlier.value));
        }
        if let Some(highest) = highest.filter(|highest| *highest >= update.value) {
            found.push([highest, update.value]);
        }
    }
    found
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

    fn verdict(updates: &[(usize, u64, u64, u64)]) -> Verdict {
        let taken = updates
            .iter()
            .map(|&(node, value, called, returned)| Taken {
                node,
                value,
                called: Duration::from_millis(called),
                returned: Duration::from_millis(returned),
            });
        check(&taken.collect::<Vec<_>>())
    }

    #[test]
    fn a_right_order_passes() {
        // The first two overlap, so that either may be the smaller.
        let verdict = verdict(&[(0, 3, 0, 10), (1, 2, 5, 6), (0, 4, 11, 12), (1, 5, 12, 13)]);
        assert!(verdict.ok, "{verdict}");
        assert_eq!(verdict.updates, 4);
    }

    #[test]
    fn a_repeated_value_is_found() {
        let verdict = verdict(&[(0, 2, 0, 10), (1, 2, 0, 10)]);
        assert!(!verdict.ok);
        assert_eq!(verdict.repeated, [2]);
        assert!(verdict.to_string().contains("REPEATED [2]"));
    }

    #[test]
    fn a_node_that_goes_back_is_found() {
        // Whatever the order in which they are told.
        let verdict = verdict(&[(0, 4, 2, 3), (1, 9, 0, 10), (0, 5, 0, 1)]);
        assert!(!verdict.ok);
        assert_eq!(verdict.went_back, [[5, 4]]);
    }

    #[test]
    fn an_order_against_real_time_is_found_between_nodes() {
        let verdict = verdict(&[(0, 7, 0, 1), (1, 6, 2, 3), (2, 8, 0, 9)]);
        assert!(!verdict.ok);
        assert_eq!(verdict.out_of_order, [[7, 6]]);
        assert!(verdict.went_back.is_empty());
    }
}
