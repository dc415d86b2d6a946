//! Any file, read as the output of other programs: it is refused in a message of one line, or becomes the
//! lines of a log.
#![no_main]

use lamport_clock::ErrorKind;
use lamport_clock_fuzz::assert_refusal;
use lamport_trace::{Foreign, Graph, Reader, broken, describe};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    Foreign::detect(bytes);
    for foreign in [Foreign::Shiviz, Foreign::Perfetto, Foreign::Otlp] {
        let lines = match foreign.lines(bytes) {
            Ok(lines) => lines,
            Err(error) => {
                assert!(foreign != Foreign::Shiviz, "it has no whole to be wrong");
                assert_refusal(&error, ErrorKind::InvalidArgument);
                continue;
            }
        };
        let mut reader = Reader::numbering();
        reader.begin("lines");
        reader.feed(&lines);
        let events = reader.finish();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            serde_json::from_slice::<Value>(line).expect("JSON");
            describe(line);
        }
        Graph::with_shared_clock(&events);
        broken(&events);
    }
});
