//! What came before what, against vector clocks that nobody in the system knows.

#[path = "seeing/golden.rs"]
mod golden;
#[path = "seeing/hard.rs"]
mod hard;
#[path = "../../tests/support/random.rs"]
mod random;
#[path = "seeing/world.rs"]
mod world;

use std::mem::discriminant;
use std::time::{Duration, Instant};

use lamport_trace::{Answer, Follower, Graph, Reader, look_at_walls};
use random::Random;
use world::{Form, World, name};

const FULL: Form = Form {
    at: true,
    plain: false,
};
const PLAIN: Form = Form {
    at: true,
    plain: true,
};
/// When a message arrived is not said.
const COARSE: Form = Form {
    at: false,
    plain: false,
};

#[test]
fn answers_agree_with_vector_clocks() {
    let (mut before, mut concurrent) = (0, 0);
    for seed in 0..150 {
        let world = World::run(seed, 60, if seed % 3 == 0 { PLAIN } else { FULL });
        let (events, lives) = world.read(|_| true);
        let graph = Graph::new(&events);
        for i in 0..world.lines.len() {
            for j in 0..world.lines.len() {
                let (a, b) = (&world.lines[i], &world.lines[j]);
                let points = (
                    world.point(i, &lives).unwrap(),
                    world.point(j, &lives).unwrap(),
                );
                match graph.compare(points.0, points.1) {
                    Answer::Same => assert_eq!(i, j),
                    Answer::Before(path) => {
                        assert!(a.is_before(b), "seed {seed}: {i} {j}");
                        // The proof leads from one to the other, forwards.
                        let mut at = points.0;
                        for edge in &path {
                            assert!(edge.from.life == at.life && edge.from.time >= at.time);
                            assert!(edge.from.time < edge.to.time);
                            at = edge.to;
                        }
                        assert!(at.life == points.1.life && at.time <= points.1.time);
                        before += 1;
                    }
                    Answer::After(_) => assert!(b.is_before(a), "seed {seed}: {i} {j}"),
                    Answer::Concurrent => {
                        assert!(!a.is_before(b) && !b.is_before(a), "seed {seed}: {i} {j}");
                        concurrent += 1;
                    }
                    Answer::Unknown(missing) => panic!("seed {seed}: {i} {j}: {missing:?}"),
                }
            }
        }
    }
    assert!(
        before > 50_000 && concurrent > 10_000,
        "{before} {concurrent}"
    );
}

#[test]
fn lines_that_are_missing_make_an_answer_unknown_and_never_another_one() {
    let mut counts = [0; 2];
    for seed in 0..300 {
        let world = World::run(seed, 50, [FULL, PLAIN, COARSE][seed as usize % 3]);
        let (all, all_lives) = world.read(|_| true);
        let whole = Graph::new(&all);
        let mut random = Random::new(seed);
        let lost: Vec<bool> = world
            .lines
            .iter()
            .map(|_| random.in_a_thousand(250))
            .collect();
        let (some, lives) = world.read(|line| !lost[line]);
        let part = Graph::new(&some);
        for i in 0..world.lines.len() {
            for j in 0..world.lines.len() {
                let full = whole.compare(
                    world.point(i, &all_lives).unwrap(),
                    world.point(j, &all_lives).unwrap(),
                );
                // Of whom no line is left and no cause tells, nothing can be asked.
                let (Some(a), Some(b)) = (world.point(i, &lives), world.point(j, &lives)) else {
                    continue;
                };
                match part.compare(a, b) {
                    Answer::Unknown(missing) => {
                        counts[0] += 1;
                        assert!(!missing.of.is_empty());
                    }
                    answer => {
                        counts[1] += 1;
                        let (a, b) = (&world.lines[i], &world.lines[j]);
                        assert_eq!(
                            discriminant(&answer),
                            discriminant(&full),
                            "seed {seed}: {} and {}: {answer:?}, {full:?}",
                            a.text,
                            b.text
                        );
                    }
                }
            }
        }
    }
    assert!(counts[0] > 1_000 && counts[1] > 100_000, "{counts:?}");
}

#[test]
fn one_order_never_puts_an_effect_before_its_cause() {
    for seed in 0..100 {
        let world = World::run(seed, 80, FULL);
        let (events, lives) = world.read(|_| true);
        let line = |event: u32| {
            let point = events.point(event);
            let is_it = |&line: &usize| world.point(line, &lives) == Some(point);
            (0..world.lines.len()).find(is_it).unwrap()
        };
        let order: Vec<usize> = events.order().iter().map(|&event| line(event)).collect();
        for (place, &later) in order.iter().enumerate() {
            for &earlier in &order[..place] {
                assert!(
                    !world.lines[later].is_before(&world.lines[earlier]),
                    "seed {seed}"
                );
            }
        }
        assert_eq!(order.len(), world.lines.len());
    }
}

#[test]
fn the_true_offset_lies_within_the_bounds() {
    let (mut bounded, mut messages) = (0, 0);
    for seed in 0..10_000 {
        let world = World::run(seed, 60, FULL);
        let (mut events, _) = world.read(|_| true);
        let walls = look_at_walls(&mut events);
        messages += world.messages;
        for pair in walls.clocks(&events) {
            let offset = |process: &str| {
                let is_it = |&i: &usize| name(i) == process;
                world.offsets[(0..world.offsets.len()).find(is_it).unwrap()]
            };
            let ahead = offset(&pair.of) - offset(&pair.ahead_of);
            assert!(
                pair.at_least.is_none_or(|least| least <= ahead),
                "seed {seed}: {pair:?}, {ahead}"
            );
            assert!(
                pair.at_most.is_none_or(|most| ahead <= most),
                "seed {seed}: {pair:?}, {ahead}"
            );
            assert!(!pair.is_contradictory());
            bounded += u64::from(pair.at_least.is_some() && pair.at_most.is_some());
        }
    }
    assert!(
        bounded > 5_000 && messages > 100_000,
        "{bounded} {messages}"
    );
}

#[test]
fn followed_lines_come_once_each_and_no_effect_before_its_cause() {
    for seed in 0..200 {
        let world = World::run(seed, 80, if seed % 2 == 0 { PLAIN } else { FULL });
        let mut random = Random::new(seed);
        let count = world.offsets.len();
        let texts: Vec<String> = (0..count)
            .map(|process| {
                let lines = world.lines.iter().filter(|line| line.process == process);
                lines.map(|line| format!("{}\n", line.text)).collect()
            })
            .collect();
        let mut fed = vec![0; count];
        let mut follower = Follower::new(count, Duration::from_secs(3600));
        let now = Instant::now();
        let mut out = Vec::new();
        let mut deliver = |line: lamport_trace::Delivered| {
            assert!(!line.is_impatient, "seed {seed}");
            out.push(String::from_utf8(line.text).unwrap());
        };
        // In pieces of any size, and some sources far ahead of others.
        while let Some(source) = (0..count)
            .filter(|&source| fed[source] < texts[source].len())
            .max_by_key(|_| random.next())
        {
            let length = 1 + random.below(700) as usize;
            let piece = &texts[source].as_bytes()[fed[source]..];
            let piece = &piece[..piece.len().min(length)];
            fed[source] += piece.len();
            follower.feed(source as u32, piece, now, &mut deliver);
        }
        assert_eq!(
            follower.deadline(),
            None,
            "seed {seed}: nothing need wait in the end"
        );
        let line = |text: &String| {
            world
                .lines
                .iter()
                .position(|line| line.text == *text)
                .unwrap()
        };
        let order: Vec<usize> = out.iter().map(line).collect();
        assert_eq!(order.len(), world.lines.len());
        for (place, &later) in order.iter().enumerate() {
            for &earlier in &order[..place] {
                assert!(
                    !world.lines[later].is_before(&world.lines[earlier]),
                    "seed {seed}"
                );
            }
        }
    }
}

#[test]
fn what_is_huge_is_a_word_and_a_count() {
    let mut reader = Reader::default();
    reader.begin("long.log");
    reader.feed(b"{\"lamport\":\"7@a\",\"message\":\"");
    let piece = vec![b'x'; 1 << 16];
    for _ in 0..1_000 {
        reader.feed(&piece);
    }
    reader.feed(b"\"}\nafter it 8@a <-\n");
    for process in 0..50_000 {
        reader.feed(format!("one of many {}@p{process} <8@a\n", process + 9).as_bytes());
    }
    reader.feed("deep ".repeat(3).as_bytes());
    reader.feed(&vec![b'['; 100_000]);
    let events = reader.finish();
    let counts = events.counts();
    assert_eq!(
        (counts.lines, counts.events, counts.too_long),
        (50_003, 50_001, 1)
    );
    let (a, b) = (events.point(0), events.point(50_000));
    assert!(matches!(Graph::new(&events).compare(a, b), Answer::Before(path) if path.len() == 1));
}
