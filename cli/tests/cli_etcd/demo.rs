//! `demo --store etcd`: its members are its own, and end with it.

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use super::command::{Running, lamport};
use super::value;

/// A demo on etcd whose temporary files lie in `folder`.
pub(crate) fn demo(folder: &Path, arguments: &[&str]) -> Running {
    let mut command = lamport(&[&["demo", "--store", "etcd"], arguments].concat());
    Running::start(command.env("TMPDIR", folder))
}

/// Whether any process works with files below `folder`, as the demo's etcd and guardian do.
fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(folder)).collect()
}

pub(crate) fn assert_nothing_left(folder: &Path) {
    let left = processes_in(folder);
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn the_demo_on_etcd_ends_with_a_verdict_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ended = demo(
        folder.path(),
        &["--nodes", "5", "--rounds", "3", "--interval", "0s"],
    );
    let ended = ended.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    assert_eq!(ended.lines[0], "starting a private etcd of three members");
    assert!(ended.lines[1].contains("127.0.0.1:") && ended.lines[1].contains("127.0.0.3:"));
    let verdict = ended.lines.last().unwrap();
    assert!(
        verdict.starts_with("15 updates by 5 nodes: no value repeated"),
        "{verdict}"
    );
    assert_nothing_left(folder.path());
}

#[test]
fn two_demos_run_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let both = [0, 1].map(|_| demo(folder.path(), &["--rounds", "2", "--interval", "0s"]));
    for ended in both.map(Running::finish) {
        assert_eq!(ended.code, Some(0), "{}", ended.complaint());
        assert!(
            ended
                .lines
                .iter()
                .any(|line| line.contains("the first record"))
        );
    }
    assert_nothing_left(folder.path());
}

#[test]
fn signals_in_the_middle_of_a_demo_leave_nothing() {
    for signal in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let running = demo(folder.path(), &["--interval", "60m", "--json"]);
        value(&running.object());
        assert_eq!(
            processes_in(folder.path()).len(),
            4,
            "three members and a guardian"
        );
        running.signal(signal);
        let ended = running.finish();
        assert_eq!(ended.code, Some(1), "{signal}");
        assert_eq!(ended.errors, ["lamport: interrupted"]);
        assert_nothing_left(folder.path());
    }
}

#[test]
fn a_demo_that_is_killed_takes_its_etcd_along() {
    let folder = tempfile::tempdir().unwrap();
    let running = demo(folder.path(), &["--interval", "60m"]);
    running.line();
    let places = running.line();
    let (_, places) = places.split_once(" at ").unwrap();
    let mut connections: Vec<_> = places
        .split(", ")
        .map(|address| TcpStream::connect(address).unwrap())
        .collect();
    running.signal("-KILL");
    assert_eq!(running.finish().code, None);
    for connection in &mut connections {
        // The end of the process ends its connections, and that is what is waited for.
        connection
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        match connection.read_to_end(&mut Vec::new()) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
}
