//! What a second reader found: lines that do not say all, and logs that are made to hurt.

use std::time::{Duration, Instant};

use lamport_trace::{Answer, Follower, Graph, Reader, look_at_walls};

#[test]
fn a_process_that_begins_anew_is_another_life_though_no_line_says_so() {
    // As `docker compose logs` shows a container that was restarted: its clock began at 0 again.
    let text = "\
api-1  | 2026-11-29T12:00:00.000Z started 1@api <-
api-1  | 2026-11-29T12:00:00.001Z asked 5@api <1@api
billing-1  | 2026-11-29T12:00:00.002Z charged 7@billing <5@api;at=6
api-1  | 2026-11-29T12:00:09.000Z started 1@api <-
api-1  | 2026-11-29T12:00:09.001Z asked 3@api <1@api
billing-1  | 2026-11-29T12:00:09.002Z charged 9@billing <7@billing <3@api;at=8
api-1  | 2026-11-29T12:00:09.003Z went on 7@api <3@api
";
    let mut reader = Reader::default();
    reader.begin("compose.log");
    reader.feed(text.as_bytes());
    // A second handler of the second run, in a file of its own.
    reader.begin("api.log");
    reader.feed(
        b"2026-11-29T12:00:09.000Z started 1@api <-\n2026-11-29T12:00:09.001Z asked 3@api <1@api\n",
    );
    let events = reader.finish();
    assert_eq!(events.counts().duplicates, 2);
    let graph = Graph::new(&events);
    let compare = |a, b| graph.compare(events.point(a), events.point(b));
    // The 5 of the first run is before nothing of the second one, and nothing of that is before it.
    assert!(matches!(
        compare(4, 1),
        Answer::Concurrent | Answer::Unknown(_)
    ));
    assert!(matches!(
        compare(1, 6),
        Answer::Concurrent | Answer::Unknown(_)
    ));
    assert!(matches!(compare(0, 1), Answer::Before(_)));
    assert!(matches!(compare(3, 6), Answer::Before(_)));
    // Which run's message it was nobody can tell.
    assert!(matches!(compare(1, 2), Answer::Unknown(_)));
    // Lines that do not name their causes go back.
    let mut reader = Reader::default();
    reader.begin("old.log");
    reader.feed(b"a 5@old\nb 6@old\nc 2@old\nd 7@old\n");
    let events = reader.finish();
    let graph = Graph::new(&events);
    assert!(matches!(
        graph.compare(events.point(2), events.point(1)),
        Answer::Unknown(_)
    ));
    assert!(matches!(
        graph.compare(events.point(2), events.point(3)),
        Answer::Before(_)
    ));
}

fn read(files: &[&str]) -> lamport_trace::Events {
    let mut reader = Reader::default();
    for (i, text) in files.iter().enumerate() {
        reader.begin(&format!("{i}.log"));
        reader.feed(text.as_bytes());
    }
    reader.finish()
}

/// How the two events stand to each other, counted as they were read.
fn compared(files: &[&str], a: u32, b: u32) -> Answer {
    let events = read(files);
    Graph::new(&events).compare(events.point(a), events.point(b))
}

/// What a follower delivers before anybody's patience ends.
fn followed(pieces: &[(u32, &str)]) -> Vec<String> {
    let sources = 1 + pieces.iter().map(|piece| piece.0).max().unwrap() as usize;
    let mut follower = Follower::new(sources, Duration::from_secs(3600));
    let mut out = Vec::new();
    let mut deliver = |line: lamport_trace::Delivered| {
        assert!(!line.is_impatient);
        out.push(String::from_utf8(line.text).unwrap());
    };
    let now = Instant::now();
    for (source, text) in pieces {
        follower.feed(*source, text.as_bytes(), now, &mut deliver);
    }
    out
}

#[test]
fn a_line_without_its_instance_may_be_of_one_that_others_name() {
    let one = "{\"lamport\":\"3@a;instance=0000000000000001\",\"lamport_after\":[]}\n";
    let two = "{\"lamport\":\"4@a;instance=0000000000000002\",\"lamport_after\":[]}\n";
    // The console of the first one.
    let console = "x 3@a <-\ny 5@a <3@a\n";
    let answer = compared(&[one, two, console], 0, 3);
    assert!(
        matches!(answer, Answer::Unknown(_) | Answer::Before(_)),
        "{answer:?}"
    );
    // Through the console's life: c asked the first one, whose console tells of the answer alone.
    let asked = "{\"lamport\":\"1@c;instance=0000000000000009\",\"lamport_after\":[]}\n";
    let one = "{\"lamport\":\"3@a;instance=0000000000000001\",\"lamport_after\":[\"1@c;instance=0000000000000009;at=2\"]}\n";
    let told = "{\"lamport\":\"8@d;instance=000000000000000d\",\"lamport_after\":[\"5@a;at=7\"]}\n";
    let answer = compared(&[asked, one, two, console, told], 0, 5);
    assert!(
        matches!(answer, Answer::Unknown(_) | Answer::Before(_)),
        "{answer:?}"
    );
}

#[test]
fn what_names_the_line_before_without_its_instance_does_not_say_that_it_is_the_first() {
    let a = "{\"lamport\":\"1@a;instance=0000000000000001\",\"lamport_after\":[]}\n";
    // The line 5@b, which a's message came before, is missing.
    let b = "{\"lamport\":\"7@b;instance=0000000000000002\",\"lamport_after\":[\"5@b\"]}\n";
    let answer = compared(&[a, b], 0, 1);
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
}

#[test]
fn a_line_that_names_a_later_one_before_it_is_not_the_first() {
    let answer = compared(&["x 1@a <-\n", "y 7@b <9@b\n"], 0, 1);
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
}

#[test]
fn a_second_handler_that_names_causes_counts_though_the_first_one_names_none() {
    let answer = compared(&["x 3@b <-\n", "y 5@a\n", "y 5@a <3@b;at=4\n"], 0, 1);
    // As it is without the second file.
    assert!(matches!(answer, Answer::Before(_)), "{answer:?}");
}

#[test]
fn two_runs_that_begin_in_one_second_are_two() {
    let text = "2026-11-29 12:00:00 x 1@a <-\n2026-11-29 12:00:00 y 5@a <1@a\n\
        2026-11-29 12:00:00 x 1@a <-\n2026-11-29 12:00:00 z 3@a <1@a\n";
    let answer = compared(&[text], 3, 1);
    assert!(!matches!(answer, Answer::Before(_)), "{answer:?}");
}

#[test]
fn parts_of_two_streams_of_a_pod_are_not_put_together() {
    let events = read(&["2025-11-28T12:00:00.1Z stdout P {\"lamport\":\"6@a\",\n\
        2025-11-28T12:00:00.2Z stderr F beside\n\
        2025-11-28T12:00:00.3Z stdout F \"lamport_after\":[]}\n"]);
    assert_eq!((events.len(), events.counts().broken_json), (1, 0));
}

#[test]
fn one_process_has_one_wall_clock_also_after_a_restart() {
    let line = |millisecond: u32, stamp: &str, run: char, after: &str| {
        format!(
            "{{\"time\":\"2026-11-29T12:00:00.0{millisecond:02}Z\",\"lamport\":\"{stamp}\",\
             \"lamport_instance\":\"{run:0>16}\",\"lamport_after\":[{after}]}}\n"
        )
    };
    let first = "instance=000000000000000a";
    let text = line(10, "1@api", 'a', "")
        + &line(9, "2@api", 'a', &format!("\"1@api;{first}\""))
        + &line(4, "9@api", 'b', &format!("\"2@api;{first};at=5\""))
        + &line(3, "9@shop", 'c', &format!("\"2@api;{first};at=8\""));
    let mut events = read(&[&text]);
    let walls = look_at_walls(&mut events);
    let by = |found: &lamport_trace::Inversion| (found.event, found.by / 1_000_000);
    assert_eq!((walls.inverted, walls.compared), (1, 1));
    assert_eq!(walls.worst.iter().map(by).collect::<Vec<_>>(), [(3, 6)]);
    assert_eq!(walls.stepped_back, 2);
    assert_eq!(walls.worst_back.as_ref().map(by), Some((2, 5)));
    let marked: Vec<bool> = (0..4).map(|event| events.is_inverted(event)).collect();
    assert_eq!(marked, [false, true, true, true]);
}

#[test]
fn clocks_that_contradict_each_other_make_no_bound_overflow() {
    let count = 40;
    let mut text = String::new();
    let mut time = 0;
    for a in 0..count {
        time += 1;
        text += &format!("2026-11-29T12:00:09.000Z sent {time}@p{a}\n");
    }
    for a in 0..count {
        time += 1;
        let causes: String = (0..count)
            .filter(|&b| b != a)
            .map(|b| format!(" <{}@p{b}", b + 1))
            .collect();
        text += &format!("2026-11-29T12:00:01.000Z came {time}@p{a}{causes}\n");
    }
    let mut events = read(&[&text]);
    let walls = look_at_walls(&mut events);
    assert!(
        walls
            .clocks(&events)
            .iter()
            .all(lamport_trace::ClockPair::is_contradictory)
    );
}

#[test]
fn many_ways_through_unlogged_sends_are_looked_at_once() {
    let mut text = "x 999999@l40 <-\n".to_owned();
    for life in (0..40).rev() {
        // What it sent before its line had twenty causes, which are out; its line has one that is not.
        let (time, sent) = (2_000_000 + life, 900_000 - 10_000 * life);
        let causes = (0..20).map(|i| format!(" <{}@l{};at=5", sent - i, life + 1));
        let causes: String = causes.collect();
        text += &format!("x {time}@l{life} <9@never;at={time}{causes}\n");
    }
    text += "x 2000009@last <950000@l0\n";
    assert_eq!(followed(&[(0, &text)]).len(), 2);
}

#[test]
fn a_forked_child_whose_first_line_is_missing_is_not_its_parent() {
    let parent = "x 3@a <-\ny 5@a <3@a\n";
    let first = "child 4@a;instance=000000000000000c <3@a;instance=000000000000000a;at=4\n";
    let second = "child 6@a;instance=000000000000000c <4@a;instance=000000000000000c\n";
    let answer = compared(&[&format!("{parent}{first}{second}")], 1, 3);
    assert!(!matches!(answer, Answer::Before(_)), "{answer:?}");
    let answer = compared(&[&format!("{parent}{second}")], 1, 2);
    assert!(!matches!(answer, Answer::Before(_)), "{answer:?}");
}

#[test]
fn a_run_whose_first_line_is_missing_is_not_of_the_one_before() {
    let whole = "x 1@a <-\ny 5@a <1@a\nx 1@a <-\nz 3@a <1@a\n";
    let answer = compared(&[whole], 3, 1);
    assert!(!matches!(answer, Answer::Before(_)), "{answer:?}");
    let answer = compared(&["x 1@a <-\ny 5@a <1@a\nz 3@a <1@a\n"], 2, 1);
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
    // Nor does a message through them prove anything.
    let files = ["x 1@a <-\ny 5@a <1@a\nz 3@a <1@a\n", "p 9@b <5@a;at=8\n"];
    let answer = compared(&files, 2, 3);
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
}

#[test]
fn a_file_that_begins_anew_does_not_go_on_with_the_life_of_another_file() {
    let files = ["y 5@a <1@a\n", "x 1@a <-\nz 3@a <1@a\n"];
    let answer = compared(&files, 2, 0);
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
    // A line that was stamped by hand is in nobody's chain, and makes no second run.
    let answer = compared(&["x 1@a <-\nby hand 3@a\ny 5@a <1@a\n"], 0, 2);
    assert!(matches!(answer, Answer::Before(_)), "{answer:?}");
}
