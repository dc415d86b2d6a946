//! Logs as input: files and standard input, also gzipped. Each log is read twice, once for its stamps and
//! once for its texts, so that a million lines need little memory. Input that can't be read twice is copied
//! to a temporary file. Other formats, such as a trace for Perfetto, are converted to lines of a log, which
//! also go into a temporary file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use flate2::read::MultiGzDecoder;

use super::Ending;
use super::order::no_stamp;
use super::output::{Output, Progress};
use super::stop::Stop;
use lamport_clock::excerpt::quote;
use lamport_clock::{Error, ErrorKind};
use lamport_trace::{Events, Foreign, Place, Reader};

/// The size of the buffer for one read, in bytes.
const GULP: usize = 1 << 18;

/// How often a wait for more input checks for a signal.
const GLANCE: Duration = Duration::from_millis(20);

/// The size in bytes of a cached piece of a file. The cache is for files that several streams share: their
/// lines are not read in the order of the file.
const PIECE: usize = 1 << 16;

/// The number of pieces in the cache.
const KEPT: usize = 32;

/// The most bytes of a format that must be converted: such input is held in memory.
const LARGEST: u64 = 1 << 30;

/// The texts of all sources, as they were fed to the reader.
pub(super) struct Texts {
    files: Vec<(String, File)>,
    /// The cache of the pieces that were read last. [`slot`] says where in it a piece belongs.
    pieces: Vec<Piece>,
    joined: Vec<u8>,
}

struct Piece {
    source: u32,
    number: u64,
    bytes: Vec<u8>,
}

/// Reads the logs at `paths`. `reader` may be one that numbers lines.
pub(super) fn read(
    paths: &[String],
    mut reader: Reader,
    output: &Output,
    stop: &Stop,
) -> Result<(Events, Texts), Ending> {
    if paths.iter().filter(|path| *path == "-").count() > 1 {
        return Err(wrong(
            "'-', which is standard input, can be named once".to_owned(),
            None,
        ));
    }
    let mut files = Vec::new();
    let mut progress = output.progress("read");
    for path in paths {
        let name = if path == "-" { "<stdin>" } else { path };
        reader.begin(name);
        let file =
            read_one(path, &mut reader, &mut progress, stop).map_err(|error| {
                match stop.requested() {
                    true => Ending::Interrupted,
                    false => unreadable(name, error),
                }
            })??;
        files.push((name.to_owned(), file));
    }
    drop(progress);
    let texts = Texts {
        files,
        pieces: Vec::new(),
        joined: Vec::new(),
    };
    Ok((reader.finish(), texts))
}

/// As [`read`], with an error if no line has a stamp.
pub(super) fn read_stamped(
    paths: &[String],
    reader: Reader,
    output: &Output,
    stop: &Stop,
) -> Result<(Events, Texts), Ending> {
    let (events, texts) = read(paths, reader, output, stop)?;
    match events.is_empty() {
        true => Err(no_stamp()),
        false => Ok((events, texts)),
    }
}

fn read_one(
    path: &str,
    reader: &mut Reader,
    progress: &mut Progress,
    stop: &Stop,
) -> io::Result<Result<File, Ending>> {
    // A pipe or a device can't be read twice.
    let mut file = None;
    let mut from: Box<dyn Read + '_> = match path {
        "-" => Box::new(Aside::start(io::stdin(), stop)?),
        path => {
            let opened = File::open(path)?;
            if opened.metadata()?.is_file() {
                file = Some(opened.try_clone()?);
                Box::new(opened)
            } else {
                Box::new(Aside::start(opened, stop)?)
            }
        }
    };
    let mut head = beginning(&mut from)?;
    if head.starts_with(&GZIP) {
        file = None;
        from = Box::new(MultiGzDecoder::new(io::Cursor::new(head).chain(from)));
        head = beginning(&mut from)?;
    }
    let foreign = Foreign::detect(&head);
    from = Box::new(io::Cursor::new(head).chain(from));
    if let Some(foreign) = foreign {
        from = match converted(foreign, from)? {
            Ok(lines) => Box::new(io::Cursor::new(lines)),
            Err(error) => {
                let message = format!("{} can't be read: {error}", quote(path));
                return Ok(Err(wrong(message, None)));
            }
        };
        file = None;
    }
    if let Some(file) = file {
        let fed = feed(&mut from, reader, None, progress, stop)?;
        return Ok(fed.map(|()| file));
    }
    let mut kept = tempfile::tempfile()?;
    let fed = feed(&mut from, reader, Some(&mut kept), progress, stop)?;
    Ok(fed.map(|()| kept))
}

/// Input that may block its reader. A thread of its own reads it, so that a signal ends the wait.
struct Aside<'a> {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: io::Cursor<Vec<u8>>,
    stop: &'a Stop,
}

impl<'a> Aside<'a> {
    fn start(mut from: impl Read + Send + 'static, stop: &'a Stop) -> io::Result<Aside<'a>> {
        let (sender, pieces) = sync_channel(4);
        // The thread ends with the process, since a blocked read can't be interrupted.
        thread::Builder::new().spawn(move || {
            loop {
                let mut piece = vec![0; GULP];
                let read = match from.read(&mut piece) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read,
                };
                let is_last = !matches!(read, Ok(1..));
                piece.truncate(*read.as_ref().unwrap_or(&0));
                if sender.send(read.map(|_| piece)).is_err() || is_last {
                    break;
                }
            }
        })?;
        Ok(Aside {
            pieces,
            piece: io::Cursor::default(),
            stop,
        })
    }
}

impl Read for Aside<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.piece.read(into)?;
            if count > 0 || into.is_empty() {
                return Ok(count);
            }
            match self.pieces.recv_timeout(GLANCE) {
                Ok(piece) => self.piece = io::Cursor::new(piece?),
                Err(RecvTimeoutError::Timeout) if !self.stop.requested() => continue,
                Err(RecvTimeoutError::Timeout) => return Err(io::Error::other("interrupted")),
                // The thread has read everything.
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
    }
}

/// The beginning of the input, long enough to detect its format.
fn beginning(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    from.take(Foreign::HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Converts another format to lines of a log. Such input is a single document, so all of it is needed.
fn converted(foreign: Foreign, from: Box<dyn Read + '_>) -> io::Result<Result<Vec<u8>, Error>> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let why = "it is larger than 1 GiB, and no log that can be read line by line";
        return Ok(Err(Error::new(ErrorKind::InvalidArgument, why)));
    }
    Ok(foreign.lines(&bytes))
}

const GZIP: [u8; 2] = [0x1f, 0x8b];

fn feed(
    from: &mut dyn Read,
    reader: &mut Reader,
    mut keep: Option<&mut File>,
    progress: &mut Progress,
    stop: &Stop,
) -> io::Result<Result<(), Ending>> {
    let mut bytes = vec![0; GULP];
    loop {
        if stop.requested() {
            return Ok(Err(Ending::Interrupted));
        }
        let count = match from.read(&mut bytes) {
            Ok(0) => return Ok(Ok(())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if let Some(keep) = &mut keep {
            keep.write_all(&bytes[..count])?;
        }
        reader.feed(&bytes[..count]);
        progress.advance(count as u64);
    }
}

impl Texts {
    /// The bytes at `place`.
    pub(super) fn get(&mut self, place: Place) -> Result<&[u8], Ending> {
        let read = self.try_get(place);
        match read {
            Ok(true) => {}
            Ok(false) => {
                let name = &self.files[place.source as usize].0;
                let message = format!("{} became shorter while it was read", quote(name));
                return Err(Ending::Failed(Error::new(ErrorKind::Internal, message)));
            }
            Err(error) => return Err(unreadable(&self.files[place.source as usize].0, error)),
        }
        if !self.joined.is_empty() {
            return Ok(&self.joined);
        }
        let (number, start) = split(place.offset);
        let piece = &self.pieces[slot(place.source, number)];
        Ok(&piece.bytes[start..start + place.length as usize])
    }

    /// The number of the line that begins at `place`, from 1. It counts the line ends before that.
    pub(super) fn line_number(&mut self, place: Place) -> Result<u64, Ending> {
        let (last, end) = split(place.offset);
        let mut line = 1;
        for number in 0..=last {
            let bytes = match self.load(place.source, number) {
                Ok(bytes) => bytes,
                Err(error) => return Err(unreadable(&self.files[place.source as usize].0, error)),
            };
            let before = &bytes[..if number == last {
                end.min(bytes.len())
            } else {
                bytes.len()
            }];
            line += memchr::memchr_iter(b'\n', before).count() as u64;
        }
        Ok(line)
    }

    /// Loads the piece that holds `place`, or joins several such pieces. `false` if the file is shorter.
    fn try_get(&mut self, place: Place) -> io::Result<bool> {
        self.joined.clear();
        let (first, start) = split(place.offset);
        let end = start + place.length as usize;
        if self.load(place.source, first)?.len() >= end {
            return Ok(true);
        }
        let (mut number, mut start, mut left) = (first, start, place.length as usize);
        while left > 0 {
            let bytes = self.load(place.source, number)?;
            let bytes = bytes.get(start..).unwrap_or_default();
            let taken = &bytes[..bytes.len().min(left)];
            if taken.is_empty() {
                return Ok(false);
            }
            left -= taken.len();
            let taken = taken.to_vec();
            self.joined.extend_from_slice(&taken);
            (number, start) = (number + 1, 0);
        }
        Ok(true)
    }

    fn load(&mut self, source: u32, number: u64) -> io::Result<&[u8]> {
        if self.pieces.is_empty() {
            let empty = |_| Piece {
                source: u32::MAX,
                number: 0,
                bytes: Vec::new(),
            };
            self.pieces = (0..KEPT).map(empty).collect();
        }
        let piece = &mut self.pieces[slot(source, number)];
        if (piece.source, piece.number) != (source, number) {
            piece.bytes.resize(PIECE, 0);
            let file = &self.files[source as usize].1;
            let mut filled = 0;
            while filled < PIECE {
                let at = number * PIECE as u64 + filled as u64;
                match file.read_at(&mut piece.bytes[filled..], at) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            piece.bytes.truncate(filled);
            (piece.source, piece.number) = (source, number);
        }
        Ok(&piece.bytes)
    }
}

/// The number of the piece that holds `offset`, and the position in that piece.
fn split(offset: u64) -> (u64, usize) {
    (offset / PIECE as u64, (offset % PIECE as u64) as usize)
}

fn slot(source: u32, number: u64) -> usize {
    (u64::from(source) * 7 + number) as usize % KEPT
}

pub(super) fn unreadable(name: &str, error: io::Error) -> Ending {
    wrong(
        format!("{} can't be read: {error}", quote(name)),
        Some(error),
    )
}

fn wrong(message: String, error: Option<io::Error>) -> Ending {
    Ending::Usage(match error {
        Some(error) => Error::with_source(ErrorKind::InvalidArgument, message, error),
        None => Error::new(ErrorKind::InvalidArgument, message),
    })
}
