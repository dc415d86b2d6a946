//! Decides whether a recorded history keeps the promises of the clock. All tests that attack these
//! promises use it, and so does `lamport check`.
//!
//! Nothing here knows how an update works. The input is what callers saw ([`History`]: which process
//! called what, when, and the answer) and, if there is one, the store's own [`Log`] of the record. All
//! checks are sorts and single passes: O(n log n) in the number of lines.
//!
//! If nobody knows whether a call had an effect, it stays unknown: its update may be in the log or not,
//! now or later. Entries without an instance are those of legacy writers, which follow no rule. Nothing
//! is promised of them, and a read that shows one may be followed by one that shows less.
//!
//! Times that no caller got leave a gap. Only a call that took more than one transaction leaves one, by
//! giving times up. So the rule holds exactly for a call that took one transaction. The time before,
//! which that caller was told, may lie in such a gap.
//!
//! ```
//! use lamport_trace::{History, Kind, Options, check};
//!
//! let mut history = History::default();
//! history.read("a.jsonl", br#"
//! {"process":"a","instance":"0000000000000001","operation":"update","called":1,"returned":2,"outcome":"ok","value":7}
//! {"process":"b","instance":"0000000000000002","operation":"update","called":3,"returned":4,"outcome":"ok","value":6}
//! "#)?;
//! let verdict = check(&history, None, &Options::default());
//! assert_eq!(verdict.first_violation().unwrap().kind, Kind::OutOfOrder);
//! # Ok::<(), lamport_clock::Error>(())
//! ```

mod entries;
mod history;
mod lines;
mod log;
mod order;
mod readings;
mod rule;
mod verdict;

use std::time::Duration;

pub use self::history::{Action, Call, History, Outcome};
pub use self::lines::Line;
pub use self::log::Log;
pub use self::verdict::{Kind, Verdict, Violation};

use self::entries::Entries;

/// The settings of the checker.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether the history holds every process that wrote. Then an entry by another process is a
    /// violation; else such entries are only counted.
    pub whole: bool,
    /// Calls that lasted longer than this are counted.
    pub deadline: Option<Duration>,
}

/// Checks a history. A `log` must have been read after the last call returned: updates that it lacks are
/// missing.
pub fn check(history: &History, log: Option<&Log>, options: &Options) -> Verdict {
    let mut verdict = Verdict::counting(history, log, options);
    // The store comes first: an error there explains what callers saw.
    if let Some(log) = log {
        entries::check_order(log, &mut verdict);
    }
    entries::check_apart(history, &mut verdict);
    let entries = log.map(|log| Entries::matched(history, log, &mut verdict));
    if let Some(entries) = &entries {
        entries.check_causes(history, options, &mut verdict);
    }
    rule::check(history, entries.as_ref(), &mut verdict);
    order::check(history, log, &mut verdict);
    readings::check(history, log, &mut verdict);
    verdict
}
