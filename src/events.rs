//! Events that are worth a line in a log. They go to `tracing` if that feature is on, else nowhere.
//!
//! No lock may be held when an event is sent: its subscriber is code of the program.

use std::fmt::Display;
use std::time::Duration;

use crate::error::Error;

/// An event that a person would want to know of.
#[cfg_attr(
    not(all(feature = "tracing", feature = "etcd")),
    allow(dead_code, reason = "nobody is told")
)]
pub(crate) enum Event<'a> {
    /// Updates in the background fail, with a kind of error that was not yet reported in this outage.
    BackgroundFails(&'a Error),
    /// Updates in the background succeed again, after this many failures in a row.
    BackgroundRecovered { failures: u64, lasted: Duration },
    /// A watch lost its connection, and goes on trying.
    WatchInterrupted(&'a Error),
    /// The watch is connected again.
    WatchResumed { next_revision: u64 },
    /// The store has lost times that were handed out.
    Regressed(&'a Error),
    /// A message lies too far ahead: the clock is unchanged.
    Refused(&'a Error),
    /// Transactions go to another member from now on.
    Failover { from: &'a dyn Display },
}

impl Event<'_> {
    /// Does nothing: without the feature `tracing` nobody receives events.
    #[cfg(not(feature = "tracing"))]
    pub(crate) fn tell(self, _who: &dyn Display) {}

    /// Sends the event. `who` is the process whose clock it is about, or the member of the store.
    #[cfg(feature = "tracing")]
    pub(crate) fn tell(self, who: &dyn Display) {
        use tracing::{debug, info, warn};

        match self {
            Event::BackgroundFails(error) => warn!(
                process = %who, kind = error.kind().name(), %error,
                "updates in the background fail, and go on"
            ),
            // At the level of the failure, so that a log that shows the failure shows its end too.
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
            // Anybody may send such messages, and often: a higher level would drown the rest of the log.
            Event::Refused(error) => debug!(process = %who, %error, "a message was refused"),
            Event::Failover { from } => info!(
                member = %who, %from,
                "transactions go to another member"
            ),
        }
    }
}
