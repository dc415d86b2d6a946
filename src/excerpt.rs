//! How messages show foreign text: on one line, not too long, and with invisible characters escaped.

use std::borrow::Cow;
use std::fmt::Write;

/// Replaces each character that can't be seen by its code: control characters, which drive a terminal
/// or begin a second line, and invisible ones, of which some turn the direction of reading.
///
/// Every error message passes through here, and so does every other text from outside that people are
/// shown. Escaping a text twice is the same as escaping it once.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| push_shown(&mut shown, c));
    Cow::Owned(shown)
}

/// As [`escape`], for JSON text. It uses JSON's own escapes, so the JSON keeps its meaning.
pub fn escape_json(text: String) -> String {
    if !text.contains(is_hidden) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a text can't fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

fn push_shown(shown: &mut String, c: char) {
    if is_hidden(c) {
        shown.extend(c.escape_default());
    } else {
        shown.push(c);
    }
}

/// Whether a reader can't see the character, or can't tell it from another: control characters, every
/// blank but the space, and what Unicode calls format characters or ignores when it draws a text
/// (Unicode 16, general category Cf and property Default_Ignorable_Code_Point).
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || c.is_whitespace()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
                | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
                | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Whether a text stands in quotes, as some env files leave it.
pub fn is_quoted(text: &str) -> bool {
    let in_pair = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    in_pair('"') || in_pair('\'')
}

/// The beginning of bytes that should be JSON, escaped, between backquotes.
pub fn excerpt(bytes: &[u8]) -> String {
    const LONGEST: usize = 80;
    let head = &bytes[..bytes.len().min(LONGEST)];
    let more = if bytes.len() > LONGEST { "…" } else { "" };
    format!("`{}{more}`", escape(&String::from_utf8_lossy(head)))
}

/// The beginning of a text, in quotes.
pub fn quote(text: &str) -> String {
    format!("'{}'", short(text))
}

/// As [`quote`], for text that may name a server. It leaves out what stands before an '@' or after a
/// '?', which may be a password.
pub fn quote_without_secrets(text: &str) -> String {
    if let Some((before, _)) = text.split_once('?') {
        let before = before.rsplit_once('@').map_or(before, |(_, rest)| rest);
        return quote(&format!("{before}?…"));
    }
    match text.rsplit_once('@') {
        Some((_, rest)) => quote(&format!("…@{rest}")),
        None => quote(text),
    }
}

/// The beginning of a text, escaped. Use it for messages of other libraries, which may quote their
/// input.
pub fn short(text: &str) -> String {
    const LONGEST: usize = 160;
    let mut shown = String::new();
    for c in text.chars() {
        if shown.len() >= LONGEST {
            shown.push('…');
            break;
        }
        push_shown(&mut shown, c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Escape, the ends of a line, C1 controls, marks that turn the direction or can't be seen, a tag.
    const HIDDEN: [char; 14] = [
        '\u{1b}',
        '\r',
        '\n',
        '\0',
        '\u{7f}',
        '\u{80}',
        '\u{9b}',
        '\u{9f}',
        '\u{200b}',
        '\u{200f}',
        '\u{202e}',
        '\u{2028}',
        '\u{feff}',
        '\u{e0041}',
    ];

    #[test]
    fn what_people_write_is_shown_as_it_is() {
        for text in [
            "mx-nodel",
            "zürich",
            "zu\u{308}rich",
            "नमस्ते",
            "'a' \"b\" \\n",
            "東京 1",
        ] {
            assert!(matches!(escape(text), Cow::Borrowed(shown) if shown == text));
        }
    }

    #[test]
    fn quotes_at_both_ends_are_told_from_others() {
        for text in ["\"api\"", "'api'", "\"\""] {
            assert!(is_quoted(text), "{text}");
        }
        for text in ["api", "\"", "o'neill", "\"api'", ""] {
            assert!(!is_quoted(text), "{text}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        for long in ["ä", "\u{0}"] {
            assert!(quote(&long.repeat(1_000)).len() < 180);
        }
        assert!(quote(&"ä".repeat(1_000)).ends_with("ä…'"));
        assert_eq!(quote("mx-nodel"), "'mx-nodel'");
        assert!(excerpt(&[0xff; 1_000]).len() < 400);
    }

    #[test]
    fn a_line_stays_a_line_and_colours_stay_out() {
        assert_eq!(quote("a\nb\u{1b}[31m"), r"'a\nb\u{1b}[31m'");
        for hidden in HIDDEN {
            let text = format!("a{hidden}b");
            let shown = escape(&text);
            assert!(
                !shown.contains(is_hidden) && shown.starts_with(r"a\"),
                "{shown}"
            );
            assert_eq!(escape(&shown), shown);
            let json = serde_json::to_string(&text).unwrap();
            let shown = escape_json(json.clone());
            assert!(!shown.contains(is_hidden), "{shown}");
            assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }

    #[test]
    fn what_may_be_a_password_is_not_shown() {
        assert_eq!(quote_without_secrets("me:p@ss@host"), "'…@host'");
        assert_eq!(quote_without_secrets("host"), "'host'");
        assert_eq!(quote_without_secrets("host/k?password=p@ss"), "'host/k?…'");
    }
}
