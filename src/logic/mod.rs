//! The clock's values: no I/O, no wall clock, no randomness, no lock, no log.

pub mod clock;
pub mod stamp;
pub mod time;
