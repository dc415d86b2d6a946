//! The picture for a terminal: a line for each row, a column for each lane. A message is drawn in the row
//! where it arrives, from its sender's lane.

use std::io::{self, Write};

use super::flags;
use super::rows::Rows;
use super::story::{Story, clock_time, duration, one_line, said};
use super::{GAP, walls};
use crate::events::{EventKind, Events};
use crate::read::Description;

/// The most lanes that a text shows.
pub const TEXT_LANES: usize = 64;

/// Columns for the time and the blanks behind it.
const TIME: usize = 10;
/// Columns that the texts should have.
const NOTE: usize = 46;
const NARROWEST: usize = 3;
const WIDEST: usize = 14;

/// How a piece of a line should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextLook {
    /// Like any text.
    Plain,
    /// Less visible than plain text.
    Faint,
    /// Marks what is wrong.
    Red,
    /// The colour of the process with this number. Colours may repeat.
    Lane(usize),
}

/// Where the text is shown.
#[derive(Clone, Copy)]
pub struct Terminal<'a> {
    /// How many characters fit on a line; longer lines are cut.
    pub columns: usize,
    /// Whether it can show more than ASCII.
    pub is_utf8: bool,
    /// Colours a piece of a line.
    pub paint: &'a dyn Fn(TextLook, &str) -> String,
}

impl std::fmt::Debug for Terminal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal")
            .field("columns", &self.columns)
            .field("is_utf8", &self.is_utf8)
            .finish_non_exhaustive()
    }
}

/// Writes the picture of the events as lines for a terminal. `texts` gives the text of an event's line.
///
/// ```
/// use lamport_trace::{Reader, Terminal, describe, text};
///
/// let mut reader = Reader::default();
/// reader.begin("tea.log");
/// let lines = ["asked 2@api <-", "out of tea 4@billing <2@api"];
/// reader.feed(lines.join("\n").as_bytes());
/// let events = reader.finish();
/// let terminal = Terminal { columns: 80, is_utf8: false, paint: &|_, piece| piece.to_owned() };
/// let mut out = Vec::new();
/// let mut texts = |event: u32| Ok(describe(lines[event as usize].as_bytes()));
/// text(&events, &mut texts, &terminal, &mut out)?;
/// let out = String::from_utf8(out).unwrap();
/// assert_eq!(out.lines().skip(2).collect::<Vec<_>>(), [
///     "    time      api       billing",
///     "       2       *                   asked",
///     "       4       +---------->*       out of tea",
/// ]);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// Those of `texts` and `out`; [`InvalidInput`](io::ErrorKind::InvalidInput) for more than
/// [`TEXT_LANES`].
pub fn text(
    events: &Events,
    texts: &mut dyn FnMut(u32) -> io::Result<Description>,
    terminal: &Terminal<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows = Rows::of(events);
    let story = Story::of(events, &rows);
    if story.lanes.len() > TEXT_LANES {
        let message = format!("{} lanes: a text shows {TEXT_LANES}", story.lanes.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let picture = Picture::new(events, &rows, &story, terminal);
    writeln!(out, "{}", story.summary)?;
    if !story.alarm.is_empty() {
        writeln!(out, "{}", (terminal.paint)(TextLook::Red, &story.alarm))?;
    }
    writeln!(out)?;
    picture.write_names(out)?;
    picture.write_rows(texts, out)
}

/// A character of the lanes, and how it looks.
type Cell = (char, TextLook);

struct Picture<'a> {
    events: &'a Events,
    rows: &'a Rows<'a>,
    story: &'a Story,
    terminal: &'a Terminal<'a>,
    /// Columns of a lane.
    lane: usize,
    signs: &'static Signs,
}

/// What lanes and messages are drawn with.
struct Signs {
    event: char,
    missing: char,
    update: char,
    lane: char,
    gap: char,
    line: char,
    cross: char,
    right: char,
    left: char,
    from_left: char,
    from_right: char,
    minus: char,
}

const UTF8: Signs = Signs {
    event: '●',
    missing: '○',
    update: '◆',
    lane: '│',
    gap: '┊',
    line: '─',
    cross: '┼',
    right: '▸',
    left: '◂',
    from_left: '├',
    from_right: '┤',
    minus: '−',
};

const ASCII: Signs = Signs {
    event: '*',
    missing: 'o',
    update: '#',
    lane: '|',
    gap: ':',
    line: '-',
    cross: '+',
    right: '>',
    left: '<',
    from_left: '+',
    from_right: '+',
    minus: '-',
};

impl<'a> Picture<'a> {
    fn new(
        events: &'a Events,
        rows: &'a Rows<'a>,
        story: &'a Story,
        terminal: &'a Terminal<'a>,
    ) -> Picture<'a> {
        let room = terminal.columns.saturating_sub(TIME + NOTE);
        Picture {
            events,
            rows,
            story,
            terminal,
            lane: (room / story.lanes.len().max(1)).clamp(NARROWEST, WIDEST),
            signs: if terminal.is_utf8 { &UTF8 } else { &ASCII },
        }
    }

    fn paint(&self, look: TextLook, piece: &str) -> String {
        match piece.is_empty() {
            true => String::new(),
            false => (self.terminal.paint)(look, piece),
        }
    }

    fn name(&self, lane: usize) -> &str {
        &self.story.names[self.story.lanes[lane] as usize]
    }

    fn look(&self, life: u32) -> TextLook {
        TextLook::Lane(self.story.process_of[life as usize])
    }

    /// Writes the lanes' names. If they don't fit, writes numbers, and above them a list of the names.
    fn write_names(&self, out: &mut dyn Write) -> io::Result<()> {
        let lanes = 0..self.story.lanes.len();
        let fits = |lane: usize| self.name(lane).chars().count() < self.lane;
        let fit = lanes.clone().all(fits);
        if !fit {
            for lane in lanes.clone() {
                let name = self.paint(self.look(self.story.lanes[lane]), self.name(lane));
                writeln!(out, "{:>4} {name}", lane + 1)?;
            }
        }
        write!(out, "{:>8}  ", "time")?;
        let mut names = String::new();
        for lane in lanes {
            let name = match fit {
                true => self.name(lane).to_owned(),
                false => (lane + 1).to_string(),
            };
            let name = format!("{name:^width$}", width = self.lane);
            let is_last = lane + 1 == self.story.lanes.len();
            let name = if is_last { name.trim_end() } else { &name };
            names += &self.paint(self.look(self.story.lanes[lane]), name);
        }
        writeln!(out, "{names}")
    }

    fn write_rows(
        &self,
        texts: &mut dyn FnMut(u32) -> io::Result<Description>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let (_, unit) = walls(self.events);
        let inversions = self.story.inversions(self.rows.len());
        // By lane: for each of its rows, whether lines are missing before it. `drawn`: rows drawn so far.
        let mut gaps: Vec<Vec<bool>> = vec![Vec::new(); self.story.lanes.len()];
        for row in 0..self.rows.len() {
            let is_gap = flags(self.events, self.rows, row) & GAP != 0;
            gaps[self.lane_of(row)].push(is_gap);
        }
        let mut drawn = vec![0; gaps.len()];
        let mut messages = self.story.messages.iter().peekable();
        let room = TIME + self.lane * gaps.len() + 1;
        let room = self.terminal.columns.saturating_sub(room);
        for (row, &inversion) in inversions.iter().enumerate() {
            let own = self.lane_of(row);
            let mut cells = vec![(' ', TextLook::Plain); self.lane * gaps.len()];
            for (lane, gaps) in gaps.iter().enumerate() {
                let sign = match gaps.get(drawn[lane]) {
                    Some(_) if drawn[lane] == 0 => continue,
                    Some(true) => self.signs.gap,
                    Some(false) => self.signs.lane,
                    None => continue,
                };
                cells[self.center(lane)] = (sign, self.look(self.story.lanes[lane]));
            }
            drawn[own] += 1;
            while let Some(message) = messages.next_if(|message| message.to == row) {
                let look = match message.backwards {
                    0 => TextLook::Plain,
                    _ => TextLook::Red,
                };
                self.draw_message(&mut cells, self.lane_of(message.from), own, look);
            }
            cells[self.center(own)] = self.mark(row, inversion);
            let time = format!("{:>8}  ", self.rows.point(row).time);
            let mut line = self.paint(TextLook::Faint, &time) + &self.painted(&cells);
            line.push(' ');
            let event = self.rows.event(row);
            let mut note = room;
            let mut push = |look: TextLook, piece: &str| {
                let piece = one_line(piece, note);
                note = note.saturating_sub(piece.chars().count() + 1);
                if !piece.is_empty() {
                    line += &self.paint(look, &piece);
                    line.push(' ');
                }
            };
            let late = if inversion > 0 {
                TextLook::Red
            } else {
                TextLook::Faint
            };
            if let Some(wall) = event.and_then(|event| self.events.wall(event)) {
                push(late, &clock_time(wall, unit));
            }
            if inversion > 0 {
                let by = duration(inversion);
                push(late, &format!("{}{by}", self.signs.minus));
            }
            match event {
                None => push(TextLook::Faint, "(its line is missing)"),
                Some(event) => push(TextLook::Plain, &said(&texts(event)?)),
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn lane_of(&self, row: usize) -> usize {
        self.story.lane_of[self.rows.point(row).life as usize]
    }

    fn center(&self, lane: usize) -> usize {
        lane * self.lane + (self.lane - 1) / 2
    }

    fn mark(&self, row: usize, inversion: i64) -> Cell {
        let Some(event) = self.rows.event(row) else {
            return (self.signs.missing, self.look(self.rows.point(row).life));
        };
        let sign = match self.events.kind(event) {
            EventKind::Update | EventKind::Read => self.signs.update,
            _ => self.signs.event,
        };
        match inversion {
            0 => (sign, self.look(self.rows.point(row).life)),
            _ => (sign, TextLook::Red),
        }
    }

    fn draw_message(&self, cells: &mut [Cell], from: usize, to: usize, look: TextLook) {
        if from == to {
            return;
        }
        let (a, b) = (self.center(from), self.center(to));
        let (first, last) = (a.min(b) + 1, a.max(b));
        for cell in &mut cells[first..last] {
            let sign = match cell.0 == self.signs.lane || cell.0 == self.signs.gap {
                true => self.signs.cross,
                false => self.signs.line,
            };
            *cell = (sign, look);
        }
        let (tail, head) = match a < b {
            true => (self.signs.from_left, self.signs.right),
            false => (self.signs.from_right, self.signs.left),
        };
        cells[a] = (tail, look);
        cells[if a < b { b - 1 } else { b + 1 }] = (head, look);
    }

    /// The characters as text, painted in pieces of one look.
    fn painted(&self, cells: &[Cell]) -> String {
        let mut painted = String::new();
        for piece in cells.chunk_by(|a, b| a.1 == b.1) {
            let text: String = piece.iter().map(|cell| cell.0).collect();
            painted += &match piece[0].1 {
                TextLook::Plain => text,
                look => self.paint(look, &text),
            };
        }
        painted
    }
}
