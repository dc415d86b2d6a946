//! Data in a page: gzip, in base64, in an element that no browser runs.

use std::collections::HashMap;
use std::io::{self, Write};

use base64::engine::GeneralPurpose;
use base64::prelude::BASE64_STANDARD;
use base64::write::EncoderWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use lamport_clock::excerpt::escape;

type Base64<'a> = EncoderWriter<'static, GeneralPurpose, &'a mut dyn Write>;

/// One element with data.
pub(super) struct Packed<'a> {
    gzip: GzEncoder<Base64<'a>>,
}

impl<'a> Packed<'a> {
    pub(super) fn begin(out: &'a mut dyn Write, id: &str) -> io::Result<Packed<'a>> {
        write!(
            out,
            "<script type=\"application/octet-stream\" id=\"{id}\">"
        )?;
        let base64 = EncoderWriter::new(out, &BASE64_STANDARD);
        Ok(Packed {
            // Twice as fast as the usual level, and a twentieth larger.
            gzip: GzEncoder::new(base64, Compression::new(3)),
        })
    }

    pub(super) fn end(self) -> io::Result<()> {
        let out = self.gzip.finish()?.finish()?;
        out.write_all(b"</script>\n")
    }
}

impl Write for Packed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gzip.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.gzip.flush()
    }
}

/// Numbers, with seven bits in each byte, the lowest bits first.
pub(super) struct Columns<'a> {
    packed: Packed<'a>,
    bytes: Vec<u8>,
}

impl<'a> Columns<'a> {
    pub(super) fn begin(out: &'a mut dyn Write, id: &str) -> io::Result<Columns<'a>> {
        Ok(Columns {
            packed: Packed::begin(out, id)?,
            bytes: Vec::new(),
        })
    }

    pub(super) fn put(&mut self, mut number: u64) -> io::Result<()> {
        while number > 127 {
            self.bytes.push(number as u8 | 128);
            number >>= 7;
        }
        self.bytes.push(number as u8);
        if self.bytes.len() > 1 << 15 {
            self.packed.write_all(&self.bytes)?;
            self.bytes.clear();
        }
        Ok(())
    }

    pub(super) fn end(mut self) -> io::Result<()> {
        self.packed.write_all(&self.bytes)?;
        self.packed.end()
    }
}

/// Words that rows share, each with a number.
#[derive(Default)]
pub(super) struct Words {
    /// As they are shown.
    pub(super) words: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Words {
    /// The number of a word, from 1; 0 if there is no word, or if there are `most` others already.
    pub(super) fn number(&mut self, word: Option<String>, most: u32) -> u32 {
        let Some(word) = word else { return 0 };
        if let Some(&number) = self.numbers.get(&word) {
            return number;
        }
        if self.words.len() as u32 >= most {
            return 0;
        }
        self.words.push(escape(&word).into_owned());
        self.numbers.insert(word, self.words.len() as u32);
        self.words.len() as u32
    }
}
