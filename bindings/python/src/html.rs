//! How values are shown to people: in a line of text, and in a notebook as a small table.
//!
//! Names of processes and messages of servers come from anywhere, so nothing gets into either form
//! but what is meant to be read: no markup, no second line, no colours of a terminal.

use std::fmt::Write;

/// A row for each field.
pub(crate) fn fields(title: &str, rows: &[(&str, String)]) -> String {
    let mut html = open(title);
    for (name, value) in rows {
        // Writing to a text can't fail.
        let _ = write!(
            html,
            "<tr><th style=\"text-align: left\">{}</th><td style=\"text-align: left\">{}</td></tr>",
            escaped(name),
            escaped(value)
        );
    }
    html + "</table>"
}

/// A row for each entry, below the names of its columns.
pub(crate) fn columns<const N: usize>(
    title: &str,
    names: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut html = open(title) + "<tr>";
    for name in names {
        let _ = write!(html, "<th>{}</th>", escaped(name));
    }
    html += "</tr>";
    for row in rows {
        html += "<tr>";
        for value in row {
            let _ = write!(html, "<td>{}</td>", escaped(&value));
        }
        html += "</tr>";
    }
    html + "</table>"
}

/// A text as one line.
pub(crate) use lamport_clock::excerpt::escape as plain;

fn open(title: &str) -> String {
    format!(
        "<table><caption style=\"text-align: left\">{}</caption>",
        escaped(title)
    )
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '"' => html += "&quot;",
            '\'' => html += "&#x27;",
            c => html.push(c),
        }
    }
    html
}
