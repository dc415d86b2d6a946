//! Who made an event, and the total order of all events.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

use super::time::{Time, is_not};
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::{is_hidden, is_quoted, quote_without_secrets};

/// A point in the total order of events: time, then process, then instance.
///
/// Lamport 1978 extends "happened before" to a total order by breaking ties of time by process; the
/// instance does the same between two instances of one process. The order never contradicts causality,
/// but it says more than causality does: two stamps in order need not be cause and effect.
///
/// Text form for people: `42@mx-nodel`. For programs there is a long form with the instance (`{:#}`),
/// `42@mx-nodel;instance=00000000000000ff`: two instances of one process, such as two forked children, have
/// the same plain form. Messages carry the long form too.
///
/// The long form is visible ASCII. In the name, `%`, `,` and every character that is not visible ASCII are
/// written as `%` and two hexadecimal digits for each byte. The plain form writes only `%` like that. Both
/// forms parse; a text without an instance gives [`Instance::UNKNOWN`]. Parameters other than the instance
/// are skipped.
///
/// ```
/// use lamport_clock::Stamp;
/// let early: Stamp = "7@mx-nodel2".parse()?;
/// let late: Stamp = "8@mx-nodel".parse()?;
/// assert!(early < late);
/// assert_eq!(early.to_string(), "7@mx-nodel2");
/// # Ok::<(), lamport_clock::Error>(())
/// ```
// The derived order is the promised one: the fields stand in the order in which they compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stamp {
    /// When, in logical time.
    pub time: Time,
    /// Which process.
    pub process: ProcessId,
    /// Which instance of that process.
    pub instance: Instance,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@", self.time)?;
        let long = f.alternate();
        // The characters that a header may not hold, and those that would be read as something else.
        let is_encoded = |c: char| c == '%' || (long && (c == ',' || !c.is_ascii_graphic()));
        let name = self.process.as_str();
        if !name.contains(is_encoded) {
            f.write_str(name)?;
        } else {
            encode(f, name, is_encoded)?;
        }
        if long {
            write!(f, ";{INSTANCE}={}", self.instance)?;
        }
        Ok(())
    }
}

/// Writes the name, with `%` and two hexadecimal digits for each byte of the characters to encode.
#[cold]
fn encode(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    is_encoded: impl Fn(char) -> bool,
) -> fmt::Result {
    for part in name.split_inclusive(&is_encoded) {
        let encoded = part.chars().next_back().filter(|&c| is_encoded(c));
        f.write_str(&part[..part.len() - encoded.map_or(0, char::len_utf8)])?;
        for byte in encoded.map(String::from).unwrap_or_default().bytes() {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

impl FromStr for Stamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Stamp> {
        let refused = |why: &str| {
            let why = format!("{why}; it takes the form 42@mx-nodel");
            is_not(text, "a stamp", &why)
        };
        let unreadable = |error: Error| refused(&error.to_string());
        let (stamp, _) = text.split_once(';').unwrap_or((text, ""));
        let (time, process) = match trimmed(stamp).split_once('@') {
            None => return Err(refused("it has no '@' between a time and a process")),
            Some(("", _)) => return Err(refused("the time is missing before '@'")),
            Some((_, "")) => return Err(refused("the name of the process is missing after '@'")),
            Some(parts) => parts,
        };
        let instance = match parameter(text, INSTANCE).map(str::parse) {
            None => Instance::UNKNOWN,
            Some(parsed) => parsed.map_err(unreadable)?,
        };
        let process = decoded(process).ok_or_else(|| {
            refused("after '%' it takes two hexadecimal digits, and together bytes of UTF-8")
        })?;
        Ok(Stamp {
            time: time.parse().map_err(unreadable)?,
            process: ProcessId::new(&process).map_err(unreadable)?,
            instance,
        })
    }
}

/// The value of the parameter `name` in a stamp's text, such as its instance. The last one counts.
pub(crate) fn parameter<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let named = |part: &'a str| {
        let (found, value) = part.split_once('=').unwrap_or((part, ""));
        trimmed(found)
            .eq_ignore_ascii_case(name)
            .then(|| trimmed(value))
    };
    text.split(';').skip(1).filter_map(named).last()
}

pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The text with each `%` and two hexadecimal digits replaced by the byte that they stand for.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.as_bytes().split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?);
        bytes.extend_from_slice(rest);
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// The name of a process: 1 to 255 bytes of UTF-8, not in quotes, without `;`, white space, control
/// characters and invisible ones. So two names that look alike are the same name.
///
/// Up to 23 bytes are kept in place, so a copy of an everyday name allocates nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(SmolStr);

impl ProcessId {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// The name `text`; [`ErrorKind::InvalidArgument`] if it does not have the form above.
    pub fn new(text: &str) -> Result<ProcessId> {
        let refused = |why: &str| {
            Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "{} can't be the name of a process: {why}",
                    quote_without_secrets(text)
                ),
            ))
        };
        if text.is_empty() {
            return refused("it is empty");
        }
        if text.len() > ProcessId::MAX_BYTES {
            return refused("it is longer than 255 bytes");
        }
        if is_quoted(text) {
            return refused("it stands in quotes, which some env files keep: leave them away");
        }
        let bad = |c: &char| *c == ';' || c.is_whitespace() || is_hidden(*c);
        if let Some(c) = text.chars().find(bad) {
            return refused(&format!("it contains '{}'", c.escape_default()));
        }
        Ok(ProcessId(SmolStr::new(text)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same name. `keep` is asked only about a name that is too long to be kept in place. `keep`
    /// gives a text that lives as long as the program, or `None` if it has no room. A copy of a name with
    /// such a text counts no references.
    #[cfg(feature = "shared")]
    pub(crate) fn kept_by(self, keep: impl FnOnce(&str) -> Option<&'static str>) -> ProcessId {
        match self.0.is_heap_allocated() {
            true => keep(&self.0).map_or(self, |kept| ProcessId(SmolStr::new_static(kept))),
            false => self,
        }
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` honours width and alignment, which the lanes of `lamport demo` use.
        f.pad(&self.0)
    }
}

impl fmt::Debug for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl FromStr for ProcessId {
    type Err = Error;

    fn from_str(text: &str) -> Result<ProcessId> {
        ProcessId::new(text)
    }
}

/// One life of a process: a restart and a forked child are new instances.
///
/// 64 bits, drawn at random when the instance starts; written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance(u64);

impl Instance {
    /// The instance of a stamp whose text did not carry one.
    pub const UNKNOWN: Instance = Instance(0);

    /// The instance with these bits.
    pub const fn new(bits: u64) -> Instance {
        Instance(bits)
    }

    /// The bits.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Instance {
    type Err = Error;

    fn from_str(text: &str) -> Result<Instance> {
        // Exactly one text for each instance: keys in the store are compared as text.
        let is_exact =
            text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match u64::from_str_radix(text, 16) {
            Ok(bits) if is_exact => Ok(Instance(bits)),
            _ => {
                let why = "it takes 16 hexadecimal digits, lower case";
                Err(is_not(text, "an instance", why))
            }
        }
    }
}

/// The name of the instance in the long text form.
const INSTANCE: &str = "instance";

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(text: &str) -> Stamp {
        text.parse().unwrap()
    }

    #[test]
    fn orders_by_time_then_process_then_instance() {
        let ordered = [
            "1@b",
            "2@a",
            "2@a;instance=0000000000000001",
            "2@a;instance=00000000000000ff",
            "2@b",
            "10@a",
        ];
        for pair in ordered.windows(2) {
            assert!(stamp(pair[0]) < stamp(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn both_text_forms_come_back_the_same() {
        for text in ["0@a", "9007199254740991@mx-nodel2", "3@user@host"] {
            assert_eq!(stamp(text).to_string(), text);
        }
        let long = "42@mx-nodel;instance=00000000000000ff";
        assert_eq!(format!("{:#}", stamp(long)), long);
        assert_eq!(stamp(long).instance, Instance::new(255));
    }

    #[test]
    fn bad_text_says_what_is_wrong() {
        for text in [
            "",
            "42",
            "@a",
            "42@",
            "-1@a",
            "1.5@a",
            "9007199254740992@a",
            "1@a b",
            "1@a;instance=ff",
            "1@a;instance=00000000000000FF",
            "1@a%",
            "1@a%4",
            "1@a%zz",
            "1@a%ff",
            "1@a%00",
            "1@a%E2%80%AE",
        ] {
            let error = text.parse::<Stamp>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text:?}");
        }
        for (text, part) in [
            ("57@", "the name of the process is missing after '@'"),
            ("@api", "the time is missing before '@'"),
            ("57", "it has no '@'"),
            ("x@api", "'x' is not a logical time"),
            ("57@\"api\"", "quotes"),
            ("57@a%zz", "two hexadecimal digits"),
        ] {
            let message = text.parse::<Stamp>().unwrap_err().to_string();
            let quoted = format!("'{text}' is not a stamp");
            assert!(
                message.contains(part) && message.contains(&quoted),
                "{message}"
            );
        }
        assert!(ProcessId::new(&"x".repeat(256)).is_err());
        for (text, part) in [
            ("a\0b", r"\u{0}"),
            ("api\r", r"\r"),
            ("a\u{202e}b", r"\u{202e}"),
            ("api\u{200b}", r"\u{200b}"),
            ("\u{feff}api", r"\u{feff}"),
            ("a\u{ad}b", r"\u{ad}"),
            ("a\u{9b}b", r"\u{9b}"),
            ("\"api\"", "quotes"),
            ("'api'", "quotes"),
        ] {
            let message = ProcessId::new(text).unwrap_err().to_string();
            assert!(message.contains(part), "{text:?}: {message}");
            assert!(!message.contains(is_hidden), "{message:?}");
        }
        assert_eq!(ProcessId::new("o'neill").unwrap().as_str(), "o'neill");
    }
}
