//! Turns bytes into records. A record is a line, joined again if a container engine cut it into parts,
//! with the stream that it belongs to.

use std::collections::HashMap;

use super::Fields;

/// How many bytes of a line are read: a mebibyte. The rest of a longer line is skipped.
const LONGEST: usize = 1 << 20;

/// The records of one source, which is fed in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Records {
    fields: Fields,
    /// A line whose end has not come yet, and its full length with all that was skipped.
    begun: Vec<u8>,
    begun_length: u64,
    at: u64,
    number: u32,
    streams: HashMap<Box<[u8]>, u32>,
    /// By stream: the beginning of a text that came in parts.
    parts: Vec<Part>,
    export: Option<Part>,
    /// Lines so far, and those that were too long.
    pub(crate) lines: u64,
    pub(crate) too_long: u64,
}

/// A text that is not whole yet, and where it stands.
#[derive(Debug, Default)]
struct Part {
    text: Vec<u8>,
    at: u64,
    number: u32,
}

/// One record, and where it stands.
pub(crate) struct Record<'a> {
    /// Which stream of the source, from 0.
    pub(crate) stream: u32,
    pub(crate) at: u64,
    /// The length in bytes, without the end of the last line.
    pub(crate) length: u64,
    /// The number of its first line, from 1.
    pub(crate) number: u32,
    pub(crate) fields: &'a mut Fields,
}

impl Records {
    /// Takes the next bytes. Each complete record goes to `take`.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut take: impl FnMut(Record<'_>)) {
        if self.begun_length > 0 {
            let end = memchr::memchr(b'\n', bytes);
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            let room = LONGEST.saturating_sub(self.begun.len());
            self.begun
                .extend_from_slice(&piece[..piece.len().min(room)]);
            self.begun_length += piece.len() as u64;
            let Some(end) = end else { return };
            self.end_line(&mut take);
            bytes = &bytes[end + 1..];
        }
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.line(&bytes[..end.min(LONGEST)], end as u64, &mut take);
            bytes = &bytes[end + 1..];
        }
        if !bytes.is_empty() {
            self.begun
                .extend_from_slice(&bytes[..bytes.len().min(LONGEST)]);
            self.begun_length = bytes.len() as u64;
        }
    }

    /// Ends the source: a record that has begun is complete, too.
    pub(crate) fn end(&mut self, mut take: impl FnMut(Record<'_>)) {
        if self.begun_length > 0 {
            self.end_line(&mut take);
        }
        if let Some(export) = self.export.take() {
            self.exported(export, &mut take);
        }
        for stream in 0..self.parts.len() {
            let part = std::mem::take(&mut self.parts[stream]);
            if !part.text.is_empty() {
                self.fields.clear();
                self.joined(stream as u32, part, self.at.saturating_sub(1), &mut take);
            }
        }
    }

    /// No later record begins before this offset.
    pub(crate) fn unfinished(&self) -> u64 {
        let parts = self.parts.iter().chain(&self.export);
        let begun = parts
            .filter(|part| !part.text.is_empty())
            .map(|part| part.at);
        begun.min().unwrap_or(self.at)
    }

    fn end_line(&mut self, take: &mut impl FnMut(Record<'_>)) {
        let line = std::mem::take(&mut self.begun);
        let length = std::mem::replace(&mut self.begun_length, 0);
        self.line(&line, length, take);
        self.begun = line;
        self.begun.clear();
    }

    /// Takes a complete line: the part of it that is read, and its full length.
    fn line(&mut self, line: &[u8], length: u64, take: &mut impl FnMut(Record<'_>)) {
        let at = self.at;
        self.at += length + 1;
        self.lines += 1;
        self.number = self.number.saturating_add(1);
        self.too_long += u64::from(length > line.len() as u64);
        if at == 0 && line.starts_with(b"__CURSOR=") {
            self.export = Some(Part::default());
        }
        if let Some(export) = &mut self.export {
            if line.is_empty() {
                let entry = std::mem::take(export);
                return self.exported(entry, take);
            }
            if export.text.is_empty() {
                (export.at, export.number) = (at, self.number);
            }
            append(&mut export.text, line);
            append(&mut export.text, b"\n");
            return;
        }
        let text = self.fields.read_line(line);
        let stream = self.stream();
        let Some(text) = text else {
            return self.record(stream, at, length, self.number, take);
        };
        let part = &mut self.parts[stream as usize];
        if !self.fields.partial && part.text.is_empty() {
            self.fields.read_text(&text);
            return self.record(stream, at, length, self.number, take);
        }
        if part.text.is_empty() {
            (part.at, part.number) = (at, self.number);
        }
        append(&mut part.text, &text);
        if !self.fields.partial {
            let part = std::mem::take(part);
            self.joined(stream, part, at + length, take);
        }
    }

    fn joined(&mut self, stream: u32, part: Part, end: u64, take: &mut impl FnMut(Record<'_>)) {
        self.fields.read_text(&part.text);
        self.record(stream, part.at, end - part.at, part.number, take);
    }

    fn exported(&mut self, export: Part, take: &mut impl FnMut(Record<'_>)) {
        if export.text.is_empty() {
            return;
        }
        self.fields.read_export(&export.text);
        let stream = self.stream();
        // The entry ends at the blank line behind it.
        let length = self.at.saturating_sub(2).saturating_sub(export.at);
        self.record(stream, export.at, length, export.number, take);
    }

    fn record(
        &mut self,
        stream: u32,
        at: u64,
        length: u64,
        number: u32,
        take: &mut impl FnMut(Record<'_>),
    ) {
        self.fields.settle();
        take(Record {
            stream,
            at,
            length,
            number,
            fields: &mut self.fields,
        });
    }

    /// The number of the stream that the fields name.
    fn stream(&mut self) -> u32 {
        // Most files have one stream, without a name.
        if self.fields.stream.is_empty() && !self.parts.is_empty() {
            return 0;
        }
        if self.parts.is_empty() {
            self.parts.push(Part::default());
            return self.stream();
        }
        if let Some(&stream) = self.streams.get(&*self.fields.stream) {
            return stream;
        }
        let stream = self.parts.len() as u32;
        self.streams
            .insert(self.fields.stream.as_slice().into(), stream);
        self.parts.push(Part::default());
        stream
    }
}

/// Appends as much as [`LONGEST`] has room for.
fn append(text: &mut Vec<u8>, more: &[u8]) {
    let room = LONGEST.saturating_sub(text.len());
    text.extend_from_slice(&more[..more.len().min(room)]);
}
