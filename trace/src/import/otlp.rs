//! OpenTelemetry's traces and logs as JSON. A span or log record with a stamp among its attributes becomes
//! a line. In traces without any stamp, the spans' parents and links say what came before what.

use lamport_clock::Error;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::spans;
use crate::export::SCOPE;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Document {
    resource_spans: Vec<Resource>,
    resource_logs: Vec<Resource>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Resource {
    resource: Attributes,
    scope_spans: Vec<Scope>,
    scope_logs: Vec<Scope>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Scope {
    scope: Name,
    spans: Vec<Span>,
    log_records: Vec<LogRecord>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Name {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attributes {
    attributes: Vec<Attribute>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attribute {
    key: String,
    value: Map<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Span {
    pub(super) trace_id: String,
    pub(super) span_id: String,
    pub(super) parent_span_id: String,
    pub(super) name: String,
    pub(super) start_time_unix_nano: Number,
    attributes: Vec<Attribute>,
    pub(super) links: Vec<Link>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Link {
    pub(super) trace_id: String,
    pub(super) span_id: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LogRecord {
    time_unix_nano: Number,
    severity_text: String,
    body: Map<String, Value>,
    attributes: Vec<Attribute>,
}

/// A 64-bit number, which this JSON writes as a string.
#[derive(Default, Deserialize)]
#[serde(from = "Value")]
pub(super) struct Number(pub(super) u64);

impl From<Value> for Number {
    fn from(value: Value) -> Number {
        let number = match &value {
            Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        };
        Number(number.unwrap_or(0))
    }
}

pub(super) fn lines(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut lines = Vec::new();
    let mut unstamped = Vec::new();
    // A collector writes one document on each line.
    for document in serde_json::Deserializer::from_slice(bytes).into_iter::<Document>() {
        let document =
            document.map_err(|error| super::no_such("OpenTelemetry's traces", &error))?;
        for Resource {
            resource,
            scope_spans,
            ..
        } in document.resource_spans
        {
            for Scope { scope, spans, .. } in scope_spans {
                for mut span in spans {
                    let mut record = record(std::mem::take(&mut span.attributes));
                    if record.contains_key("lamport") {
                        record.insert("message".into(), span.name.into());
                        if scope.name != SCOPE {
                            timed(&mut record, &span.start_time_unix_nano);
                        }
                        super::put(&mut lines, &record);
                    } else if scope.name != SCOPE {
                        unstamped.push((service(&resource), span));
                    }
                }
            }
        }
        let scopes = document.resource_logs.into_iter();
        for log in scopes.flat_map(|resource| resource.scope_logs) {
            for written in log.log_records {
                let mut record = record(written.attributes);
                record.insert("message".into(), plain(written.body));
                record.insert("level".into(), written.severity_text.into());
                timed(&mut record, &written.time_unix_nano);
                super::put(&mut lines, &record);
            }
        }
    }
    if lines.is_empty() {
        spans::lines(unstamped, &mut lines);
    } else {
        for (_, span) in unstamped {
            super::put(&mut lines, &json!({ "message": span.name }));
        }
    }
    Ok(lines)
}

fn timed(record: &mut Map<String, Value>, time: &Number) {
    if time.0 > 0 {
        record
            .entry("timestamp")
            .or_insert_with(|| time.0.to_string().into());
    }
}

/// The service of a resource, and its instance.
fn service(resource: &Attributes) -> spans::Service {
    let text = |key: &str| {
        let found = resource.attributes.iter().find(|it| it.key == key);
        let value = found.and_then(|attribute| attribute.value.get("stringValue"));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    (text("service.name"), text("service.instance.id"))
}

fn record(attributes: Vec<Attribute>) -> Map<String, Value> {
    let members = attributes.into_iter().map(|it| (it.key, plain(it.value)));
    members.collect()
}

/// A value without the wrapper that names its type.
fn plain(value: Map<String, Value>) -> Value {
    match value.into_iter().next() {
        Some((kind, Value::Object(mut array))) if kind == "arrayValue" => {
            let values = match array.remove("values") {
                Some(Value::Array(values)) => values,
                _ => Vec::new(),
            };
            let values = values.into_iter().filter_map(|value| match value {
                Value::Object(value) => Some(plain(value)),
                _ => None,
            });
            values.collect()
        }
        Some((_, value)) => value,
        None => Value::Null,
    }
}
