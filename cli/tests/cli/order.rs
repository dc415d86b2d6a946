//! `lamport order`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::command::{Running, lamport, run};
use super::logs::{ALL, API, BILLING, Logs, SHOP, run_all};
use super::refused;

#[test]
fn lines_come_in_causal_order_and_wall_clocks_that_lie_are_told() {
    let logs = Logs::shop();
    let ended = run_all(&logs.arguments(&["order"], &ALL));
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let ends: Vec<&str> = ended
        .lines
        .iter()
        .map(|line| line.split('Z').next_back().unwrap())
        .collect();
    assert_eq!(
        ends,
        [
            " opened 1@shop <-",
            " asked billing 2@api <-",
            " charged 4@billing <2@api;at=3",
            "  3 pounds",
            " told the shop 5@billing <4@billing",
            " sent 8@shop <1@shop <6@billing;at=7",
            " done 9@api <2@api <6@billing;at=8",
        ]
    );
    let said = ended.complaint();
    assert!(
        said.contains("7 lines, 6 with a stamp, of 3 processes"),
        "{said}"
    );
    let inverted = "1 of 3 that can be compared have an earlier wall clock than a cause in another";
    assert!(said.contains(inverted), "{said}");
    let found = format!(
        "4@billing ({}:1) came after 2@api ({}:1), and its clock shows 3.0 s less",
        logs.path("billing.log"),
        logs.path("api.log")
    );
    assert!(said.contains(&found), "{said}");
}

#[test]
fn what_comes_on_standard_input_is_ordered_as_well_and_so_is_gzip() {
    let logs = Logs::shop();
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    // Two members, as logrotate and `cat` leave them.
    zipped.write_all(API.as_bytes()).unwrap();
    let mut zipped = GzEncoder::new(zipped.finish().unwrap(), Compression::fast());
    zipped.write_all(SHOP.as_bytes()).unwrap();
    fs::write(logs.path("both.log.gz"), zipped.finish().unwrap()).unwrap();
    let plain = run_all(&logs.arguments(&["order"], &ALL));
    let mut command = lamport(&["order", "-", &logs.path("both.log.gz")]);
    command.stdin(Stdio::from(
        fs::File::open(logs.path("billing.log")).unwrap(),
    ));
    let ended = Running::start(&mut command).finish();
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    assert_eq!(ended.lines, plain.lines);
}

#[test]
fn each_event_is_an_object() {
    let logs = Logs::shop();
    let ended = run_all(&logs.arguments(&["order", "--json"], &ALL));
    let objects = ended.objects();
    assert_eq!(objects.len(), 6);
    assert_eq!(
        objects[2],
        json!({
            "time": 4, "process": "billing", "file": logs.path("billing.log"), "line": 1,
            "inverted": true, "causes": ["2@api"],
            "text": BILLING.split_inclusive('\n').take(2).collect::<String>().trim_end(),
        })
    );
}

#[test]
fn clocks_are_bounded_from_both_sides() {
    let logs = Logs::shop();
    let ended = run_all(&logs.arguments(&["order", "--clocks"], &ALL));
    assert_eq!(
        ended.lines,
        [
            "billing is 3.0 s to 3.0 s behind api  (2 messages)",
            "shop is at most any time behind and 12.0 ms ahead of api  (by way of others)",
            "shop is at most any time behind and 3.0 s ahead of billing  (1 message)",
        ]
    );
    let objects = run_all(&logs.arguments(&["order", "--clocks", "--json"], &ALL)).objects();
    assert_eq!(objects[0]["of"], "billing");
    assert_eq!(objects[0]["at_most"], -2_998_000_000_i64);
}

#[test]
fn two_lines_of_one_process_say_nothing_of_clocks_that_lie() {
    // Two threads: the second one looked at the wall clock first, and took its stamp last.
    let turned = "\
2026-11-29T12:00:00.010Z one 1@api <-
2026-11-29T12:00:00.015Z two 2@api <1@api
2026-11-29T12:00:00.011Z three 3@api <2@api
2026-11-29T12:00:00.012Z four 4@api <3@api
2026-11-29T12:00:00.010Z five 5@api <4@api
";
    let logs = Logs::new(&[("api.log", turned)]);
    let ended = run_all(&logs.arguments(&["order"], &["api.log"]));
    assert_eq!(ended.code, Some(0));
    let said = ended.complaint();
    assert!(!said.contains("another process"), "{said}");
    let found = format!(
        "2 lines go back by wall clock within a process, 3@api ({}:3) by the most, 4.0 ms: its clock \
         was set back, or two threads",
        logs.path("api.log")
    );
    assert!(said.contains(&found), "{said}");
    // Each line is marked still.
    let objects = run_all(&logs.arguments(&["order", "--json"], &["api.log"])).objects();
    let inverted: Vec<bool> = objects
        .iter()
        .map(|object| object["inverted"] == true)
        .collect();
    assert_eq!(inverted, [false, false, true, false, true]);
}

#[test]
fn lines_that_stand_there_twice_are_named() {
    let lines = "a 1@api\nb 2@api\nc 3@api\nd 4@api\n";
    let twice = |number: usize| -> String { lines.split_inclusive('\n').take(number).collect() };
    let two = twice(2);
    let logs = Logs::new(&[("all.log", lines), ("two.log", &two), ("again.log", &two)]);
    let said = run_all(&logs.arguments(&["order"], &["all.log", "two.log", "again.log"]));
    let said = said.complaint();
    let found = "4 stand there twice: 1@api, 2@api";
    assert!(said.lines().any(|line| line == found), "{said}");
    let logs = Logs::new(&[("all.log", lines), ("again.log", lines)]);
    let said = run_all(&logs.arguments(&["order"], &["all.log", "again.log"]));
    let said = said.complaint();
    let found = "4 stand there twice: 1@api, 2@api, 3@api, ...";
    assert!(said.lines().any(|line| line == found), "{said}");
}

#[test]
fn broken_stamps_are_status_1_and_no_stamps_status_2() {
    let logs = Logs::new(&[
        ("lies.log", "a 5@a <-\nb 5@b <5@a\nback 3@a <5@a\n"),
        ("none.log", "nothing\nhere\n"),
        ("empty.log", ""),
    ]);
    let ended = run_all(&logs.arguments(&["order"], &["lies.log"]));
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.lines.len(), 3);
    let said = ended.complaint();
    assert!(
        said.contains("5@b") && said.contains("names 5@a as its cause"),
        "{said}"
    );
    assert!(
        said.contains("3@a") && said.contains("follows a line of time 5"),
        "{said}"
    );
    for name in ["none.log", "empty.log"] {
        let ended = run_all(&logs.arguments(&["order"], &[name]));
        assert_eq!(ended.code, Some(2));
        assert!(ended.complaint().contains("no line has a stamp"));
    }
    refused(
        &run(&["order", "/nowhere/x.log"]),
        2,
        &["/nowhere/x.log", "can't be read"],
    );
    refused(&run(&["order"]), 2, &["FILE"]);
    refused(&run(&["order", "-", "-"]), 2, &["once"]);
    refused(
        &run(&["order", "x", "--store", "memory:"]),
        2,
        &["takes no --store"],
    );
}

#[test]
fn threads_that_wrote_out_of_turn_are_named_as_the_likely_cause() {
    let run = "instance=000000000000000a";
    let turned = format!("two 6@worker-1;{run}\none 5@worker-1;{run}\n");
    let lies = "a 5@a <-\nb 5@b <5@a\n";
    let logs = Logs::new(&[("turned.log", &turned), ("lies.log", lies)]);
    let cause = "two threads that write lines without causes out of turn look like this";
    for (name, is_told) in [("turned.log", true), ("lies.log", false)] {
        let ended = run_all(&logs.arguments(&["order"], &[name]));
        assert_eq!(ended.code, Some(1));
        let said = ended.complaint();
        assert!(said.contains("break the clock's rules"), "{said}");
        assert_eq!(said.contains(cause), is_told, "{said}");
    }
}

#[test]
fn what_is_written_later_is_followed_by_its_causes() {
    let logs = Logs::new(&[("api.log", ""), ("billing.log", "")]);
    let append = |name: &str, text: &str| {
        let path = logs.path(name);
        let mut file = OpenOptions::new()
            .append(true)
            .open(Path::new(&path))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    // Nothing here goes without its causes, however slow the machine.
    let arguments = logs.arguments(
        &["order", "--follow", "--patience", "60m"],
        &["api.log", "billing.log"],
    );
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let following = Running::start(&mut lamport(&arguments));
    append("billing.log", "charged 4@billing <3@api;at=3\n");
    append("api.log", "asked billing 3@api <-\n");
    assert_eq!(following.line(), "asked billing 3@api <-");
    assert_eq!(following.line(), "charged 4@billing <3@api;at=3");
    // A file that was rotated, and one that was emptied.
    fs::rename(logs.path("api.log"), logs.path("api.log.1")).unwrap();
    fs::write(logs.path("api.log"), "rotated 7@api <3@api\n").unwrap();
    assert_eq!(following.line(), "rotated 7@api <3@api");
    fs::write(logs.path("billing.log"), "cut 9@billing <4@billing\n").unwrap();
    assert_eq!(following.line(), "cut 9@billing <4@billing");
    following.signal("-TERM");
    assert_eq!(following.finish().code, Some(0));
}

#[test]
fn a_cause_that_never_comes_is_waited_for_no_longer_than_said() {
    let mut command = lamport(&["order", "-f", "--json", "--patience", "10ms", "-"]);
    let logs = Logs::new(&[("in", "late 4@billing <3@api;at=3")]);
    command.stdin(Stdio::from(fs::File::open(logs.path("in")).unwrap()));
    let ended = Running::start(&mut command).finish();
    let expected = json!({"file": "-", "text": "late 4@billing <3@api;at=3", "impatient": true});
    assert_eq!(ended.objects(), [expected]);
    assert_eq!(ended.code, Some(0));
}

#[test]
fn a_signal_ends_the_wait_for_input() {
    for arguments in [&["order", "-"][..], &["order", "-f", "-"]] {
        let mut command = lamport(arguments);
        let mut running = Running::start(command.stdin(Stdio::piped()));
        let mut input = running.input();
        input.write_all(b"out of tea 1@api <-\n").unwrap();
        if arguments.contains(&"-f") {
            assert_eq!(running.line(), "out of tea 1@api <-");
        } else {
            while !listens(running.id()) {
                std::thread::yield_now();
            }
        }
        running.signal("-TERM");
        let ended = running.finish();
        assert_eq!(ended.code, Some(i32::from(!arguments.contains(&"-f"))));
        drop(input);
    }
}

/// Whether the process has a handler for SIGTERM. It says nothing before it has read everything.
fn listens(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    u64::from_str_radix(caught.unwrap().trim(), 16).unwrap() >> (15 - 1) & 1 == 1
}
