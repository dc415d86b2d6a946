//! Logs of any kind. Each is read in pieces of any size, put in order, compared and followed. A second, naive
//! search checks edge by edge what the graph proves.
#![no_main]

use std::time::{Duration, Instant};

use lamport_trace::{
    Answer, Events, Follower, Graph, Point, Reader, Terminal, broken, describe, look_at_walls,
    page, svg, text,
};
use libfuzzer_sys::fuzz_target;

/// The separator between two files.
const NEXT: &[u8] = b"\n--\n";

fuzz_target!(|bytes: &[u8]| {
    let files: Vec<&[u8]> = split(bytes);
    let mut events = read(&files, usize::MAX);
    let in_pieces = read(&files, 3);
    assert_eq!(events.counts(), in_pieces.counts());
    assert_eq!(events.order(), in_pieces.order());
    assert_places(&events, &files);

    let walls = look_at_walls(&mut events);
    assert!(walls.inverted <= walls.compared && walls.compared <= events.len() as u64);
    for pair in walls.clocks(&events) {
        assert_ne!(pair.of, pair.ahead_of);
    }
    let (count, found) = broken(&events);
    assert!(found.len() as u64 <= count);
    for graph in [Graph::new(&events), Graph::with_shared_clock(&events)] {
        assert_answers(&graph, &events);
    }
    assert_followed(&files);
    // Drawing costs more than all the rest, so few inputs are drawn.
    if bytes.len() % 16 == 0 {
        assert_drawn(&events, &files);
    }
});

fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let mut files = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(NEXT.len()).position(|window| window == NEXT) {
        files.push(&rest[..at]);
        rest = &rest[at + NEXT.len()..];
    }
    files.push(rest);
    files
}

fn read(files: &[&[u8]], size: usize) -> Events {
    let mut reader = Reader::numbering();
    for file in files {
        reader.begin("a.log");
        for piece in file.chunks(size.min(file.len()).max(1)) {
            reader.feed(piece);
        }
    }
    reader.finish()
}

/// Asserts that every line stands in one place, and that each event's line can be described.
fn assert_places(events: &Events, files: &[&[u8]]) {
    let own = events.order().iter().map(|&event| events.place(event));
    let all = [None]
        .into_iter()
        .chain(events.order().iter().copied().map(Some));
    let hollow = all.flat_map(|event| events.behind(event));
    let mut lines = 0;
    for place in own.chain(hollow) {
        let text = &files[place.source as usize][place.offset as usize..][..place.length as usize];
        lines += text.split(|&byte| byte == b'\n').count();
        describe(text);
    }
    // A record that was written in parts may enclose lines of others.
    assert!(lines as u64 + 1 >= events.len() as u64);
}

/// Asserts that each picture can be drawn, and that no text in it is markup.
fn assert_drawn(events: &Events, files: &[&[u8]]) {
    let mut texts = |event| {
        let place = events.place(event);
        let file = files[place.source as usize];
        Ok(describe(
            &file[place.offset as usize..][..place.length as usize],
        ))
    };
    let mut drawn = Vec::new();
    page("<q>", events, &mut texts, &mut drawn).unwrap();
    let html = String::from_utf8(std::mem::take(&mut drawn)).unwrap();
    assert!(!html.contains("<q>"));
    if svg("<q>", events, &mut texts, &mut drawn).is_ok() {
        let svg = String::from_utf8(std::mem::take(&mut drawn)).unwrap();
        let tags = [
            "/svg", "/style", "/text", "/title", "circle", "path", "style", "svg", "text", "title",
        ];
        for tag in svg.split('<').skip(1) {
            assert!(tags.iter().any(|known| tag.starts_with(known)), "{tag}");
        }
    }
    drawn.clear();
    let terminal = Terminal {
        columns: 80,
        is_utf8: true,
        paint: &|_, piece| piece.to_owned(),
    };
    if text(events, &mut texts, &terminal, &mut drawn).is_ok() {
        let shown = String::from_utf8(drawn).unwrap();
        assert!(
            !shown.contains(|c: char| c.is_control() && c != '\n'),
            "{shown:?}"
        );
    }
}

fn assert_answers(graph: &Graph<'_>, events: &Events) {
    let points: Vec<Point> = events
        .order()
        .iter()
        .take(12)
        .map(|&event| events.point(event))
        .collect();
    for &a in &points {
        for &b in &points {
            let answer = graph.compare(a, b);
            let reached = reaches(graph, a, b);
            match &answer {
                Answer::Before(path) => {
                    assert!(reached && a.time < b.time);
                    assert!(path.len() < events.lives().len());
                }
                Answer::After(_) => assert!(reaches(graph, b, a)),
                Answer::Same => assert_eq!(a, b),
                Answer::Concurrent => assert!(!reached),
                // Nothing is proven about runs that can't be told apart.
                Answer::Unknown(_) => {}
            }
            let other = graph.compare(b, a);
            assert_eq!(
                matches!(answer, Answer::Before(_)),
                matches!(other, Answer::After(_))
            );
        }
        let known = graph.causes(a);
        for hop in graph.causes_by_hops(a, 3) {
            assert!(known[hop.at.life as usize] >= Some(hop.at.time));
        }
        let first = graph.effects(a);
        for hop in graph.effects_by_hops(a, 3) {
            assert!(first[hop.at.life as usize].is_some_and(|time| time <= hop.at.time));
        }
    }
}

/// A naive search: from each point that is reached, it tries every message.
fn reaches(graph: &Graph<'_>, a: Point, b: Point) -> bool {
    let mut known = vec![a];
    let mut done = 0;
    while done < known.len() {
        let at = known[done];
        done += 1;
        if at.life == b.life && at.time <= b.time {
            return true;
        }
        for edge in graph.edges() {
            let starts = edge.from.life == at.life && edge.from.time >= at.time;
            if starts && !known.contains(&edge.to) {
                known.push(edge.to);
            }
        }
    }
    false
}

/// Asserts that a follower delivers each line once, whatever the line waits for.
fn assert_followed(files: &[&[u8]]) {
    let mut follower = Follower::new(files.len(), Duration::from_secs(1));
    let now = Instant::now();
    let (mut out, mut bytes) = (0, 0);
    let mut deliver = |line: lamport_trace::Delivered| {
        out += usize::from(line.life.is_some());
        bytes += line.text.len();
    };
    for (source, file) in (0_u32..).zip(files) {
        for piece in file.chunks(5) {
            follower.feed(source, piece, now, &mut deliver);
        }
    }
    follower.finish(&mut deliver);
    assert_eq!(follower.deadline(), None);
    assert_eq!(out, read(files, usize::MAX).len());
    // Lines that stand between the parts of a text are delivered with that text.
    let whole: usize = files
        .iter()
        .map(|file| file.iter().filter(|&&byte| byte != b'\n').count())
        .sum();
    assert!(bytes >= whole || files.iter().any(|file| file.starts_with(b"__CURSOR=")));
}
