//! Perfetto's JSON form, as our own export writes it: the arguments of a slice hold the line.

use std::fmt;

use lamport_clock::Error;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Trace {
    #[serde(rename = "traceEvents")]
    lines: Lines,
}

/// The slices as lines, made one by one: a trace may have a million of them.
struct Lines(Vec<u8>);

#[derive(Deserialize)]
struct Slice {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    args: Map<String, Value>,
}

pub(super) fn lines(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let trace: Result<Trace, _> = serde_json::from_slice(bytes);
    let trace = trace.map_err(|error| super::no_such("a trace for Perfetto", &error))?;
    Ok(trace.lines.0)
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Lines, D::Error> {
        from.deserialize_seq(Lines(Vec::new()))
    }
}

impl<'de> Visitor<'de> for Lines {
    type Value = Lines;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of slices")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut slices: A) -> Result<Lines, A::Error> {
        while let Some(Slice { name, mut args }) = slices.next_element()? {
            if args.contains_key("lamport") {
                args.entry("message").or_insert(name);
                super::put(&mut self.0, &args);
            }
        }
        Ok(self)
    }
}
