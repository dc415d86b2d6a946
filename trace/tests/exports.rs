//! What is exported says what came before what, also when it is read back, and other programs take it.

use std::collections::HashMap;
use std::convert::Infallible;

use lamport_trace::{
    Answer, Description, Events, ExportIo, Foreign, Form, Graph, Place, Reader, describe, export,
};
use serde_json::Value;

#[path = "exports/imports.rs"]
mod imports;
#[path = "exports/random.rs"]
mod random;
#[path = "exports/shiviz.rs"]
mod shiviz;

struct Io<'a> {
    events: &'a Events,
    log: &'a [u8],
    written: String,
}

impl ExportIo for Io<'_> {
    type Error = Infallible;

    fn describe(&mut self, event: u32) -> Result<Description, Infallible> {
        Ok(describe(text(self.log, self.events.place(event))))
    }

    fn write(&mut self, text: &str) -> Result<(), Infallible> {
        self.written.push_str(text);
        Ok(())
    }
}

fn text(log: &[u8], place: Place) -> &[u8] {
    &log[place.offset as usize..][..place.length as usize]
}

fn read(log: &[u8]) -> Events {
    let mut reader = Reader::default();
    reader.begin("log");
    reader.feed(log);
    reader.finish()
}

fn exported(form: Form, log: &[u8]) -> String {
    let events = read(log);
    let graph = Graph::with_shared_clock(&events);
    let mut io = Io {
        events: &events,
        log,
        written: String::new(),
    };
    export(form, &graph, &mut io).unwrap();
    io.written
}

fn imported(file: &str) -> Vec<u8> {
    let form = Foreign::detect(file.as_bytes()).expect("a form that is known");
    form.lines(file.as_bytes()).unwrap()
}

/// By the number at the beginning of its message, each event.
fn by_number(events: &Events, log: &[u8]) -> HashMap<usize, u32> {
    let number = |event| {
        let message = describe(text(log, events.place(event))).message;
        message.split(' ').next()?.parse().ok()
    };
    let all = (0..events.len() as u32).filter(|&event| !events.is_duplicate(event));
    all.filter_map(|event| Some((number(event)?, event)))
        .collect()
}

fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Before(_) => "before",
        Answer::After(_) => "after",
        Answer::Same => "same",
        Answer::Concurrent => "concurrent",
        Answer::Unknown(_) => "unknown",
    }
}

const READ_BACK: [Form; 3] = [Form::Shiviz, Form::Perfetto, Form::Otlp];

#[test]
fn what_is_read_back_has_the_order_that_vector_clocks_tell() {
    for seed in 0..60 {
        let history = random::history(seed, 60, 10 - seed % 6);
        let log = history.lines.join("\n").into_bytes();
        for form in READ_BACK {
            let file = exported(form, &log);
            let back = imported(&file);
            let events = read(&back);
            let graph = Graph::with_shared_clock(&events);
            let numbered = by_number(&events, &back);
            assert_eq!(
                numbered.len(),
                history.lines.len(),
                "seed {seed}: {form:?}\n{file}"
            );
            assert_eq!(events.counts().malformed, 0);
            for (&a, &first) in &numbered {
                for (&b, &second) in &numbered {
                    let answer = graph.compare(events.point(first), events.point(second));
                    assert_eq!(
                        matches!(answer, Answer::Before(_)),
                        history.is_before(a, b),
                        "seed {seed}: {form:?}: {a} and {b}: {answer:?}\n{}",
                        String::from_utf8_lossy(&log)
                    );
                }
            }
        }
    }
}

#[test]
fn of_a_log_with_lines_missing_the_answers_stay_the_same() {
    for seed in 0..60 {
        let history = random::history(seed, 60, 8);
        let mut random = random::Random::new(seed + 1_000);
        let kept = history.lines.iter().filter(|_| random.below(3) > 0);
        // And a line that says nothing of its causes, as of a library that knows no better.
        let mut kept: Vec<String> = kept.cloned().collect();
        // Some say that there were more causes than they name.
        for line in &mut kept {
            if random.below(4) == 0 {
                *line = line.replace("\"lamport_after\":[\"", "\"lamport_after\":[\"+2\",\"");
            }
        }
        kept.push(r#"{"lamport":"7@old","message":"100000 x"}"#.to_owned());
        let log = kept.join("\n").into_bytes();
        let events = read(&log);
        let graph = Graph::with_shared_clock(&events);
        let numbered = by_number(&events, &log);
        for form in READ_BACK {
            let back = imported(&exported(form, &log));
            let back_events = read(&back);
            let back_graph = Graph::with_shared_clock(&back_events);
            let back_numbered = by_number(&back_events, &back);
            assert_eq!(numbered.len(), back_numbered.len(), "seed {seed}: {form:?}");
            for (a, &first) in &numbered {
                for (b, &second) in &numbered {
                    let before = graph.compare(events.point(first), events.point(second));
                    let [first, second] = [a, b].map(|i| back_events.point(back_numbered[i]));
                    let after = back_graph.compare(first, second);
                    // ShiViz's form can't say what is not known.
                    let words = [before, after].map(|answer| match (word(&answer), form) {
                        ("unknown", Form::Shiviz) => "concurrent",
                        (word, _) => word,
                    });
                    assert_eq!(words[0], words[1], "seed {seed}: {form:?}: {a} and {b}");
                }
            }
        }
    }
}

#[test]
fn every_export_for_shiviz_keeps_its_rules() {
    for seed in 0..200 {
        let history = random::history(seed, 80, seed % 11);
        let mut random = random::Random::new(seed);
        // Whole, a tail, and one with lines filtered away.
        let tail = random.below(history.lines.len() as u64) as usize;
        let filtered = history.lines.iter().filter(|_| random.below(2) > 0);
        for log in [
            history.lines.join("\n"),
            history.lines[tail..].join("\n"),
            filtered.cloned().collect::<Vec<_>>().join("\n"),
        ] {
            let file = exported(Form::Shiviz, log.as_bytes());
            let events = shiviz::check(&file);
            let events = events.unwrap_or_else(|why| panic!("seed {seed}: {why}\n{file}"));
            assert!(events.len() >= log.lines().count());
        }
    }
}

#[test]
fn a_life_of_its_own_is_a_host_of_its_own_and_a_silent_send_an_event() {
    let log = br#"{"lamport":"2@api","lamport_instance":"000000000000000a","lamport_after":[],"message":"one"}
{"lamport":"9@api","lamport_instance":"000000000000000b","lamport_after":["5@shop"],"message":"two"}
"#;
    let file = exported(Form::Shiviz, log);
    let lines: Vec<&str> = file.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            r#"api~1 {"api~1":1} one"#,
            r#"shop {"shop":1} (no line tells of it)"#,
            r#"api~2 {"api~2":1,"shop":1} two"#,
        ]
    );
}

#[test]
fn json_forms_are_json_and_hide_nothing() {
    let history = random::history(3, 60, 5);
    let log = history.lines.join("\n").into_bytes();
    for form in [Form::Perfetto, Form::Otlp] {
        let file = exported(form, &log);
        assert!(
            !file.contains('\u{202e}'),
            "it turns the direction of reading"
        );
        serde_json::from_str::<Value>(&file).unwrap();
    }
    let file: Value = serde_json::from_str(&exported(Form::Perfetto, &log)).unwrap();
    let of = |ph: &str| {
        let all = file["traceEvents"].as_array().unwrap().iter();
        all.filter(|event| event["ph"] == ph).collect::<Vec<_>>()
    };
    let (slices, starts, ends) = (of("X"), of("s"), of("f"));
    assert!(slices.len() >= history.lines.len() && starts.len() > 5);
    assert_eq!(starts.len(), ends.len());
    for end in starts.iter().chain(&ends) {
        // An arrow is drawn from a slice to a slice, found by track and time.
        let place = |event: &Value| ["pid", "tid", "ts"].map(|key| event[key].as_u64());
        assert!(
            slices.iter().any(|slice| place(slice) == place(end)),
            "{end}"
        );
    }
    for start in starts {
        let end = ends.iter().find(|end| end["id"] == start["id"]).unwrap();
        assert!(start["ts"].as_u64() < end["ts"].as_u64());
    }
}

#[test]
fn links_lead_from_a_span_to_a_span_that_began_before_it() {
    let log = random::history(4, 60, 5).lines.join("\n").into_bytes();
    let file: Value = serde_json::from_str(&exported(Form::Otlp, &log)).unwrap();
    let spans: HashMap<String, &Value> = file["resourceSpans"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|resource| resource["scopeSpans"][0]["spans"].as_array().unwrap())
        .map(|span| (span["spanId"].as_str().unwrap().to_owned(), span))
        .collect();
    let start =
        |span: &Value| -> u64 { span["startTimeUnixNano"].as_str().unwrap().parse().unwrap() };
    let mut links = 0;
    for span in spans.values() {
        if let Some(parent) = span.get("parentSpanId") {
            assert!(start(spans[parent.as_str().unwrap()]) <= start(span));
        }
        for link in span["links"].as_array().into_iter().flatten() {
            assert!(start(spans[link["spanId"].as_str().unwrap()]) < start(span));
            links += 1;
        }
    }
    assert!(links > 5);
}

#[test]
fn mermaid_gets_the_beginning_and_what_is_left_out_is_said() {
    let history = random::history(5, 1_000, 9);
    let file = exported(Form::Mermaid, history.lines.join("\n").as_bytes());
    assert!(
        file.starts_with("sequenceDiagram\n    participant p"),
        "{file}"
    );
    assert!(
        file.len() < 50_000 && file.contains("%% Drawn are the first 300 of "),
        "{file}"
    );
    for line in file
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with("    %%"))
    {
        // Nothing of a text is taken for Mermaid's own language; a code is `#59;`.
        let text = line.split_once([':', 's']).map_or("", |(_, text)| text);
        let without_codes = text
            .replace(|c: char| c.is_ascii_digit(), "")
            .replace("#;", "");
        assert!(
            !without_codes.contains([';', '#', '{', '<', '"', '\\']),
            "{line}"
        );
    }
}

#[test]
fn dot_has_each_text_in_quotes() {
    let log = random::history(6, 60, 5).lines.join("\n").into_bytes();
    let file = exported(Form::Dot, &log);
    assert!(file.contains(" -> ") && file.ends_with("}\n"));
    for line in file.lines() {
        // Outside of quotes there is nothing but ours.
        let (mut outside, mut is_quoted, mut letters) = (String::new(), false, line.chars());
        while let Some(c) = letters.next() {
            match c {
                '\\' if is_quoted => drop(letters.next()),
                '"' => is_quoted = !is_quoted,
                c if !is_quoted => outside.push(c),
                _ => {}
            }
        }
        assert!(!is_quoted, "{line}");
        assert!(outside.is_ascii() && !outside.contains("end"), "{line}");
    }
}
