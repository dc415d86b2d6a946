//! What an error message shows of something that somebody else wrote: one line, and not too long.

/// The beginning of what should be JSON.
pub fn excerpt(bytes: &[u8]) -> String {
    const LONGEST: usize = 80;
    let head = &bytes[..bytes.len().min(LONGEST)];
    let more = if bytes.len() > LONGEST { "…" } else { "" };
    format!("`{}{more}`", String::from_utf8_lossy(head).escape_debug())
}

/// The beginning of a text, in quotes.
pub fn quote(text: &str) -> String {
    format!("'{}'", short(text))
}

/// The beginning of a text; control characters, of a terminal's colours or of a second line, by their
/// codes. For what another library says, which may quote what it read as well.
pub fn short(text: &str) -> String {
    const LONGEST: usize = 160;
    let mut shown = String::new();
    for c in text.chars() {
        if shown.len() >= LONGEST {
            shown.push('…');
            break;
        }
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The same of a text where somebody may have named a server: without what stands before an '@',
/// which may be a password.
pub fn quote_without_secrets(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => quote(&format!("…@{rest}")),
        None => quote(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn what_may_be_a_password_is_not_shown() {
        assert_eq!(quote_without_secrets("me:p@ss@host"), "'…@host'");
        assert_eq!(quote_without_secrets("host"), "'host'");
    }
}
