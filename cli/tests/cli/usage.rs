//! What the command refuses, and how: wrong arguments, wrong variables, stores that don't answer.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::Value;

use super::command::{CONNECTING, Ended, Running, lamport, run};
use super::{keys, nobody_listens, refused};

#[test]
fn nobody_listening_is_named_with_its_cause() {
    let store = nobody_listens();
    // A run goes on trying.
    for arguments in CONNECTING.iter().filter(|words| words[0] != "run") {
        let ended = run(&[arguments, &["--store", &*store][..]].concat());
        let parts: &[&str] = match arguments[0] {
            "nodes" => &["the one member does not answer"],
            _ => &[
                &store["etcd://".len()..],
                "Connection refused",
                "LAMPORT_STORE",
            ],
        };
        refused(&ended, 1, parts);
    }
}

/// As root, who alone can give a file to another user.
#[test]
fn a_set_user_id_program_takes_no_files_from_the_environment() {
    let nobody = 65_534;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("lamport");
    fs::copy(env!("CARGO_BIN_EXE_lamport"), &program).unwrap();
    if chown(&program, Some(12_345), None).is_err() {
        eprintln!("skipped: only root can make a set-user-ID program of another user");
        return;
    }
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let config = folder.path().join("lamport.toml");
    fs::write(&config, "store = 'memory:'").unwrap();
    for (mode, code) in [(0o755, 0), (0o4755, 2)] {
        fs::set_permissions(&program, Permissions::from_mode(mode)).unwrap();
        // As root reads what the kernel says of it, and as another user who may not.
        for owner in [12_345, 0] {
            chown(&program, Some(owner), None).unwrap();
            fs::set_permissions(&program, Permissions::from_mode(mode)).unwrap();
            let mut command = Command::new(&program);
            command.args(["update"]).uid(nobody).gid(nobody).env_clear();
            command.env("LAMPORT_CONFIG", &config);
            let ended = Running::start(&mut command).finish();
            assert_eq!(ended.code, Some(code), "{mode:o}: {}", ended.complaint());
            if code == 2 {
                refused(&ended, 2, &["LAMPORT_CONFIG", "set-user-ID"]);
            }
        }
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
        ("run --metrics x", &["--metrics", "'x'", "0.0.0.0:9464"]),
        ("run --metrics -1", &["--metrics", "'-1'"]),
        ("ready", &["<ADDRESS>"]),
        ("update -n 0", &["--number", "'0'", "1000000"]),
        ("update -n 1000001", &["--number", "1000001", "1000000"]),
        ("update -n many", &["--number", "'many'"]),
        ("watch --from 0", &["--from", "'0'"]),
        ("watch --count x", &["--count", "'x'"]),
        ("history --limit 0", &["--limit", "'0'", "10000"]),
        ("history --limit 99999", &["--limit", "99999", "10000"]),
        ("repair --at-least -1", &["--at-least", "'-1'"]),
        ("repair --at-least x", &["--at-least", "'x'"]),
        (
            "export --to x a.log",
            &["--to", "'x'", "shiviz, perfetto, otlp"],
        ),
        (
            "export --to dot /nonexistent",
            &["/nonexistent", "can't be read"],
        ),
        ("export --to dot --key /k a.log", &["--key", "files alone"]),
        ("diff a.log", &["2", "<RUN> <RUN>"]),
        ("diff - -", &["'-'", "one of the runs"]),
        ("diff /nonexistent x", &["/nonexistent", "can't be read"]),
        ("top --count 0", &["--count", "'0'"]),
        ("demo --nodes 0", &["--nodes", "'0'", "1 to 32"]),
        ("demo --nodes 33", &["--nodes", "'33'", "1 to 32"]),
        ("demo --nodes -1", &["--nodes", "'-1'", "1 to 32"]),
        ("demo --nodes a=h", &["--nodes", "'a=h'", "1 to 32"]),
        ("demo --rounds 0", &["--rounds", "'0'"]),
        ("demo --interval soon", &["--interval", "'soon'"]),
        ("demo --store etcd://h", &["--store", "etcd://h", "memory:"]),
        ("demo --store redis", &["--store", "redis", "memory:"]),
        ("demo --stay", &["--stay", "add --store etcd"]),
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
        ("LAMPORT_CONFIG", "/nonexistent", "can't be read"),
        ("LAMPORT_TLS_CA", "/nonexistent", "can't be read"),
        ("NODE_NAME", "a b", "' '"),
    ] {
        for arguments in CONNECTING {
            let mut command = lamport(arguments);
            command.env("NODE_NAME", "mx-nodel").env(variable, value);
            let ended = Running::start(&mut command).finish();
            refused(&ended, 2, &[variable, value, part]);
        }
    }
    let ended = Running::start(lamport(&["demo", "--store", "etcd"]).env("LAMPORT_ETCD", "/x"));
    refused(&ended.finish(), 2, &["LAMPORT_ETCD", "'/x'", "not a file"]);
}

#[test]
fn an_unknown_node_is_told_the_known_ones() {
    let named = [
        "--node",
        "mx-node1",
        "--nodes",
        "a=127.0.0.1:1,b=127.0.0.1:2",
    ];
    for arguments in CONNECTING {
        let ended = run(&[arguments, &named].concat());
        refused(&ended, 2, &["'mx-node1'", "a=127.0.0.1:1", "b=127.0.0.1:2"]);
        // A stranger is told nothing of the built-in nodes, and they are not asked.
        let ended = run(arguments);
        refused(
            &ended,
            2,
            &["LAMPORT_STORE", "etcd://host:port", "NODE_NAME"],
        );
        assert!(
            !ended.complaint().contains("mx-nodel"),
            "{}",
            ended.complaint()
        );
    }
}

#[test]
fn nodes_asks_the_members_that_the_store_names() {
    let ended = run(&["nodes", "--store", "etcd://127.0.0.1:1,127.0.0.1:2/orders"]);
    refused(&ended, 1, &["none of the 2 members answers"]);
    assert_eq!(ended.lines.len(), 2);
    assert!(
        ended.lines[0].starts_with("127.0.0.1:1  no answer: "),
        "{:?}",
        ended.lines
    );
    let ended = run(&["nodes", "--store", "etcd://127.0.0.1:1", "--json"]);
    refused(&ended, 1, &["the one member does not answer"]);
    assert_eq!(ended.objects()[0]["node"], Value::Null);
    let ended = run(&["nodes", "--store", "memory:"]);
    refused(&ended, 2, &["in memory", "etcd://host:port"]);
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

/// The names of the commands, as `lamport --help` lists them.
fn commands() -> BTreeSet<String> {
    let lines = run(&["--help"]).lines;
    let listed = lines.iter().skip_while(|line| *line != "Commands:").skip(1);
    listed
        .take_while(|line| !line.is_empty())
        // What goes on in the next line is indented further.
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !["", "help"].contains(name))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_connects_or_refuses_the_flags_for_it() {
    let others: [&[&str]; 10] = [
        &["demo"],
        &["check", "a.jsonl"],
        &["order", "a.log"],
        &["explain", "1@a", "a.log"],
        &["diagram", "--text", "a.log"],
        &["export", "--to", "dot", "a.log"],
        &["diff", "a.log", "b.log"],
        &["ready", "1"],
        &["completions", "bash"],
        &["man"],
    ];
    let listed = CONNECTING.iter().chain(&others);
    let listed: BTreeSet<_> = listed.map(|words| words[0].to_owned()).collect();
    assert_eq!(listed, commands());
    for arguments in others {
        let ended = run(&[arguments, &["--key", "/k"]].concat());
        refused(&ended, 2, &["takes no --key"]);
    }
}

#[test]
fn help_and_version_are_answers() {
    let ended = run(&["--version"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.lines,
        [format!("lamport {}", env!("CARGO_PKG_VERSION"))]
    );
    let all = run(&["--help"]).lines.join("\n");
    assert!(all.contains("LAMPORT_TIMEOUT"), "{all}");
    for command in &commands() {
        let ended = run(&[command, "--help"]);
        assert_eq!(ended.code, Some(0), "{command}");
        let help = ended.lines.join("\n");
        assert!(
            help.contains(&format!("Usage: lamport {command}")),
            "{help}"
        );
        assert!(
            help.contains("--json") && help.contains("Examples:\n  "),
            "{help}"
        );
        // The flags for settings stand in the help of all, and here what begins with them.
        let is_connecting = CONNECTING.iter().any(|words| words[0] == command);
        assert_eq!(help.contains("Configuration"), is_connecting, "{help}");
        assert_eq!(help.contains("--store <URI>"), is_connecting, "{help}");
        assert_eq!(
            help.contains("settings, and their variables: lamport --help"),
            is_connecting
        );
        assert!(
            !help.contains("--timeout") && !help.contains("--tls-ca"),
            "{help}"
        );
        assert_eq!(help.contains("LAMPORT_NODES"), command == "nodes", "{help}");
        assert!(
            ended.lines.iter().all(|line| line.chars().count() <= 100),
            "{help}"
        );
    }
    let ended = run(&[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.lines.is_empty() && ended.complaint().contains("Usage: lamport"));
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
