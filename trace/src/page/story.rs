//! The heading of a still picture, and what the picture needs of the rows: lanes, and the messages that
//! arrive before they were sent. The viewer does the same in `trace/src/page/viewer/`.

use std::fmt::Write;

use lamport_clock::excerpt::escape;

use super::rows::Rows;
use crate::events::Events;
use crate::read::Description;

/// A message between two rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) from: usize,
    pub(super) to: usize,
    /// By how much it arrives before it was sent, by wall clock, in nanoseconds; 0 if it does not.
    pub(super) backwards: i64,
}

/// The lanes and messages of all rows.
pub(super) struct Story {
    /// The lives in the order of their lanes: by first appearance, with the runs of a process side by side.
    pub(super) lanes: Vec<u32>,
    /// By life: its lane, and the name above that lane.
    pub(super) lane_of: Vec<usize>,
    pub(super) names: Vec<String>,
    /// By life, a number for its process.
    pub(super) process_of: Vec<usize>,
    pub(super) messages: Vec<Message>,
    /// How many processes, runs, events and messages there are.
    pub(super) summary: String,
    /// Which wall clock is wrong, and by how much; empty if none is known to be wrong.
    pub(super) alarm: String,
}

impl Story {
    pub(super) fn of(events: &Events, rows: &Rows<'_>) -> Story {
        let lives = events.lives();
        let mut processes: Vec<&str> = Vec::new();
        let mut process_of = vec![0; lives.len()];
        let mut runs = Vec::new();
        let mut names = vec![String::new(); lives.len()];
        for &life in rows.lives_by_first() {
            let process = &*lives[life as usize].process;
            let known = processes.iter().position(|&known| known == process);
            let number = known.unwrap_or(processes.len());
            if known.is_none() {
                processes.push(process);
                runs.push(0);
            }
            runs[number] += 1;
            process_of[life as usize] = number;
            names[life as usize] = format!("{} run {}", escape(process), runs[number]);
        }
        let mut lanes = rows.lives_by_first().to_vec();
        lanes.sort_by_key(|&life| process_of[life as usize]);
        let mut lane_of = vec![0; lives.len()];
        for (lane, &life) in lanes.iter().enumerate() {
            lane_of[life as usize] = lane;
            if runs[process_of[life as usize]] == 1 {
                names[life as usize] = escape(&lives[life as usize].process).into_owned();
            }
        }
        let messages = messages(events, rows);
        let mut summary = counted(processes.len(), "process", "processes");
        if lanes.len() > processes.len() {
            // Writing to a text can't fail.
            let _ = write!(summary, " in {}", counted(lanes.len(), "run", "runs"));
        }
        let own = counted(rows.len() - rows.implied(), "event", "events");
        let sent = counted(messages.len(), "message", "messages");
        let _ = write!(summary, ", {own}, {sent}.");
        let process = |row: usize| escape(&lives[rows.point(row).life as usize].process);
        let worst = messages.iter().max_by_key(|message| message.backwards);
        let alarm = match worst.filter(|worst| worst.backwards > 0) {
            None => String::new(),
            Some(worst) => {
                let count = messages.iter().filter(|message| message.backwards > 0);
                let arrive = match count.count() {
                    1 => "1 message arrives before it was sent".to_owned(),
                    count => format!("{count} messages arrive before they were sent"),
                };
                format!(
                    "By wall clock {arrive}: {}'s clock is at least {} behind {}'s.",
                    process(worst.to),
                    duration(worst.backwards),
                    process(worst.from)
                )
            }
        };
        Story {
            lanes,
            lane_of,
            names,
            process_of,
            messages,
            summary,
            alarm,
        }
    }

    /// By row, how much earlier its wall clock is than that of one of its causes, in nanoseconds.
    pub(super) fn inversions(&self, rows: usize) -> Vec<i64> {
        let mut inversions = vec![0; rows];
        for message in &self.messages {
            inversions[message.to] = message.backwards.max(inversions[message.to]);
        }
        inversions
    }
}

fn messages(events: &Events, rows: &Rows<'_>) -> Vec<Message> {
    // By row. A row without a line shows at least the wall clock time of the previous line in its life.
    let mut shown = Vec::with_capacity(rows.len());
    let mut newest = vec![None; events.lives().len()];
    let mut messages = Vec::new();
    for to in 0..rows.len() {
        let newest = &mut newest[rows.point(to).life as usize];
        let own = rows.event(to).and_then(|event| events.wall(event));
        *newest = own.or(*newest);
        shown.push(*newest);
        let step = events.lives()[rows.point(to).life as usize].step;
        for from in rows.senders(events, to) {
            let by = shown[from].zip(own);
            let by = by.and_then(|(from, to): (i64, i64)| from.checked_sub(to));
            let by = by.filter(|&by| by > 0 && by as u64 >= step);
            messages.push(Message {
                from,
                to,
                backwards: by.unwrap_or(0),
            });
        }
    }
    messages
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Nanoseconds as people say them: `6.12 ms`.
pub(super) fn duration(ns: i64) -> String {
    let units = [
        (3_600_000_000_000, "h"),
        (60_000_000_000, "min"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "µs"),
    ];
    for (size, name) in units {
        if ns >= size {
            let count = ns as f64 / size as f64;
            let digits = match count {
                100.0.. => 0,
                10.0.. => 1,
                _ => 2,
            };
            let count = format!("{count:.digits$}");
            let count = match count.contains('.') {
                true => count.trim_end_matches('0').trim_end_matches('.'),
                false => &count,
            };
            return format!("{count} {name}");
        }
    }
    format!("{ns} ns")
}

/// What a line says, with its level if that is a warning or an error.
pub(super) fn said(description: &Description) -> String {
    let severity = severity(description.level.as_deref().unwrap_or_default());
    format!("{severity}{}", description.message)
}

/// The word for a warning or an error, with a blank behind it; empty for other levels.
fn severity(level: &str) -> &'static str {
    let level = level.to_ascii_lowercase();
    let errors = ["err", "fatal", "crit", "alert", "emerg", "panic"];
    match level {
        _ if errors.iter().any(|error| level.starts_with(error)) => "ERROR ",
        _ if level.starts_with("warn") => "WARN ",
        _ => "",
    }
}

/// As much of a text as one line can show: at most `most` characters.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut line = lines.next().unwrap_or_default().replace('\t', " ");
    for more in lines {
        if line.len() > 4 * most {
            break;
        }
        line += " ⏎ ";
        line += &more.replace('\t', " ");
    }
    let line = escape(&line);
    if line.chars().count() <= most {
        return line.into_owned();
    }
    let cut: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{cut}…")
}

/// A wall clock's time of the day, UTC: `12:00:00.006`, in steps of a unit.
pub(super) fn clock_time(wall: i64, unit: i64) -> String {
    const DAY: i64 = 86_400;
    let (seconds, rest) = (
        wall.div_euclid(1_000_000_000),
        wall.rem_euclid(1_000_000_000),
    );
    let of_day = seconds.rem_euclid(DAY);
    let mut text = format!(
        "{:02}:{:02}:{:02}",
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60
    );
    let digits = match unit {
        1_000_000_000.. => 0,
        1_000_000.. => 3,
        1_000.. => 6,
        _ => 9,
    };
    if digits > 0 {
        text.push('.');
        text += &format!("{rest:09}")[..digits];
    }
    text
}
