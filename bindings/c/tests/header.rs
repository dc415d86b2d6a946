//! The checked-in header is the one that the sources make, and the list of symbols fits it.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::{env, fs};

use lamport_clock_c::event::lamport_event_kind_name;
use lamport_clock_c::status::lamport_status_name;

/// In the order in which a reader of the header wants them.
const SOURCES: [&str; 15] = [
    "status", "error", "config", "clock", "observed", "update", "watch", "event", "follower",
    "history", "sync", "stamp", "local", "header", "log",
];

#[test]
fn the_checked_in_header_is_the_one_the_sources_make() {
    is_checked_in("include/lamport_clock.h", &made());
}

#[test]
fn the_list_of_symbols_is_the_functions_of_the_header() {
    let code = without_comments(&made());
    let functions: BTreeSet<&str> = code
        .split(|c: char| !c.is_ascii_alphanumeric() && !"_(".contains(c))
        .filter_map(|word| word.split_once('(').map(|(name, _)| name))
        .filter(|name| name.starts_with("lamport_"))
        .collect();
    let lines = functions.iter().map(|name| format!("{name}\n"));
    is_checked_in("symbols.txt", &lines.collect::<String>());
}

#[test]
fn the_header_is_made_of_every_public_module() {
    let modules = include_str!("../src/lib.rs").lines();
    let modules = modules.filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let modules: BTreeSet<&str> = modules.collect();
    assert_eq!(modules, SOURCES.into_iter().collect());
}

#[test]
fn no_struct_has_a_layout_that_a_program_could_depend_on() {
    let code = without_comments(&made());
    let words: Vec<&str> = code.split_whitespace().collect();
    let structs = words.windows(3).filter(|words| words[0] == "struct");
    let (mut seen, mut open) = (0, Vec::new());
    for words in structs {
        seen += 1;
        if words[2].starts_with('{') {
            open.push(words[1]);
        }
    }
    assert!(seen >= 12, "{seen} structs");
    assert!(open.is_empty(), "{open:?}: give accessors instead");
}

#[test]
fn every_status_and_kind_of_event_is_named_as_in_the_header() {
    let code = without_comments(&made());
    let mut named = 0;
    for line in code.lines() {
        let Some((constant, number)) = line.trim().trim_end_matches(',').split_once(" = ") else {
            continue;
        };
        let number = number.parse().unwrap();
        let (word, name) = if let Some(word) = constant.strip_prefix("LAMPORT_STATUS_") {
            (word, lamport_status_name(number))
        } else {
            let word = constant.strip_prefix("LAMPORT_EVENT_").unwrap();
            (word, lamport_event_kind_name(number))
        };
        // SAFETY: a static text.
        let name = unsafe { CStr::from_ptr(name) };
        assert_eq!(name.to_str().unwrap(), word.to_lowercase());
        named += 1;
    }
    assert!(named >= 27, "{named} named");
}

/// The file is what was made. With LAMPORT_UPDATE_HEADER it becomes that.
fn is_checked_in(name: &str, made: &str) {
    let file = here().join(name);
    #[expect(
        clippy::disallowed_methods,
        reason = "an order to this test, no setting"
    )]
    let update = env::var_os("LAMPORT_UPDATE_HEADER").is_some();
    if update {
        fs::write(&file, made).unwrap();
    }
    let checked_in = fs::read_to_string(&file).unwrap_or_default();
    let same = made.lines().zip(checked_in.lines());
    let same = same.take_while(|(made, checked_in)| made == checked_in);
    assert!(
        made == checked_in,
        "bindings/c/{name} is not what the sources make, from line {} on. Make it anew: \
         LAMPORT_UPDATE_HEADER=1 cargo test -p lamport-clock-c --test header",
        same.count() + 1
    );
}

fn made() -> String {
    let mut config = cbindgen::Config::from_file(here().join("cbindgen.toml")).unwrap();
    config.after_includes = Some(version());
    let mut builder = cbindgen::Builder::new().with_config(config);
    // Files, not the crate: that asks nothing of cargo and keeps the order above.
    for source in SOURCES {
        builder = builder.with_src(here().join("src").join(source).with_extension("rs"));
    }
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    String::from_utf8(made).unwrap()
}

/// From the one place where the version is written down.
fn version() -> String {
    let [major, minor, patch] = [
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
    ];
    format!(
        "
/*
 The version of this header. That of the library which is loaded is lamport_clock_version().
 */
#define LAMPORT_VERSION_MAJOR {major}
#define LAMPORT_VERSION_MINOR {minor}
#define LAMPORT_VERSION_PATCH {patch}
#define LAMPORT_VERSION_STRING \"{}\"",
        env!("CARGO_PKG_VERSION")
    )
}

fn without_comments(header: &str) -> String {
    let mut rest = header;
    let mut code = String::new();
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").unwrap().1;
    }
    code + rest
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
