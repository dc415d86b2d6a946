//! The demo in memory, and a private etcd that can't be had.

use serde_json::json;

use super::command::{Running, lamport, run};
use super::refused;

#[test]
fn the_demo_says_how_to_get_an_etcd() {
    let mut command = lamport(&["demo", "--store", "etcd", "--json"]);
    let ended = Running::start(command.env_remove("LAMPORT_ETCD").env("PATH", "")).finish();
    refused(&ended, 1, &["PATH", "LAMPORT_ETCD", "etcd-server"]);
    assert_eq!(ended.objects()[0]["kind"], "unavailable");
}

#[test]
fn an_etcd_that_does_not_start_is_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("etcd");
    std::fs::write(&program, "#!/bin/sh\necho 'no luck today' >&2\nexit 3\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    let mut command = lamport(&["demo", "--store", "etcd"]);
    command
        .env("LAMPORT_ETCD", &program)
        .env("TMPDIR", folder.path());
    let ended = Running::start(&mut command).finish();
    refused(
        &ended,
        1,
        &["does not start", "exit status: 3", "no luck today"],
    );
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "only the program itself is left");
}

#[test]
fn the_demo_shows_lanes_and_checks_them() {
    let arguments = ["demo", "--interval", "0s", "--rounds", "4"];
    let ended = run(&arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let (first, lines) = ended.lines.split_first().unwrap();
    assert_eq!(first, "3 nodes, one clock in memory");
    let header: Vec<_> = lines[1].split_whitespace().collect();
    assert_eq!(header, ["time", "mx-nodel", "mx-nodel2", "mx-nodel3"]);
    // Without a locale the picture is ASCII.
    let updates: Vec<_> = lines.iter().filter(|line| line.contains('*')).collect();
    assert_eq!(updates.len(), 12);
    for line in &updates {
        assert!(line.is_ascii() && line.matches('|').count() == 2, "{line}");
    }
    assert_eq!(
        lines.last().unwrap(),
        "12 updates by 3 nodes: no value repeated, none went back, later is larger"
    );
    let utf8 = Running::start(lamport(&arguments).env("LANG", "C.UTF-8")).finish();
    assert!(utf8.lines.iter().any(|line| line.contains('●')));
}

#[test]
fn many_nodes_have_narrow_lanes() {
    let ended = run(&["demo", "--interval", "0s", "--rounds", "1", "--nodes", "32"]);
    assert_eq!(ended.code, Some(0));
    let update = ended.lines.iter().find(|line| line.contains('*')).unwrap();
    assert_eq!(update.matches('|').count(), 31);
    assert!(
        ended
            .lines
            .iter()
            .any(|line| line.contains("32 mx-nodel32"))
    );
}

#[test]
fn the_demo_as_json_is_updates_and_one_check() {
    let ended = run(&["demo", "--interval", "0s", "--rounds", "2", "--json"]);
    assert_eq!(ended.code, Some(0));
    let objects = ended.objects();
    let (check, updates) = objects.split_last().unwrap();
    assert_eq!(updates.len(), 6);
    let values: Vec<_> = updates
        .iter()
        .map(|u| u["value"].as_u64().unwrap())
        .collect();
    assert!(values.is_sorted_by(|a, b| a < b), "{values:?}");
    assert_eq!(
        check["check"],
        json!({"ok": true, "updates": 6, "repeated": [], "went_back": [], "out_of_order": []})
    );
    assert!(ended.errors.is_empty());
}

#[test]
fn an_interrupted_demo_checks_what_there_was() {
    let running = Running::start(&mut lamport(&["demo", "--interval", "60m", "--json"]));
    for _ in 0..3 {
        running.object();
    }
    running.signal("-INT");
    let ended = running.finish();
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.objects()[0]["check"]["ok"], true);
    assert_eq!(ended.errors, ["lamport: interrupted"]);
}

#[test]
fn a_recorded_demo_is_a_log_with_messages_and_a_clock_that_lies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder
        .path()
        .join("demo.jsonl")
        .to_str()
        .unwrap()
        .to_owned();
    let ended = run(&[
        "demo",
        "--interval",
        "0s",
        "--rounds",
        "2",
        "--record",
        &path,
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    // An update of each in each round; each asks one, is answered, and knows.
    let ordered = run(&["order", "--json", &path]).objects();
    assert_eq!(ordered.len(), 2 * (3 + 9));
    let inverted = ordered.iter().filter(|event| event["inverted"] == true);
    assert!(inverted.clone().count() >= 2);
    assert!(
        inverted
            .clone()
            .all(|event| event["process"] == "mx-nodel2")
    );
    let clocks = run(&["order", "--clocks", "--json", &path]).objects();
    let ahead = clocks
        .iter()
        .find(|pair| pair["of"] == "mx-nodel2")
        .unwrap();
    assert!(ahead["at_most"].as_i64().unwrap() < 0, "{ahead}");
    let page = folder.path().join("demo.html").to_str().unwrap().to_owned();
    let ended = run(&[
        "demo",
        "--interval",
        "0s",
        "--rounds",
        "1",
        "--diagram",
        &page,
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    assert!(
        std::fs::read_to_string(&page)
            .unwrap()
            .contains("lamport demo")
    );
    let nowhere = run(&["demo", "--rounds", "1", "--record", "/nowhere/demo.jsonl"]);
    refused(&nowhere, 2, &["/nowhere/demo.jsonl", "can't be written"]);
}
