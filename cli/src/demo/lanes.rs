//! The picture of the demo: a lane for each node and a line for each update, in logical order from top to
//! bottom.

use std::fmt::Write;
use std::io::{IsTerminal, stdout};

use crate::environment;
use crate::output::{Look, Output};

/// How the lanes are drawn.
pub(super) struct Lanes<'a> {
    output: &'a Output,
    names: &'a [String],
    /// Columns of one lane.
    lane: usize,
    /// Columns of the terminal, which wraps longer lines; `None` if the output is no terminal.
    columns: Option<usize>,
    mark: char,
    line: char,
}

/// Columns for the value and the space behind it.
const VALUE: usize = 10;
/// Columns to leave for the note on the right.
const NOTE: usize = 24;
const NARROWEST: usize = 3;
const WIDEST: usize = 14;

impl<'a> Lanes<'a> {
    pub(super) fn new(names: &'a [String], output: &'a Output) -> Lanes<'a> {
        let columns = environment::columns();
        let (mark, line) = if environment::is_utf8() {
            ('●', '│')
        } else {
            ('*', '|')
        };
        Lanes {
            output,
            names,
            lane: lane_width(columns, names.len()),
            columns: stdout().is_terminal().then_some(columns),
            mark,
            line,
        }
    }

    /// The lanes' names. If they don't fit, numbers, and a legend that gives the name of each number.
    pub(super) fn header(&self) -> Vec<String> {
        let fit = self.names.iter().all(|name| name.len() < self.lane);
        let mut lines = Vec::new();
        if !fit {
            lines.extend(self.legend());
        }
        let mut header = format!("{:>8}  ", "time");
        for (lane, name) in self.names.iter().enumerate() {
            let label = if fit {
                name.clone()
            } else {
                (lane + 1).to_string()
            };
            let label = format!("{label:^width$}", width = self.lane);
            header += &self.output.paint(Look::Lane(lane), label);
        }
        lines.push(String::new());
        lines.push(header.trim_end().to_owned());
        lines
    }

    /// The line of one update.
    pub(super) fn row(&self, node: usize, value: &str, note: &str) -> String {
        let value = self.output.paint(Look::Bold, format_args!("{value:>8}"));
        let lanes = self.lanes(Some(node));
        let room = self.columns.map_or(usize::MAX, |columns| {
            columns.saturating_sub(VALUE + self.lane * self.names.len() + 1)
        });
        let note = self.output.paint(Look::Faint, shortened(note, room));
        format!("{value}  {lanes} {note}").trim_end().to_owned()
    }

    /// The line between two rounds: lanes without an update.
    pub(super) fn gap(&self) -> String {
        format!("{:VALUE$}{}", "", self.lanes(None).trim_end())
    }

    fn lanes(&self, taken: Option<usize>) -> String {
        let mut lanes = String::new();
        for lane in 0..self.names.len() {
            let (look, sign) = if taken == Some(lane) {
                (Look::Lane(lane), self.mark)
            } else {
                (Look::Faint, self.line)
            };
            let cell = format!("{sign:^width$}", width = self.lane);
            lanes += &self.output.paint(look, cell);
        }
        lanes
    }

    /// `1 mx-nodel  2 mx-nodel2  ...`, with as many names in a line as fit.
    fn legend(&self) -> Vec<String> {
        let mut lines = vec![String::new()];
        for (lane, name) in self.names.iter().enumerate() {
            let entry = format!("{} {name}", lane + 1);
            let full = lines
                .last()
                .is_some_and(|line| line.len() + entry.len() + 2 > self.columns.unwrap_or(80));
            if full {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                // Writing to a string can't fail.
                let _ = write!(line, "  {entry}");
            }
        }
        lines
    }
}

fn lane_width(columns: usize, lanes: usize) -> usize {
    let room = columns.saturating_sub(VALUE + NOTE);
    (room / lanes.max(1)).clamp(NARROWEST, WIDEST)
}

/// The text, shortened to `room` columns; empty if so few columns would show nothing useful.
fn shortened(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    if room < 8 {
        return String::new();
    }
    let mut short: String = text.chars().take(room - 2).collect();
    short.push_str("..");
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_nodes_have_narrower_lanes() {
        assert_eq!(lane_width(80, 3), 14);
        assert_eq!(lane_width(80, 8), 5);
        assert_eq!(lane_width(80, 32), NARROWEST);
        assert_eq!(lane_width(0, 1), NARROWEST);
    }

    #[test]
    fn notes_keep_to_their_room() {
        assert_eq!(shortened("after 41@mx-nodel2", 18), "after 41@mx-nodel2");
        assert_eq!(shortened("after 41@mx-nodel2", 10), "after 41..");
        assert_eq!(shortened("after 41@mx-nodel2", 5), "");
    }
}
