//! `lamport top`: which processes move the clock, as it happens.
//!
//! The screen is rows of text, drawn over the previous ones. Drawing them and reading a key takes a hundred
//! lines of code. A library for terminals would bring fifty crates into the wheel instead.

mod rows;
mod screen;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use self::rows::{Row, Rows};
use self::screen::Screen;
use super::args::Top;
use super::output::{Look, Output, count, milliseconds};
use super::stop::Stop;
use super::{Ending, connect, environment};
use lamport_clock::excerpt::escape;
use lamport_clock::{Settings, WatchEvent, blocking};

/// How often to check for a signal or a key.
const GLANCE: Duration = Duration::from_millis(50);

/// The least time between two drawings of the screen.
const REDRAW: Duration = Duration::from_millis(250);

const SECOND: Duration = Duration::from_secs(1);

/// A process that is silent for more than this many seconds is marked.
const SILENT: f64 = 10.0;

/// At most this many processes are shown in one line.
const IN_A_LINE: usize = 8;

#[derive(Serialize)]
struct TopObject<'a> {
    value: Option<u64>,
    holder: Option<&'a str>,
    per_second: f64,
    endpoint: &'a str,
    notice: Option<&'a str>,
    processes: Vec<Row<'a>>,
}

/// The state that is shown.
struct Shown {
    rows: Rows,
    endpoint: String,
    /// Why there is nothing new, if there is a reason.
    notice: Option<String>,
}

pub(super) fn top(
    args: &Top,
    settings: &Settings,
    output: &Output,
    stop: &Stop,
) -> Result<(), Ending> {
    let clock = connect(settings, stop)?;
    let watch = clock.begin(|clock| async move { clock.watch().await })?;
    let mut watch = blocking::Watch::from(stop.outcome(watch)?);
    let record = stop.outcome(clock.begin(|clock| async move { clock.read().await })?)?;
    let started = Instant::now();
    let mut shown = Shown {
        rows: Rows::new(started),
        endpoint: clock.location(),
        notice: None,
    };
    if let Some(record) = record {
        let value = record.value.get();
        shown.rows.found(&record.process, value);
    }
    let screen = match output.is_terminal() && !output.json {
        true => Some(Screen::enter()?),
        false => None,
    };
    let (mut drawn, mut is_new) = (None, true);
    let mut seconds = 0;
    while args.count.is_none_or(|count| seconds < count) && !stop.requested() {
        if let Some(event) = watch.next_within(GLANCE) {
            is_new = true;
            shown.take(event?);
        }
        let now = Instant::now();
        // All that passed, so that a machine that paused gets one line for the pause, and no burst.
        let passed = (now - started).as_secs();
        let is_second = passed > seconds;
        seconds = passed;
        match &screen {
            Some(screen) => {
                let waits_since = drawn.map_or(REDRAW, |drawn| now - drawn);
                if waits_since >= SECOND || is_new && waits_since >= REDRAW {
                    let (columns, lines) = environment::size();
                    screen.draw(&shown.lines(now, columns, lines, output))?;
                    (drawn, is_new) = (Some(now), false);
                }
                if screen.is_key(b"qQ") {
                    break;
                }
            }
            None if is_second && output.json => output.object(&shown.object(now))?,
            None if is_second => output.line(shown.line(now))?,
            None => {}
        }
    }
    Ok(())
}

impl Shown {
    fn take(&mut self, event: WatchEvent) {
        self.notice = match event {
            WatchEvent::Updated(observed) => {
                let wall = SystemTime::now().duration_since(UNIX_EPOCH);
                let wall = wall.map_or(0.0, |wall| wall.as_secs_f64());
                self.rows.update(
                    &observed.process,
                    observed.first.get()..=observed.value.get(),
                    Instant::now(),
                    wall,
                    observed.real_timestamp,
                );
                None
            }
            WatchEvent::Interrupted(error) => Some(format!("interrupted: {error}")),
            WatchEvent::Missed { from, until } => Some(format!(
                "missed: the store no longer keeps revisions {from} up to {until}"
            )),
            WatchEvent::Deleted { .. } => Some("the record was deleted".to_owned()),
            WatchEvent::Unreadable { error, .. } => {
                Some(format!("the record can't be read: {error}"))
            }
            _ => None,
        };
    }

    fn object(&self, now: Instant) -> TopObject<'_> {
        let processes = self.rows.newest(now);
        TopObject {
            value: processes.first().map(|row| row.value),
            holder: processes.first().map(|row| row.process),
            per_second: self.rows.per_second(now),
            endpoint: &self.endpoint,
            notice: self.notice.as_deref(),
            processes,
        }
    }

    fn line(&self, now: Instant) -> String {
        let TopObject {
            per_second,
            processes,
            ..
        } = self.object(now);
        let mut line = match processes.first() {
            None => "no update yet".to_owned(),
            Some(holder) => format!(
                "{}@{}  {per_second:.1} values/s",
                holder.value,
                escape(holder.process)
            ),
        };
        for row in processes.iter().take(IN_A_LINE) {
            line.push_str(&format!(
                "  {} {:.1}/s",
                escape(row.process),
                row.per_second
            ));
            if row.silent > SILENT {
                line.push_str(&format!(" silent {}", seconds(row.silent)));
            }
        }
        if processes.len() > IN_A_LINE {
            line.push_str(&format!("  and {} more", processes.len() - IN_A_LINE));
        }
        if let Some(why) = &self.notice {
            line.push_str(&format!("  {why}"));
        }
        line
    }

    /// The text of the screen, at most `lines` lines of `columns` columns.
    fn lines(&self, now: Instant, columns: usize, lines: usize, output: &Output) -> Vec<String> {
        let TopObject {
            per_second,
            processes,
            ..
        } = self.object(now);
        let name = processes
            .iter()
            .map(|row| escape(row.process).chars().count());
        // The numbers take 56 columns.
        let name = name
            .max()
            .unwrap_or(0)
            .clamp(7, columns.saturating_sub(56).max(7));
        let head = match processes.first() {
            None => "no update yet".to_owned(),
            Some(holder) => format!(
                "{} held by {}, {per_second:.1} values/s",
                count(holder.value),
                escape(holder.process)
            ),
        };
        let mut text = vec![
            output.paint(Look::Bold, cut(&head, columns)),
            output.paint(Look::Faint, cut(&self.endpoint, columns)),
            String::new(),
            output.paint(
                Look::Faint,
                cut(
                    &format!(
                        "{:<name$}{:>18}{:>10}{:>10}{:>9}{:>9}",
                        "process", "value", "values/s", "updates/s", "silent", "clock"
                    ),
                    columns,
                ),
            ),
        ];
        // One line is left for the last, which `last` holds.
        let room = lines.saturating_sub(text.len() + 1);
        for (i, row) in processes.iter().enumerate().take(room) {
            let ahead = row.clock_ahead.map_or("?".to_owned(), |ahead| {
                let sign = if ahead >= 0.0 { "+" } else { "" };
                format!("{sign}{}", milliseconds((ahead * 1e9) as i64))
            });
            let process = cut(&escape(row.process), name);
            let line = format!(
                "{process:<name$}{:>18}{:>10.1}{:>10.1}{:>9}{ahead:>9}",
                count(row.value),
                row.per_second,
                row.updates_per_second,
                seconds(row.silent),
            );
            let look = match row.silent > SILENT {
                true => Some(Look::Yellow),
                false => (i == 0).then_some(Look::Green),
            };
            let line = cut(&line, columns);
            text.push(look.map_or_else(|| line.clone(), |look| output.paint(look, &line)));
        }
        let last = match &self.notice {
            Some(why) => output.paint(Look::Red, cut(&escape(why), columns)),
            None if processes.len() > room => {
                let more = format!("and {} more; q ends", processes.len() - room);
                output.paint(Look::Faint, cut(&more, columns))
            }
            None => output.paint(Look::Faint, cut("q ends", columns)),
        };
        text.push(last);
        text.truncate(lines);
        text
    }
}

fn seconds(seconds: f64) -> String {
    match seconds {
        0.0..100.0 => format!("{seconds:.1} s"),
        100.0..6_000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.0} h", seconds / 3_600.0),
    }
}

/// The beginning of the text that fits into `columns` columns.
fn cut(text: &str, columns: usize) -> String {
    match text.char_indices().nth(columns) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}
