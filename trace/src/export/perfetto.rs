//! The trace viewers of Perfetto and Chrome, in the JSON form that Chrome's document "Trace Event
//! Format" describes. Each life has a track. The axis is logical time, one microsecond for each unit.
//! Arrows can only be drawn from slice to slice, so an event is a slice of one microsecond rather than an
//! instant. A slice's arguments hold the whole line, and the import reads the line from there.

use std::collections::HashMap;

use lamport_clock::excerpt::escape_json;
use serde_json::{Value, json};

use super::ExportIo;
use super::moments::Moments;
use super::record::{Record, stamp};

pub(super) fn write<I: ExportIo>(moments: &Moments<'_>, io: &mut I) -> Result<(), I::Error> {
    let events = moments.events;
    let mut processes: HashMap<&str, usize> = HashMap::new();
    let mut process_of = vec![0; events.lives().len()];
    io.write("{\"traceEvents\":[")?;
    let mut is_first = true;
    let mut put = |io: &mut I, value: Value| {
        let comma = if is_first { "\n" } else { ",\n" };
        is_first = false;
        io.write(&format!("{comma}{}", escape_json(value.to_string())))
    };
    for (number, life, _) in moments.lives() {
        let known = processes.len() + 1;
        let pid = *processes.entry(&life.process).or_insert(known);
        process_of[number as usize] = pid;
        if pid == known {
            put(io, named("process_name", pid, 0, &life.process))?;
        }
        let thread = match life.instance.get() {
            0 => life.process.to_string(),
            _ => format!("{} {}", life.process, life.instance),
        };
        put(io, named("thread_name", pid, number + 1, &thread))?;
    }
    let mut leaving: Vec<usize> = (0..moments.arrows.len()).collect();
    leaving.sort_by_key(|&arrow| moments.arrows[arrow].from);
    let mut leaving = leaving.into_iter().peekable();
    let mut arriving = (0..moments.arrows.len()).peekable();
    for (number, moment) in (0_u32..).zip(&moments.all) {
        let at = moment.at;
        let (pid, tid) = (process_of[at.life as usize], at.life + 1);
        let (name, arguments) = match moment.event {
            Some(event) => {
                let description = io.describe(event)?;
                let record = Record::of(events, event, &description);
                (description.message, json!(record))
            }
            None => {
                let implied = stamp(events, at).to_string();
                (moments.said(number, io)?, json!({ "implied": implied }))
            }
        };
        put(
            io,
            json!({
                "ph": "X", "name": name, "cat": "event", "ts": at.time, "dur": 1,
                "pid": pid, "tid": tid, "args": arguments,
            }),
        )?;
        let mut end = |io: &mut I, arrow: usize, ph: &str| {
            let kind = match moments.arrows[arrow].is_order {
                true => "shared clock",
                false => "message",
            };
            put(
                io,
                json!({
                    "ph": ph, "bp": "e", "name": kind, "cat": kind, "id": arrow,
                    "ts": at.time, "pid": pid, "tid": tid,
                }),
            )
        };
        while let Some(arrow) = arriving.next_if(|&arrow| moments.arrows[arrow].to == number) {
            end(io, arrow, "f")?;
        }
        while let Some(arrow) = leaving.next_if(|&arrow| moments.arrows[arrow].from == number) {
            end(io, arrow, "s")?;
        }
    }
    io.write("\n],\"displayTimeUnit\":\"ns\"}\n")
}

fn named(what: &str, pid: usize, tid: u32, name: &str) -> Value {
    json!({"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}})
}
