//! Exports any log in every form: nothing panics, the JSON forms are JSON, the bounded form is bounded, and a
//! form that can be read back has at least as many events.
#![no_main]

use std::convert::Infallible;

use lamport_trace::{
    Description, Events, ExportIo, Foreign, Form, Graph, Reader, describe, export,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

struct Io<'a> {
    events: &'a Events,
    log: &'a [u8],
    written: String,
}

impl ExportIo for Io<'_> {
    type Error = Infallible;

    fn describe(&mut self, event: u32) -> Result<Description, Infallible> {
        let place = self.events.place(event);
        let text = self.log.get(place.offset as usize..).unwrap_or_default();
        let text = text
            .get(..place.length as usize)
            .expect("a place in the log");
        Ok(describe(text))
    }

    fn write(&mut self, text: &str) -> Result<(), Infallible> {
        self.written.push_str(text);
        Ok(())
    }
}

fn read(log: &[u8]) -> Events {
    let mut reader = Reader::default();
    reader.begin("log");
    reader.feed(log);
    reader.finish()
}

fuzz_target!(|log: &[u8]| {
    let events = read(log);
    let told = events.counts().events - events.counts().duplicates;
    for graph in [Graph::new(&events), Graph::with_shared_clock(&events)] {
        for (name, form) in Form::ALL {
            let mut io = Io {
                events: &events,
                log,
                written: String::new(),
            };
            let Ok(left_out) = export(form, &graph, &mut io);
            let written = io.written;
            assert!(left_out == 0 || form == Form::Mermaid);
            if matches!(form, Form::Perfetto | Form::Otlp) {
                serde_json::from_str::<Value>(&written).expect(name);
            }
            if form == Form::Mermaid {
                assert!(written.len() < 50_000, "{}", written.len());
            }
            if !matches!(form, Form::Perfetto | Form::Otlp | Form::Shiviz) {
                continue;
            }
            let foreign = Foreign::detect(written.as_bytes()).expect(name);
            let back = read(&foreign.lines(written.as_bytes()).expect(name));
            assert_eq!(back.counts().malformed, 0, "{name}\n{written}");
            // The export may have more events: sends that no line of the log describes are events there.
            assert!(
                back.counts().events >= told,
                "{name}: {} of {told}\n{written}",
                back.counts().events
            );
        }
    }
});
