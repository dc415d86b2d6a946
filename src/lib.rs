//! A Lamport logical clock that processes in many containers share through etcd.
//!
//! Three layers, each usable without the next:
//!
//! - [`LocalClock`]: Lamport's clock in memory; ticks in nanoseconds, needs no feature.
//! - [`SharedClock`] (feature `shared`): a local clock and one record in a store, async. No value is
//!   handed out twice, values never go back, and they follow real time: an update that returned
//!   before another was called has the smaller value.
//! - [`blocking::SharedClock`] (feature `blocking`): the same methods without async.
//!
//! ```
//! # #[cfg(feature = "blocking")] {
//! use lamport_clock::blocking::SharedClock;
//!
//! let clock = SharedClock::memory("api")?;
//! let event = clock.tick()?;      // a local event
//! let update = clock.update()?;   // a time that nobody else has
//! assert!(event < update.stamp());
//! # }
//! # Ok::<(), lamport_clock::Error>(())
//! ```
//!
//! With the feature `tracing` the library sends events to subscribers of that crate. At `warn` and
//! `info`: updates in the background that fail and succeed again, a change to another member of the
//! store, a lost watch, a regression. At `debug`: refused messages. With `tracing-subscriber` a
//! `JsonLayer` writes a program's own events as lines that name their causes, as [`LocalClock::log`] does.
//!
//! # Every public type, by purpose
//!
//! | purpose | types |
//! |---|---|
//! | values | [`Time`], [`ProcessId`], [`Instance`], [`Stamp`] |
//! | a clock without a store | [`LocalClock`]; [`blocking::LocalClock`], which may cross a fork |
//! | messages and lines of a log | [`Message`], [`Header`], [`Arrival`], [`Line`], [`JsonLayer`] |
//! | the shared clock | [`SharedClock`], [`Update`], [`Reservation`], [`Observed`], [`Holder`], [`SyncStats`] |
//! | following and looking back | [`Watch`], [`WatchEvent`], [`History`], [`Record`], [`Server`] |
//! | a store that lost times | [`RepairPlan`] |
//! | without async | [`blocking::SharedClock`], [`blocking::Watch`], [`blocking::Call`], [`blocking::Closer`] |
//! | settings | [`Config`], [`Settings`], [`Setting`], [`Value`], [`Kind`], [`parse_duration`] |
//! | store access | [`StoreUri`], [`Address`], [`Node`], [`Nodes`], [`Credentials`], [`Secret`], [`Tls`] |
//! | errors | [`Error`], [`ErrorKind`], [`Result`] |
//! | forks | [`fork::Generation`] |
//! | a store of one's own | [`store::Store`], [`store::Changes`], [`store::StoreFuture`], [`store::Failure`], [`store::Outcome`] |
//! | the built-in stores | [`store::EtcdStore`], [`store::MemoryStore`], [`store::mvcc::Mvcc`] |
//! | transactions and replies as values | the module [`protocol`] |
//!
//! One URI, the same in every language, names the place of the record: `memory:` or
//! `etcd://host:port,host:port/key`; see [`Config`].

#![forbid(unsafe_code)]

mod clock;
mod error;
#[doc(hidden)]
pub mod excerpt;

#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(feature = "shared")]
mod config;
#[cfg(feature = "shared")]
mod events;
#[cfg(feature = "shared")]
#[cfg_attr(
    not(feature = "blocking"),
    allow(dead_code, reason = "most of it is for clocks that cross a fork")
)]
pub mod fork;
#[cfg(feature = "shared")]
mod header;
#[cfg(feature = "tracing-subscriber")]
mod layer;
#[cfg(feature = "shared")]
pub mod protocol;
#[cfg(feature = "shared")]
mod shared;
#[cfg(feature = "shared")]
pub mod store;
mod sync;

pub use clock::{Arrival, Instance, Line, LocalClock, Message, ProcessId, Stamp, Time};
pub use error::{Error, ErrorKind, Result};

#[cfg(feature = "shared")]
pub use config::{
    Address, Config, Credentials, Kind, Node, Nodes, Secret, Setting, Settings, StoreUri, Tls,
    Value, parse_duration,
};
#[cfg(feature = "shared")]
pub use header::Header;
#[cfg(feature = "tracing-subscriber")]
pub use layer::JsonLayer;
#[cfg(feature = "shared")]
pub use protocol::Record;
#[cfg(feature = "shared")]
pub use shared::{
    History, Holder, Observed, RepairPlan, Reservation, Server, SharedClock, SyncStats, Update,
    Watch, WatchEvent,
};

/// The Rust examples of the README and of `docs/`, run as doc tests.
#[cfg(all(doctest, feature = "etcd", feature = "blocking"))]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/CHEATSHEET.md")]
    struct CheatSheet;
    #[doc = include_str!("../docs/CONFIGURATION.md")]
    struct Configuration;
    #[cfg(feature = "tracing-subscriber")]
    #[doc = include_str!("../docs/SEEING.md")]
    struct Seeing;
    #[doc = include_str!("../docs/SERVICES.md")]
    struct Services;
    #[doc = include_str!("../docs/TESTING.md")]
    struct Testing;
}
