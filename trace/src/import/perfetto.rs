//! Perfetto's JSON form, as our own export writes it: the arguments of a slice are the line.

use lamport_clock::Error;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Trace {
    #[serde(rename = "traceEvents")]
    events: Vec<Slice>,
}

#[derive(Deserialize)]
struct Slice {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    args: Map<String, Value>,
}

pub(super) fn lines(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let trace: Trace = serde_json::from_slice(bytes)
        .map_err(|error| super::no_such("a trace for Perfetto", &error))?;
    let mut lines = Vec::new();
    for Slice { name, mut args } in trace.events {
        if args.contains_key("lamport") {
            args.entry("message").or_insert(name);
            super::put(&mut lines, &args);
        }
    }
    Ok(lines)
}
