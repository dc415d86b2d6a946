//! `lamport order`: the lines of any logs in one order, and where their wall clocks contradict it.

use serde::Serialize;

use super::Ending;
use super::args::Order;
use super::input::{self, Texts};
use super::output::{Lines, Look, Output, count, counted, milliseconds};
use super::stop::Stop;
use lamport_clock::excerpt::{escape, quote};
use lamport_clock::{Error, ErrorKind, Settings};
use lamport_trace::{Broken, Events, Point, Reader, Walls, broken, look_at_walls};

/// At most this many findings of each kind are shown.
const SHOWN: usize = 3;

pub(super) fn order(
    args: &Order,
    settings: &Settings,
    output: &Output,
    stop: &'static Stop,
) -> Result<(), Ending> {
    super::refuse_connection_settings(settings, "'lamport order'", "it looks at files alone")?;
    if args.follow {
        return super::follow::follow(args, output, stop);
    }
    let reader = match output.json {
        true => Reader::numbering(),
        false => Reader::default(),
    };
    let (mut events, mut texts) = input::read(&args.input.files, reader, output, stop)?;
    let walls = look_at_walls(&mut events);
    if args.clocks {
        clocks(&events, &walls, output)?;
    } else {
        lines(&events, &mut texts, output, stop)?;
    }
    tell(&events, &walls, &mut texts, output)?;
    let (count, _) = broken(&events);
    if count > 0 {
        return Err(Ending::Failed(Error::new(
            ErrorKind::Internal,
            "the stamps break the clock's rules, so this order may put an effect before its cause",
        )));
    }
    if events.is_empty() {
        return Err(no_stamp());
    }
    Ok(())
}

#[derive(Serialize)]
struct EventObject<'a> {
    time: u64,
    process: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    file: &'a str,
    line: Option<u32>,
    inverted: bool,
    causes: Vec<String>,
    text: &'a str,
}

fn lines(events: &Events, texts: &mut Texts, output: &Output, stop: &Stop) -> Result<(), Ending> {
    let mut lines = output.lines();
    // Lines are escaped on a terminal, and unchanged in a file or a pipe.
    let is_shown = output.is_terminal();
    for (i, event) in [None]
        .into_iter()
        .chain(events.order().iter().copied().map(Some))
        .enumerate()
    {
        if i % 4096 == 0 && stop.requested() {
            return Err(Ending::Interrupted);
        }
        let own = event.map(|event| events.place(event));
        if output.json {
            if let (Some(event), Some(place)) = (event, own) {
                let text = String::from_utf8_lossy(texts.get(place)?);
                lines.object(&object(events, event, &text))?;
            }
            continue;
        }
        for place in own.into_iter().chain(events.behind(event)) {
            let text = texts.get(place)?;
            if is_shown {
                shown(&mut lines, events, event, text, output)?;
            } else {
                lines.verbatim(text)?;
            }
        }
    }
    lines.flush()
}

fn shown(
    lines: &mut Lines,
    events: &Events,
    event: Option<u32>,
    text: &[u8],
    output: &Output,
) -> Result<(), Ending> {
    let is_inverted = event.is_some_and(|event| events.is_inverted(event));
    let look = event.map_or(Look::Faint, |event| {
        Look::Lane(events.point(event).life as usize)
    });
    for (i, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let mark = match is_inverted && i == 0 {
            true => output.paint(Look::Red, "!"),
            false => " ".to_owned(),
        };
        let line = String::from_utf8_lossy(line);
        lines.line(format_args!("{mark} {}", output.paint(look, escape(&line))))?;
    }
    Ok(())
}

fn object<'a>(events: &'a Events, event: u32, text: &'a str) -> EventObject<'a> {
    let point = events.point(event);
    let life = &events.lives()[point.life as usize];
    let previous = events.previous(event).map(|time| Point { time, ..point });
    let causes = previous
        .into_iter()
        .chain(events.causes(event).map(|cause| cause.from));
    EventObject {
        time: point.time,
        process: &life.process,
        instance: (life.instance.get() != 0).then(|| life.instance.to_string()),
        file: &events.sources()[events.place(event).source as usize],
        line: events.line_number(event),
        inverted: events.is_inverted(event),
        causes: causes.map(|point| stamp(events, point)).collect(),
        text,
    }
}

/// The stamp of a point, in the long form if the instance is known.
pub(super) fn stamp(events: &Events, point: Point) -> String {
    let life = &events.lives()[point.life as usize];
    match life.instance.get() {
        0 => format!("{}@{}", point.time, life.process),
        _ => format!("{}@{};instance={}", point.time, life.process, life.instance),
    }
}

/// The stamp of a point for people: escaped, and without the instance, which they see elsewhere.
pub(super) fn short_stamp(events: &Events, point: Point) -> String {
    let process = &events.lives()[point.life as usize].process;
    format!("{}@{}", point.time, escape(process))
}

fn clocks(events: &Events, walls: &Walls, output: &Output) -> Result<(), Ending> {
    let pairs = walls.clocks(events);
    for pair in &pairs {
        if output.json {
            output.object(pair)?;
            continue;
        }
        let (of, other) = (escape(&pair.of), escape(&pair.ahead_of));
        let least = pair.at_least.filter(|&least| least > 0);
        let most = pair.at_most.filter(|&most| most < 0);
        let said = match (pair.at_least, pair.at_most) {
            _ if pair.is_contradictory() => "were set in between, or drift apart".to_owned(),
            _ if least.is_some() || most.is_some() => match (pair.at_least, pair.at_most) {
                (Some(least), most) if least > 0 => ahead(least, most, "ahead of", &other),
                (least, Some(most)) => ahead(-most, least.map(|least| -least), "behind", &other),
                _ => String::new(),
            },
            (least, most) => {
                let behind = least.map_or("any time".to_owned(), |least| milliseconds(-least));
                let ahead = most.map_or("any time".to_owned(), milliseconds);
                format!("is at most {behind} behind and {ahead} ahead of {other}")
            }
        };
        let look = match pair.is_contradictory() || least.is_some() || most.is_some() {
            true => Look::Yellow,
            false => Look::Faint,
        };
        let from = match pair.messages {
            0 => "by way of others".to_owned(),
            1 => "1 message".to_owned(),
            messages => format!("{} messages", count(messages)),
        };
        output.line(format_args!(
            "{}  ({from})",
            output.paint(look, format_args!("{of} {said}"))
        ))?;
    }
    if pairs.is_empty() && !output.json {
        output.line("no message leads from one process to another")?;
    }
    Ok(())
}

fn ahead(least: i64, most: Option<i64>, which: &str, other: &str) -> String {
    match most {
        Some(most) => format!(
            "is {} to {} {which} {other}",
            milliseconds(least),
            milliseconds(most)
        ),
        None => format!("is at least {} {which} {other}", milliseconds(least)),
    }
}

/// Prints on standard error what was found, besides the lines themselves.
fn tell(events: &Events, walls: &Walls, texts: &mut Texts, output: &Output) -> Result<(), Ending> {
    let counts = events.counts();
    output.aside(format_args!(
        "{}, {} with a stamp, of {}",
        counted(counts.lines, "line", "lines"),
        count(counts.events),
        counted(processes(events), "process", "processes"),
    ));
    if counts.duplicates > 0 {
        output.aside(format_args!(
            "{} there twice: {}",
            counted(counts.duplicates, "stands", "stand"),
            duplicates(events),
        ));
    }
    for (number, what) in [
        (
            counts.malformed,
            "have something else where a stamp or a cause should be",
        ),
        (counts.broken_json, "begin as JSON and are none"),
        (
            counts.too_long,
            "are longer than 1 MiB, the rest of them was not looked at",
        ),
    ] {
        if number > 0 {
            output.aside(format_args!("{} {what}", count(number)));
        }
    }
    if walls.inverted > 0 {
        output.aside(format_args!(
            "{} of {} that can be compared have an earlier wall clock than a cause in another process:",
            count(walls.inverted),
            count(walls.compared),
        ));
    }
    for inversion in walls.worst.iter().take(SHOWN) {
        let mut place = |event| place(events, texts, event);
        output.aside(format_args!(
            "  {} came after {}, and its clock shows {} less",
            place(inversion.event)?,
            place(inversion.cause)?,
            milliseconds(inversion.by),
        ));
    }
    if let Some(back) = walls.worst_back {
        output.aside(format_args!(
            "{} back by wall clock within a process, {} by the most, {}: its clock was set back, or two \
             threads took stamp and wall clock in different orders",
            counted(walls.stepped_back, "line goes", "lines go"),
            place(events, texts, back.event)?,
            milliseconds(back.by),
        ));
    }
    let (number, found) = broken(events);
    for broken in found.iter().take(SHOWN) {
        let (event, why) = match *broken {
            Broken::ArrivedBeforeItsSend { event, from } => {
                let from = short_stamp(events, from);
                (
                    event,
                    format!("names {from} as its cause, which is not earlier"),
                )
            }
            Broken::WentBack { event, from } => (event, format!("follows a line of time {from}")),
        };
        output.complain(format_args!("{} {why}", place(events, texts, event)?));
    }
    if number > SHOWN as u64 {
        output.complain(format_args!("and {} more", count(number - SHOWN as u64)));
    }
    let went_back = |broken: &Broken| matches!(broken, Broken::WentBack { .. });
    if found.iter().any(went_back) {
        output.complain(
            "two threads that write lines without causes out of turn look like this: write each line \
             under the lock that stamps it, or with its causes (lamport_after)",
        );
    }
    Ok(())
}

/// The first stamps that occur more than once in the logs.
fn duplicates(events: &Events) -> String {
    let all = events.order().iter();
    let twice = all.filter(|&&event| events.is_duplicate(event));
    let mut points: Vec<Point> = twice.map(|&event| events.point(event)).collect();
    points.dedup();
    let mut stamps: Vec<String> = points
        .iter()
        .take(SHOWN)
        .map(|&point| short_stamp(events, point))
        .collect();
    if points.len() > SHOWN {
        stamps.push("...".to_owned());
    }
    stamps.join(", ")
}

/// How many processes have lines.
pub(super) fn processes(events: &Events) -> u64 {
    let mut names: Vec<&str> = (0..events.lives().len() as u32)
        .filter(|&life| !events.of_life(life).is_empty())
        .map(|life| &*events.lives()[life as usize].process)
        .collect();
    names.sort_unstable();
    names.dedup();
    names.len() as u64
}

/// `7@billing (billing.log:12)`.
pub(super) fn place(events: &Events, texts: &mut Texts, event: u32) -> Result<String, Ending> {
    let place = events.place(event);
    let line = match events.line_number(event) {
        Some(line) => u64::from(line),
        None => texts.line_number(place)?,
    };
    let file = &events.sources()[place.source as usize];
    let stamp = short_stamp(events, events.point(event));
    Ok(format!("{stamp} ({}:{line})", escape(file)))
}

/// The error for files that hold no event.
pub(super) fn no_stamp() -> Ending {
    Ending::Usage(Error::new(
        ErrorKind::InvalidArgument,
        "no line has a stamp: `42@api` as its last word, or a JSON member \"lamport\"",
    ))
}

/// The error for an event that can't be found.
pub(super) fn no_such_event(name: &str, why: &str) -> Ending {
    Ending::Usage(Error::new(
        ErrorKind::InvalidArgument,
        format!("{} is no event here: {why}", quote(name)),
    ))
}
