//! The data of a page: texts in pieces, columns of numbers with a row for each event, and a header.

use std::io::{self, Write};

use lamport_clock::excerpt::escape;
use serde::Serialize;

use super::pack::{Columns, Packed, Words};
use super::rows::Rows;
use super::{flags, walls};
use crate::events::{Counts, Events};
use crate::read::Description;

/// The texts of this many rows are packed, and so unpacked, together.
const CHUNK: usize = 1 << 14;

/// Ends each text. Within a text this character is escaped.
const END: &[u8] = b"\x01";

/// Writes the elements of the page that hold the data.
pub(super) fn write(
    events: &Events,
    texts: &mut dyn FnMut(u32) -> io::Result<Description>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows = Rows::of(events);
    // Texts come first, since reading them also gives the columns of levels and lanes.
    let said = write_texts(&rows, texts, out)?;
    let edges = write_columns(events, &rows, &said, out)?;
    let mut packed = Packed::begin(out, "head")?;
    serde_json::to_writer(&mut packed, &Head::new(events, &rows, &said, edges))?;
    packed.end()
}

/// The level and the lane of each row, as numbers of words.
struct Said {
    levels: Words,
    lanes: Words,
    level_of: Vec<u8>,
    lane_of: Vec<u32>,
}

fn write_texts(
    rows: &Rows<'_>,
    texts: &mut dyn FnMut(u32) -> io::Result<Description>,
    out: &mut dyn Write,
) -> io::Result<Said> {
    let mut said = Said {
        levels: Words::default(),
        lanes: Words::default(),
        level_of: vec![0; rows.len()],
        lane_of: vec![0; rows.len()],
    };
    for (number, first) in (0..rows.len()).step_by(CHUNK).enumerate() {
        let mut packed = Packed::begin(out, &format!("text{number}"))?;
        for row in first..rows.len().min(first + CHUNK) {
            if let Some(event) = rows.event(row) {
                let description = texts(event)?;
                write_shown(&description.message, &mut packed)?;
                write_shown(&description.rest, &mut packed)?;
                said.level_of[row] = said.levels.number(description.level, u8::MAX.into()) as u8;
                said.lane_of[row] = said.lanes.number(description.lane, 1 << 20);
            }
            packed.write_all(END)?;
        }
        packed.end()?;
    }
    Ok(said)
}

/// Writes a text as it is shown: invisible characters by their codes, except for newlines and tabs.
pub(super) fn write_shown(text: &str, out: &mut dyn Write) -> io::Result<()> {
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

/// Writes the columns. Returns the number of messages.
fn write_columns(
    events: &Events,
    rows: &Rows<'_>,
    said: &Said,
    out: &mut dyn Write,
) -> io::Result<usize> {
    let mut columns = Columns::begin(out, "columns")?;
    let all = || 0..rows.len();
    let mut last = 0;
    for row in all() {
        let time = rows.point(row).time;
        columns.put(time - last)?;
        last = time;
    }
    for row in all() {
        columns.put(rows.point(row).life.into())?;
    }
    // The difference from the previous wall clock time in the life, plus one; 0: the row has none.
    let (begin, unit) = walls(events);
    let mut newest = vec![begin; events.lives().len()];
    for row in all() {
        let Some(wall) = rows.event(row).and_then(|event| events.wall(event)) else {
            columns.put(0)?;
            continue;
        };
        let newest = &mut newest[rows.point(row).life as usize];
        let by = (i128::from(wall) - i128::from(*newest)) / i128::from(unit);
        columns.put(zigzag(by).saturating_add(1))?;
        *newest = wall;
    }
    // The number of the row's source, from 1, and then of its line.
    let source = |row| {
        let event = rows.event(row);
        event.map_or(0, |event| events.place(event).source + 1)
    };
    for row in all() {
        columns.put(source(row).into())?;
    }
    let mut lines = vec![0_i64; events.sources().len() + 1];
    for row in all() {
        let line = rows.event(row).and_then(|event| events.line_number(event));
        let line = i64::from(line.unwrap_or(0));
        let newest = &mut lines[source(row) as usize];
        columns.put(zigzag(i128::from(line - *newest)))?;
        *newest = line;
    }
    for row in all() {
        columns.put(flags(events, rows, row))?;
    }
    for &level in &said.level_of {
        columns.put(level.into())?;
    }
    for &lane in &said.lane_of {
        columns.put(lane.into())?;
    }
    // How many messages lead to each row, and then how many rows each message spans.
    for row in all() {
        columns.put(rows.senders(events, row).count() as u64)?;
    }
    let mut edges = 0;
    for row in all() {
        for sender in rows.senders(events, row) {
            columns.put((row - sender) as u64)?;
            edges += 1;
        }
    }
    columns.end()?;
    Ok(edges)
}

/// Maps numbers near 0, negative or positive, to small ones.
pub(super) fn zigzag(number: i128) -> u64 {
    let folded = match number < 0 {
        true => -2 * number - 1,
        false => 2 * number,
    };
    // The viewer's numbers hold only 53 bits anyway.
    u64::try_from(folded).unwrap_or(u64::MAX)
}

/// What the viewer reads before all else.
#[derive(Serialize)]
struct Head<'a> {
    rows: usize,
    edges: usize,
    /// The earliest wall clock, in nanoseconds since 1970: more digits than a JSON number is sure to keep.
    begin: String,
    /// The unit of the wall clock times, in nanoseconds.
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
    /// Which run of its process it is, from 1, and how many there are; 0: the life has no rows.
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

impl<'a> Head<'a> {
    fn new(events: &'a Events, rows: &Rows<'_>, said: &'a Said, edges: usize) -> Head<'a> {
        let (begin, unit) = walls(events);
        let (processes, lives) = lives(events, rows);
        let sources = events.sources().iter();
        Head {
            rows: rows.len(),
            edges,
            begin: begin.to_string(),
            unit,
            chunk: CHUNK,
            processes,
            lives,
            sources: sources.map(|source| escape(source).into_owned()).collect(),
            levels: &said.levels.words,
            lanes: &said.lanes.words,
            counts: HeadCounts {
                implied: rows.implied(),
                counts: events.counts(),
            },
        }
    }
}

/// The processes and the lives. Processes are numbered in the order in which they appear, so that they
/// have the colours of a still picture.
fn lives(events: &Events, rows: &Rows<'_>) -> (Vec<String>, Vec<HeadLife>) {
    let mut names = Words::default();
    let mut number = |life: u32| {
        let process = &events.lives()[life as usize].process;
        names.number(Some(process.to_string()), u32::MAX) as usize - 1
    };
    let mut runs = vec![0; events.lives().len()];
    let mut run_of = vec![0; events.lives().len()];
    for &life in rows.lives_by_first() {
        let runs = &mut runs[number(life)];
        *runs += 1;
        run_of[life as usize] = *runs;
    }
    let lives = (0_u32..).zip(events.lives());
    let lives = lives.map(|(i, life)| {
        let process = number(i);
        HeadLife {
            process,
            instance: match life.instance.get() {
                0 => String::new(),
                _ => life.instance.to_string(),
            },
            run: run_of[i as usize],
            runs: runs[process],
            step: life.step,
        }
    });
    let lives = lives.collect();
    (names.words, lives)
}
