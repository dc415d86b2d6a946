//! The `lamport` command on real etcd servers.

use std::collections::HashSet;

use serde_json::{Value, json};

#[path = "support/command.rs"]
mod command;
#[path = "cli_etcd/demo.rs"]
mod demo;
#[path = "cli_etcd/stay.rs"]
mod stay;
#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "cli_etcd/top.rs"]
mod top;

use command::{CONNECTING, Running, lamport, run};
use support::Etcd;

fn value(object: &Value) -> u64 {
    let value = object["value"].as_u64();
    value.unwrap_or_else(|| panic!("{object} is no update"))
}

/// Three racing processes, each on a member of its own.
fn three_racing(etcd: &Etcd, count: u64) -> Vec<Running> {
    let members = etcd.endpoints().len();
    let start = |i: usize| {
        let (store, node, count) = (
            etcd.uri_from(i % members),
            format!("n{i}"),
            count.to_string(),
        );
        let arguments = ["run", "--interval", "0s", "--count", &count, "--json"];
        let who = ["--store", &store, "--node", &node];
        Running::start(&mut lamport(&[&arguments[..], &who].concat()))
    };
    (0..3).map(start).collect()
}

/// Waits for them, checks each by itself, and returns all their values.
fn values_of(racing: Vec<Running>, count: usize) -> Vec<u64> {
    let mut all = Vec::new();
    for (i, process) in racing.into_iter().enumerate() {
        let ended = process.finish();
        assert_eq!(ended.code, Some(0), "{}", ended.complaint());
        let updates = ended.objects();
        assert!(
            updates
                .iter()
                .all(|update| update["process"] == format!("n{i}"))
        );
        let values: Vec<_> = updates.iter().map(value).collect();
        assert_eq!(values.len(), count);
        assert!(values.is_sorted_by(|a, b| a < b), "n{i} went back");
        // The one before was somebody's, and below.
        for update in &updates {
            let previous = &update["previous"];
            assert!(
                previous.is_null() || value(previous) < value(update),
                "{update}"
            );
        }
        all.extend(values);
    }
    all
}

#[test]
fn three_processes_on_three_members_never_share_a_value() {
    let etcd = Etcd::start(3);
    let values = values_of(three_racing(&etcd, 1_000), 1_000);
    assert_eq!(values.len(), 3_000);
    let distinct: HashSet<_> = values.iter().collect();
    assert_eq!(distinct.len(), 3_000);
    let record = run(&["read", "--store", &etcd.uri(), "--json"]).objects();
    assert_eq!(
        value(&record[0]),
        *values.iter().max().unwrap(),
        "the record holds the last"
    );
}

#[test]
fn a_run_survives_etcd_being_stopped_and_started_again() {
    let mut etcd = Etcd::start(1);
    let store = etcd.uri();
    let arguments = ["run", "--interval", "0s", "--timeout", "1s", "--json"];
    let running = Running::start(&mut lamport(
        &[&arguments[..], &["--store", &store]].concat(),
    ));
    let mut highest = value(&running.object());
    etcd.kill(0);
    let failure = loop {
        let object = running.object();
        if object.get("error").is_some() {
            break object;
        }
        assert!(value(&object) > highest);
        highest = value(&object);
    };
    let address = etcd.endpoints()[0].to_string();
    let error = failure["error"].as_str().unwrap();
    assert!(error.contains(&address), "{error}");
    etcd.restart(0);
    let back = running.object_where(|object| object.get("error").is_none());
    assert!(value(&back) > highest, "{back} is not above {highest}");
    running.signal("-TERM");
    let ended = running.finish();
    assert_eq!(ended.code, Some(0));
    assert!(ended.complaint().contains("ended after "));
}

#[test]
fn a_run_that_starts_before_etcd_connects_when_it_is_there() {
    let mut etcd = Etcd::start(1);
    etcd.kill(0);
    let store = etcd.uri();
    let address = etcd.endpoints()[0].to_string();
    let arguments = ["run", "--interval", "0s", "--timeout", "1s", "--count", "1"];
    let who = ["--store", &store, "--node", "early"];
    let running = Running::start(&mut lamport(&[&arguments[..], &who].concat()));
    running.error_with("Connection refused");
    etcd.restart(0);
    assert_eq!(running.line(), format!("early: connected to {address}"));
    assert_eq!(running.finish().code, Some(0));
}

#[test]
fn a_run_says_when_it_moved_to_another_member() {
    let mut etcd = Etcd::start(3);
    let addresses = etcd.endpoints();
    let store = etcd.uri();
    let arguments = ["run", "--interval", "0s", "--node", "a", "--store", &store];
    let running = Running::start(&mut lamport(&arguments));
    assert_eq!(running.line(), format!("a: connected to {}", addresses[0]));
    assert_eq!(running.line(), "       2@a  the first record");
    etcd.kill(0);
    let moved = loop {
        let line = running.line();
        if line.contains("connected") {
            break line;
        }
    };
    assert!(
        moved.ends_with(&format!(", no longer to {}", addresses[0])),
        "{moved}"
    );
    let next = running.line();
    assert!(next.contains("@a  after "), "{next}");
}

#[test]
fn a_run_takes_one_round_trip_after_anybody_s_update() {
    let etcd = Etcd::start(1);
    let store = etcd.uri();
    let arguments = ["run", "--interval", "200ms", "--node", "a", "--json"];
    let running = Running::start(&mut lamport(
        &[&arguments[..], &["--store", &store]].concat(),
    ));
    for _ in 0..10 {
        running.object();
        let updated = run(&["update", "--store", &store, "--node", "b"]);
        assert_eq!(updated.code, Some(0));
        let after_b = running.object_where(|update| update["previous"]["process"] == "b");
        assert_eq!(after_b["round_trips"], 1, "{after_b}");
    }
}

#[test]
fn an_update_leaves_the_record_at_its_value_when_the_command_ends() {
    let etcd = Etcd::start(1);
    let store = etcd.uri();
    for (round, node) in (2..22).zip(["a", "b"].into_iter().cycle()) {
        run(&["update", "--store", &store, "--node", node]);
        let record = etcd.control(&["get", "--print-value-only", "/lamport_clock"]);
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        assert_eq!(
            (&record["value"], &record["process_id"]),
            (&round.into(), &node.into())
        );
    }
}

#[test]
fn a_record_moved_back_by_another_writer_is_told() {
    let etcd = Etcd::start(1);
    let store = etcd.uri();
    let update = ["update", "--store", &store, "--json", "--node", "a"];
    run(&[&update[..], &["-n", "100"]].concat());
    let blind = r#"{"value": 3, "process_id": "old", "real_timestamp": 1750116944.92}"#;
    etcd.control(&["put", "/lamport_clock", blind]);
    let arguments = ["run", "--count", "1", "--store", &store, "--node", "a"];
    let line = &run(&arguments).lines[1];
    assert!(line.contains("102@a  after 101@a"), "{line}");
    assert!(line.contains("moved the record back from 101"), "{line}");
    etcd.control(&["put", "/lamport_clock", blind]);
    let object = &run(&update).objects()[0];
    assert_eq!(object["regressed"], 102);
}

#[test]
fn a_watch_tells_every_update_of_a_race_in_order_and_history_agrees() {
    let etcd = Etcd::start(1);
    let store = etcd.uri();
    let arguments = ["watch", "--count", "150", "--json", "--store", &store];
    let watching = Running::start(&mut lamport(&arguments));
    assert_eq!(watching.object()["notice"], "watching");
    let mut values = values_of(three_racing(&etcd, 50), 50);
    values.sort_unstable();
    let ended = watching.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let watched = ended.objects();
    let seen: Vec<_> = watched.iter().map(value).collect();
    assert_eq!(seen, values);

    let history = run(&["history", "--limit", "20", "--json", "--store", &store]).objects();
    assert_eq!(history, watched[130..]);
    let again = [
        "watch", "--from", "1", "--count", "150", "--json", "--store", &store,
    ];
    assert_eq!(run(&again).objects()[1..], watched);

    let newest = watched[149]["revision"].to_string();
    etcd.control(&["compaction", &newest]);
    let history = run(&["history", "--json", "--store", &store]).objects();
    let before = watched[149]["revision"].as_u64().unwrap();
    assert_eq!(history[0], json!({"notice": "compacted", "before": before}));
    let kept = watched.iter().filter(|update| update["revision"] == before);
    assert_eq!(
        history[1..].iter().collect::<Vec<_>>(),
        kept.collect::<Vec<_>>()
    );
}

#[test]
fn what_is_known_against_the_server_is_said_by_nodes_and_once_by_run() {
    let etcd = Etcd::start(1);
    let (store, map) = (etcd.uri(), format!("a={}", etcd.endpoints()[0]));
    let row = &run(&["nodes", "--nodes", &map, "--store", &store, "--json"]).objects()[0];
    let version = row["version"].as_str().unwrap();
    let says = etcd.control(&["version"]);
    assert!(
        says.contains(&format!("etcdctl version: {version}\n")),
        "{says}"
    );
    let advice = row["advice"].as_array().unwrap();
    let nodes = run(&["nodes", "--nodes", &map, "--store", &store]);
    let ended = run(&["run", "--store", &store, "--count", "3", "--interval", "0s"]);
    for advice in advice {
        let advice = advice.as_str().unwrap();
        assert!(
            nodes.lines.contains(&format!("etcd {version}: {advice}")),
            "{nodes:?}"
        );
        assert!(ended.complaint().contains(advice), "{ended:?}");
    }
    // Whichever etcd the tests use.
    assert_eq!(
        ended.errors.len(),
        usize::from(!advice.is_empty()),
        "{ended:?}"
    );
    assert_eq!(ended.code, Some(0));
}

#[test]
fn nodes_tells_who_answers() {
    let mut etcd = Etcd::start(3);
    // Without their leader the others may not answer before they have elected another one.
    let dead = (etcd.leader() + 1) % 3;
    etcd.kill(dead);
    let names = ["a", "b", "c"].into_iter().zip(etcd.endpoints());
    let map: Vec<String> = names
        .map(|(name, address)| format!("{name}={address}"))
        .collect();
    let ended = run(&["nodes", "--node", "b", "--nodes", &map.join(","), "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let rows = ended.objects();
    let column = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("node"), ["a", "b", "c"]);
    assert_eq!(column("answers"), [0, 1, 2].map(|i| i != dead));
    assert_eq!(column("own"), [false, true, false]);
}

#[test]
fn what_others_wrote_reaches_no_terminal_as_it_is() {
    let etcd = Etcd::start(1);
    let forged = "a\u{1b}[2J\r\nall is well\u{80}\u{9b}8m\u{9f}\u{202e}\u{200b}";
    let is_clean = |lines: &[String]| {
        let text = lines.concat();
        assert!(
            !text.contains(lamport_clock::excerpt::is_hidden),
            "{text:?}"
        );
        text
    };
    let store = |key: &str| format!("{}{key}", etcd.uri());
    let record = json!({"value": 5, "process_id": forged, "real_timestamp": 1.5}).to_string();
    for command in CONNECTING {
        for json in [&[][..], &["--json"]] {
            let key = format!("/{}{}", command[0], json.len());
            etcd.control(&["put", &key, &record]);
            let ended = run(&[command, &["--store", &store(&key), "--node", "a"], json].concat());
            let text = is_clean(&ended.lines) + &is_clean(&ended.errors);
            // All print the name of the record's writer, but these.
            if command[0] == "nodes" || command[0] == "update" && json.is_empty() {
                continue;
            }
            assert!(text.contains("all is well"), "{command:?}: {text}");
            if !json.is_empty() {
                let told = format!("{:?}", ended.objects());
                assert!(told.contains("\\u{202e}"), "{told}");
            }
        }
    }
    // What can't be read at all.
    for (key, part) in [
        ("/record", ""),
        ("/below", "/base"),
        ("/weight", "/taken/00"),
    ] {
        etcd.control(&["put", &format!("/forged{key}{part}"), forged]);
        let store = store(&format!("/forged{key}"));
        for command in [&["update"][..], &["repair", "--at-least", "9", "--yes"]] {
            for json in [&[][..], &["--json"]] {
                let ended = run(&[command, &["--store", &store, "--node", "a"], json].concat());
                let text = is_clean(&ended.lines) + &is_clean(&ended.errors);
                assert!(text.contains("all is well"), "{command:?}: {text}");
                assert_eq!(ended.code, Some(1), "{text}");
            }
        }
        let kept = etcd.control(&["get", "--print-value-only", &format!("/forged{key}{part}")]);
        assert_eq!(kept.trim_end_matches('\n'), forged);
    }
}
