//! What is decided, without doing anything: no I/O, no wall clock, no randomness, no lock, no log.

pub mod board;
pub mod clock;
pub mod exchange;
pub mod record;
pub mod stamp;
pub mod time;
pub mod trace;
pub mod transaction;
