//! The page of `lamport diagram`: one file that shows the events, and that a person can look into. It
//! holds the viewer as it stands beside this file, and the data: columns of numbers that differ little
//! from row to row, and the texts in pieces, all of it gzip in base64. So a million events are a few
//! megabytes, and the page reads only the texts that it shows or searches.
//!
//! A log's text is never markup: what stands between tags is the title, escaped, and base64.

mod pack;
mod rows;
mod story;
mod svg;
mod text;

use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lamport_clock::excerpt::escape;
use serde::Serialize;
use sha2::{Digest, Sha256};

use self::pack::{Columns, Packed, Words};
use self::rows::Rows;
pub use self::svg::{SVG_EVENTS, svg};
pub use self::text::{TEXT_LANES, Terminal, TextLook, text};
use crate::events::{Counts, EventKind, Events};
use crate::read::Description;

/// So many rows' texts are unpacked together.
const CHUNK: usize = 1 << 14;

/// Ends each text: a character that is escaped within one.
const END: &[u8] = b"\x01";

/// As the viewer names them.
const IMPLIED: u64 = 8;
const COMPLETE: u64 = 16;
const INVERTED: u64 = 32;
const GAP: u64 = 64;
const FIRST: u64 = 128;

/// Writes a page that shows the events: one HTML file that needs no other and asks no network. `texts`
/// says what an event's line says, and is asked once for each event, in order.
///
/// [Look at the wall clocks](crate::look_at_walls) first, so that the page tells where they are wrong.
/// A reader that [numbers](crate::Reader::numbering) lets it tell where each line stands.
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
            _ => data(events, texts, out)?,
        }
        left = after.to_owned();
    }
    out.write_all(left.as_bytes())
}

/// The viewer is read as it stands here, and ships line for line, without comments and indentation.
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

/// What the viewer reads before all else.
#[derive(Serialize)]
struct Head<'a> {
    rows: usize,
    edges: usize,
    /// The earliest wall clock, in nanoseconds since 1970: more digits than a JSON number is sure to keep.
    begin: String,
    /// What the wall clocks are counted in, in nanoseconds.
    unit: i64,
    chunk: usize,
    processes: Vec<String>,
    lives: Vec<HeadLife>,
    sources: Vec<String>,
    levels: &'a [String],
    lanes: &'a [String],
    counts: HeadCounts<'a>,
}

#[derive(Serialize)]
struct HeadLife {
    process: usize,
    instance: String,
    /// Which run of its process, from 1, and of how many.
    run: usize,
    runs: usize,
    step: u64,
}

#[derive(Serialize)]
struct HeadCounts<'a> {
    implied: usize,
    #[serde(flatten)]
    counts: &'a Counts,
}

fn data(
    events: &Events,
    texts: &mut dyn FnMut(u32) -> io::Result<Description>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows = Rows::of(events);
    // The texts first: their levels and lanes are columns.
    let (mut levels, mut lanes) = (Words::default(), Words::default());
    let mut level_of = vec![0_u8; rows.len()];
    let mut lane_of = vec![0_u32; rows.len()];
    for (number, first) in (0..rows.len()).step_by(CHUNK).enumerate() {
        let mut packed = Packed::begin(out, &format!("text{number}"))?;
        for row in first..rows.len().min(first + CHUNK) {
            if let Some(event) = rows.event(row) {
                let description = texts(event)?;
                write_shown(&description.message, &mut packed)?;
                write_shown(&description.rest, &mut packed)?;
                level_of[row] = levels.number(description.level, u8::MAX.into()) as u8;
                lane_of[row] = lanes.number(description.lane, 1 << 20);
            }
            packed.write_all(END)?;
        }
        packed.end()?;
    }
    let (begin, unit) = walls(events);
    let mut columns = Columns::begin(out, "columns")?;
    let mut last = 0;
    for row in 0..rows.len() {
        let time = rows.point(row).time;
        columns.put(time - last)?;
        last = time;
    }
    for row in 0..rows.len() {
        columns.put(rows.point(row).life.into())?;
    }
    // One more than what it differs by from the line before in its life; 0: none.
    let mut newest = vec![begin; events.lives().len()];
    for row in 0..rows.len() {
        match rows.event(row).and_then(|event| events.wall(event)) {
            None => columns.put(0)?,
            Some(wall) => {
                let newest = &mut newest[rows.point(row).life as usize];
                let by = (i128::from(wall) - i128::from(*newest)) / i128::from(unit);
                columns.put(1 + zigzag(by))?;
                *newest = wall;
            }
        }
    }
    let source = |row| {
        rows.event(row)
            .map_or(0, |event| events.place(event).source + 1)
    };
    for row in 0..rows.len() {
        columns.put(source(row).into())?;
    }
    let mut lines = vec![0_i64; events.sources().len() + 1];
    for row in 0..rows.len() {
        let line = rows
            .event(row)
            .map_or(0, |event| events.line_number(event).unwrap_or(0));
        let newest = &mut lines[source(row) as usize];
        columns.put(zigzag(i128::from(i64::from(line) - *newest)))?;
        *newest = line.into();
    }
    for row in 0..rows.len() {
        columns.put(flags(events, &rows, row))?;
    }
    for level in level_of {
        columns.put(level.into())?;
    }
    for lane in lane_of {
        columns.put(lane.into())?;
    }
    for row in 0..rows.len() {
        columns.put(rows.senders(events, row).count() as u64)?;
    }
    let mut edges = 0;
    for row in 0..rows.len() {
        for sender in rows.senders(events, row) {
            columns.put((row - sender) as u64)?;
            edges += 1;
        }
    }
    columns.end()?;
    let mut names = Words::default();
    // Numbered as they appear: their colours are those of a still picture.
    for &life in rows.lives_by_first() {
        let process = &events.lives()[life as usize].process;
        names.number(Some(process.to_string()), u32::MAX);
    }
    let mut lives: Vec<HeadLife> = Vec::new();
    for life in events.lives() {
        lives.push(HeadLife {
            process: names.number(Some(life.process.to_string()), u32::MAX) as usize - 1,
            instance: match life.instance.get() {
                0 => String::new(),
                _ => life.instance.to_string(),
            },
            run: 0,
            runs: 0,
            step: life.step,
        });
    }
    let mut runs = vec![0; names.words.len()];
    for &life in rows.lives_by_first() {
        let life = &mut lives[life as usize];
        runs[life.process] += 1;
        life.run = runs[life.process];
    }
    for life in &mut lives {
        life.runs = runs[life.process];
    }
    let head = Head {
        rows: rows.len(),
        edges,
        begin: begin.to_string(),
        unit,
        chunk: CHUNK,
        processes: names.words,
        lives,
        sources: events
            .sources()
            .iter()
            .map(|source| escape(source).into_owned())
            .collect(),
        levels: &levels.words,
        lanes: &lanes.words,
        counts: HeadCounts {
            implied: rows.implied(),
            counts: events.counts(),
        },
    };
    let mut packed = Packed::begin(out, "head")?;
    serde_json::to_writer(&mut packed, &head)?;
    packed.end()
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

/// Numbers near 0, below it or above, as small ones.
fn zigzag(number: i128) -> u64 {
    let folded = match number < 0 {
        true => -2 * number - 1,
        false => 2 * number,
    };
    // What the viewer counts in holds 53 bits.
    u64::try_from(folded).unwrap_or(u64::MAX)
}

/// A text as it is shown: what can't be seen by its codes, but for the ends of its lines.
fn write_shown(text: &str, out: &mut dyn Write) -> io::Result<()> {
    for piece in text.split_inclusive(['\n', '\t']) {
        match piece.strip_suffix(['\n', '\t']) {
            None => out.write_all(escape(piece).as_bytes())?,
            Some(before) => {
                out.write_all(escape(before).as_bytes())?;
                out.write_all(&piece.as_bytes()[before.len()..])?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
