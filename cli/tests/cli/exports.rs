//! Logs for other programs and from them, and two runs side by side.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::command::run;
use super::refused;

/// Writes a file and returns its name.
fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const API: &str = "asked billing 2@api <-
got an answer 9@api <2@api <7@billing
";
const BILLING: &str = "charged order 17 in 3.5 ms 5@billing <- <2@api
";

fn logs(folder: &Path) -> [String; 2] {
    [
        file(folder, "api.log", API),
        file(folder, "billing.log", BILLING),
    ]
}

#[test]
fn what_is_exported_is_a_log_again() {
    let folder = tempfile::tempdir().unwrap();
    let [api, billing] = logs(folder.path());
    for form in ["shiviz", "perfetto", "otlp"] {
        let ended = run(&["export", "--to", form, &api, &billing]);
        assert_eq!(ended.code, Some(0), "{}", ended.complaint());
        let written = file(folder.path(), form, &(ended.lines.join("\n") + "\n"));
        let ended = run(&["order", "--json", &written]);
        assert_eq!(ended.code, Some(0), "{form}: {}", ended.complaint());
        let objects = ended.objects();
        let texts: Vec<_> = objects
            .iter()
            .map(|event| serde_json::from_str::<Value>(event["text"].as_str().unwrap()).unwrap())
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect();
        let expected = [
            "asked billing",
            "charged order 17 in 3.5 ms",
            "got an answer",
        ];
        // ShiViz has the answer's send as an event, too.
        let told: Vec<_> = texts
            .iter()
            .filter(|text| !text.starts_with("(no line"))
            .collect();
        assert_eq!(told, expected.iter().collect::<Vec<_>>(), "{form}");
        // Compressed it is the same.
        let gzip = Command::new("gzip").arg(&written).status().unwrap();
        assert!(gzip.success());
        let again = run(&["order", "--json", &format!("{written}.gz")]);
        assert_eq!(again.lines.len(), objects.len(), "{form}");
    }
}

#[test]
fn a_result_in_a_file_is_told_of_and_overwrites_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let [api, billing] = logs(folder.path());
    let target = folder.path().join("run.mmd");
    let target = target.to_str().unwrap();
    let arguments = ["export", "--to", "mermaid", &api, &billing, "-o", target];
    let ended = run(&[&arguments[..], &["--json"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    assert_eq!(
        ended.objects(),
        [json!({"form": "mermaid", "events": 3, "processes": 2, "left_out": 0})]
    );
    assert!(
        fs::read_to_string(target)
            .unwrap()
            .starts_with("sequenceDiagram\n")
    );
    let ended = run(&["export", "--to", "dot", &api, &billing, "-o", &billing]);
    refused(&ended, 2, &["billing.log", "one of the logs"]);
    assert_eq!(fs::read_to_string(&billing).unwrap(), BILLING);
    let ended = run(&["export", "--to", "dot", &api, "-o", "/nonexistent/x"]);
    refused(&ended, 2, &["/nonexistent/x", "can't be written"]);
}

#[test]
fn what_does_not_fit_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (1..=1_000).map(|i| format!("line {i}@api <-\n")).collect();
    let log = file(folder.path(), "api.log", &lines);
    let ended = run(&["export", "--to", "mermaid", &log]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.complaint().contains("700 of them"), "{ended:?}");
    assert!(ended.lines.last().unwrap().contains("700 later events"));
}

#[test]
fn the_order_of_the_shared_clock_is_drawn_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let update = |value: u64, process: &str, instance: u64| {
        format!(
            "{{\"value\":{value},\"first\":{value},\"process\":\"{process}\",\
             \"instance\":\"{instance:016x}\",\"real_timestamp\":1764417600.5,\"revision\":{value}}}\n"
        )
    };
    let history = update(5, "a", 1) + &update(6, "bb", 2);
    let history = file(folder.path(), "history.jsonl", &history);
    let dotted = |more: &[&str]| {
        let ended = run(&[&["export", "--to", "dot", &history], more].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.complaint());
        let is_dotted = |line: &&String| line.contains("dotted");
        ended.lines.iter().filter(is_dotted).count()
    };
    assert_eq!((dotted(&[]), dotted(&["--shared-clock"])), (0, 1));
}

#[test]
fn logs_without_a_stamp_and_lies_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let plain = file(folder.path(), "plain.log", "out of tea\n");
    refused(
        &run(&["export", "--to", "dot", &plain]),
        2,
        &["no line has a stamp"],
    );
    refused(&run(&["diff", &plain, &plain]), 2, &["no line has a stamp"]);
    let lie = file(folder.path(), "lie.log", "x 2@api <- <5@shop\n");
    let ended = run(&["export", "--to", "dot", &lie]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.complaint().contains("break the clock's rules"),
        "{ended:?}"
    );
    let cut = file(folder.path(), "cut.json", "{\"traceEvents\":[{\"name\":");
    refused(
        &run(&["order", &cut]),
        2,
        &["cut.json", "begins as a trace for Perfetto"],
    );
}

#[test]
fn runs_that_differ_by_numbers_alone_are_alike() {
    let folder = tempfile::tempdir().unwrap();
    let [api, billing] = logs(folder.path());
    let other_api = API.replace("9@", "19@").replace("2@", "12@");
    let other = file(folder.path(), "api-2.log", &other_api);
    let slower = BILLING.replace("17 in 3.5", "4 in 12").replace("5@", "15@");
    let slower = file(folder.path(), "billing-2.log", &slower);
    let runs = [format!("{api},{billing}"), format!("{slower},{other}")];
    let ended = run(&["diff", &runs[0], &runs[1]]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    assert_eq!(ended.lines, ["the runs are alike: 3 events"]);
    let ended = run(&["diff", "--json", &runs[0], &runs[1]]);
    assert_eq!(ended.objects()[0]["alike"], true);
}

#[test]
fn the_first_difference_is_shown_with_its_lines_and_causes() {
    let folder = tempfile::tempdir().unwrap();
    let [api, billing] = logs(folder.path());
    // As billing refuses, so api gives up; that comes later.
    let refusal = "refused order 9 5@billing <- <2@api\n";
    let refusal = file(folder.path(), "refusal.log", refusal);
    let sad = API.replace("got an answer", "gave up");
    let sad = file(folder.path(), "sad.log", &sad);
    let runs = [format!("{api},{billing}"), format!("{sad},{refusal}")];
    let ended = run(&["diff", &runs[0], &runs[1]]);
    refused(&ended, 1, &["the runs differ"]);
    let lines = ended.lines.join("\n");
    for part in [
        "part in billing, after 0 of its events",
        &format!("then:  5@billing ({billing}:1): charged order 17 in 3.5 ms"),
        &format!("then:  5@billing ({refusal}:1): refused order 9"),
        &format!("after: 2@api ({api}:1): asked billing"),
        &format!("after: 2@api ({sad}:1): asked billing"),
        "1 other process",
    ] {
        assert!(lines.contains(part), "{part:?} is missing in:\n{lines}");
    }
    let ended = run(&["diff", "--json", &runs[0], &runs[1]]);
    let object = &ended.objects()[0];
    assert_eq!(
        [&object["alike"], &object["process"], &object["others"]],
        [&json!(false), &json!("billing"), &json!(1)]
    );
    assert_eq!(object["first"]["line"], 1);
    assert_eq!(object["second"]["causes"][0]["stamp"], "2@api");
    // One that ends early, and the last that both have.
    let early = file(folder.path(), "early.log", API.lines().next().unwrap());
    let ended = run(&["diff", &api, &early]);
    let lines = ended.lines.join("\n");
    let both = format!("both:  2@api ({early}:1): asked billing");
    assert!(lines.contains(&both), "{lines}");
    assert!(lines.contains("then:  nothing"), "{lines}");
}
