//! Reads JSON Lines, with the place of each line: a verdict quotes the lines that it is based on.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use lamport_clock::excerpt::{escape, excerpt, short};
use lamport_clock::{Error, ErrorKind};

/// A line of a file, as it stands there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The file.
    #[serde(serialize_with = "text")]
    pub file: Arc<str>,
    /// The number of the line, from 1.
    pub line: usize,
    /// The text.
    #[serde(serialize_with = "text")]
    pub text: Arc<str>,
}

fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, text) = (escape(&self.file), escape(&self.text));
        write!(f, "{file}:{}: {text}", self.line)
    }
}

/// Gives each line of `bytes` to `take`, which may say why it can't be right. Returns the lines that
/// end in the middle of an object: their writer was killed while it wrote.
pub(super) fn read<T: DeserializeOwned>(
    file: &str,
    bytes: &[u8],
    mut take: impl FnMut(T, Line) -> Result<(), String>,
) -> lamport_clock::Result<Vec<Line>> {
    let file: Arc<str> = file.into();
    let mut cut_short = Vec::new();
    for (i, bytes) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let line = Line {
            file: file.clone(),
            line: i + 1,
            text: String::from_utf8_lossy(bytes).into(),
        };
        let refused = |why: &str| {
            let reads = excerpt(bytes);
            Error::new(
                ErrorKind::InvalidArgument,
                format!("{file}:{}: {why}: it reads {reads}", i + 1),
            )
        };
        match serde_json::from_slice(bytes) {
            Ok(parsed) => take(parsed, line).map_err(|why| refused(&why))?,
            // A restarted recorder goes on in a new line, so lines that are cut short may stand anywhere.
            Err(error) if error.is_eof() && bytes.trim_ascii_start().starts_with(b"{") => {
                cut_short.push(line);
            }
            Err(error) => return Err(refused(&short(&error.to_string()))),
        }
    }
    Ok(cut_short)
}
