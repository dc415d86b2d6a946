//! Writes the page of some logs, for its tests and its benchmark: `page OUT LOG...`, where
//! OUT ends in `.html` or `.svg`.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};

use lamport_trace::{Reader, Terminal, TextLook, describe, look_at_walls, page, svg, text};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let out = args.next().ok_or("usage: page OUT LOG...")?;
    let paths: Vec<String> = args.collect();
    let logs = paths.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    let mut reader = Reader::numbering();
    for (path, log) in paths.iter().zip(&logs) {
        reader.begin(path.rsplit('/').next().unwrap_or(path));
        reader.feed(log);
    }
    let mut events = reader.finish();
    look_at_walls(&mut events);
    let mut texts = |event: u32| {
        let place = events.place(event);
        let log = &logs[place.source as usize];
        Ok(describe(
            &log[place.offset as usize..][..place.length as usize],
        ))
    };
    if out == "-" {
        let paint = |look, piece: &str| match look {
            TextLook::Plain => piece.to_owned(),
            TextLook::Faint => format!("\x1b[2m{piece}\x1b[0m"),
            TextLook::Red => format!("\x1b[31m{piece}\x1b[0m"),
            TextLook::Lane(lane) => format!("\x1b[{}m{piece}\x1b[0m", 32 + lane % 5),
        };
        let terminal = Terminal {
            columns: 100,
            is_utf8: true,
            paint: &paint,
        };
        return Ok(text(
            &events,
            &mut texts,
            &terminal,
            &mut std::io::stdout(),
        )?);
    }
    let write = if out.ends_with(".svg") { svg } else { page };
    let mut out = BufWriter::new(File::create(out)?);
    write("Lamport diagram", &events, &mut texts, &mut out)?;
    out.flush()?;
    Ok(())
}
