//! What is worth a line in a log: events for `tracing` where that feature is on, and nothing otherwise.
//!
//! Never told while a lock is held: who hears of it is code of the program's.

use std::fmt::Display;
use std::time::Duration;

use crate::error::Error;

/// Something that a person would want to know of.
#[cfg_attr(
    not(all(feature = "tracing", feature = "etcd")),
    allow(dead_code, reason = "nobody is told")
)]
pub(crate) enum Event<'a> {
    /// Updates in the background fail, or fail in a way that was not told since they did.
    BackgroundFails(&'a Error),
    /// They succeed again, after so many failures in a row.
    BackgroundRecovered { failures: u64, lasted: Duration },
    /// A watch lost its connection, and goes on trying.
    WatchInterrupted(&'a Error),
    /// It has another one.
    WatchResumed { next_revision: u64 },
    /// The store has lost times that were handed out.
    Regressed(&'a Error),
    /// A message lies too far ahead: the clock is unchanged.
    Refused(&'a Error),
    /// Transactions go to another member from now on.
    Failover { from: &'a dyn Display },
}

impl Event<'_> {
    /// Tells of it. `who` is the process whose clock it is about, or the member of the store.
    #[cfg(not(feature = "tracing"))]
    pub(crate) fn tell(self, _who: &dyn Display) {}

    /// Tells of it. `who` is the process whose clock it is about, or the member of the store.
    #[cfg(feature = "tracing")]
    pub(crate) fn tell(self, who: &dyn Display) {
        use tracing::{debug, info, warn};

        match self {
            Event::BackgroundFails(error) => warn!(
                process = %who, kind = error.kind().name(), %error,
                "updates in the background fail, and go on"
            ),
            // At the level of the failure: whoever has seen the one sees the other.
            Event::BackgroundRecovered { failures, lasted } => warn!(
                process = %who, failures, ?lasted,
                "updates in the background succeed again"
            ),
            Event::WatchInterrupted(error) => warn!(
                process = %who, kind = error.kind().name(), %error,
                "a watch lost its connection, and goes on trying"
            ),
            Event::WatchResumed { next_revision } => info!(
                process = %who, next_revision,
                "a watch goes on"
            ),
            Event::Regressed(error) => warn!(
                process = %who, %error,
                "the store has lost times that were handed out"
            ),
            // Anybody may send one, so often that a louder one would drown the rest.
            Event::Refused(error) => debug!(process = %who, %error, "a message was refused"),
            Event::Failover { from } => info!(
                member = %who, %from,
                "transactions go to another member"
            ),
        }
    }
}
