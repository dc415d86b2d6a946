//! `demo --stay`: its members stay up, what it prints can be pasted, and nothing is left in the end.

use std::path::Path;
use std::process::{Command, Stdio};

use lamport_clock::Setting;

use super::command::{Running, lamport};
use super::demo::{assert_nothing_left, demo};
use super::value;

const STAY: [&str; 5] = ["--stay", "--rounds", "1", "--interval", "0s"];

/// A printed command as a person runs it in another terminal.
fn pasted(command: &str, path: &str) -> Running {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec {command}")]);
    for setting in Setting::ALL {
        shell.env_remove(setting.variable);
    }
    Running::start(shell.env("PATH", path).stdin(Stdio::null()))
}

fn updated(command: &str, path: &str) -> u64 {
    let ended = pasted(command, path).finish();
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    ended.lines[0].parse().unwrap()
}

#[test]
fn what_a_staying_demo_prints_can_be_pasted_and_survives_a_member() {
    let program = Path::new(env!("CARGO_BIN_EXE_lamport"));
    let own = program.parent().unwrap().display();
    // By its name where that is on the PATH, and else as it was started.
    for (path, name, signal) in [
        (format!("{own}:/usr/bin:/bin"), "lamport".to_owned(), "-INT"),
        (
            "/usr/bin:/bin".to_owned(),
            program.display().to_string(),
            "-TERM",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = lamport(&[&["demo", "--store", "etcd"], &STAY[..]].concat());
        let staying = Running::start(command.env("TMPDIR", folder.path()).env("PATH", &path));
        let next = |part: &str| loop {
            let line = staying.line();
            if line.trim_start().starts_with(part) {
                break line.trim().to_owned();
            }
        };
        next("etcd stays up until Ctrl-C:");
        let watch = next(&format!("{name} watch --store etcd://"));
        let update = next(&format!("{name} update --store etcd://"));
        let kill = next("kill ");

        let watching = pasted(&watch, &path);
        assert!(watching.line().starts_with("watching 127.0.0.1:"));
        let before = updated(&update, &path);
        assert!(
            watching
                .line()
                .trim_start()
                .starts_with(&before.to_string())
        );

        let killed = Command::new("sh").args(["-c", &kill]).status();
        assert!(killed.unwrap().success());
        let line = staying.line();
        assert!(line.starts_with("127.0.0.1:"), "{line}");
        assert!(
            line.ends_with("has ended: the others are a majority, and go on"),
            "{line}"
        );
        let after = updated(&update, &path);
        assert!(after > before);
        // It may say in between that its member was lost.
        while !watching.line().trim_start().starts_with(&after.to_string()) {}

        staying.signal(signal);
        let ended = staying.finish();
        assert_eq!(ended.code, Some(0), "{signal}: {}", ended.complaint());
        assert!(ended.errors.is_empty(), "{:?}", ended.errors);
        assert_nothing_left(folder.path());
    }
}

#[test]
fn programs_are_told_of_each_member_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let staying = demo(folder.path(), &[&STAY[..], &["--json"]].concat());
    assert_eq!(value(&staying.object()), 2);
    let invitation = staying.object_where(|object| object["notice"] == "staying");
    let store = invitation["store"].as_str().unwrap();
    assert!(store.starts_with("etcd://127.0.0.1:"), "{store}");
    assert_eq!(invitation["commands"].as_array().unwrap().len(), 3);
    for member in invitation["members"].as_array().unwrap() {
        let kill = format!("kill -9 {}", member["pid"]);
        let killed = Command::new("sh").args(["-c", &kill]).status();
        assert!(killed.unwrap().success());
        let gone = staying.object();
        assert_eq!(gone["notice"], "gone");
        assert_eq!(
            (&gone["address"], &gone["pid"]),
            (&member["address"], &member["pid"])
        );
    }
    staying.signal("-TERM");
    let ended = staying.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    assert_nothing_left(folder.path());
}
