//! What operators see of a run: `run --metrics`, asked by HTTP, and `ready`.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use lamport_clock::ErrorKind;
use serde_json::json;

#[path = "support/command.rs"]
mod command;
#[path = "../../tests/support/mod.rs"]
mod support;

use command::{Running, lamport, run};
use support::Etcd;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run that answers on a port of its own, and where.
fn observed(arguments: &[&str]) -> (Running, String) {
    let running = Running::start(&mut lamport(
        &[&["run", "--metrics", "0", "--json"], arguments].concat(),
    ));
    let line = running.error_with("metrics: ");
    let address = line.strip_prefix("metrics: http://127.0.0.1:").unwrap();
    let port = address.strip_suffix("/metrics").unwrap();
    let address = format!("127.0.0.1:{port}");
    (running, address)
}

/// Everything that comes back for these bytes.
fn send(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Who refuses early may have closed already.
    let _ = stream.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// Status, head and body.
fn ask(address: &str, method: &str, path: &str) -> (u16, String, String) {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: here\r\n\r\n");
    let answer = send(address, request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

/// Every sample of /metrics by what stands before its value.
fn samples(address: &str) -> BTreeMap<String, f64> {
    let (status, head, body) = ask(address, "GET", "/metrics");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"));
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    let split = lines.map(|line| line.rsplit_once(' ').unwrap());
    split
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

#[test]
fn the_counts_are_those_of_the_run() {
    let etcd = Etcd::start(1);
    let (store, member) = (etcd.uri(), etcd.endpoints()[0].to_string());
    let (running, address) = observed(&["--interval", "50ms", "--store", &store, "--node", "a"]);
    running.object();
    let taken = run(&["update", "-n", "100", "--store", &store, "--node", "b"]);
    assert_eq!(taken.code, Some(0));
    running.object_where(|update| update["previous"]["process"] == "b");
    let one = |name: &str, label: &str| format!("lamport_{name}{{{label}process=\"a\"}}");
    let plain = |name: &str| one(name, "");
    let before = samples(&address);
    assert!(before[&plain("updates_total")] >= 2.0, "{before:?}");
    assert!(before[&plain("shared_time")] > 100.0, "{before:?}");
    assert_eq!(
        before[&one("member", &format!("member=\"{member}\","))],
        1.0
    );
    for kind in ErrorKind::all() {
        let kind = format!("kind=\"{}\",", kind.name());
        assert_eq!(before[&one("failures_total", &kind)], 0.0);
    }
    running.object();
    running.object();
    let after = samples(&address);
    // Read between two updates at the least: what is counted together agrees to within one.
    let updates = after[&plain("updates_total")];
    assert!(updates > before[&plain("updates_total")]);
    assert!(after[&plain("round_trips_total")] >= updates);
    assert!((after[&plain("update_seconds_count")] - updates).abs() <= 1.0);
    assert!(after[&plain("update_seconds_sum")] > 0.0);
    let largest = r#"lamport_update_seconds_bucket{process="a",le="+Inf"}"#;
    assert_eq!(after[largest], after[&plain("update_seconds_count")]);
    assert_eq!(after[&plain("refused_total")], 0.0);
    // Alone again: nobody was ahead.
    assert_eq!(after[&plain("distance")], 0.0);
    assert!(after[&plain("since_update_seconds")] < PATIENCE.as_secs_f64());
    // An update that meets others is folded afterwards, unless the next update comes first.
    let deadline = Instant::now() + PATIENCE;
    while samples(&address)[&plain("folds_total")] < 1.0 {
        assert!(Instant::now() < deadline, "no fold");
        run(&["update", "--store", &store, "--node", "b"]);
        running.object();
    }
}

#[test]
fn the_distance_is_what_others_took() {
    let folder = tempfile::tempdir().unwrap();
    let etcd = Etcd::start(1);
    let store = etcd.uri();
    run(&["update", "-n", "100", "--store", &store, "--node", "b"]);
    let record = folder.path().join("record.jsonl");
    let (running, address) = observed(&[
        "--interval",
        "1m",
        "--store",
        &store,
        "--record",
        record.to_str().unwrap(),
    ]);
    let update = running.object();
    let samples = samples(&address);
    let distance = samples
        .iter()
        .find(|(name, _)| name.starts_with("lamport_distance"));
    let previous = update["previous"]["value"].as_f64().unwrap();
    assert_eq!(*distance.unwrap().1, previous, "{update}");
}

#[test]
fn a_run_is_ready_while_its_updates_succeed() {
    let mut etcd = Etcd::start(1);
    etcd.kill(0);
    let store = etcd.uri();
    let (running, address) =
        observed(&["--interval", "0s", "--timeout", "500ms", "--store", &store]);
    let fails = |object: &serde_json::Value| object.get("error").is_some();
    running.object_where(fails);
    let member = etcd.endpoints()[0].to_string();
    // The first failure is that of connecting; that of an update is kept as the reason.
    running.object_where(fails);
    let (status, _, why) = ask(&address, "GET", "/readyz");
    assert_eq!(status, 503);
    assert!(why.starts_with("no update has succeeded in "), "{why}");
    assert!(why.contains(&member), "{why}");
    let ended = run(&["ready", &address]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.complaint().contains("no update"), "{ended:?}");

    etcd.restart(0);
    running.object_where(|object| !fails(object));
    let (status, _, why) = ask(&address, "GET", "/readyz");
    assert_eq!(status, 200, "{why}");
    assert_eq!(run(&["ready", &address]).code, Some(0));

    etcd.kill(0);
    let why = loop {
        running.object_where(fails);
        let (status, _, why) = ask(&address, "GET", "/readyz");
        if status == 503 {
            break why;
        }
    };
    assert!(why.starts_with("the newest update succeeded "), "{why}");
    assert!(why.contains(&member), "{why}");
    let failures = samples(&address).into_iter();
    let failures = failures.filter(|(name, _)| name.starts_with("lamport_failures_total"));
    assert!(failures.map(|(_, count)| count).sum::<f64>() >= 2.0);
}

#[test]
fn no_answer_shows_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "correct horse battery").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let file = file.to_str().unwrap();
    let who = ["--user", "api", "--password-file", file];
    let store = ["--store", "etcd://127.0.0.1:1", "--interval", "0s"];
    let (running, address) = observed(&[&store[..], &who].concat());
    running.object();
    running.object();
    for path in ["/metrics", "/readyz"] {
        let (_, head, body) = ask(&address, "GET", path);
        assert!(path == "/metrics" || body.contains("127.0.0.1:1"), "{body}");
        let (shown, secret) = (head + &body, "horse");
        assert!(!shown.contains(secret) && !shown.contains(file), "{shown}");
    }
}

#[test]
fn what_is_no_question_is_refused() {
    let (running, address) = observed(&["--interval", "1m", "--store", "memory:"]);
    running.object();
    let (status, _, body) = ask(&address, "GET", "/");
    assert_eq!((status, &*body), (404, "here are /metrics and /readyz\n"));
    let (status, head, _) = ask(&address, "POST", "/metrics");
    assert_eq!(status, 405);
    assert!(head.contains("allow: get, head"), "{head}");
    let (status, head, body) = ask(&address, "HEAD", "/readyz");
    assert_eq!((status, &*body), (200, ""));
    // One question a connection.
    assert!(head.contains("connection: close"), "{head}");
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000));
    let garbage: [&[u8]; 4] = [
        b"",
        b"\x16\x03\x01\0\xff\0",
        b"GET\r\n\r\n",
        long.as_bytes(),
    ];
    for request in garbage {
        let answer = send(&address, request);
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(refused, "{answer}");
    }
    assert_eq!(ask(&address, "GET", "/readyz").0, 200);
}

#[test]
fn clients_that_say_nothing_hold_up_neither_the_run_nor_its_end() {
    let (running, address) = observed(&["--interval", "0s", "--store", "memory:"]);
    running.object();
    let connect = |_| TcpStream::connect(&address).unwrap();
    let mut silent: Vec<_> = (0..40).map(connect).collect();
    running.object();
    // They are sent away, and whoever waited behind them is answered.
    assert_eq!(ask(&address, "GET", "/readyz").0, 200);
    silent[0].set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(silent[0].read(&mut [0]).unwrap(), 0);
    silent.extend((0..40).map(connect));
    running.signal("-TERM");
    let ended = running.finish();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn nothing_listens_unless_it_was_asked_for() {
    let quiet = Running::start(&mut lamport(&["run", "--store", "memory:"]));
    let (observed, _address) = observed(&["--store", "memory:"]);
    quiet.line();
    let listens = |running: &Running| {
        let tasks = fs::read_dir(format!("/proc/{}/task", running.id())).unwrap();
        let names = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")));
        names.flatten().any(|name| name.trim() == "lamport-metrics")
    };
    assert!(!listens(&quiet));
    // A thread takes its name once it runs, which may be after it was started.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !listens(&observed) {
        assert!(Instant::now() < deadline, "no thread listens");
        std::thread::yield_now();
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(&["run", "--store", "memory:", "--metrics", &address]);
    assert_eq!(ended.code, Some(2));
    let complaint = ended.complaint();
    assert!(
        complaint.contains(&format!("--metrics can't listen on {address}")),
        "{complaint}"
    );
}

#[test]
fn ready_tells_what_answers_there() {
    let (running, address) = observed(&["--interval", "1m", "--store", "memory:"]);
    running.object();
    let ended = run(&["ready", &address, "--json"]);
    assert_eq!(ended.code, Some(0));
    let object = &ended.objects()[0];
    assert_eq!(object["ready"], json!(true));
    let port = address.rsplit_once(':').unwrap().1;
    let line = &run(&["ready", port]).lines[0];
    assert!(line.starts_with("the newest update succeeded "), "{line}");
    drop(running);
    let ended = run(&["ready", &address]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.complaint().contains("Connection refused"),
        "{ended:?}"
    );
    let ended = run(&["ready", &address, "--store", "memory:"]);
    assert_eq!(ended.code, Some(2));

    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let answering = thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        stream.write_all(b"\x1b[31mSSH-2.0\r\n\r\n").unwrap();
    });
    let ended = run(&["ready", &address]);
    answering.join().unwrap();
    assert_eq!(ended.code, Some(1));
    let complaint = ended.complaint();
    assert!(
        complaint.contains("is no run with --metrics"),
        "{complaint}"
    );
}
