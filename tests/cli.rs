//! The `lamport` command without etcd: what it prints, what it refuses, how it ends.

#![cfg(feature = "cli")]

use std::collections::BTreeSet;
use std::net::TcpListener;

use serde_json::{Value, json};

#[path = "support/command.rs"]
mod command;

use command::{Ended, Running, lamport, run};

/// It refused, in one message that holds all of `parts`.
fn refused(ended: &Ended, code: i32, parts: &[&str]) {
    let complaint = ended.complaint();
    assert_eq!(ended.code, Some(code), "{complaint}");
    assert!(complaint.starts_with("lamport: "), "{complaint}");
    for part in parts {
        assert!(
            complaint.contains(part),
            "{part:?} is missing in: {complaint}"
        );
    }
}

fn keys(object: &Value) -> BTreeSet<&str> {
    let object = object.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[test]
fn one_process_alone_gets_2_4_6() {
    let arguments = "run --store memory: --node api --count 3 --interval 0s --json";
    let ended = run(&arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let updates = ended.objects();
    let values: Vec<_> = updates.iter().map(|update| &update["value"]).collect();
    assert_eq!(values, [2, 4, 6]);
    let expected = [
        "value",
        "process_id",
        "real_timestamp",
        "previous",
        "revision",
        "round_trips",
    ];
    for update in &updates {
        assert_eq!(keys(update), BTreeSet::from(expected));
        assert_eq!(update["process_id"], "api");
        assert_eq!(update["round_trips"], 1);
        assert!(update["real_timestamp"].is_f64() && update["revision"].is_u64());
    }
    assert_eq!(updates[0]["previous"], Value::Null);
    assert_eq!(
        updates[2]["previous"],
        json!({"value": 4, "process_id": "api"})
    );
}

#[test]
fn run_tells_people_who_what_and_after_whom() {
    let arguments = "run --store memory: --node api --count 2 --interval 0s";
    let ended = run(&arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.lines,
        [
            "api: connected to memory:",
            "       2@api  the first record",
            "       4@api  after 2@api",
            "ended after 2 updates, from 2 to 4; 0 failures",
        ]
    );
    assert!(ended.errors.is_empty());
}

#[test]
fn signals_end_a_run_with_a_summary_and_status_0() {
    for signal in ["-INT", "-TERM"] {
        // It rests for an hour after its first update: the signal must not wait for that.
        let running = Running::start(&mut lamport(&[
            "run",
            "--store",
            "memory:",
            "--node",
            "api",
            "--interval",
            "60m",
        ]));
        assert_eq!(running.line(), "api: connected to memory:");
        assert_eq!(running.line(), "       2@api  the first record");
        running.signal(signal);
        let ended = running.finish();
        assert_eq!(ended.code, Some(0), "{signal}: {}", ended.complaint());
        assert_eq!(
            ended.lines,
            ["ended after 1 update, from 2 to 2; 0 failures"]
        );
    }
}

#[test]
fn a_signal_ends_a_run_in_the_middle_of_a_call() {
    // It accepts and never answers; without the signal the call would take an hour.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let store = format!("etcd://{}", listener.local_addr().unwrap());
    let running = Running::start(&mut lamport(&[
        "run",
        "--store",
        &store,
        "--timeout",
        "60m",
        "--json",
    ]));
    let _connection = listener.accept().unwrap();
    running.signal("-TERM");
    let ended = running.finish();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.errors, ["ended after 0 updates; 0 failures"]);
    assert!(ended.lines.is_empty());
}

#[test]
fn run_goes_on_where_nobody_listens() {
    let store = nobody_listens();
    let running = Running::start(&mut lamport(&[
        "run",
        "--store",
        &store,
        "--timeout",
        "300ms",
        "--interval",
        "0s",
        "--json",
    ]));
    for _ in 0..2 {
        let failure = running.object();
        assert_eq!(keys(&failure), BTreeSet::from(["error", "kind"]));
        assert_eq!(failure["kind"], "unavailable");
        let error = failure["error"].as_str().unwrap();
        assert!(error.contains("Connection refused"), "{error}");
        assert!(error.contains(&store["etcd://".len()..]), "{error}");
    }
    running.signal("-INT");
    assert_eq!(running.finish().code, Some(0));
}

/// The URI of an etcd on a port that was free a moment ago.
fn nobody_listens() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("etcd://{}", listener.local_addr().unwrap())
}

#[test]
fn nobody_listening_is_named_with_its_cause() {
    let store = nobody_listens();
    for arguments in [
        &["read"][..],
        &["update"],
        &["watch"],
        &["history"],
        &["nodes", "--nodes", "a=127.0.0.1:1"],
    ] {
        let ended = run(&[arguments, &["--store", &store]].concat());
        let parts: &[&str] = match arguments[0] {
            "nodes" => &["none of the 2 nodes answers"],
            _ => &[&store["etcd://".len()..], "Connection refused"],
        };
        refused(&ended, 1, parts);
    }
}

#[test]
fn a_listener_that_never_answers_costs_no_more_than_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let store = format!("etcd://{address}");
    let ended = run(&["read", "--json", "--store", &store, "--timeout", "400ms"]);
    refused(&ended, 1, &[&address, "400ms", "LAMPORT_TIMEOUT"]);
    let failure = &ended.objects()[0];
    assert_eq!(keys(failure), BTreeSet::from(["error", "kind"]));
    assert_eq!(failure["kind"], "timeout");
}

#[test]
fn wrong_arguments_are_named_and_end_with_status_2() {
    for (arguments, parts) in [
        ("run --interval x", &["--interval", "'x'", "500ms"][..]),
        ("run --interval -1s", &["--interval", "'-1s'", "500ms"]),
        ("run --interval 99999m", &["--interval", "a day"]),
        ("run --count 0", &["--count", "'0'"]),
        ("run --count -1", &["--count", "'-1'"]),
        ("run --count 1.5", &["--count", "'1.5'"]),
        ("update -n 0", &["--number", "'0'", "1000000"]),
        ("update -n 1000001", &["--number", "1000001", "1000000"]),
        ("update -n many", &["--number", "'many'"]),
        ("watch --from 0", &["--from", "'0'"]),
        ("watch --count x", &["--count", "'x'"]),
        ("history --limit 0", &["--limit", "'0'", "10000"]),
        ("history --limit 99999", &["--limit", "99999", "10000"]),
        ("demo --nodes 0", &["--nodes", "'0'", "1 to 32"]),
        ("demo --nodes 33", &["--nodes", "'33'", "1 to 32"]),
        ("demo --nodes -1", &["--nodes", "'-1'", "1 to 32"]),
        ("demo --nodes a=h", &["--nodes", "'a=h'", "1 to 32"]),
        ("demo --rounds 0", &["--rounds", "'0'"]),
        ("demo --interval soon", &["--interval", "'soon'"]),
        ("demo --store etcd://h", &["--store", "etcd://h", "memory:"]),
        ("demo --store redis", &["--store", "redis", "memory:"]),
        ("demo --key /k", &["--key", "store of its own"]),
        ("read --store redis://h", &["store", "redis://h", "etcd://"]),
        ("read --store etcd://h:0", &["store", "h:0", "65535"]),
        ("read --store memory: --key k", &["key", "'k'", "/name"]),
        (
            "read --store memory: --timeout soon",
            &["timeout", "'soon'", "500ms"],
        ),
        ("read --store memory: --max-jump -1", &["max", "jump"]),
        ("read --node a --nodes a", &["nodes", "'a'", "name=host"]),
        (
            "read --store memory: --config /nonexistent",
            &["/nonexistent"],
        ),
        (
            "read --store memory: --tls-ca /nonexistent",
            &["tls_ca", "/nonexistent"],
        ),
        (
            "read --store memory: --user u",
            &["LAMPORT_PASSWORD_FILE", "both"],
        ),
        ("read --nonsense", &["--nonsense"]),
        ("nonsense", &["nonsense"]),
    ] {
        let arguments: Vec<_> = arguments.split(' ').collect();
        refused(&run(&arguments), 2, parts);
        // For programs the same is an object; nothing else is printed on standard output.
        let ended = run(&[&arguments[..], &["--json"]].concat());
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        let objects = ended.objects();
        assert_eq!(objects.len(), 1, "{objects:?}");
        assert_eq!(keys(&objects[0]), BTreeSet::from(["error", "kind"]));
        assert_eq!(objects[0]["kind"], "invalid_argument");
    }
}

#[test]
fn wrong_variables_are_named_and_end_with_status_2() {
    for (variable, value, part) in [
        ("LAMPORT_STORE", "redis://h", "etcd://"),
        ("LAMPORT_NODES", "a", "name=host[:port]"),
        ("LAMPORT_KEY", "clock", "/name"),
        ("LAMPORT_TIMEOUT", "0s", "1ms"),
        ("LAMPORT_MAX_JUMP", "far", "whole number"),
        ("LAMPORT_CONFIG", "/nonexistent", "configuration file"),
        ("LAMPORT_TLS_CA", "/nonexistent", "can't be read"),
        ("NODE_NAME", "a b", "' '"),
    ] {
        for command in ["run", "update", "read", "watch", "history", "nodes"] {
            let mut command = lamport(&[command]);
            command.env("NODE_NAME", "mx-nodel").env(variable, value);
            let named = if variable == "LAMPORT_CONFIG" {
                value
            } else {
                variable
            };
            refused(
                &Running::start(&mut command).finish(),
                2,
                &[named, value, part],
            );
        }
    }
    let ended = Running::start(lamport(&["demo", "--store", "etcd"]).env("LAMPORT_ETCD", "/x"));
    refused(&ended.finish(), 2, &["LAMPORT_ETCD", "'/x'", "not a file"]);
}

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
fn an_unknown_node_is_told_the_known_ones() {
    for command in ["run", "read", "nodes"] {
        let ended = run(&[
            command,
            "--node",
            "mx-node1",
            "--nodes",
            "a=127.0.0.1:1,b=127.0.0.1:2",
        ]);
        refused(&ended, 2, &["'mx-node1'", "a=127.0.0.1:1", "b=127.0.0.1:2"]);
    }
    let ended = run(&["run", "--json"]);
    refused(&ended, 2, &["NODE_NAME", "mx-nodel2", "LAMPORT_STORE"]);
}

#[test]
fn nodes_prints_the_map_whoever_answers() {
    let map = "a=127.0.0.1:1,b=127.0.0.1:2";
    let ended = run(&["nodes", "--node", "b", "--nodes", map, "--json"]);
    assert_eq!(ended.code, Some(1));
    let rows = ended.objects();
    assert_eq!(rows.len(), 3, "two nodes and the failure");
    for (row, (node, own)) in rows.iter().zip([("a", false), ("b", true)]) {
        assert_eq!(
            (&row["node"], &row["own"], &row["answers"]),
            (&node.into(), &own.into(), &false.into())
        );
        let error = row["error"].as_str().unwrap();
        assert!(error.contains("Connection refused"), "{error}");
    }
    // Without a name too: that is how one looks names up.
    let ended = run(&["nodes", "--nodes", map]);
    assert!(ended.lines[1].starts_with("b  127.0.0.1:2  no answer"));
    assert!(!ended.lines.iter().any(|line| line.contains("this node")));
}

#[test]
fn help_and_version_are_answers() {
    let ended = run(&["--version"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.lines,
        [format!("lamport {}", env!("CARGO_PKG_VERSION"))]
    );
    for command in ["run", "update", "read", "watch", "history", "nodes", "demo"] {
        let ended = run(&[command, "--help"]);
        assert_eq!(ended.code, Some(0), "{command}");
        let help = ended.lines.join("\n");
        assert!(
            help.contains(&format!("Usage: lamport {command}")),
            "{help}"
        );
        assert!(help.contains("--json"), "{help}");
        let all = run(&["--help"]).lines.join("\n");
        assert!(all.contains(command) && all.contains("LAMPORT_TIMEOUT"));
    }
    let ended = run(&[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.lines.is_empty() && ended.complaint().contains("Usage: lamport"));
}

#[test]
fn update_prints_as_many_times_as_asked_for() {
    let ended = run(&["update", "--store", "memory:"]);
    assert_eq!((ended.code, ended.lines), (Some(0), vec!["2".to_owned()]));
    let arguments = ["update", "-n", "3", "--store", "memory:", "--node", "api"];
    assert_eq!(run(&arguments).lines, ["2", "3", "4"]);
    let objects = run(&[&arguments[..], &["--json"]].concat()).objects();
    let values: Vec<_> = objects.iter().map(|update| &update["value"]).collect();
    assert_eq!(values, [2, 3, 4]);
    assert_eq!(objects[0]["previous"], Value::Null);
    assert_eq!(
        objects[2]["previous"],
        json!({"value": 3, "process_id": "api"})
    );
}

#[test]
fn an_empty_store_is_an_answer() {
    let memory = ["--store", "memory:"];
    let with = |arguments: &[&str]| run(&[arguments, &memory].concat());
    let ended = with(&["read"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.lines, ["no record yet at memory:"]);
    let ended = with(&["read", "--json"]);
    assert_eq!(ended.code, Some(0));
    let object = &ended.objects()[0];
    assert!(object["value"].is_null() && keys(object).contains("process_id"));
    let ended = with(&["history"]);
    assert_eq!(ended.lines, ["no updates at memory:"]);
    let ended = with(&["history", "--json"]);
    assert_eq!((ended.code, ended.lines.len()), (Some(0), 0));
}

#[test]
fn a_watch_says_where_it_watches_and_a_signal_ends_it() {
    let running = Running::start(&mut lamport(&["watch", "--store", "memory:", "--json"]));
    assert_eq!(
        running.object(),
        json!({"notice": "watching", "endpoint": "memory:", "from": 1})
    );
    running.signal("-TERM");
    let ended = running.finish();
    assert_eq!((ended.code, ended.lines.len()), (Some(0), 0));
    assert!(ended.errors.is_empty());
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
        "12 updates by 3 nodes: no value repeated, none went back, and what came later has the \
         larger value"
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
fn a_reader_that_leaves_ends_it_quietly() {
    let mut command = lamport(&["run", "--store", "memory:", "--interval", "0s"]);
    let mut process = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(process.stdout.take());
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn colours_are_for_terminals() {
    let coloured = |ended: &Ended| {
        let all = [&ended.lines[..], &ended.errors].concat();
        all.iter().any(|line| line.contains('\x1b'))
    };
    for arguments in [
        &["demo", "--interval", "0s", "--rounds", "1"][..],
        &["run", "--store", "memory:", "--count", "1"],
        &["nodes", "--nodes", "a=127.0.0.1:1"],
        &["run", "--interval", "x"],
    ] {
        assert!(!coloured(&run(arguments)), "{arguments:?}");
    }
}
