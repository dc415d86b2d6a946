//! `lamport explain`.

use super::command::run;
use super::logs::{ALL, Logs, run_all};
use super::{keys, refused};

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
