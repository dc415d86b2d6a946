#![doc = include_str!("../README.md")]

mod diff;
mod events;
mod export;
mod follow;
mod gaps;
mod graph;
mod hops;
mod import;
mod judge;
mod page;
mod read;
mod rules;
mod walls;

pub use self::diff::{Divergence, MaskedTexts, first_divergence};
pub use self::events::{Cause, Counts, EventKind, Events, Life, Place, Point};
pub use self::export::{ExportIo, Form, export};
pub use self::follow::{Delivered, Follower};
pub use self::gaps::Unknown;
pub use self::graph::{Answer, Edge, Graph, Missing};
pub use self::hops::Hop;
pub use self::import::Foreign;
pub use self::judge::{
    Action, Call, History, Kind, Line, Log, Options, Outcome, Verdict, Violation, check,
};
pub use self::page::{SVG_EVENTS, TEXT_LANES, Terminal, TextLook, page, svg, text};
pub use self::read::{Description, Reader, describe};
pub use self::rules::{Broken, broken};
pub use self::walls::{ClockPair, Inversion, Walls, look_at_walls};
