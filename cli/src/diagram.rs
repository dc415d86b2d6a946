//! `lamport diagram`: a picture of what happened, in one file.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::Ending;
use super::args::Diagram;
use super::environment;
use super::input::{self, Texts};
use super::order::processes;
use super::output::{Look, Output, counted, created, written};
use super::stop::Stop;
use lamport_clock::{Error, ErrorKind, Settings};
use lamport_trace::{
    Description, Events, Reader, Terminal, TextLook, describe, look_at_walls, page, svg, text,
};

pub(super) fn diagram(
    args: &Diagram,
    settings: &Settings,
    output: &Output,
    stop: &Stop,
) -> Result<(), Ending> {
    super::refuse_connection_settings(settings, "'lamport diagram'", "it looks at files alone")?;
    let files = &args.input.files;
    let title = match &args.title {
        Some(title) => title.clone(),
        None => match &files[..] {
            [first, second, third, more @ ..] if !more.is_empty() => {
                format!("{first}, {second}, {third} and {} more", more.len())
            }
            few => few.join(", "),
        },
    };
    if args.text {
        return draw_text(files, output, stop);
    }
    // Without --text, clap requires --output.
    let to = args.output.as_deref().unwrap_or(Path::new("diagram.html"));
    let picture = if args.svg { svg } else { page };
    let events = draw(&title, files, picture, to, output, stop)?;
    output.aside(format_args!(
        "{} of {} in {}",
        counted(events.len() as u64, "event", "events"),
        counted(processes(&events), "process", "processes"),
        to.display()
    ));
    Ok(())
}

/// A function that draws a picture for a file: the page or the SVG.
type Picture = fn(&str, &Events, Describe<'_>, &mut dyn Write) -> io::Result<()>;
type Describe<'a> = &'a mut dyn FnMut(u32) -> io::Result<Description>;

/// Draws the events of `files` into the file `to`.
pub(super) fn draw(
    title: &str,
    files: &[String],
    picture: Picture,
    to: &Path,
    output: &Output,
    stop: &Stop,
) -> Result<Events, Ending> {
    let (events, mut texts) = read(files, output, stop)?;
    let mut file = BufWriter::new(created(to, files)?);
    let drawn = told(&events, &mut texts, stop, |describe| {
        picture(title, &events, describe, &mut file).and_then(|()| file.flush())
    })?;
    drawn.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => too_many(&error),
        _ => {
            let message = format!("'{}' can't be written: {error}", to.display());
            Ending::Failed(Error::with_source(ErrorKind::Internal, message, error))
        }
    })?;
    Ok(events)
}

fn draw_text(files: &[String], output: &Output, stop: &Stop) -> Result<(), Ending> {
    let (events, mut texts) = read(files, output, stop)?;
    let paint = |look: TextLook, piece: &str| match look {
        TextLook::Plain => piece.to_owned(),
        TextLook::Faint => output.paint(Look::Faint, piece),
        TextLook::Red => output.paint(Look::Red, piece),
        TextLook::Lane(lane) => output.paint(Look::Lane(lane), piece),
    };
    let terminal = Terminal {
        columns: environment::columns(),
        is_utf8: environment::is_utf8(),
        paint: &paint,
    };
    let mut lines = output.lines();
    let drawn = told(&events, &mut texts, stop, |describe| {
        text(&events, describe, &terminal, &mut lines).and_then(|()| Write::flush(&mut lines))
    })?;
    match drawn {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(too_many(&error)),
        drawn => written(drawn),
    }
}

fn read(files: &[String], output: &Output, stop: &Stop) -> Result<(Events, Texts), Ending> {
    let (mut events, texts) = input::read_stamped(files, Reader::numbering(), output, stop)?;
    look_at_walls(&mut events);
    Ok((events, texts))
}

/// Calls `draw` with a function that describes an event from its line. An error of that function takes
/// precedence over the result of `draw`, which can only be an I/O error.
fn told(
    events: &Events,
    texts: &mut Texts,
    stop: &Stop,
    draw: impl FnOnce(Describe<'_>) -> io::Result<()>,
) -> Result<io::Result<()>, Ending> {
    let mut ended = Ok(());
    let mut asked = 0_u64;
    let mut describe = |event: u32| {
        asked += 1;
        if asked.is_multiple_of(4096) && stop.requested() {
            ended = Err(Ending::Interrupted);
        } else {
            match texts.get(events.place(event)) {
                Ok(text) => return Ok(describe(text)),
                Err(ending) => ended = Err(ending),
            }
        }
        Err(io::Error::other("interrupted"))
    };
    let drawn = draw(&mut describe);
    ended.map(|()| drawn)
}

fn too_many(error: &io::Error) -> Ending {
    Ending::Usage(Error::new(
        ErrorKind::InvalidArgument,
        format!("{error}; the page, without --svg and --text, shows a million events"),
    ))
}
