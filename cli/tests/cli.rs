//! The `lamport` command without etcd: what it prints, what it refuses, how it ends.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};

#[path = "cli/check.rs"]
mod check;
#[path = "support/command.rs"]
mod command;
#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/diagram.rs"]
mod diagram;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/exports.rs"]
mod exports;
#[path = "../../tests/support/false_etcd.rs"]
mod false_etcd;
#[path = "cli/logs.rs"]
mod logs;
#[path = "cli/order.rs"]
mod order;
#[path = "cli/shells.rs"]
mod shells;
#[path = "cli/usage.rs"]
mod usage;

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

/// The URI of an etcd on a port that was free a moment ago.
fn nobody_listens() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("etcd://{}", listener.local_addr().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_that_takes_too_long_prints_what_it_has_and_where_it_goes_on() {
    use false_etcd::{FalseEtcd, Say, key_value, range_response};

    // Of each revision from the ninth back a legacy writer's record, and of the fifth nothing in time.
    let server = FalseEtcd::start(|_, request| {
        // Field 4 of the request, after the keys of the range.
        let revision = match request {
            [.., 0x20, revision] => i64::from(*revision),
            _ => 9,
        };
        let record = format!(r#"{{"value": {revision}, "process_id": "x"}}"#);
        let key = key_value("/lamport_clock", [1, revision, revision], &record);
        match revision {
            ..=5 => vec![Say::Silence],
            _ => vec![Say::Message(range_response(9, &[key]))],
        }
    })
    .await;
    let store = format!("etcd://{}", server.address());
    let history = ["history", "--timeout", "1s", "--store", &store];
    let ended = run(&[&history[..], &["--json"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let objects = ended.objects();
    assert_eq!(objects[0], json!({"notice": "unread", "from": 5}));
    let values: Vec<_> = objects[1..].iter().map(|update| &update["value"]).collect();
    assert_eq!(values, [6, 7, 8, 9]);
    let ended = run(&[&history[..], &["--from", "7"]].concat());
    assert!(ended.lines[0].contains("--from 5 goes on"), "{ended:?}");
    assert_eq!(ended.lines.len(), 3);
}

/// As a user of its own, who may have so many threads, the command's first one among them.
fn with_threads(threads: u32, arguments: &[&str]) -> Ended {
    let command = lamport(arguments);
    let mut limited = Command::new("setpriv");
    limited.args([
        "--reuid=61234",
        "--regid=61234",
        "--clear-groups",
        "prlimit",
    ]);
    limited.arg(format!("--nproc={threads}"));
    limited.arg(command.get_program()).args(command.get_args());
    for (variable, _) in command.get_envs() {
        limited.env_remove(variable);
    }
    Running::start(&mut limited).finish()
}

#[test]
fn a_machine_without_a_thread_to_give_is_told_of() {
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout != b"0\n" {
        eprintln!("SKIPPED: only root may run a command as another user");
        return;
    }
    for (threads, store, said) in [
        (1, "memory:", "no handler for signals can be set"),
        (
            2,
            "memory:",
            "the thread that carries the clock can't be started",
        ),
        (
            3,
            "etcd://localhost:1",
            "no thread can be started to look its name up",
        ),
    ] {
        let ended = with_threads(threads, &["read", "--store", store, "--timeout", "2s"]);
        refused(&ended, 1, &[said]);
    }
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
        "process",
        "real_timestamp",
        "previous",
        "revision",
        "round_trips",
    ];
    for update in &updates {
        assert_eq!(keys(update), BTreeSet::from(expected));
        assert_eq!(update["process"], "api");
        assert_eq!(update["round_trips"], 1);
        assert!(update["real_timestamp"].is_f64() && update["revision"].is_u64());
    }
    assert_eq!(updates[0]["previous"], Value::Null);
    assert_eq!(
        updates[2]["previous"],
        json!({"value": 4, "process": "api"})
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
fn a_run_that_is_ending_ends_as_ever_however_often_it_is_asked() {
    // It ends as a line is written: the signals come all at once, before and while it does.
    for _ in 0..5 {
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
        running.signals(&["-INT", "-TERM", "-HUP", "-INT", "-INT", "-TERM"]);
        let ended = running.finish();
        assert_eq!(ended.code, Some(0), "{}", ended.complaint());
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
        json!({"value": 3, "process": "api"})
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
    assert!(object["value"].is_null() && keys(object).contains("process"));
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
        json!({"notice": "watching", "endpoint": "memory:", "from": 2})
    );
    running.signal("-TERM");
    let ended = running.finish();
    assert_eq!((ended.code, ended.lines.len()), (Some(0), 0));
    assert!(ended.errors.is_empty());
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
