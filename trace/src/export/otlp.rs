//! OpenTelemetry's traces as JSON: one trace, with a resource and a span for each life. Each event is a
//! span within that of its life, since links lead from span to span, and viewers draw a moment only as a
//! span. A message is a link. The axis is logical time, one microsecond for each unit. It begins at the
//! second of the earliest wall clock time, since receivers drop spans that seem to be from 1970. It is not
//! wall clock time, by which an effect may be drawn before its cause.

use lamport_clock::excerpt::escape_json;
use serde_json::{Value, json};

use super::ExportIo;
use super::moments::Moments;
use super::record::{Record, stamp};
use crate::events::EventKind;

/// The scope that marks our spans. The times of other spans are those of a wall clock.
pub(crate) const SCOPE: &str = "lamport-clock";

pub(super) fn write<I: ExportIo>(moments: &Moments<'_>, io: &mut I) -> Result<(), I::Error> {
    let events = moments.events;
    let walls = (0..events.len() as u32).filter_map(|event| events.wall(event));
    let start = walls.min().unwrap_or(0).max(0) as u64 / 1_000_000_000 * 1_000_000_000;
    let first = moments.all.iter().map(|moment| moment.at.time).min();
    let first = first.unwrap_or(0);
    // Logical times go up to 2^53.
    let at = |time: u64| start.saturating_add((time - first).saturating_mul(1_000));
    let trace = trace_id(moments);
    io.write("{\"resourceSpans\":[")?;
    for (i, (number, life, begin)) in moments.lives().enumerate() {
        let comma = if i > 0 { ",\n" } else { "\n" };
        let of_life = moments.of_life(number);
        let (from, until) = (of_life[0].at.time, of_life[of_life.len() - 1].at.time);
        let resource = json!({"attributes": [
            text("service.name", &life.process),
            text("service.instance.id", &life.instance.to_string()),
        ]});
        let whole = json!({
            "traceId": trace, "spanId": life_id(number), "name": life.process, "kind": 1,
            "startTimeUnixNano": at(from).to_string(),
            "endTimeUnixNano": at(until + 1).to_string(),
        });
        io.write(&format!(
            "{comma}{{\"resource\":{},\"scopeSpans\":[{{\"scope\":{{\"name\":\"{SCOPE}\"}},\"spans\":[\n{}",
            escape_json(resource.to_string()),
            escape_json(whole.to_string()),
        ))?;
        for (index, moment) in of_life.iter().enumerate() {
            let index = (begin + index) as u32;
            let (name, attributes) = match moment.event {
                Some(event) => {
                    let description = io.describe(event)?;
                    let record = json!(Record::of(events, event, &description));
                    (description.message, attributes(&record))
                }
                None => {
                    let implied = stamp(events, moment.at).to_string();
                    (moments.said(index, io)?, json!([text("implied", &implied)]))
                }
            };
            let links = moments.arrows_to(index).iter().map(|arrow| {
                let kind = match arrow.is_order {
                    true => "shared clock",
                    false => "message",
                };
                json!({
                    "traceId": trace, "spanId": moment_id(arrow.from),
                    "attributes": [text("kind", kind)],
                })
            });
            let span = json!({
                "traceId": trace, "spanId": moment_id(index), "parentSpanId": life_id(number),
                "name": name, "kind": kind(moment.event.map(|event| events.kind(event))),
                "startTimeUnixNano": at(moment.at.time).to_string(),
                "endTimeUnixNano": at(moment.at.time + 1).to_string(),
                "attributes": attributes, "links": links.collect::<Vec<_>>(),
            });
            io.write(&format!(",\n{}", escape_json(span.to_string())))?;
        }
        io.write("\n]}]}")?;
    }
    io.write("\n]}\n")
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn attributes(record: &Value) -> Value {
    let members = record.as_object().into_iter().flatten();
    let attribute = |(key, value): (&String, &Value)| match value {
        Value::Array(causes) => {
            let values = causes.iter().filter_map(Value::as_str);
            let values: Vec<_> = values.map(|cause| json!({"stringValue": cause})).collect();
            json!({"key": key, "value": {"arrayValue": {"values": values}}})
        }
        value => text(key, value.as_str().unwrap_or_default()),
    };
    members.map(attribute).collect()
}

/// The kind of a span: internal, producer or consumer.
fn kind(kind: Option<EventKind>) -> u8 {
    match kind {
        None | Some(EventKind::Send) => 4,
        Some(EventKind::Receive) => 5,
        _ => 1,
    }
}

/// Sixteen bytes that are computed from the lives, so that a repeated export has the same id.
fn trace_id(moments: &Moments<'_>) -> String {
    // FNV-1a, 128 bits.
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for (_, life, _) in moments.lives() {
        let instance = life.instance.get().to_be_bytes();
        for byte in life.process.bytes().chain(instance) {
            hash =
                (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    format!("{:032x}", hash.max(1))
}

fn life_id(life: u32) -> String {
    format!("{:016x}", 1 << 63 | u64::from(life))
}

fn moment_id(moment: u32) -> String {
    format!("{:016x}", u64::from(moment) + 1)
}
