//! The fields of one record: its stamp, its causes, its text. The buffers are reused for the next record.

use std::borrow::Cow;

use lamport_clock::{Instance, Stamp, Time};

use super::peel;
use super::wall::{self, Wall};
use crate::events::EventKind;

/// At most this many causes of one event are read.
const MOST_CAUSES: usize = 64;

/// A stamp as it stands in a line; the name lies in [`Fields::names`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    pub(crate) time: u64,
    name: (u32, u32),
    /// 0 if the line does not say.
    pub(crate) instance: u64,
    /// When the message arrived, in the time of the process that wrote the line.
    pub(crate) arrived: Option<u64>,
}

/// The fields of a record.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// Whether texts are kept, too.
    pub(crate) with_text: bool,
    pub(super) names: String,
    pub(crate) stamp: Option<Named>,
    pub(super) instance: Option<u64>,
    pub(crate) causes: Vec<Named>,
    /// Whether the record names its causes, even if only to say that it has none.
    pub(crate) names_causes: bool,
    /// Whether the record has more causes than the ones read here.
    pub(crate) dropped: bool,
    pub(super) kind: EventKind,
    pub(crate) wall: Option<Wall>,
    pub(super) malformed: bool,
    pub(super) broken_json: bool,
    /// The text inside the envelope of a container engine or of journald. The envelope itself is read.
    pub(super) inner: Option<String>,
    /// Whether the envelope says that its text goes on in the next envelope.
    pub(super) partial: bool,
    /// The name of the stream that the record belongs to.
    pub(super) stream: Vec<u8>,
    pub(crate) lane: Option<String>,
    pub(crate) level: Option<String>,
    pub(crate) message: Option<String>,
    pub(super) update: Update,
}

/// An update in the output of `lamport run`, `watch` or `history`.
#[derive(Debug, Default)]
pub(super) struct Update {
    pub(super) first: Option<u64>,
    pub(super) value: Option<u64>,
    pub(super) process: Option<String>,
    pub(super) instance: Option<u64>,
    pub(super) revision: Option<u64>,
    pub(super) is_read: bool,
}

impl Fields {
    /// Clears everything but the stream.
    fn forget(&mut self) {
        let stream = std::mem::take(&mut self.stream);
        self.clear();
        self.stream = stream;
    }

    pub(super) fn clear(&mut self) {
        let Fields {
            names,
            causes,
            stream,
            inner,
            ..
        } = self;
        let (mut names, mut causes) = (std::mem::take(names), std::mem::take(causes));
        let (mut stream, inner) = (std::mem::take(stream), inner.take());
        names.clear();
        causes.clear();
        stream.clear();
        *self = Fields {
            with_text: self.with_text,
            names,
            causes,
            stream,
            inner,
            ..Fields::default()
        };
        self.inner = None;
    }

    pub(crate) fn name(&self, named: &Named) -> &str {
        &self.names[named.name.0 as usize..named.name.1 as usize]
    }

    /// Reads a line of a file. Returns a text that is still to be read, if there is one: it may be only
    /// [a part](Fields::partial) of a text.
    pub(super) fn read_line<'a>(&mut self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        self.clear();
        let plain = peel::plain(line.strip_suffix(b"\r").unwrap_or(line));
        let peeled = peel::peel(&plain);
        if peeled.text.first() == Some(&b'{') && self.read_json(peeled.text) {
            // Only an envelope has a text inside and names its stream. Anything else is the record itself.
            if self.stamp.is_some() || self.inner.is_none() || self.stream.is_empty() {
                self.wall = self.wall.or(peeled.wall);
                self.partial = false;
                self.stream.clear();
                self.stream.extend_from_slice(peeled.stream);
                return None;
            }
            let (wall, partial) = (self.wall.or(peeled.wall), self.partial);
            let (inner, stream) = (self.inner.take(), std::mem::take(&mut self.stream));
            self.clear();
            (self.wall, self.partial, self.stream) = (wall, partial, stream);
            return inner.map(|inner| Cow::Owned(inner.into_bytes()));
        }
        self.clear();
        self.stream.extend_from_slice(peeled.stream);
        (self.wall, self.partial) = (peeled.wall, peeled.partial);
        // Only the beginning of the line was taken off, so the text ends where the line ends.
        let start = plain.len() - peeled.text.len();
        Some(match plain {
            Cow::Borrowed(line) => Cow::Borrowed(&line[start..]),
            Cow::Owned(mut line) => Cow::Owned(line.split_off(start)),
        })
    }

    /// Reads a whole text: JSON, or words with a stamp at their end.
    pub(super) fn read_text(&mut self, text: &[u8]) {
        let plain = peel::plain(text);
        let text = plain.trim_ascii();
        if text.first() == Some(&b'{') {
            let wall = self.wall;
            if self.read_json(text) {
                self.wall = self.wall.or(wall);
                return;
            }
            self.forget();
            self.wall = wall;
            self.broken_json = true;
        }
        self.read_words(text);
    }

    /// Reads an entry of journald's export form.
    pub(super) fn read_export(&mut self, text: &[u8]) {
        self.clear();
        let mut message = &b""[..];
        for line in text.split(|&byte| byte == b'\n') {
            let Some(equals) = memchr::memchr(b'=', line) else {
                continue;
            };
            let (name, value) = (&line[..equals], &line[equals + 1..]);
            match name {
                b"MESSAGE" => message = value,
                b"__REALTIME_TIMESTAMP" => {
                    let number = std::str::from_utf8(value).ok().and_then(wall::whole);
                    self.set_wall(number);
                }
                b"PRIORITY" => self.level = Some(String::from_utf8_lossy(value).into_owned()),
                b"_SYSTEMD_UNIT" | b"CONTAINER_NAME" | b"_PID" | b"SYSLOG_IDENTIFIER" => {
                    self.stream.push(b'/');
                    self.stream.extend_from_slice(value);
                }
                _ => {}
            }
        }
        self.read_text(message);
    }

    /// The stamp is the last word, or the last one before the words that name its causes.
    fn read_words(&mut self, text: &[u8]) {
        if self.wall.is_none() {
            let text = text.strip_prefix(b"[").unwrap_or(text);
            self.wall = wall::leading(text).map(|(wall, _)| wall);
        }
        let mut end = text.len();
        loop {
            let start = memchr::memrchr(b' ', &text[..end]).map_or(0, |blank| blank + 1);
            let word = std::str::from_utf8(&text[start..end]).unwrap_or_default();
            match word.strip_prefix('<') {
                Some("-") => self.names_causes = true,
                Some(cause) => {
                    self.add_cause(cause);
                    // The angle bracket belongs to an ordinary text, so no stamp stands before it either.
                    if self.malformed {
                        break self.forget_causes();
                    }
                }
                None => {
                    // A cheap check first, since the last word of most lines is no stamp.
                    if word.contains('@') && word.starts_with(|c: char| c.is_ascii_digit()) {
                        self.stamp = self.stamp_of(word);
                    }
                    if self.stamp.is_none() {
                        self.forget_causes();
                    }
                    break self.set_message(&text[..start.saturating_sub(1)]);
                }
            }
            if start == 0 {
                break self.forget_causes();
            }
            end = start - 1;
        }
    }

    fn set_message(&mut self, text: &[u8]) {
        if self.with_text {
            self.message = Some(String::from_utf8_lossy(text).into_owned());
        }
    }

    /// Drops words that looked like causes, in a line without a stamp.
    fn forget_causes(&mut self) {
        (self.names_causes, self.dropped, self.malformed) = (false, false, false);
        self.causes.clear();
    }

    /// Reads a stamp in either form; `None` if the text is no stamp.
    pub(super) fn stamp_of(&mut self, text: &str) -> Option<Named> {
        let (time, name, instance, arrived) = match plain_parts(text) {
            Some(parts) => parts,
            None => {
                let (stamp, parameters) = text.split_once(';').unwrap_or((text, ""));
                let stamp: Stamp = match parameters {
                    "" => stamp.parse().ok()?,
                    _ => text.parse().ok()?,
                };
                let start = self.names.len();
                self.names.push_str(stamp.process.as_str());
                let arrived = parameters
                    .split(';')
                    .find_map(|part| part.strip_prefix("at="));
                return Some(Named {
                    time: stamp.time.get(),
                    name: (start as u32, self.names.len() as u32),
                    instance: stamp.instance.get(),
                    arrived: arrived.and_then(time),
                });
            }
        };
        let start = self.names.len();
        self.names.push_str(name);
        Some(Named {
            time,
            name: (start as u32, self.names.len() as u32),
            instance,
            arrived,
        })
    }

    pub(super) fn set_stamp(&mut self, text: &str) {
        if self.stamp.is_none() && text != "-" {
            self.stamp = self.stamp_of(text);
            self.malformed |= self.stamp.is_none();
        }
    }

    pub(super) fn add_cause(&mut self, text: &str) {
        self.names_causes = true;
        if text.starts_with('+') {
            self.dropped = true;
            return;
        }
        if self.causes.len() == MOST_CAUSES {
            self.dropped = true;
            return;
        }
        match self.stamp_of(text) {
            Some(cause) => self.causes.push(cause),
            None => {
                self.malformed = true;
                self.dropped = true;
            }
        }
    }

    pub(super) fn set_inner(&mut self, text: &str) {
        self.inner = Some(text.strip_suffix('\n').unwrap_or(text).to_owned());
    }

    pub(super) fn set_wall(&mut self, wall: Option<Wall>) {
        self.wall = self.wall.or(wall);
    }

    /// Ends a record. The output of an update becomes an event, too.
    pub(super) fn settle(&mut self) {
        if let Some(stamp) = &mut self.stamp {
            if stamp.instance == 0 {
                stamp.instance = self.instance.unwrap_or(0);
            }
            return;
        }
        let Update {
            first,
            value,
            process,
            instance,
            revision,
            is_read,
        } = std::mem::take(&mut self.update);
        if let (Some(value), Some(process), Some(_), false) = (value, process, revision, is_read) {
            let start = self.names.len();
            self.names.push_str(&process);
            self.stamp = Some(Named {
                time: value,
                name: (start as u32, self.names.len() as u32),
                instance: instance.unwrap_or(0),
                arrived: None,
            });
            self.kind = EventKind::Update;
            self.message = self
                .with_text
                .then(|| match first.filter(|&first| first < value) {
                    Some(first) => format!("took {first} to {value} from the shared clock"),
                    None => format!("took {value} from the shared clock"),
                });
        }
    }
}

/// Reads a stamp in its usual form only, which is faster; `None` for the rarer forms.
fn plain_parts(text: &str) -> Option<(u64, &str, u64, Option<u64>)> {
    let (number, rest) = text.split_once('@')?;
    let value = time(number)?;
    let (name, parameters) = match rest.find(';') {
        Some(end) => (&rest[..end], &rest[end..]),
        None => (rest, ""),
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 128 || !name.bytes().all(is_plain) {
        return None;
    }
    if parameters.is_empty() {
        return Some((value, name, 0, None));
    }
    let parameters = parameters.strip_prefix(";instance=")?;
    let instance = instance(parameters.get(..16)?)?;
    match &parameters[16..] {
        "" => Some((value, name, instance, None)),
        more => Some((
            value,
            name,
            instance,
            Some(time(more.strip_prefix(";at=")?)?),
        )),
    }
}

fn time(text: &str) -> Option<u64> {
    // Not by `Time`'s own parser, which builds an error where it fails.
    if text.is_empty() || text.len() > 16 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = text
        .bytes()
        .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    (number <= Time::MAX.get()).then_some(number)
}

/// The 16 hexadecimal digits of an instance.
pub(super) fn instance(text: &str) -> Option<u64> {
    text.parse::<Instance>().ok().map(Instance::get)
}
