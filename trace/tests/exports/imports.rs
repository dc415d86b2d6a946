//! Logs of other programs are read, and nothing else is taken for one.

use std::collections::HashMap;

use lamport_trace::{Foreign, Graph, describe};
use serde_json::Value;

use super::{imported, read, text, word};

#[test]
fn logs_of_govector_and_examples_for_shiviz_are_read() {
    let govector = "client {\"client\":1}\nInitialization Complete\n\
        client {\"client\":2}\nsends: ping {x}\n\
        server {\"server\":1}\nInitialization Complete\n\
        server {\"client\":2, \"server\":2}\ngot it\n";
    let example = format!(
        "(?<event>.*)\\n(?<host>\\S*) (?<clock>{{.*}})\n\n{}",
        "Initialization Complete\nclient {\"client\":1}\nsends: ping {x}\nclient {\"client\":2}\n\
         Initialization Complete\nserver {\"server\":1}\ngot it\nserver {\"client\":2, \"server\":2}\n"
    );
    for file in [govector, &example] {
        let lines = String::from_utf8(imported(file)).unwrap();
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let told: Vec<_> = lines
            .iter()
            .map(|line| [&line["lamport"], &line["message"]].map(|text| text.as_str().unwrap()))
            .collect();
        assert_eq!(
            told,
            [
                ["1@client", "Initialization Complete"],
                ["2@client", "sends: ping {x}"],
                ["1@server", "Initialization Complete"],
                ["4@server", "got it"],
            ]
        );
        assert_eq!(
            lines[3]["lamport_after"],
            serde_json::json!(["1@server", "2@client"])
        );
    }
}

#[test]
fn executions_in_one_file_are_instances() {
    let file = "(?<host>\\S*) (?<clock>{.*}) (?<event>.*)\n^=== (?<trace>.*) ===$\n\
        === one ===\na {\"a\":1} x\n=== two ===\na {\"a\":1} y\nb {\"a\":1,\"b\":1} z\n";
    let back = imported(file);
    let events = read(&back);
    assert_eq!(events.counts().duplicates, 0);
    let graph = Graph::new(&events);
    let compare = |a, b| word(&graph.compare(events.point(a), events.point(b)));
    assert_eq!([compare(1, 2), compare(0, 2)], ["before", "concurrent"]);
}

#[test]
fn spans_without_stamps_are_put_in_order_by_parents_and_links() {
    let span = |id: &str, parent: &str, link: &str, start: u64| {
        serde_json::json!({
            "traceId": "t", "spanId": id, "parentSpanId": parent, "name": id,
            "startTimeUnixNano": start.to_string(),
            "links": [{"traceId": "t", "spanId": link}],
        })
    };
    let resource = |name: &str, spans: Vec<Value>| {
        serde_json::json!({
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": name}}]},
            "scopeSpans": [{"spans": spans}],
        })
    };
    // The clock of `shop` is behind: by wall clock the effects come first.
    let file = serde_json::json!({"resourceSpans": [
        resource("api", vec![span("a", "", "", 900), span("b", "a", "d", 950)]),
        resource("shop", vec![span("c", "a", "", 100), span("d", "c", "", 200)]),
        // In a circle with each other.
        resource("x", vec![span("e", "g", "", 10), span("f", "", "", 20)]),
        resource("y", vec![span("g", "f", "", 30)]),
    ]});
    let back = imported(&file.to_string());
    let events = read(&back);
    let graph = Graph::new(&events);
    let at: HashMap<String, u32> = (0..events.len() as u32)
        .map(|event| (describe(text(&back, events.place(event))).message, event))
        .collect();
    assert_eq!(at.len(), 7);
    let compare = |a: &str, b: &str| word(&graph.compare(events.point(at[a]), events.point(at[b])));
    for [a, b] in [["a", "c"], ["c", "d"], ["d", "b"], ["a", "b"], ["f", "g"]] {
        assert_eq!(compare(a, b), "before", "{a} {b}");
    }
    assert_eq!(compare("a", "g"), "concurrent");
    assert_eq!(lamport_trace::broken(&events).0, 0);
}

#[test]
fn stamps_in_attributes_of_others_are_read() {
    let file = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[
        {"timeUnixNano":"1764331200123000000","severityText":"INFO","body":{"stringValue":"tea"},
         "attributes":[{"key":"lamport","value":{"stringValue":"3@api"}},
         {"key":"lamport_after","value":{"arrayValue":{"values":[{"stringValue":"2@shop"}]}}}]}]}]}]}"#;
    let events = read(&imported(file));
    assert_eq!((events.len(), events.causes(0).len()), (1, 1));
    assert_eq!(events.wall(0), Some(1_764_331_200_123_000_000));
}

#[test]
fn ordinary_logs_are_not_taken_for_others() {
    for line in [
        "",
        "{\"lamport\":\"1@api\"}",
        "api-1 | {\"lamport\":\"1@api\"}",
        "asked billing {\"billing\":{\"x\":1}} 2@api <-",
        "{\"a\": {\"traceEvents\": []}}",
        "counts {\"other\":1}",
        "[1, 2]",
    ] {
        assert_eq!(Foreign::detect(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn what_does_not_go_on_as_it_begins_is_refused() {
    for file in [
        "{\"traceEvents\":[",
        "{\"resourceSpans\":3}",
        "{\"traceEvents\":[]} x",
    ] {
        let form = Foreign::detect(file.as_bytes()).unwrap();
        let error = form.lines(file.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("goes on as something else"), "{error}");
    }
}
