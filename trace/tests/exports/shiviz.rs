//! What ShiViz asks of a log that it opens, as its own parser and its model of hosts do.

use std::collections::{BTreeMap, HashSet};

/// An event's host and its clock.
type Event = (String, BTreeMap<String, u64>);

/// The events of a file, if ShiViz takes it.
pub(crate) fn check(file: &str) -> Result<Vec<Event>, String> {
    let mut lines = file.lines();
    let header = lines.next().unwrap_or_default();
    if header != r"(?<host>\S+) (?<clock>\{[^}]*\}) (?<event>.*)" {
        return Err(format!("another expression: {header}"));
    }
    if lines.next() != Some("") {
        return Err("the second line is a delimiter".to_owned());
    }
    let mut events = Vec::new();
    for line in lines {
        let parts = line.split_once(' ').ok_or("no host")?;
        let (host, rest) = parts;
        let end = rest.find('}').ok_or("no clock")? + 1;
        let clock: BTreeMap<String, u64> =
            serde_json::from_str(&rest[..end]).map_err(|error| format!("{line}: {error}"))?;
        let text = rest[end..].strip_prefix(' ').unwrap_or_default();
        if host.is_empty() || host.contains(char::is_whitespace) || text.trim().is_empty() {
            return Err(format!("no host or no text: {line}"));
        }
        events.push((host.to_owned(), clock));
    }
    let mut own: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (host, clock) in &events {
        let value = clock.get(host).ok_or("a host that is not in its clock")?;
        own.entry(host).or_default().push(*value);
    }
    for (host, values) in &mut own {
        values.sort_unstable();
        if !values.iter().copied().eq(1..=values.len() as u64) {
            return Err(format!("{host} has not 1 to n: {values:?}"));
        }
    }
    for (host, clock) in &events {
        for (other, value) in clock {
            let known = own.get(&**other).ok_or(format!("{other} has no events"))?;
            if !(1..=known.len() as u64).contains(value) {
                return Err(format!("{host} knows of {value} at {other}"));
            }
        }
    }
    let distinct: HashSet<(&str, u64)> = events
        .iter()
        .map(|(host, clock)| (&**host, clock[host]))
        .collect();
    match distinct.len() == events.len() {
        true => Ok(events),
        false => Err("a value twice".to_owned()),
    }
}
