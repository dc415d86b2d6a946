//! `lamport order --follow`: lines in causal order while they are written.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Ending;
use super::args::Order;
use super::input::unreadable;
use super::output::{Lines, Look, Output};
use super::stop::Stop;
use lamport_clock::excerpt::escape;
use lamport_trace::{Delivered, Follower};

/// How often to check for a signal, and whether a file has grown.
const GLANCE: Duration = Duration::from_millis(20);

/// The size of the buffer for one read, in bytes.
const GULP: usize = 1 << 16;

/// A report from the thread that reads a source.
enum News {
    Bytes(u32, Vec<u8>),
    Failed(u32, io::Error),
    Ended,
}

#[derive(Serialize)]
struct LineObject<'a> {
    file: &'a str,
    text: &'a str,
    /// The line is printed before its causes: not all of them were seen in time.
    impatient: bool,
}

pub(super) fn follow(args: &Order, output: &Output, stop: &'static Stop) -> Result<(), Ending> {
    let files = &args.input.files;
    let (news, arrived) = sync_channel(64);
    for (source, path) in (0_u32..).zip(files) {
        let news = news.clone();
        let file = match path.as_str() {
            "-" => None,
            path => Some(File::open(path).map_err(|error| unreadable(path, error))?),
        };
        let path = path.clone();
        // The thread ends with the process, since a blocked read can't be interrupted.
        thread::spawn(move || {
            let ended = match file {
                None => pass_on(source, &mut io::stdin().lock(), &news),
                Some(file) => tail(source, &path, file, &news, stop),
            };
            // The send fails if the command has ended meanwhile, which is no error.
            let _ =
                news.send(ended.map_or_else(|error| News::Failed(source, error), |()| News::Ended));
        });
    }
    let mut follower = Follower::new(files.len(), args.patience);
    let mut shown = Shown {
        files,
        lines: output.lines(),
        output,
        ended: Ok(()),
    };
    let mut running = files.len();
    while running > 0 && !stop.requested() && shown.ended.is_ok() {
        let now = Instant::now();
        let deadline = follower.deadline().unwrap_or(now + GLANCE);
        match arrived.recv_timeout(deadline.saturating_duration_since(now).min(GLANCE)) {
            Ok(News::Bytes(source, bytes)) => {
                follower.feed(source, &bytes, Instant::now(), &mut |line| {
                    shown.line(&line)
                });
            }
            Ok(News::Failed(source, error)) => {
                return Err(unreadable(&files[source as usize], error));
            }
            Ok(News::Ended) => running -= 1,
            Err(RecvTimeoutError::Timeout) => shown.flush(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
        follower.expire(Instant::now(), &mut |line| shown.line(&line));
        if follower.deadline().is_none() {
            shown.flush();
        }
    }
    follower.finish(&mut |line| shown.line(&line));
    shown.flush();
    shown.ended
}

struct Shown<'a> {
    files: &'a [String],
    lines: Lines,
    output: &'a Output,
    ended: Result<(), Ending>,
}

impl Shown<'_> {
    fn line(&mut self, line: &Delivered) {
        if self.ended.is_ok() {
            self.ended = self.write(line);
        }
    }

    fn write(&mut self, line: &Delivered) -> Result<(), Ending> {
        if self.output.json {
            return self.lines.object(&LineObject {
                file: &self.files[line.source as usize],
                text: &String::from_utf8_lossy(&line.text),
                impatient: line.is_impatient,
            });
        }
        if !self.output.is_terminal() {
            return self.lines.verbatim(&line.text);
        }
        let look = line
            .life
            .map_or(Look::Faint, |life| Look::Lane(life as usize));
        let mark = if line.is_impatient { "?" } else { " " };
        for text in line.text.split(|&byte| byte == b'\n') {
            let text = String::from_utf8_lossy(text);
            let mark = self.output.paint(Look::Yellow, mark);
            self.lines.line(format_args!(
                "{mark} {}",
                self.output.paint(look, escape(&text))
            ))?;
        }
        Ok(())
    }

    fn flush(&mut self) {
        if self.ended.is_ok() {
            self.ended = self.lines.flush();
        }
    }
}

fn pass_on(source: u32, from: &mut dyn Read, news: &SyncSender<News>) -> io::Result<()> {
    let mut bytes = vec![0; GULP];
    loop {
        let count = match from.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if news
            .send(News::Bytes(source, bytes[..count].to_vec()))
            .is_err()
        {
            return Ok(());
        }
    }
}

/// Passes on what is appended to the file. After a rotation it goes on with the new file at `path`. A file
/// that was emptied is read from its beginning.
fn tail(
    source: u32,
    path: &str,
    mut file: File,
    news: &SyncSender<News>,
    stop: &Stop,
) -> io::Result<()> {
    loop {
        pass_on(source, &mut file, news)?;
        if stop.rest(GLANCE) {
            return Ok(());
        }
        let open = file.metadata()?;
        if !open.is_file() {
            return Ok(());
        }
        if open.len() < file.stream_position()? {
            file.seek(SeekFrom::Start(0))?;
        }
        // During a rotation there may be no file at `path`.
        let is_another = fs::metadata(path).is_ok_and(|named| named.ino() != open.ino());
        if is_another && let Ok(named) = File::open(path) {
            pass_on(source, &mut file, news)?;
            file = named;
        }
    }
}
