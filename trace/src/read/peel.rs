//! What container engines, clusters and system loggers put before a line.

use std::borrow::Cow;

use super::wall::{self, Wall};

/// A line without what was put before it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Peeled<'a> {
    /// The stream that it belongs to, if several share a file.
    pub(super) stream: &'a [u8],
    /// When it was written, by the prefix that was taken away.
    pub(super) wall: Option<Wall>,
    /// Whether its text goes on in the stream's next line.
    pub(super) partial: bool,
    pub(super) text: &'a [u8],
}

/// A line without colours and other control sequences for a terminal.
pub(super) fn plain(line: &[u8]) -> Cow<'_, [u8]> {
    const ESCAPE: u8 = 0x1b;
    if memchr::memchr(ESCAPE, line).is_none() {
        return Cow::Borrowed(line);
    }
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = memchr::memchr(ESCAPE, rest) {
        plain.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let [b'[', sequence @ ..] = rest {
            // A control sequence ends with the first byte of this range.
            let end = sequence
                .iter()
                .position(|byte| (0x40..=0x7e).contains(byte));
            rest = end.map_or(&[][..], |end| &sequence[end + 1..]);
        }
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// Takes the known prefixes away, one after the other.
pub(super) fn peel(line: &[u8]) -> Peeled<'_> {
    let mut peeled = Peeled {
        text: line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
        ..Peeled::default()
    };
    for _ in 0..4 {
        if matches!(peeled.text, [] | [b'{', ..]) || !peel_one(&mut peeled) {
            break;
        }
    }
    peeled
}

fn peel_one(peeled: &mut Peeled<'_>) -> bool {
    let text = peeled.text;
    if let Some((wall, rest)) = wall::leading(text) {
        // The time counts as a prefix only if a text follows it, behind a blank.
        let Some(rest) = rest.strip_prefix(b" ") else {
            return false;
        };
        if let Some((partial, text)) = cri(rest) {
            (peeled.partial, peeled.text) = (partial, text);
            // stdout and stderr share a file, and long lines of both are cut into parts.
            if peeled.stream.is_empty() {
                peeled.stream = &rest[..b"stdout".len()];
            }
            peeled.wall = peeled.wall.or(Some(wall));
            return true;
        }
        peeled.wall = peeled.wall.or(Some(wall));
        peeled.text = rest;
        return true;
    }
    if let Some((stream, rest)) = compose(text).or_else(|| pod(text)).or_else(|| syslog(text)) {
        (peeled.stream, peeled.text) = (stream, rest);
        return true;
    }
    false
}

/// `stdout F `, behind a time: how container runtimes write a pod's logs.
fn cri(text: &[u8]) -> Option<(bool, &[u8])> {
    let text = text
        .strip_prefix(b"stdout ")
        .or_else(|| text.strip_prefix(b"stderr "))?;
    match text {
        [b'P', b' ', rest @ ..] => Some((true, rest)),
        [b'F', b' ', rest @ ..] => Some((false, rest)),
        [b'F'] => Some((false, &[])),
        _ => None,
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// `billing-1  | `.
fn compose(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text
        .iter()
        .position(|&byte| !is_name(byte))
        .filter(|&end| end > 0)?;
    let rest = text[end..].strip_prefix(b" ")?.trim_ascii_start();
    let rest = rest.strip_prefix(b"|")?;
    Some((&text[..end], rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// `[pod/billing-7d9/app] `.
fn pod(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"[pod/")?;
    let end = memchr::memchr(b']', inside)?;
    let stream = &inside[..end];
    let is_path = stream.iter().all(|&byte| is_name(byte) || byte == b'/');
    Some((stream, inside[end + 1..].strip_prefix(b" ")?)).filter(|_| is_path)
}

/// `Nov 28 12:00:00 host billing[7]: ` and `<14>1 2025-11-28T12:00:00Z host billing 7 - - `, each also
/// without its optional parts.
fn syslog(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(rest) = text.strip_prefix(b"<") {
        let end = memchr::memchr(b'>', rest).filter(|end| (1..=3).contains(end))?;
        let number = rest[..end].iter().all(u8::is_ascii_digit);
        let rest = &rest[end + 1..];
        // The time after the version is the next layer, and then the host.
        return Some((&[][..], rest.strip_prefix(b"1 ").unwrap_or(rest))).filter(|_| number);
    }
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let is_month = MONTHS.chunks(3).any(|month| text.starts_with(month));
    let is_date =
        is_month && text.len() > 16 && text[9] == b':' && text[12] == b':' && text[15] == b' ';
    let rest = if is_date {
        &text[16..]
    } else {
        return structured(text);
    };
    let end = memchr::memmem::find(rest, b": ")?;
    Some((&rest[..end], &rest[end + 2..]))
}

/// `host billing 7 - - `, behind a version and a time.
fn structured(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut end = 0;
    for _ in 0..4 {
        end += memchr::memchr(b' ', &text[end..])? + 1;
    }
    let stream = &text[..end];
    let rest = text[end..].strip_prefix(b"- ")?;
    let is_stream = stream.iter().all(|&byte| is_name(byte) || byte == b' ');
    Some((stream, rest)).filter(|_| is_stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> (&str, Option<i64>, bool, &str) {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        let peeled = peel(line.as_bytes());
        let seconds = peeled.wall.map(|wall| wall.at / 1_000_000_000);
        (
            text(peeled.stream),
            seconds,
            peeled.partial,
            text(peeled.text),
        )
    }

    #[test]
    fn each_layer_is_taken_away() {
        let at = Some(1_764_331_200);
        for (line, expected) in [
            ("out of tea 1@api", ("", None, false, "out of tea 1@api")),
            ("{\"a\": 1}", ("", None, false, "{\"a\": 1}")),
            ("billing-1  | tea", ("billing-1", None, false, "tea")),
            ("billing-1 | {", ("billing-1", None, false, "{")),
            (
                "b-1  | 2025-11-28T12:00:00.5Z tea",
                ("b-1", at, false, "tea"),
            ),
            ("[pod/b-7d9/app] tea", ("b-7d9/app", None, false, "tea")),
            (
                "[pod/b-7d9/app] 2025-11-28T12:00:00.5Z tea",
                ("b-7d9/app", at, false, "tea"),
            ),
            (
                "2025-11-28T12:00:00.5Z stdout P te",
                ("stdout", at, true, "te"),
            ),
            (
                "2025-11-28T12:00:00.5Z stderr F a",
                ("stderr", at, false, "a"),
            ),
            (
                "Nov 28 12:00:00 host b[7]: tea",
                ("host b[7]", None, false, "tea"),
            ),
            (
                "<14>Nov 28 12:00:00 host b[7]: tea",
                ("host b[7]", None, false, "tea"),
            ),
            (
                "<14>1 2025-11-28T12:00:00Z host b 7 - - tea",
                ("host b 7 - ", at, false, "tea"),
            ),
            ("\u{feff}tea", ("", None, false, "tea")),
            ("a | b", ("a", None, false, "b")),
            ("a|b", ("", None, false, "a|b")),
        ] {
            assert_eq!(parts(line), expected, "{line}");
        }
    }

    #[test]
    fn colours_are_taken_away() {
        assert_eq!(
            &*plain(b"\x1b[36mbilling-1  | \x1b[0mtea"),
            b"billing-1  | tea"
        );
        assert_eq!(&*plain(b"tea\x1b["), b"tea");
    }
}
