//! The C library: `lamport_clock.h` over [`lamport_clock::blocking`].
//!
//! This crate only translates and guards. cbindgen makes the header, which tells a C programmer all that he
//! must know, from the doc comments here. Only `border` touches raw pointers.
//!
//! Absent on purpose: logic, a global "last error", structs whose layout the caller sees, and any
//! function whose failure could pass unnoticed.

// Every pointer of every function has the same contract. It is written once, at the top of the header, where
// a C programmer reads it, and not in a `# Safety` section of each function.
#![allow(clippy::missing_safety_doc)]
// Rust and C use the same names, so that a search finds both.
#![allow(non_camel_case_types)]
// These types are for C, which has no use for `Debug`.
#![allow(missing_debug_implementations)]

mod border;

pub mod clock;
pub mod config;
pub mod error;
pub mod event;
pub mod follower;
pub mod header;
pub mod history;
pub mod local;
pub mod log;
pub mod observed;
pub mod stamp;
pub mod status;
pub mod sync;
pub mod update;
pub mod watch;
