//! `lamport check`, and the histories that `lamport run --record` leaves for it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::command::{Ended, Running, lamport, run};
use super::{nobody_listens, refused};

/// A folder with these files; the paths in the order given.
fn files(contents: &[&str]) -> (tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = contents.iter().enumerate().map(|(i, content)| {
        let path = folder.path().join(format!("{i}.jsonl"));
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let paths = paths.collect();
    (folder, paths)
}

fn update(process: &str, called: u64, value: u64) -> String {
    let call = json!({
        "process": process, "instance": "00000000000000ff", "operation": "update",
        "called": called, "returned": called + 5, "outcome": "ok", "value": value,
        "revision": value,
    });
    format!("{call}\n")
}

fn entry(value: u64) -> String {
    let entry = json!({
        "value": value, "first": value, "process": "a", "instance": "00000000000000ff",
        "real_timestamp": 1.5, "revision": value,
    });
    format!("{entry}\n")
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[test]
fn a_good_history_is_counted_and_passes() {
    let log = [2, 3].map(entry).concat();
    let (_folder, paths) = files(&[&update("a", 1, 2), &update("b", 10, 3), &log]);
    let arguments = ["check", &paths[0], &paths[1], "--log", &paths[2]];
    let ended = run(&[&arguments[..], &["--deadline", "1s"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let longest = format!("longest call: 5ns, {}:1; 0 overran the deadline", paths[0]);
    assert_eq!(
        ended.lines,
        [
            "updates: 2 acknowledged, 0 failed, 0 unknown; reads: 0",
            "log: 2 entries, 0 by legacy writers, 0 by others",
            // It does not say what lies before its first line.
            "the log is incomplete: 0 calls could not be looked up in it",
            &longest,
            "no promise is broken",
        ]
    );
}

#[test]
fn the_verdict_as_json_has_the_counts() {
    let log = format!("{}\n{}", r#"{"notice":"watching","from":1}"#, entry(2));
    let (_folder, paths) = files(&[&update("a", 1, 2), &log]);
    let ended = run(&["check", &paths[0], "--log", &paths[1], "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let verdict = &ended.objects()[0];
    assert_eq!(
        (
            &verdict["ok"],
            &verdict["acknowledged"],
            &verdict["violated"]
        ),
        (&json!(true), &json!(1), &json!(0))
    );
    let counts = json!({
        "entries": 1, "by_legacy_writers": 0, "by_others": 0, "complete": true, "unchecked": 0,
    });
    assert_eq!(verdict["log"], counts);
    assert_eq!(
        (&verdict["overran"], &verdict["first_violation"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(verdict["longest"]["line"]["line"], 1);
}

#[test]
fn a_violation_is_shown_with_both_lines() {
    let (_folder, paths) = files(&[&update("a", 1, 7), &update("b", 10, 6)]);
    let ended = run(&["check", &paths[0], &paths[1]]);
    refused(&ended, 1, &["broke its promise"]);
    let found = ended.lines.join("\n");
    assert!(
        found.contains("out_of_order: 6 was called after 7 had returned"),
        "{found}"
    );
    for (path, process) in [(&paths[0], "a"), (&paths[1], "b")] {
        let line = format!("  {path}:1: {{");
        assert!(found.contains(&line) && found.contains(process), "{found}");
    }
    let ended = run(&["check", &paths[0], &paths[1], "--json"]);
    let objects = ended.objects();
    let first = &objects[0]["first_violation"];
    assert_eq!(
        (&first["kind"], ended.code),
        (&json!("out_of_order"), Some(1))
    );
    assert_eq!(first["lines"][0]["file"], paths[0]);
    assert_eq!(
        format!("{}\n", first["lines"][0]["text"].as_str().unwrap()),
        update("a", 1, 7)
    );
}

#[test]
fn what_is_no_history_is_refused_with_file_and_line() {
    let good = update("a", 1, 2);
    for (bad, parts) in [
        ("hello", &[":2: ", "hello"][..]),
        (r#"{"process":"a"}"#, &[":2: ", "operation"]),
        (
            r#"{"process":"a","operation":"write","called":1}"#,
            &[":2: ", "write", "reserve"],
        ),
        (
            r#"{"process":"a","operation":"read","called":9,"returned":8,"outcome":"ok"}"#,
            &[":2: ", "at 8, before it was called at 9"],
        ),
        (
            r#"{"process":"a","operation":"update","called":1,"returned":2,"outcome":"ok"}"#,
            &[":2: ", "has a value"],
        ),
        (
            r#"{"process":"a","instance":"ff","operation":"update","called":1}"#,
            &[":2: ", "16 hexadecimal digits"],
        ),
    ] {
        let (_folder, paths) = files(&[&format!("{good}{bad}\n{good}")]);
        let ended = run(&["check", &paths[0]]);
        refused(&ended, 2, &[&[paths[0].as_str()], parts].concat());
    }
    let (_folder, paths) = files(&[&good, r#"{"notice":"something"}"#]);
    let ended = run(&["check", &paths[0], "--log", &paths[1]]);
    refused(&ended, 2, &[&paths[1], ":1: ", "'something' is not known"]);
    refused(
        &run(&["check", "/nonexistent"]),
        2,
        &["/nonexistent", "can't be read"],
    );
    refused(&run(&["check"]), 2, &["HISTORY"]);
    let ended = run(&["check", &paths[0], "--store", "memory:"]);
    refused(&ended, 2, &["--store", "files alone"]);
}

#[test]
fn a_line_cut_short_is_told_of_and_no_more() {
    let begun = r#"{"process":"a","instance":"00000000000000ff","operation":"update","called":9}"#;
    let (_folder, paths) = files(&[&format!("{}{begun}\n{}", update("a", 1, 2), &begun[..40])]);
    let ended = run(&["check", &paths[0], "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let verdict = &ended.objects()[0];
    assert_eq!(
        (&verdict["cut_short"], &verdict["unknown"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn what_tells_nothing_is_not_judged() {
    let begun = r#"{"process":"a","instance":"00000000000000ff","operation":"update","called":9}"#;
    for rubbish in ["", "\n\n", "{\"pro", begun, "{", "{ \n{\n"] {
        let (_folder, paths) = files(&[rubbish, rubbish]);
        for arguments in [&["check", &paths[0]][..], &["check", &paths[0], &paths[1]]] {
            let ended = run(arguments);
            refused(&ended, 2, &["nothing was judged"]);
            let told = ended.lines.join("\n");
            assert!(!told.contains("no promise is broken"), "{told}");
            let ended = run(&[arguments, &["--json"]].concat());
            assert_eq!(
                (ended.code, &ended.objects()[0]["ok"]),
                (Some(2), &json!(false))
            );
        }
    }
    // Each alone is something to judge.
    let (_folder, paths) = files(&[begun, &entry(2), &update("a", 1, 2)]);
    assert_eq!(run(&["check", &paths[0], "--log", &paths[1]]).code, Some(0));
    assert_eq!(run(&["check", &paths[2]]).code, Some(0));
}

#[test]
fn what_a_history_says_cannot_change_the_verdict() {
    let forged = "a\u{1b}[2J\r\nno promise is broken\u{9b}8m\u{202e}";
    let (_folder, paths) = files(&[&update(forged, 1, 7), &update(forged, 10, 6)]);
    // JSON escapes some of it by itself; other writers of histories do not.
    let raw = fs::read_to_string(&paths[0]).unwrap();
    assert!(raw.contains('\u{9b}') && raw.contains('\u{202e}'));
    let named = format!("{}\u{9b}\u{202e}\r", paths[0]);
    fs::copy(&paths[0], &named).unwrap();
    for arguments in [
        &["check", &paths[0], &paths[1]][..],
        &["check", &paths[0], &paths[1], "--json"],
        &["check", &named, &paths[1]],
    ] {
        let ended = run(arguments);
        refused(&ended, 1, &["broke its promise"]);
        let told = ended.lines.join("\n");
        let hidden = |c: char| c != '\n' && lamport_clock::excerpt::is_hidden(c);
        assert!(!told.contains(hidden), "{told:?}");
        assert!(
            ended
                .lines
                .iter()
                .all(|line| !line.starts_with("no promise")),
            "{told}"
        );
    }
}

/// What two runs append to `path`.
fn recorded(path: &str) -> Ended {
    let arguments = "run --store memory: --node api --count 3 --interval 0s --json --record";
    let arguments: Vec<_> = arguments.split(' ').chain([path]).collect();
    run(&arguments)
}

#[test]
fn a_run_records_each_call_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.jsonl");
    // Somebody was killed while writing into it.
    fs::write(&path, r#"{"process":"x","#).unwrap();
    let ended = recorded(path.to_str().unwrap());
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let text = fs::read_to_string(&path).unwrap();
    let (cut, whole) = text.split_once('\n').unwrap();
    assert_eq!(cut, r#"{"process":"x","#);
    fs::write(&path, whole).unwrap();

    let lines = lines(&path);
    assert_eq!(lines.len(), 6);
    for (i, pair) in lines.chunks(2).enumerate() {
        let (begun, ended) = (&pair[0], &pair[1]);
        assert!(begun["outcome"].is_null() && begun["returned"].is_null());
        for name in ["process", "instance", "operation", "called"] {
            assert_eq!(begun[name], ended[name]);
        }
        let value = 2 * (i as u64 + 1);
        assert_eq!(
            (&ended["value"], &ended["outcome"]),
            (&json!(value), &json!("ok"))
        );
        assert_eq!(ended["local"], json!(value - 2));
        assert!(ended["called"].as_u64() <= ended["returned"].as_u64());
    }
    assert_eq!(lines[1]["previous"], Value::Null);
    assert!(lines[1].as_object().unwrap().contains_key("previous"));
    assert_eq!(lines[5]["previous"], json!(4));

    let ended = run(&["check", path.to_str().unwrap(), "--deadline", "1m"]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
}

#[test]
fn a_run_records_failures_and_what_was_interrupted_as_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.jsonl");
    let store = nobody_listens();
    let running = Running::start(&mut lamport(&[
        "run",
        "--store",
        &store,
        "--timeout",
        "300ms",
        "--interval",
        "60m",
        "--json",
        "--record",
        path.to_str().unwrap(),
    ]));
    // It can't connect, and then its first update fails too.
    for _ in 0..2 {
        assert_eq!(running.object()["kind"], "unavailable");
    }
    running.signal("-INT");
    assert_eq!(running.finish().code, Some(0));
    let lines = lines(&path);
    assert_eq!(
        (&lines[1]["outcome"], &lines[1]["kind"]),
        (&json!("unknown"), &json!("unavailable"))
    );
    assert!(
        lines[1]["error"]
            .as_str()
            .unwrap()
            .contains("Connection refused")
    );
}

#[test]
fn a_history_that_can_not_be_written_is_wrong_usage() {
    refused(
        &recorded("/nonexistent/h.jsonl"),
        2,
        &["/nonexistent/h.jsonl"],
    );
}
