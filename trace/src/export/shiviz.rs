//! ShiViz: a regular expression, a line for a delimiter, and then the log, each line with a vector
//! clock (Mattern 1988, Fidge 1988). ShiViz refuses a host whose own values have a gap, so each host's
//! values are counted anew from 1. That way the tail of a log, or a filtered log, can be opened, too.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::rc::Rc;

use lamport_clock::excerpt::escape;

use super::moments::Moments;
use super::{ExportIo, json};

/// The regular expression for the lines below. Host names have no brackets, so texts may have them.
const HEADER: &str = "(?<host>\\S+) (?<clock>\\{[^}]*\\}) (?<event>.*)\n\n";

/// Whether a name may have a character: it must not be able to end the name, or the clock.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '@' | '+' | '/' | '~')
}

pub(super) fn write<I: ExportIo>(moments: &Moments<'_>, io: &mut I) -> Result<(), I::Error> {
    let names = moments.names(is_plain);
    let quoted: Vec<String> = names.iter().map(|name| json(name)).collect();
    // By life, without zeros: with a thousand short lives, most know of few others.
    let mut clocks: Vec<BTreeMap<u32, u32>> = vec![BTreeMap::new(); names.len()];
    // The clocks from which arrows still start, and the number of those arrows.
    let mut sent: HashMap<u32, (Rc<BTreeMap<u32, u32>>, u32)> = HashMap::new();
    let mut starting: HashMap<u32, u32> = HashMap::new();
    for arrow in &moments.arrows {
        *starting.entry(arrow.from).or_default() += 1;
    }
    io.write(HEADER)?;
    let mut line = String::new();
    for number in moments.in_order() {
        let moment = moments.all[number as usize];
        let life = moment.at.life as usize;
        let mut clock = std::mem::take(&mut clocks[life]);
        *clock.entry(moment.at.life).or_default() += 1;
        for arrow in moments.arrows_to(number) {
            if let Some((known, left)) = sent.get_mut(&arrow.from) {
                for (&life, &value) in known.iter() {
                    let own = clock.entry(life).or_default();
                    *own = value.max(*own);
                }
                *left -= 1;
                if *left == 0 {
                    sent.remove(&arrow.from);
                }
            }
        }
        if let Some(&count) = starting.get(&number) {
            sent.insert(number, (Rc::new(clock.clone()), count));
        }
        line.clear();
        let _ = write!(line, "{} {{", names[life]);
        for (i, (&life, value)) in clock.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let _ = write!(line, "{comma}{}:{value}", quoted[life as usize]);
        }
        let said = match moment.event {
            // The whole text: ShiViz shows the beginning, and searches the rest.
            Some(event) => io.describe(event)?.message,
            None => moments.said(number, io)?,
        };
        let said = match said.trim() {
            "" => "(no text)",
            said => said,
        };
        let _ = writeln!(line, "}} {}", escape(said));
        io.write(&line)?;
        clocks[life] = clock;
    }
    Ok(())
}
