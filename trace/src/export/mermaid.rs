//! Mermaid: a sequence diagram for a Markdown page. Mermaid takes no more than 50,000 characters, and a
//! person takes in even less. So only the beginning is drawn, and a note says how much is left out.

use std::fmt::Write;

use lamport_clock::excerpt::is_hidden;

use super::ExportIo;
use super::moments::Moments;

/// The most moments that are drawn.
const MOST: usize = 300;

/// The most bytes of the diagram, before its last line.
const LONGEST: usize = 45_000;

/// The most characters of one text.
const LONGEST_TEXT: usize = 60;

pub(super) fn write<I: ExportIo>(moments: &Moments<'_>, io: &mut I) -> Result<u64, I::Error> {
    let order = moments.in_order();
    let (mut drawn, mut body, mut seen) = (0, String::new(), Vec::new());
    let mut participants = String::new();
    let names = moments.names(|c| !is_hidden(c));
    for &number in order.iter().take(MOST) {
        let moment = moments.all[number as usize];
        let life = moment.at.life;
        let said = moments.said(number, io)?;
        let time = moment.at.time;
        let (mut lines, mut new) = (String::new(), String::new());
        for arrow in moments.arrows_to(number) {
            let from = moments.all[arrow.from as usize].at;
            let (line, what) = match arrow.is_order {
                true => ("-->>", "shared clock "),
                false => ("->>", ""),
            };
            let _ = writeln!(
                lines,
                "    p{}{line}p{life}: {what}{} to {time}",
                from.life, from.time
            );
        }
        let _ = writeln!(lines, "    Note over p{life}: {time} {}", text(&said));
        if !seen.contains(&life) {
            let name = text(&names[life as usize]);
            let _ = writeln!(new, "    participant p{life} as {name}");
        }
        if participants.len() + body.len() + lines.len() + new.len() > LONGEST {
            break;
        }
        if !new.is_empty() {
            seen.push(life);
        }
        participants.push_str(&new);
        body.push_str(&lines);
        drawn += 1;
    }
    let left_out = (order.len() - drawn) as u64;
    io.write("sequenceDiagram\n")?;
    io.write(&participants)?;
    io.write(&body)?;
    if left_out > 0 {
        let all = order.len();
        io.write(&format!(
            "    %% Drawn are the first {drawn} of {all} events.\n"
        ))?;
        if let Some(life) = seen.first() {
            io.write(&format!(
                "    Note over p{life}: and {left_out} later events, which are left out\n"
            ))?;
        }
    }
    Ok(left_out)
}

/// A text for Mermaid. Characters that could be its syntax are written as character codes.
fn text(text: &str) -> String {
    let mut shown = String::new();
    let mut letters = text.chars();
    for c in letters.by_ref().take(LONGEST_TEXT) {
        match c {
            ' ' | '.' | ',' | '-' | '_' | '/' | '=' | '@' | '~' => shown.push(c),
            c if c.is_alphanumeric() => shown.push(c),
            c => {
                let _ = write!(shown, "#{};", u32::from(c));
            }
        }
    }
    if letters.next().is_some() {
        shown.push('…');
    }
    // `end` is the one word that ends a block wherever it stands.
    let words = shown.split(' ').map(|word| match word {
        word if word.eq_ignore_ascii_case("end") => {
            format!("#{};{}", u32::from(word.as_bytes()[0]), &word[1..])
        }
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}
