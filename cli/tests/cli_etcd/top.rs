//! Who moves the clock, as `lamport top` sees it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::command::{Running, lamport, run};
use super::support::Etcd;

fn process<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let mut processes = object["processes"].as_array()?.iter();
    processes.find(|process| process["process"] == name)
}

#[test]
fn every_second_it_is_told_who_moved_the_clock() {
    let mut etcd = Etcd::start(1);
    let store = etcd.uri();
    let update = |node: &str, count: &str| {
        let ended = run(&["update", "-n", count, "--store", &store, "--node", node]);
        assert_eq!(ended.code, Some(0), "{}", ended.complaint());
        ended.lines.last().unwrap().parse::<u64>().unwrap()
    };
    let before = update("before", "1");
    let running = Running::start(&mut lamport(&["top", "--json", "--store", &store]));
    // It watches from before its first word on.
    let first = running.object();
    assert_eq!(first["holder"], "before");
    assert_eq!(first["value"], before);
    let found = process(&first, "before").unwrap();
    assert_eq!(found["per_second"], 0.0);
    assert!(found["clock_ahead"].is_null());

    let of_a = update("a", "5");
    let of_b = update("b", "2");
    let told = running.object_where(|object| process(object, "b").is_some());
    assert_eq!(told["value"], of_b);
    assert_eq!(told["holder"], "b");
    let [a, b] = ["a", "b"].map(|name| process(&told, name).unwrap());
    assert_eq!(a["value"], of_a);
    assert_eq!(b["value"], of_b);
    let number = |of: &Value, what: &str| of[what].as_f64().unwrap();
    // Five values in one update, and two.
    for (of, values) in [(a, 5.0), (b, 2.0)] {
        let ratio = number(of, "per_second") / number(of, "updates_per_second");
        assert!((ratio - values).abs() < 1e-9, "{of}");
        assert!(number(of, "silent") >= 0.0);
        // One machine, one wall clock.
        assert!(number(of, "clock_ahead").abs() < 60.0, "{of}");
    }
    let sum = number(a, "per_second") + number(b, "per_second");
    assert!((number(&told, "per_second") - sum).abs() < 1e-9);

    etcd.kill(0);
    let told = running.object_where(|object| !object["notice"].is_null());
    assert!(
        told["notice"]
            .as_str()
            .unwrap()
            .starts_with("interrupted: ")
    );
    running.signal("-TERM");
    assert_eq!(running.finish().code, Some(0));
}

#[test]
fn without_a_terminal_it_is_a_line_a_second() {
    let etcd = Etcd::start(1);
    let store = etcd.uri();
    let ended = run(&["top", "-n", "1", "--store", &store]);
    assert_eq!(ended.lines, ["no update yet"]);
    run(&["update", "--store", &store, "--node", "api"]);
    let ended = run(&["top", "-n", "2", "--store", &store]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.lines, ["2@api  0.0 values/s  api 0.0/s"; 2]);
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the pause itself")]
fn a_pause_of_the_machine_is_one_line_and_no_burst() {
    let mut top = lamport(&["top", "-n", "4", "--json", "--store", "memory:"]);
    let running = Running::start(&mut top);
    running.object();
    running.signal("-STOP");
    thread::sleep(Duration::from_secs(4));
    running.signal("-CONT");
    let ended = running.finish();
    assert_eq!(ended.code, Some(0));
    assert!(ended.lines.len() <= 2, "{:?}", ended.lines);
}

#[test]
fn a_key_or_ctrl_c_ends_the_screen_and_the_terminal_is_as_before() {
    let etcd = Etcd::start(1);
    let store = etcd.uri();
    run(&["update", "--store", &store, "--node", "api"]);
    for key in ["q", "\x03"] {
        // A terminal of its own, and what its keyboard is like afterwards.
        let program = env!("CARGO_BIN_EXE_lamport");
        // Ctrl-C reaches the shell as well, and dash would end with it: it has to stay.
        let line =
            format!("trap : INT; {program} top --store {store}; echo \"status $?\"; stty -a");
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]);
        command.env("TERM", "xterm").stdin(Stdio::piped());
        let mut running = Running::start(&mut command);
        let mut lines = Vec::new();
        while !lines.iter().any(|line: &String| line.contains("updates/s")) {
            lines.push(running.line());
        }
        assert!(lines[0].contains("\x1b[?1049h\x1b[?25l"), "{lines:?}");
        assert!(lines.concat().contains("2 held by api"), "{lines:?}");
        // It stays open, so that nothing but the key ends it.
        let mut keyboard = running.input();
        keyboard.write_all(key.as_bytes()).unwrap();
        let rest = running.finish().lines.join("\n");
        assert!(rest.contains("\x1b[?25h\x1b[?1049lstatus 0"), "{rest:?}");
        let words: Vec<&str> = rest.split([' ', ';', '\r', '\n']).collect();
        for word in ["icanon", "echo", "isig"] {
            assert!(words.contains(&word), "{word} is off: {rest}");
        }
        assert!(rest.contains("susp = ^Z"), "{rest}");
    }
}
