//! Graphviz: a cluster for each life, and arrows between them.

use std::fmt::Write;

use lamport_clock::excerpt::is_hidden;

use super::ExportIo;
use super::moments::Moments;

pub(super) fn write<I: ExportIo>(moments: &Moments<'_>, io: &mut I) -> Result<(), I::Error> {
    io.write("digraph lamport {\n  rankdir=LR;\n  node [shape=box];\n")?;
    let names = moments.names(|c| !is_hidden(c));
    let mut line = String::new();
    for (life, _, begin) in moments.lives() {
        let name = quoted(&names[life as usize]);
        io.write(&format!(
            "  subgraph cluster_{life} {{\n    label={name};\n"
        ))?;
        for (index, moment) in moments.of_life(life).iter().enumerate() {
            let number = begin + index;
            let said = moments.said(number as u32, io)?;
            let style = match moment.event {
                Some(_) => "",
                None => ", style=dashed",
            };
            line.clear();
            let label = quoted(&format!("{} {said}", moment.at.time));
            let _ = writeln!(line, "    n{number} [label={label}{style}];");
            if index > 0 {
                let _ = writeln!(line, "    n{} -> n{number} [arrowhead=none];", number - 1);
            }
            io.write(&line)?;
        }
        io.write("  }\n")?;
    }
    for arrow in &moments.arrows {
        let style = match arrow.is_order {
            true => " [style=dotted, color=gray]",
            false => "",
        };
        io.write(&format!("  n{} -> n{}{style};\n", arrow.from, arrow.to))?;
    }
    io.write("}\n")
}

/// A text in quotes. An unescaped backslash would begin an escape, such as `\N`, the node's name.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}
