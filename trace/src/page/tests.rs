use super::data::{write_shown, zigzag};
use super::*;
use crate::{Reader, describe, look_at_walls};

fn page_of(lines: &[&str]) -> String {
    let mut reader = Reader::numbering();
    reader.begin("a.log");
    reader.feed(lines.join("\n").as_bytes());
    let mut events = reader.finish();
    look_at_walls(&mut events);
    let mut texts = |event: u32| Ok(describe(lines[event as usize].as_bytes()));
    let mut page = Vec::new();
    super::page("A <b> & \u{202e}c", &events, &mut texts, &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

fn svg_of(lines: &[&str]) -> io::Result<String> {
    let mut reader = Reader::default();
    reader.begin("a.log");
    reader.feed(lines.join("\n").as_bytes());
    let events = reader.finish();
    let mut texts = |event: u32| Ok(describe(lines[event as usize].as_bytes()));
    let mut svg = Vec::new();
    super::svg("A <b> & \u{202e}c", &events, &mut texts, &mut svg)?;
    Ok(String::from_utf8(svg).unwrap())
}

#[test]
fn a_still_picture_shows_lanes_messages_and_which_clock_is_wrong() {
    let svg = svg_of(&[
        r#"{"time":"2026-03-04T12:00:00.006Z","message":"asks","lamport":"1@api","lamport_after":[]}"#,
        r#"{"time":"2026-03-04T12:00:00.001Z","level":"error","message":"</text><b>","lamport":"2@billing","lamport_after":["1@api"]}"#,
        r#"{"time":"2026-03-04T12:00:00.009Z","message":"pours","lamport":"5@api","lamport_after":["1@api","4@billing"]}"#,
    ])
    .unwrap();
    assert!(
        svg.contains("<text class=\"s\" x=\"14\" y=\"43\">2 processes, 3 events, 2 messages.<")
    );
    assert!(svg.contains(
        "By wall clock 1 message arrives before it was sent: billing's clock is at least 5 ms behind api's."
    ));
    assert_eq!(svg.matches("<circle").count(), 4);
    // One message is red, and one comes from a moment whose line is missing.
    assert_eq!(svg.matches("<path class=\"x\"").count(), 1);
    assert_eq!(svg.matches("<path class=\"m\"").count(), 1);
    assert_eq!(svg.matches("(its line is missing)").count(), 1);
    assert!(svg.contains(">ERROR &lt;/text&gt;&lt;b&gt;<"), "{svg}");
    assert!(svg.contains("A &lt;b&gt; &amp; \\u{202e}c"));
}

#[test]
fn a_still_picture_of_too_many_events_is_refused() {
    let lines: Vec<String> = (1..=SVG_EVENTS + 1)
        .map(|time| format!("a {time}@b"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let error = svg_of(&lines).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(svg_of(&lines[1..]).is_ok());
}

#[test]
fn a_text_draws_a_message_where_it_arrives() {
    let lines = [
        r#"{"time":"2026-03-04T12:00:00.006Z","message":"asks","lamport":"1@api","lamport_after":[]}"#,
        r#"{"time":"2026-03-04T12:00:00.001Z","level":"error","message":"\u001b[2Jlost","lamport":"2@billing","lamport_after":["1@api"]}"#,
        r#"{"time":"2026-03-04T12:00:00.007Z","message":"waits","lamport":"3@db","lamport_after":[]}"#,
        r#"{"time":"2026-03-04T12:00:00.009Z","message":"pours","lamport":"5@api","lamport_after":["2@api","4@billing"]}"#,
        r#"{"time":"2026-03-04T12:00:00.010Z","message":"ends","lamport":"6@db","lamport_after":["3@db"]}"#,
    ];
    let mut reader = Reader::default();
    reader.begin("a.log");
    reader.feed(lines.join("\n").as_bytes());
    let events = reader.finish();
    let mut texts = |event: u32| Ok(describe(lines[event as usize].as_bytes()));
    let mut draw = |is_utf8, columns| {
        let terminal = Terminal {
            columns,
            is_utf8,
            paint: &|look, piece: &str| match look {
                TextLook::Red => format!("<{piece}>"),
                _ => piece.to_owned(),
            },
        };
        let mut out = Vec::new();
        text(&events, &mut texts, &terminal, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        draw(true, 90),
        "\
3 processes, 5 events, 2 messages.
<By wall clock 1 message arrives before it was sent: billing's clock is at least 5 ms behind api's.>

    time      api      billing      db
       1       ●                            12:00:00.006 asks
       2       <├─────────▸●>                 <12:00:00.001> <−5 ms> ERROR \\u{1b}[2Jlost
       3       ┊          │          ●      12:00:00.007 waits
       4       ┊          ○          │      (its line is missing)
       5       ●◂─────────┤          │      12:00:00.009 pours
       6                             ●      12:00:00.010 ends
"
    );
    // Without much room, names become numbers, and texts are cut.
    let narrow = draw(false, 40);
    assert!(narrow.contains("   2 billing\n"), "{narrow}");
    assert!(
        narrow.contains("       3   :  |  *  12:00:00.007 waits\n"),
        "{narrow}"
    );
    assert!(
        narrow
            .lines()
            .skip(7)
            .all(|line| line.replace(['<', '>'], "").chars().count() <= 40),
        "{narrow}"
    );
}

#[test]
fn a_text_of_too_many_lanes_is_refused() {
    let mut reader = Reader::default();
    reader.begin("a.log");
    for lane in 0..=TEXT_LANES {
        reader.feed(format!("a 1@p{lane}\n").as_bytes());
    }
    let terminal = Terminal {
        columns: 80,
        is_utf8: true,
        paint: &|_, piece| piece.to_owned(),
    };
    let mut texts = |_| Ok(Description::default());
    let error = text(&reader.finish(), &mut texts, &terminal, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn durations_are_said_as_people_say_them() {
    let said = [
        1,
        1_000,
        6_120_000,
        59_000_000_000,
        90_000_000_000,
        123_400_000,
    ]
    .map(story::duration);
    assert_eq!(
        said,
        ["1 ns", "1 µs", "6.12 ms", "59 s", "1.5 min", "123 ms"]
    );
}

#[test]
fn the_viewer_fits_into_sixty_kilobytes() {
    let page = page_of(&[]);
    let data: usize = page
        .split("<script type=")
        .skip(1)
        .map(|data| data.find("</script>").unwrap())
        .sum();
    assert!(page.len() - data <= 60_000, "{}", page.len() - data);
}

#[test]
fn a_title_and_a_text_are_no_markup() {
    let page = page_of(&["</script><img src=x onerror=alert(1)> 2@api <-"]);
    assert!(page.contains("<title>A &lt;b&gt; &amp; \\u{202e}c</title>"));
    assert!(!page.contains("onerror"));
    assert!(!page.contains("{{") && !page.contains("http:"), "{page}");
}

#[test]
fn what_the_viewer_is_made_of_holds_no_end_of_a_script() {
    assert!(!script().contains("</script"));
    assert!(script().starts_with("\"use strict\";"));
}

#[test]
fn texts_keep_their_lines_and_lose_what_cannot_be_seen() {
    let mut shown = Vec::new();
    write_shown("a\tb\r\n  at c\u{202e}\n", &mut shown).unwrap();
    assert_eq!(
        String::from_utf8(shown).unwrap(),
        "a\tb\\r\n  at c\\u{202e}\n"
    );
}

#[test]
fn numbers_near_zero_are_small() {
    assert_eq!([0, -1, 1, -2, 2].map(zigzag), [0, 1, 2, 3, 4]);
}
