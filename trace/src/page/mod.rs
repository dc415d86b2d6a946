//! The page of `lamport diagram`: one file that shows the events, for a person to explore. It holds the
//! viewer, whose source lies beside this file, and the data: columns of numbers that differ little from
//! row to row, and the texts in pieces, all of it gzip in base64. So a million events are a few megabytes,
//! and the page reads only the texts that it shows or searches.
//!
//! A log's text never becomes markup: between tags stand only the escaped title, and base64.

mod data;
mod pack;
mod rows;
mod story;
mod svg;
mod text;

use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lamport_clock::excerpt::escape;
use sha2::{Digest, Sha256};

use self::rows::Rows;
pub use self::svg::{SVG_EVENTS, svg};
pub use self::text::{TEXT_LANES, Terminal, TextLook, text};
use crate::events::{EventKind, Events};
use crate::read::Description;

/// The flags of a row, named as in the viewer.
const IMPLIED: u64 = 8;
const COMPLETE: u64 = 16;
const INVERTED: u64 = 32;
const GAP: u64 = 64;
const FIRST: u64 = 128;

/// Writes a page that shows the events: one HTML file that needs no other file and no network. `texts`
/// gives the text of an event's line. It is called once for each event, in order.
///
/// [Look at the wall clocks](crate::look_at_walls) first, so that the page tells where they are wrong.
/// With a reader that [numbers](crate::Reader::numbering) lines, it also tells where each line stands.
///
/// ```
/// let mut reader = lamport_trace::Reader::numbering();
/// reader.begin("tea.log");
/// let lines = ["asked 2@api <-", "out of tea 4@billing <2@api"];
/// reader.feed(lines.join("\n").as_bytes());
/// let events = reader.finish();
/// let mut page = Vec::new();
/// let mut texts = |event: u32| Ok(lamport_trace::describe(lines[event as usize].as_bytes()));
/// lamport_trace::page("Tea", &events, &mut texts, &mut page)?;
/// assert!(page.starts_with(b"<!doctype html>"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// Those of `texts` and `out`.
pub fn page(
    title: &str,
    events: &Events,
    texts: &mut dyn FnMut(u32) -> io::Result<Description>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (script, style) = (script(), without_comments(include_str!("viewer.css")));
    let title = escape_markup(&escape(title));
    let mut left = without_comments(include_str!("page.html"));
    while let Some((before, named)) = left.split_once("{{") {
        out.write_all(before.as_bytes())?;
        let Some((name, after)) = named.split_once("}}") else {
            return Err(io::Error::other("the page's frame is broken"));
        };
        match name {
            "title" => out.write_all(title.as_bytes())?,
            "script" => out.write_all(script.as_bytes())?,
            "style" => out.write_all(style.as_bytes())?,
            "script-hash" => out.write_all(hash(&script).as_bytes())?,
            "style-hash" => out.write_all(hash(&style).as_bytes())?,
            _ => data::write(events, texts, out)?,
        }
        left = after.to_owned();
    }
    out.write_all(left.as_bytes())
}

/// The viewer's script: its sources line for line, without comments and indentation.
fn script() -> String {
    let files = [
        include_str!("viewer/data.js"),
        include_str!("viewer/graph.js"),
        include_str!("viewer/layout.js"),
        include_str!("viewer/view.js"),
        include_str!("viewer/picture.js"),
        include_str!("viewer/panel.js"),
        include_str!("viewer/gestures.js"),
        include_str!("viewer/viewer.js"),
    ];
    without_comments(&files.concat())
}

fn without_comments(source: &str) -> String {
    let mut kept = String::with_capacity(source.len());
    let mut left = source;
    while let Some((before, comment)) = left.split_once("/**") {
        kept.push_str(before);
        left = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    kept.push_str(left);
    let lines = kept.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn hash(text: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()))
}

fn escape_markup(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn flags(events: &Events, rows: &Rows<'_>, row: usize) -> u64 {
    let Some(event) = rows.event(row) else {
        return IMPLIED;
    };
    let kind = match events.kind(event) {
        EventKind::Local => 0,
        EventKind::Send => 1,
        EventKind::Receive => 2,
        EventKind::Update => 3,
        EventKind::Read => 4,
    };
    let mut flags = kind;
    if events.is_inverted(event) {
        flags |= INVERTED;
    }
    if events.is_complete(event) {
        flags |= COMPLETE;
        let point = events.point(event);
        match events.previous(event) {
            None => flags |= FIRST,
            Some(time) => {
                let named = events.at(crate::Point { time, ..point });
                if named.is_none_or(|named| events.point(named).time != time) {
                    flags |= GAP;
                }
            }
        }
    }
    flags
}

/// The earliest wall clock, and the largest unit in which all differ from it by whole numbers.
fn walls(events: &Events) -> (i64, i64) {
    let all = || (0..events.len() as u32).filter_map(|event| events.wall(event));
    let begin = all().min().unwrap_or(0);
    let mut unit = 1_000_000_000;
    for wall in all() {
        while i128::from(wall) % i128::from(unit) != 0 {
            unit /= 1_000;
        }
    }
    (begin, unit)
}

#[cfg(test)]
mod tests;
