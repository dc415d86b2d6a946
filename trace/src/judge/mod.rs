//! Decides whether a recorded history keeps the promises of the clock: the judge of every test that
//! attacks them, and of `lamport check`.
//!
//! Nothing here knows how an update comes about. What goes in is what callers saw ([`History`]: who
//! called what, when, and what came back) and, where there is one, the store's own [`Log`] of the
//! record. Everything is decided by sorting and single passes: O(n log n) in the number of lines.
//!
//! A call of which nobody knows whether it had an effect stays unknown: it may stand in the log or
//! not, now or later. Entries without an instance are those of legacy writers, which follow
//! no rule; nothing is promised of them, and a read that shows one may be followed by one that shows
//! less.
//!
//! Times that nobody was given leave a gap, and only a call that took more than one transaction makes
//! one by giving times up. So the rule holds to the digit for a call that took one, and what its
//! caller was told of the time before may lie in such a gap.
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

/// What else the checker is told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The history holds every process that wrote: an entry by anybody else is a violation. Else
    /// such entries are only counted.
    pub whole: bool,
    /// Calls that lasted longer are counted.
    pub deadline: Option<Duration>,
}

/// Decides. A `log` must have been read after the last call returned: what it lacks is missing.
pub fn check(history: &History, log: Option<&Log>, options: &Options) -> Verdict {
    let mut verdict = Verdict::counting(history, log, options);
    // From the store outwards: what is wrong there explains what callers saw.
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
