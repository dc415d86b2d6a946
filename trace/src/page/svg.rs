//! The page's picture as a still one, for a README or a slide: a row for each event, in order.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::rows::Rows;
use super::story::{Story, clock_time, duration, one_line, said};
use super::{FIRST, GAP, escape_markup, flags, walls};
use crate::events::{EventKind, Events};
use crate::read::Description;

/// The most events that a still picture shows.
pub const SVG_EVENTS: usize = 2_000;

const ROW: usize = 26;
const LETTER: f64 = 7.25;
/// The most characters of a text.
const LONGEST: usize = 72;
/// The most characters of the title.
const TITLE: usize = 100;
const HUES: usize = 8;

/// The colours of viewer.css, light and dark.
const STYLE: &str = "\
svg{background:#fff;color-scheme:light dark;--ink:#1b1f24;--dim:#57606a;--line:#d5dae0;--edge:#66717d;--red:#b3261e;--clock:#5b6470;--ground:#fff;\
--h0:#0a5fb4;--h1:#00735c;--h2:#7a3db8;--h3:#85560a;--h4:#9b2f7e;--h5:#3d6b1f;--h6:#47579b;--h7:#006c86}\
@media(prefers-color-scheme:dark){svg{background:#0f1419;--ink:#e6edf3;--dim:#9aa7b4;--line:#333c46;--edge:#8593a1;--red:#ff8a80;--clock:#a7b2be;--ground:#0f1419;\
--h0:#6cb6ff;--h1:#4cc9a4;--h2:#c8a2ff;--h3:#e0b458;--h4:#f29ad6;--h5:#a3cf6e;--h6:#aab4f2;--h7:#5cc8e6}}\
text{font:12px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:var(--ink);dominant-baseline:central;white-space:pre}\
.t{font:600 17px system-ui,sans-serif}.s{font:14px system-ui,sans-serif}.a{font:600 14px system-ui,sans-serif;fill:var(--red)}\
.d{fill:var(--dim)}.r{fill:var(--red)}.b{stroke:var(--ground);stroke-width:4}.m{stroke:var(--edge);stroke-width:1.4}.x{stroke:var(--red);stroke-width:2;stroke-dasharray:6 3}\
.k{fill:var(--clock);stroke:var(--clock)}.e{fill:var(--edge)}\
.h0{--h:var(--h0)}.h1{--h:var(--h1)}.h2{--h:var(--h2)}.h3{--h:var(--h3)}.h4{--h:var(--h4)}.h5{--h:var(--h5)}.h6{--h:var(--h6)}.h7{--h:var(--h7)}\
.l{stroke:var(--h);stroke-opacity:.6;stroke-width:1.5}.g{stroke:var(--h);stroke-opacity:.3}.p{fill:var(--h);stroke:var(--h);stroke-width:1.5}.n{fill:var(--h)}\
.o{fill:var(--ground);stroke-dasharray:2 2}.v{fill:var(--red);stroke:var(--red)}";

/// Writes the picture of the events as one SVG file, which is light or dark as its reader prefers. `texts`
/// gives the text of an event's line.
///
/// ```
/// let mut reader = lamport_trace::Reader::default();
/// reader.begin("tea.log");
/// reader.feed(b"asked 2@api <-\nout of tea 4@billing <2@api");
/// let events = reader.finish();
/// let mut picture = Vec::new();
/// let mut texts = |_| Ok(lamport_trace::describe(b"asked 2@api <-"));
/// lamport_trace::svg("Tea", &events, &mut texts, &mut picture)?;
/// assert!(picture.starts_with(b"<svg"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// Those of `texts` and `out`; [`InvalidInput`](io::ErrorKind::InvalidInput) for more than
/// [`SVG_EVENTS`].
pub fn svg(
    title: &str,
    events: &Events,
    texts: &mut dyn FnMut(u32) -> io::Result<Description>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows = Rows::of(events);
    if rows.len() > SVG_EVENTS {
        let message = format!("{} events: a still picture shows {SVG_EVENTS}", rows.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let picture = Picture::new(events, &rows);
    picture.write(title, texts, out)
}

/// The layout of the picture.
struct Picture<'a> {
    events: &'a Events,
    rows: &'a Rows<'a>,
    story: Story,
    unit: i64,
    has_walls: bool,
    inversions: Vec<i64>,
    has_updates: bool,
    /// Whether names are turned, since they are wider than their lanes.
    is_turned: bool,
    head: usize,
    lanes_at: usize,
    pitch: usize,
    text_at: usize,
    name_letters: usize,
}

impl<'a> Picture<'a> {
    fn new(events: &'a Events, rows: &'a Rows<'a>) -> Picture<'a> {
        let story = Story::of(events, rows);
        let (_, unit) = walls(events);
        let own = || (0..rows.len()).filter_map(|row| rows.event(row));
        let has_updates = own().any(|event| events.kind(event) == EventKind::Update);
        let longest = story.names.iter().map(|name| name.chars().count()).max();
        let name_letters = longest.unwrap_or(0).clamp(4, 18);
        let lanes = story.lanes.len();
        let pitch = (480 / lanes.max(1)).clamp(18, 130);
        let is_turned = pitch < 8 * name_letters && pitch < 90;
        let top = if story.alarm.is_empty() { 56 } else { 78 };
        let lanes_at = if has_updates { 116 } else { 64 };
        Picture {
            events,
            rows,
            unit,
            has_walls: own().any(|event| events.wall(event).is_some()),
            inversions: story.inversions(rows.len()),
            has_updates,
            is_turned,
            head: top + if is_turned { 8 * name_letters + 14 } else { 32 },
            lanes_at,
            pitch,
            text_at: lanes_at + lanes * pitch + 14,
            name_letters,
            story,
        }
    }

    fn x(&self, row: usize) -> usize {
        self.lane_x(self.story.lane_of[self.rows.point(row).life as usize])
    }

    fn lane_x(&self, lane: usize) -> usize {
        self.lanes_at + lane * self.pitch + self.pitch / 2
    }

    fn y(&self, row: usize) -> usize {
        self.head + row * ROW + ROW / 2
    }

    fn hue(&self, life: u32) -> usize {
        self.story.process_of[life as usize] % HUES
    }

    fn radius(&self) -> f64 {
        (self.pitch as f64 * 0.26).min(5.5)
    }

    /// Where the columns of the text begin: how far the wall clock is behind, the name, the message.
    fn columns(&self) -> [f64; 3] {
        let wall = if self.has_walls {
            clock_time(0, self.unit).len() + 1
        } else {
            0
        };
        let late = self.text_at as f64 + wall as f64 * LETTER;
        let has_late = self.inversions.iter().any(|&by| by > 0);
        let name = late + if has_late { 10.0 * LETTER } else { 0.0 };
        [late, name, name + (self.name_letters + 2) as f64 * LETTER]
    }

    fn write(
        &self,
        title: &str,
        texts: &mut dyn FnMut(u32) -> io::Result<Description>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let [.., message] = self.columns();
        let width = message + LONGEST as f64 * LETTER + 12.0;
        let height = self.head + self.rows.len() * ROW + 14;
        let title = escape_markup(&one_line(title, TITLE));
        let (summary, alarm) = (
            escape_markup(&self.story.summary),
            escape_markup(&self.story.alarm),
        );
        write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height}\" width=\"{width:.0}\" height=\"{height}\" role=\"img\" aria-labelledby=\"title\">\
             <title id=\"title\">{title}. {summary} {alarm}</title><style>{STYLE}</style>\n\
             <text class=\"t\" x=\"14\" y=\"20\">{title}</text><text class=\"s\" x=\"14\" y=\"43\">{summary}</text>\n"
        )?;
        if !alarm.is_empty() {
            writeln!(out, "<text class=\"a\" x=\"14\" y=\"65\">{alarm}</text>")?;
        }
        out.write_all(self.names().as_bytes())?;
        out.write_all(self.lanes().as_bytes())?;
        self.texts(texts, out)?;
        out.write_all(self.messages().as_bytes())?;
        out.write_all(self.marks().as_bytes())?;
        out.write_all(b"</svg>\n")
    }

    /// The headings of the lanes and columns.
    fn names(&self) -> String {
        let mut svg = String::new();
        let y = self.head - 14;
        let [_, name, message] = self.columns();
        let mut write = |x: f64, text: &str| {
            let _ = write!(
                svg,
                "<text class=\"d\" x=\"{x:.0}\" y=\"{y}\">{text}</text>"
            );
        };
        write(18.0, "time");
        if self.has_updates {
            write(68.0, "clock");
        }
        if self.has_walls {
            write(self.text_at as f64, "wall clock");
        }
        write(name, "process");
        write(message, "what it says");
        for (lane, &life) in self.story.lanes.iter().enumerate() {
            let (x, hue) = (self.lane_x(lane), self.hue(life));
            let letters = if self.is_turned { 18 } else { self.pitch / 8 };
            let name = one_line(&self.story.names[life as usize], letters);
            let name = escape_markup(&name);
            let placed = match self.is_turned {
                true => format!("transform=\"translate({x} {}) rotate(-90)\"", y + 6),
                false => format!("x=\"{x}\" y=\"{y}\" text-anchor=\"middle\""),
            };
            let _ = write!(svg, "<text class=\"n h{hue}\" {placed}>{name}</text>");
        }
        svg.push('\n');
        svg
    }

    /// The line of each lane, from its first row to its last, and that of the shared clock.
    fn lanes(&self) -> String {
        let mut svg = String::new();
        let mut ends: Vec<Option<(usize, usize)>> = vec![None; self.events.lives().len()];
        let mut clock: Option<(usize, usize)> = None;
        for row in 0..self.rows.len() {
            let end = &mut ends[self.rows.point(row).life as usize];
            *end = Some((end.map_or(row, |(first, _)| first), row));
            if self.kind(row) == EventKind::Update {
                clock = Some((clock.map_or(row, |(first, _)| first), row));
            }
        }
        let mut line = |x: usize, (first, last): (usize, usize), class: &str| {
            let _ = write!(
                svg,
                "<path class=\"{class}\" d=\"M{x} {}V{}\"/>",
                self.y(first),
                self.y(last)
            );
        };
        for (lane, &life) in self.story.lanes.iter().enumerate() {
            if let Some(end) = ends[life as usize] {
                line(self.lane_x(lane), end, &format!("l h{}", self.hue(life)));
            }
        }
        if let Some(end) = clock {
            line(84, end, "k");
        }
        svg.push('\n');
        svg
    }

    fn kind(&self, row: usize) -> EventKind {
        let event = self.rows.event(row);
        event.map_or(EventKind::Local, |event| self.events.kind(event))
    }

    /// The text of each event, beside it.
    fn texts(
        &self,
        texts: &mut dyn FnMut(u32) -> io::Result<Description>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let [late, name, message] = self.columns();
        for row in 0..self.rows.len() {
            let (y, point) = (self.y(row), self.rows.point(row));
            let hue = self.hue(point.life);
            let red = if self.inversions[row] > 0 { "r" } else { "d" };
            write!(
                out,
                "<text class=\"d\" x=\"50\" y=\"{y}\" text-anchor=\"end\">{}</text>\
                 <path class=\"g h{hue}\" d=\"M{} {y}H{}\"/>",
                point.time,
                self.x(row) + 8,
                self.text_at - 6,
            )?;
            let event = self.rows.event(row);
            if let Some(wall) = event.and_then(|event| self.events.wall(event)) {
                let (x, wall) = (self.text_at, clock_time(wall, self.unit));
                write!(
                    out,
                    "<text class=\"{red}\" x=\"{x}\" y=\"{y}\">{wall}</text>"
                )?;
            }
            if self.inversions[row] > 0 {
                let by = duration(self.inversions[row]);
                write!(
                    out,
                    "<text class=\"r\" x=\"{late:.1}\" y=\"{y}\">−{by}</text>"
                )?;
            }
            let of = escape_markup(&one_line(&self.story.names[point.life as usize], 18));
            let (class, text) = match event {
                None => ("d", "(its line is missing)".to_owned()),
                Some(event) => ("", one_line(&said(&texts(event)?), LONGEST)),
            };
            writeln!(
                out,
                "<text class=\"n h{hue}\" x=\"{name:.1}\" y=\"{y}\">{of}</text>\
                 <text class=\"{class}\" x=\"{message:.1}\" y=\"{y}\">{}</text>",
                escape_markup(&text)
            )?;
        }
        Ok(())
    }

    fn messages(&self) -> String {
        let mut svg = String::new();
        for message in &self.story.messages {
            let [x1, y1, x2, y2] = [
                self.x(message.from),
                self.y(message.from),
                self.x(message.to),
                self.y(message.to),
            ]
            .map(|at| at as f64);
            let (line, head) = match message.backwards {
                0 => ("m", "e"),
                _ => ("x", "r"),
            };
            let angle = (y2 - y1).atan2(x2 - x1);
            let far = self.radius() + 1.5;
            let (x, y) = (x2 - far * angle.cos(), y2 - far * angle.sin());
            let corner = |turn: f64| {
                let (dx, dy) = ((angle + turn).cos(), (angle + turn).sin());
                (x - 9.0 * dx, y - 9.0 * dy)
            };
            let (left, right) = (corner(-0.42), corner(0.42));
            let _ = writeln!(
                svg,
                "<path class=\"{line}\" d=\"M{x1} {y1}L{x:.1} {y:.1}\"/>\
                 <path class=\"{head}\" d=\"M{x:.1} {y:.1}L{:.1} {:.1}L{:.1} {:.1}z\"/>",
                left.0, left.1, right.0, right.1
            );
        }
        svg
    }

    fn marks(&self) -> String {
        let mut svg = String::new();
        let mut before: Vec<Option<usize>> = vec![None; self.events.lives().len()];
        let radius = self.radius();
        for row in 0..self.rows.len() {
            let (x, y) = (self.x(row), self.y(row));
            let life = self.rows.point(row).life;
            let mut class = format!("p h{}", self.hue(life));
            if self.rows.event(row).is_none() {
                class += " o";
            }
            if self.inversions[row] > 0 {
                class += " v";
            }
            let flags = flags(self.events, self.rows, row);
            let before = before[life as usize].replace(row);
            if before.is_none() && flags & FIRST != 0 {
                let (left, top) = (x as f64 - radius * 1.8, y as f64 - radius - 3.0);
                let width = radius * 3.6;
                let _ = write!(
                    svg,
                    "<path class=\"{class}\" d=\"M{left:.1} {top:.1}h{width:.1}\"/>"
                );
            }
            if flags & GAP != 0 {
                // Lines are missing before it: its lane is broken there.
                let top = before.map_or(y - ROW, |before| self.y(before)) as f64 + radius;
                let path = format!("d=\"M{x} {top:.1}V{:.1}\"", y as f64 - radius);
                let _ = write!(
                    svg,
                    "<path class=\"b\" {path}/><path class=\"{class}\" stroke-dasharray=\"1.5 4\" {path}/>"
                );
            }
            match self.kind(row) {
                EventKind::Update => {
                    let _ = write!(
                        svg,
                        "<path class=\"k\" stroke-dasharray=\"2 3\" d=\"M84 {y}H{x}\"/>{}{}",
                        diamond("k", 84, y, radius),
                        diamond(&class, x, y, radius * 1.2)
                    );
                }
                EventKind::Read => svg += &diamond(&class, x, y, radius * 1.2),
                _ => {
                    let _ = write!(
                        svg,
                        "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius:.1}\"/>"
                    );
                }
            }
            svg.push('\n');
        }
        svg
    }
}

fn diamond(class: &str, x: usize, y: usize, size: f64) -> String {
    format!(
        "<path class=\"{class}\" d=\"M{x} {:.1}l{size:.1} {size:.1}l-{size:.1} {size:.1}l-{size:.1} -{size:.1}z\"/>",
        y as f64 - size
    )
}
