//! The surroundings of the command: the terminal, the locale, programs on the PATH. The clock's settings
//! are read elsewhere, by the library's `config`.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use lamport_clock::excerpt::escape;

/// Whether text for `stream` may have colours. See <https://no-color.org>.
pub(super) fn takes_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal()
        && variable("NO_COLOR").is_none()
        && variable("TERM").is_none_or(|term| term != "dumb")
}

/// Whether a person can be asked: standard input and standard output are both a terminal.
pub(super) fn is_attended() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// How many columns the terminal has; 80 where there is none.
pub(super) fn columns() -> usize {
    size().0
}

/// How many columns and lines the terminal has; 80 and 24 where there is none.
pub(super) fn size() -> (usize, usize) {
    match terminal_size::terminal_size() {
        Some((terminal_size::Width(columns), terminal_size::Height(lines)))
            if columns > 0 && lines > 0 =>
        {
            (columns.into(), lines.into())
        }
        _ => (80, 24),
    }
}

/// Whether the locale can show more than ASCII. The first variable that is set decides, as in C.
pub(super) fn is_utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(variable);
    locale.is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// The etcd binary that `LAMPORT_ETCD` names, whether the file exists or not.
pub(super) fn named_etcd() -> Option<PathBuf> {
    variable("LAMPORT_ETCD").map(PathBuf::from)
}

/// The first `program` on the PATH.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&variable("PATH")?)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// The word that starts this command in another terminal: its name if that is on the PATH, and else the
/// path with which it was started here.
pub(super) fn typed(program: &OsStr) -> String {
    if on_path("lamport").is_some() {
        return "lamport".to_owned();
    }
    let path = Path::new(program);
    let path = match path.components().nth(1) {
        Some(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        None => path.to_owned(),
    };
    shell_word(&path.to_string_lossy())
}

/// A path as one word for a shell. A path with invisible characters can't be pasted in any case, so these
/// are shown as escapes.
fn shell_word(path: &str) -> String {
    let path = escape(path);
    match path.contains(|c: char| !c.is_ascii_alphanumeric() && !"-_./+".contains(c)) {
        true => format!("'{}'", path.replace('\'', r"'\''")),
        false => path.into_owned(),
    }
}

/// An environment variable. An empty one counts as not set.
#[allow(
    clippy::disallowed_methods,
    reason = "what is read here belongs to the terminal and the machine, not to the clock"
)]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_path_is_one_word_to_a_shell_and_drives_no_terminal() {
        for (path, word) in [
            ("/opt/c++/lamport", "/opt/c++/lamport"),
            ("/a b/lamport", "'/a b/lamport'"),
            ("/it's/lamport", r"'/it'\''s/lamport'"),
            ("/$(id)`id`/lamport", "'/$(id)`id`/lamport'"),
            (
                "/\u{1b}]0;x\u{7}\n/lamport",
                r"'/\u{1b}]0;x\u{7}\n/lamport'",
            ),
            ("/\u{202e}/lamport", r"'/\u{202e}/lamport'"),
        ] {
            assert_eq!(shell_word(path), word);
        }
    }
}
