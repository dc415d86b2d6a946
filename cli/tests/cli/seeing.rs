//! `lamport order` and `lamport explain`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::command::{Running, lamport, run};
use super::{keys, refused};

/// Billing's wall clock is three seconds behind: by wall clock it charges before it was asked.
const API: &str = "\
2026-11-29T12:00:00.000Z asked billing 2@api <-
2026-11-29T12:00:00.010Z done 9@api <2@api <6@billing;at=8
";
const BILLING: &str = "\
2026-11-29T11:59:57.001Z charged 4@billing <2@api;at=3
  3 pounds
2026-11-29T11:59:57.002Z told the shop 5@billing <4@billing
";
const SHOP: &str = "\
2026-11-29T12:00:00.000Z opened 1@shop <-
2026-11-29T12:00:00.011Z sent 8@shop <1@shop <6@billing;at=7
";

struct Logs {
    folder: tempfile::TempDir,
}

impl Logs {
    fn new(files: &[(&str, &str)]) -> Logs {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Logs { folder }
    }

    fn shop() -> Logs {
        Logs::new(&[
            ("api.log", API),
            ("billing.log", BILLING),
            ("shop.log", SHOP),
        ])
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The command with these arguments and all files behind them.
    fn arguments<'a>(&self, arguments: &[&'a str], names: &[&str]) -> Vec<String> {
        let files = names.iter().map(|name| self.path(name));
        arguments
            .iter()
            .map(|&argument: &&'a str| argument.to_owned())
            .chain(files)
            .collect()
    }
}

const ALL: [&str; 3] = ["api.log", "billing.log", "shop.log"];

fn run_all(arguments: &[String]) -> super::Ended {
    run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

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
fn an_order_of_two_events_is_proven_line_by_line() {
    let logs = Logs::shop();
    let ended = run_all(&logs.arguments(&["explain", "2@api", "8@shop"], &ALL));
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let line = |name: &str, line: u32| format!("({}:{line})", logs.path(name));
    assert_eq!(
        ended.lines,
        [
            "2@api came before 8@shop".to_owned(),
            format!("  2@api {}: asked billing", line("api.log", 1)),
            format!(
                "  by a message: arrived at 3@billing, as is told by 4@billing {}: charged",
                line("billing.log", 1)
            ),
            "  then, in the same process, 6@billing (no line tells of it)".to_owned(),
            format!(
                "  by a message: arrived at 7@shop, as is told by 8@shop {}: sent",
                line("shop.log", 2)
            ),
        ]
    );
    // By their lines, in the other direction, the answer is the other one.
    let pair = [logs.path("shop.log") + ":2", "api.log:1".to_owned()];
    let ended = run_all(&logs.arguments(&["explain", &pair[0], &pair[1]], &ALL));
    assert_eq!(ended.lines[0], "8@shop came after 2@api");
}

#[test]
fn concurrent_is_proven_and_unknown_says_what_is_missing() {
    let logs = Logs::shop();
    let ended = run_all(&logs.arguments(&["explain", "1@shop", "4@billing"], &ALL));
    assert!(
        ended.lines[0].starts_with("1@shop and 4@billing are concurrent"),
        "{:?}",
        ended.lines
    );
    let by_messages = "that is by messages; times taken from a shared clock are in order";
    assert!(
        ended.lines.last().unwrap().starts_with(by_messages),
        "{:?}",
        ended.lines
    );
    // Without billing's log nobody knows what it knew when it answered.
    let ended = run_all(&logs.arguments(&["explain", "2@api", "8@shop"], &["api.log", "shop.log"]));
    assert_eq!(ended.code, Some(0));
    assert!(ended.lines[0].starts_with("unknown: "), "{:?}", ended.lines);
    assert_eq!(
        ended.lines[1],
        "  the lines of billing up to 6, with the causes that they name, would settle it"
    );
    assert!(ended.lines[2].starts_with(by_messages), "{:?}", ended.lines);
    let arguments = logs.arguments(
        &["explain", "--json", "2@api", "8@shop"],
        &["api.log", "shop.log"],
    );
    let object = &run_all(&arguments).objects()[0];
    assert_eq!(
        keys(object),
        ["a", "answer", "b", "missing", "path", "shared_clock"]
            .into_iter()
            .collect()
    );
    assert_eq!(object["missing"][0]["process"], "billing");
    assert_eq!(object["missing"][0]["until"], 6);
}

/// A line of `lamport history --json`.
fn update(value: u64, process: &str) -> String {
    format!(
        "{{\"value\":{value},\"first\":{value},\"process\":\"{process}\",\"instance\":\"{:016x}\",\
         \"real_timestamp\":1764417600.5,\"revision\":{value}}}\n",
        process.len()
    )
}

#[test]
fn the_shared_clock_orders_what_no_message_does() {
    let history = update(5, "a") + &update(6, "bb");
    let logs = Logs::new(&[("history.jsonl", &history)]);
    let ended = run_all(&logs.arguments(&["explain", "5@a", "6@bb"], &["history.jsonl"]));
    let place = |line: u32| format!("({}:{line})", logs.path("history.jsonl"));
    assert_eq!(ended.lines[0], "5@a came before 6@bb");
    assert!(ended.lines[1].starts_with(&format!("  5@a {}", place(1))));
    assert!(ended.lines[2].starts_with(&format!("  6@bb {}", place(2))));
    assert_eq!(
        ended.lines[3],
        "that is by the shared clock; by messages alone:"
    );
    assert!(ended.lines[4].starts_with("unknown: "), "{:?}", ended.lines);
    let is_hint = |line: &String| line.starts_with("that is by messages");
    assert!(!ended.lines.iter().any(is_hint), "{:?}", ended.lines);
    let ended = run_all(&logs.arguments(&["explain", "--json", "6@bb", "5@a"], &["history.jsonl"]));
    let clock = &ended.objects()[0]["shared_clock"];
    assert_eq!(clock["answer"], "after");
    assert_eq!(
        clock["path"][0]["sent"]["stamp"],
        "5@a;instance=0000000000000001"
    );
}

/// A process goes on while an update of its is under way, so a line's time does not say on which side of
/// the taking it stands.
#[test]
fn the_shared_clock_orders_updates_and_no_lines_beside_them() {
    let line = |stamp: &str, instance: usize| {
        format!(
            "{{\"lamport\":\"{stamp}\",\"lamport_instance\":\"{instance:016x}\",\"lamport_after\":[],\
             \"message\":\"taken\"}}\n"
        )
    };
    let history = update(18, "a") + &update(19, "bb");
    let (a, bb) = (line("10@a", 1), line("19@bb", 2));
    let logs = Logs::new(&[("history.jsonl", &history), ("a.log", &a), ("bb.log", &bb)]);
    let files = ["history.jsonl", "a.log", "bb.log"];
    let ended = |a: &str, b: &str| run_all(&logs.arguments(&["explain", a, b], &files)).lines;
    // The answer to a's update may have been on its way when a wrote its line: bb's may be older.
    let lines = ended("10@a", "19@bb");
    assert!(
        !lines.iter().any(|line| line.contains("came before")),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|line| line.contains("name both")),
        "{lines:?}"
    );
    // A line and an update of one stamp are two events, and each is named as it is told apart.
    assert_eq!(ended("18@a", "19@bb")[0], "18@a came before 19@bb");
    let (row, beside) = (logs.path("history.jsonl:2"), logs.path("bb.log:1"));
    assert_eq!(ended("18@a", &row)[0], "18@a came before 19@bb");
    let lines = ended("18@a", &beside);
    assert!(
        !lines.iter().any(|line| line.contains("came before")),
        "{lines:?}"
    );
}

#[test]
fn causes_effects_cuts_and_traces_are_lines() {
    let logs = Logs::shop();
    let ended = |arguments: &[&str]| run_all(&logs.arguments(arguments, &ALL));
    let causes = ended(&["explain", "--causes", "8@shop"]).lines;
    assert!(
        causes[1].contains("1 message before: 5@billing"),
        "{causes:?}"
    );
    assert!(causes[2].contains("2 messages before: 2@api"), "{causes:?}");
    assert_eq!(
        ended(&["explain", "--causes", "8@shop", "--hops", "1"])
            .lines
            .len(),
        2
    );
    let effects = ended(&["explain", "--effects", "4@billing"]).lines;
    assert!(effects[1].contains("1 message after: 9@api"), "{effects:?}");
    let cut = ended(&["explain", "--cut", "8@shop"]).lines;
    assert!(
        cut.iter().any(|line| line.starts_with("at 8@shop")),
        "{cut:?}"
    );
    assert!(
        cut.iter().any(|line| line.starts_with("   2@api")),
        "{cut:?}"
    );
    let trace = ended(&["explain", "--trace", "pounds"]);
    assert_eq!(trace.lines.len(), 1);
    assert!(trace.complaint().contains("1 line with it"));
    refused(
        &ended(&["explain", "7@nobody", "8@shop"]),
        2,
        &["no line tells of that process"],
    );
    refused(&ended(&["explain", "nonsense", "8@shop"]), 2, &["42@api"]);
    refused(
        &run(&["explain", "1@a", "2@b"]),
        2,
        &["two events and the logs"],
    );
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
fn a_diagram_is_one_page_and_none_of_its_inputs() {
    let logs = Logs::shop();
    let page = logs.path("shop.html");
    let title = "<b>Tea & cups</b>";
    let arguments = logs.arguments(&["diagram", "-o", &page, "--title", title], &ALL);
    let ended = run_all(&arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    assert!(ended.complaint().contains("6 events of 3 processes in"));
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.starts_with("<!doctype html>") && text.contains("&lt;b&gt;Tea &amp; cups"));
    assert!(!text.contains("http://") && !text.contains("https://"));
    let api = logs.path("api.log");
    refused(
        &run(&["diagram", &api, "-o", &api]),
        2,
        &["one of the logs"],
    );
    assert_eq!(fs::read_to_string(&api).unwrap(), API);
    let nowhere = run(&["diagram", &api, "-o", "/nowhere/x.html"]);
    refused(&nowhere, 2, &["/nowhere/x.html", "can't be written"]);
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
