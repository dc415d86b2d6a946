//! The clock's values: no I/O, no wall clock, no randomness, no log.

mod line;
mod local;
#[cfg(feature = "serde")]
mod serde;
mod stamp;
mod time;

pub use self::line::{Arrival, Line, Message};
pub use self::local::LocalClock;
#[cfg(feature = "shared")]
pub(crate) use self::local::check_jump;
pub use self::stamp::{Instance, ProcessId, Stamp};
#[cfg(feature = "shared")]
pub(crate) use self::stamp::{parameter, trimmed};
pub use self::time::Time;
