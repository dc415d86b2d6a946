//! Logs with vector clocks, as ShiViz takes and GoVector writes them: `host {"host":1,"other":3}`, and a
//! text before or behind it. A file for ShiViz begins with a regular expression of its writer's. Only the
//! order of its groups is used. Clocks are recognised by their own form.
//!
//! The sum of a vector clock is a Lamport time: an effect's clock is at least its cause's in each
//! place and higher in one. For a cause without a line, the time is that of the newest line before it plus
//! the difference of their own values. This lies below the times of all lines that follow.

use std::collections::{BTreeMap, HashMap};

use lamport_clock::{Instance, Stamp, Time};
use serde::Serialize;
use serde_json::json;

use crate::export::process;

type Clock = BTreeMap<String, u64>;

/// An event of a host.
struct Event {
    execution: u64,
    host: String,
    clock: Clock,
    text: String,
}

#[derive(Serialize)]
struct Line {
    lamport: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lamport_instance: Option<String>,
    lamport_after: Vec<String>,
    message: String,
}

/// Whether a file begins with ShiViz's header, or has a clock in its first two lines.
pub(super) fn is_one(head: &[u8]) -> bool {
    let mut lines = head.split(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    if Header::of(first).is_some() {
        return true;
    }
    let mut first_two = [Some(first), lines.next()].into_iter().flatten();
    // The first clock of a host has a value for this host, and holds nothing but numbers.
    first_two.any(|line| {
        let text = String::from_utf8_lossy(line);
        split(&text).is_some_and(|split| split.clock.contains_key(split.host))
    })
}

pub(super) fn lines(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut rest: Vec<&str> = text.lines().collect();
    let header = rest.first().and_then(|line| Header::of(line.as_bytes()));
    let mut delimiter = None;
    if header.is_some() {
        delimiter = rest.get(1).and_then(|line| Delimiter::of(line));
        rest.drain(..rest.len().min(2));
    }
    let (events, others) = events(&rest, header, delimiter.as_ref());
    let mut lines = Vec::new();
    // The events by execution, host and the host's own value.
    let mut known: HashMap<(u64, &str), BTreeMap<u64, &Event>> = HashMap::new();
    for event in &events {
        let own = event.clock[&event.host];
        let of_host = known.entry((event.execution, &event.host)).or_default();
        of_host.entry(own).or_insert(event);
    }
    for event in &events {
        match line(event, &known) {
            Some(line) => super::put(&mut lines, &line),
            None => super::put(&mut lines, &json!({ "message": event.text })),
        }
    }
    for other in others {
        super::put(&mut lines, &json!({ "message": other }));
    }
    lines
}

type Known<'a> = HashMap<(u64, &'a str), BTreeMap<u64, &'a Event>>;

fn sum(clock: &Clock) -> u64 {
    clock
        .values()
        .fold(0, |sum, value| sum.saturating_add(*value))
}

/// The time at which a host's own value was `value`.
fn time(known: &Known<'_>, execution: u64, host: &str, value: u64) -> Option<Time> {
    let events = known.get(&(execution, host));
    let before = events.and_then(|events| events.range(..=value).next_back());
    let time = match before {
        Some((own, event)) => sum(&event.clock).saturating_add(value - own),
        None => value,
    };
    Time::new(time).ok()
}

/// The line of an event; `None` if its numbers are larger than a time can be.
fn line(event: &Event, known: &Known<'_>) -> Option<Line> {
    let (execution, host) = (event.execution, event.host.as_str());
    let own = event.clock[host];
    let stamp = |host: &str, value: u64| {
        let instance = Instance::new(execution);
        let time = time(known, execution, host, value)?;
        Some(Stamp {
            time,
            process: process(host),
            instance,
        })
    };
    let written = |stamp: &Stamp| match execution {
        0 => stamp.to_string(),
        _ => format!("{stamp:#}"),
    };
    let before = known[&(execution, host)].range(..own).next_back();
    let before = before.map(|(_, event)| &event.clock);
    let value_in = |clock: Option<&Clock>, host: &str| {
        clock
            .and_then(|clock| clock.get(host))
            .copied()
            .unwrap_or(0)
    };
    let mut after = Vec::new();
    if own > 1 {
        after.push(written(&stamp(host, own - 1)?));
    }
    let mut causes = Vec::new();
    for (other, &value) in &event.clock {
        if other != host && value > value_in(before, other) {
            causes.push((stamp(other, value)?, other, value));
        }
    }
    // Leave out a cause that another cause already knew: it came by way of that one.
    causes.sort_by_key(|(stamp, ..)| std::cmp::Reverse(stamp.time));
    let mut named: Vec<&Clock> = Vec::new();
    for (stamp, other, value) in &causes {
        if named
            .iter()
            .any(|clock| value_in(Some(clock), other) >= *value)
        {
            continue;
        }
        after.push(written(stamp));
        let sender = known.get(&(execution, other.as_str()));
        named.extend(
            sender
                .and_then(|events| events.get(value))
                .map(|event| &event.clock),
        );
    }
    Some(Line {
        lamport: stamp(host, own)?.to_string(),
        lamport_instance: (execution > 0).then(|| format!("{execution:016x}")),
        lamport_after: after,
        message: event.text.clone(),
    })
}

/// The events, and the lines that belong to none.
fn events<'a>(
    lines: &[&'a str],
    header: Option<Header>,
    delimiter: Option<&Delimiter>,
) -> (Vec<Event>, Vec<&'a str>) {
    let (mut events, mut others): (Vec<Event>, Vec<&str>) = (Vec::new(), Vec::new());
    // A file without a header is in GoVector's own form, or has the clock and the text in one line.
    let header = header.unwrap_or(Header::Behind);
    // Each execution is a new instance of its hosts. A single one needs no instance.
    let mut execution = u64::from(delimiter.is_some());
    // Whether the newest event still waits for its text.
    let mut is_open = false;
    for line in lines {
        if delimiter.is_some_and(|delimiter| delimiter.is_one(line)) {
            execution += 1;
            is_open = false;
            continue;
        }
        let Some(split) = split(line) else {
            match events.last_mut() {
                Some(event) if is_open => event.text = (*line).to_owned(),
                _ if line.trim().is_empty() => continue,
                _ => others.push(line),
            }
            is_open = false;
            continue;
        };
        let mut text = split.text.to_owned();
        is_open = header == Header::Behind && text.is_empty();
        if header == Header::Before && text.is_empty() {
            text = others.pop().unwrap_or_default().to_owned();
        }
        events.push(Event {
            execution,
            host: split.host.to_owned(),
            clock: split.clock,
            text,
        });
    }
    (events, others)
}

/// A line that has a clock.
struct Split<'a> {
    host: &'a str,
    clock: Clock,
    text: &'a str,
}

/// `host {"host":1} text`, also with more before it. A clock always holds a value of its own host.
fn split(line: &str) -> Option<Split<'_>> {
    line.match_indices(" {").find_map(|(blank, _)| {
        let open = blank + 1;
        let host = line[..blank].trim_end();
        let host = host.rsplit(char::is_whitespace).next()?;
        let mut json = serde_json::Deserializer::from_str(&line[open..]).into_iter::<Clock>();
        let mut clock = json.next()?.ok()?;
        // A zero says nothing.
        clock.retain(|_, value| *value > 0);
        let text = line[open + json.byte_offset()..].trim();
        let is_own = clock.contains_key(host);
        is_own.then_some(Split { host, clock, text })
    })
}

/// Whether ShiViz's regular expression has the text before or behind the clock's line, if not in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    Before,
    Behind,
}

impl Header {
    fn of(line: &[u8]) -> Option<Header> {
        let line = std::str::from_utf8(line).ok()?;
        let place = |name: &str| {
            let place = line.find(&format!("(?<{name}>"));
            place.or_else(|| line.find(&format!("(?P<{name}>")))
        };
        let (host, clock) = (place("host")?, place("clock")?);
        Some(match place("event")? < host.min(clock) {
            true => Header::Before,
            false => Header::Behind,
        })
    }
}

/// The line between two executions: it matches the constant ends of a regular expression.
struct Delimiter {
    begin: String,
    end: String,
}

impl Delimiter {
    fn of(line: &str) -> Option<Delimiter> {
        let line = line.trim();
        let open = line.find('(').unwrap_or(line.len());
        let close = line.rfind(')').map_or(line.len(), |close| close + 1);
        let begin = line[..open].trim_start_matches('^').to_owned();
        let end = line.get(close..)?.trim_end_matches('$').to_owned();
        (!begin.is_empty() || !end.is_empty()).then_some(Delimiter { begin, end })
    }

    fn is_one(&self, line: &str) -> bool {
        line.starts_with(&self.begin) && line.ends_with(&self.end)
    }
}
