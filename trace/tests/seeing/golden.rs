//! Each kind of log that is read, and what is understood of it. `LAMPORT_UPDATE_GOLDEN=1` writes what is
//! understood now; read the difference.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use lamport_trace::{Events, Reader, broken, describe};

#[test]
fn each_kind_of_log_is_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeing/logs");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut told = String::new();
    for name in &names {
        let text = fs::read(folder.join(name)).unwrap();
        let events = read(name, &text, text.len());
        let understood = tell(&events, &text);
        // However it is fed.
        for size in [1, 7, 100] {
            assert_eq!(
                tell(&read(name, &text, size), &text),
                understood,
                "{name} by {size}"
            );
        }
        write!(told, "== {name}\n{understood}").unwrap();
    }
    let golden = folder.with_file_name("golden.txt");
    #[allow(
        clippy::disallowed_methods,
        reason = "no setting: who changes the reader sets it"
    )]
    let update = std::env::var_os("LAMPORT_UPDATE_GOLDEN").is_some();
    if update {
        fs::write(&golden, &told).unwrap();
    }
    let expected = fs::read_to_string(golden).unwrap();
    for (ours, theirs) in told.lines().zip(expected.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(told, expected);
}

fn read(name: &str, text: &[u8], size: usize) -> Events {
    let mut reader = Reader::numbering();
    reader.begin(name);
    for piece in text.chunks(size.max(1)) {
        reader.feed(piece);
    }
    reader.finish()
}

fn tell(events: &Events, text: &[u8]) -> String {
    let at = |place: lamport_trace::Place| &text[place.offset as usize..][..place.length as usize];
    let mut told = String::new();
    for event in [None]
        .into_iter()
        .chain(events.order().iter().copied().map(Some))
    {
        if let Some(event) = event {
            let point = events.point(event);
            let life = &events.lives()[point.life as usize];
            write!(
                told,
                "line {}: {}@{}",
                events.line_number(event).unwrap(),
                point.time,
                life.process
            )
            .unwrap();
            if life.instance.get() != 0 {
                write!(told, " of {:x}", life.instance.get()).unwrap();
            }
            if let Some(wall) = events.wall(event) {
                write!(told, " at {wall} +{}", life.step).unwrap();
            }
            let kind = format!("{:?}", events.kind(event));
            write!(told, " {kind}").unwrap();
            if let Some(previous) = events.previous(event) {
                write!(told, " after {previous}").unwrap();
            }
            for cause in events.causes(event) {
                let from = &events.lives()[cause.from.life as usize];
                write!(told, " from {}@{}", cause.from.time, from.process).unwrap();
                if let Some(arrived) = cause.arrived {
                    write!(told, " arrived {arrived}").unwrap();
                }
            }
            for (is_so, word) in [
                (events.is_complete(event), "complete"),
                (events.is_duplicate(event), "duplicate"),
            ] {
                if is_so {
                    write!(told, " {word}").unwrap();
                }
            }
            let text = at(events.place(event));
            let described = describe(text);
            let level = described.level.unwrap_or_default();
            writeln!(told, "\n  {level} {}", described.message.escape_debug()).unwrap();
            for line in text.split(|&byte| byte == b'\n').skip(1) {
                writeln!(told, "  | {}", String::from_utf8_lossy(line).escape_debug()).unwrap();
            }
        }
        for place in events.behind(event) {
            writeln!(
                told,
                "  | {}",
                String::from_utf8_lossy(at(place)).escape_debug()
            )
            .unwrap();
        }
    }
    writeln!(told, "{:?}", events.counts()).unwrap();
    let (count, found) = broken(events);
    if count > 0 {
        writeln!(told, "{found:?}").unwrap();
    }
    told
}
