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
