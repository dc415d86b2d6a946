//! The C library: `lamport_clock.h` over [`lamport_clock::blocking`].
//!
//! This floor translates and guards, nothing else. What a C programmer must know stands in the
//! header, which is made from the comments here; `border` is the only place that touches a pointer.
//!
//! Absent on purpose: logic, a global "last error", structs whose layout the caller sees, and any
//! function whose failure could pass unnoticed.

// One contract holds for every pointer of every function. It stands once, at the top of the header,
// where a C programmer reads it, and not in a section of each comment.
#![allow(clippy::missing_safety_doc)]
// The same words in Rust and in C, so that a search finds both.
#![allow(non_camel_case_types)]
// Rust sees none of these.
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
