//! The rules of the house that a machine can check: who may know whom, and what agrees with what.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "tidy/pages.rs"]
mod pages;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file below `folder`, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    sources_in(folder, &["rs"])
}

/// The same for files that end in one of these; what is built, downloaded or git's is passed over.
fn sources_in(folder: &str, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = entry.file_name().into_string().unwrap();
            if path.is_dir() {
                if !name.starts_with('.') && !["build", "dist", "target"].contains(&&*name) {
                    folders.push(path);
                }
            } else if extensions
                .iter()
                .any(|it| path.extension() == Some(it.as_ref()))
            {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "no sources in {folder}");
    files
}

/// The code without its comments, in which other floors may be spoken of.
fn code(text: &str) -> String {
    let kept = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    kept.collect::<Vec<_>>().join("\n")
}

fn without_tests(text: &str) -> String {
    let code = code(text);
    code.split("#[cfg(test)]").next().unwrap().to_owned()
}

/// The code of a floor, without the tests of its own, which may have others for partners.
fn own_code(folder: &str) -> Vec<(PathBuf, String)> {
    let mut kept = Vec::new();
    for (path, text) in sources(folder) {
        let inside = path.strip_prefix(root().join(folder)).unwrap();
        let is_test = inside.starts_with("tests") || inside == Path::new("tests.rs");
        if !is_test {
            let code = without_tests(&text);
            kept.push((path, code));
        }
    }
    kept
}

#[test]
fn the_values_and_the_protocol_do_nothing_but_decide() {
    let floors = ["src/clock", "src/protocol"].map(own_code);
    for (path, code) in floors.into_iter().flatten() {
        for absent in [
            "tokio",
            "async ",
            "std::time",
            "std::env",
            "std::fs",
            "std::net",
            "std::thread",
            "RwLock",
            "getrandom",
            "println!",
        ] {
            assert!(!code.contains(absent), "{} uses {absent}", path.display());
        }
    }
    // The local clock has one.
    for (path, code) in own_code("src/protocol") {
        assert!(!code.contains("Mutex"), "{} locks", path.display());
    }
}

#[test]
fn each_floor_knows_those_below_it_alone() {
    let floors: [(&str, &[&str]); 12] = [
        ("excerpt.rs", &[]),
        ("error.rs", &["excerpt"]),
        ("events.rs", &["error"]),
        ("fork.rs", &["error"]),
        ("clock", &["error", "excerpt", "sync"]),
        ("layer.rs", &["clock", "error"]),
        ("header.rs", &["clock", "config", "error", "excerpt"]),
        ("config", &["clock", "error", "excerpt", "header"]),
        ("protocol", &["clock", "error", "excerpt"]),
        (
            "store",
            &["config", "error", "events", "excerpt", "fork", "protocol"],
        ),
        (
            "shared",
            &[
                "clock", "config", "error", "events", "excerpt", "fork", "header", "protocol",
                "store", "sync",
            ],
        ),
        (
            "blocking",
            &["clock", "config", "error", "fork", "header", "shared"],
        ),
    ];
    for (floor, known) in floors {
        let floor = format!("src/{floor}");
        let files = match root().join(&floor).is_dir() {
            true => own_code(&floor),
            false => vec![(root().join(&floor), without_tests(&read(&floor)))],
        };
        for (path, code) in files {
            for named in code.split("crate::").skip(1) {
                let end = named.find(|c: char| !c.is_alphanumeric());
                let named = &named[..end.unwrap_or(named.len())];
                let own = floor == format!("src/{named}");
                assert!(
                    own || known.contains(&named),
                    "{} knows {named}: see ARCHITECTURE.md",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_driver_leaves_what_an_answer_means_to_the_protocol() {
    for (path, text) in sources("src/shared") {
        // What it would need to compose a transaction, or to read one key out of an answer.
        for absent in [
            "Operation::",
            "Compare::",
            "Entry",
            "Base",
            "Taken",
            "serde_json",
        ] {
            let code = code(&text);
            assert!(!code.contains(absent), "{} uses {absent}", path.display());
        }
    }
}

#[test]
fn one_folder_names_the_etcd_client() {
    for (path, text) in sources("src") {
        let inside = path.starts_with(root().join("src/store/etcd"));
        for name in ["etcd_client", "rustls", "tonic::"] {
            assert!(
                inside || !code(&text).contains(name),
                "{} names {name}",
                path.display()
            );
        }
    }
}

#[test]
fn stores_know_of_the_protocol_the_words_of_a_transaction_alone() {
    for (path, text) in sources("src/store") {
        let code = code(&text);
        let words = [
            "At",
            "Change",
            "Compare",
            "Entry",
            "KeyRange",
            "Operation",
            "Reply",
            "Transaction",
        ];
        for named in code.split("protocol::").skip(1) {
            let named = named.split(';').next().unwrap();
            for word in named.split(|c: char| !c.is_alphanumeric()) {
                let known = word.is_empty() || words.contains(&word);
                assert!(known, "{} names protocol::{word}", path.display());
            }
        }
    }
}

#[test]
fn no_runtime_is_driven_on_a_callers_thread() {
    // It panics inside another runtime, where the facade must work too.
    for (path, text) in sources("src") {
        // On the library's own thread.
        let drives = path.ends_with("shared/runtime.rs");
        assert_eq!(
            code(&text).contains("block_on("),
            drives,
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_core_has_no_unsafe_code() {
    assert!(read("src/lib.rs").contains("#![forbid(unsafe_code)]"));
}

#[test]
fn unsafe_code_is_in_the_bindings_alone_and_says_why() {
    for (path, text) in sources("bindings") {
        let allowed = path.starts_with(root().join("bindings/c"))
            || path.starts_with(root().join("bindings/host"));
        assert!(
            allowed || !code(&text).contains("unsafe "),
            "{}",
            path.display()
        );
    }
}

#[test]
fn pythons_classes_are_frozen() {
    // No method gets at one by `&mut`, so no thread can find it borrowed: what changes in them is
    // atomic or locked, with the GIL or without it. PyO3 asks `Send` and `Sync` of each.
    let mut classes = 0;
    for (path, text) in sources("bindings/python/src") {
        let code = code(&text);
        for class in code.split("#[pyclass").skip(1) {
            classes += 1;
            let options = class.split(']').next().unwrap();
            let frozen = options
                .split(['(', ',', ')'])
                .any(|option| option.trim() == "frozen");
            assert!(frozen, "{}: #[pyclass{options}]", path.display());
        }
        for absent in [
            "unsendable",
            "allow_threads_unsafe",
            "static mut",
            "RefCell",
            "Cell<",
        ] {
            assert!(!code.contains(absent), "{} uses {absent}", path.display());
        }
    }
    assert!(classes >= 7, "{classes} classes");
}

#[test]
fn no_thread_of_the_library_attaches_to_python() {
    // One that does may be stopped for good where the interpreter ends, with all that it holds.
    for (path, text) in sources("bindings/python/src") {
        // Those who have an error to tell are attached already.
        let tells_errors = path.ends_with("errors.rs");
        let code = code(&text);
        assert!(
            tells_errors || !code.contains("Python::attach"),
            "{} attaches",
            path.display()
        );
        // Nor may a loop's own thread be stopped inside of the module: it runs no bytecode there.
        assert!(
            !path.ends_with("completions.rs") || !code.contains("call_method"),
            "{} calls Python",
            path.display()
        );
    }
}

#[test]
fn versions_agree() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        read("CHANGELOG.md").contains(&format!("## {version}")),
        "CHANGELOG.md has no entry for {version}"
    );
    // A published crate asks for its siblings by version.
    for (manifest, sibling) in [("cli", "clock"), ("cli", "trace"), ("trace", "clock")] {
        let asked = format!("lamport-{sibling} = {{ version = \"{version}\", path");
        let manifest = read(&format!("{manifest}/Cargo.toml"));
        assert!(manifest.contains(&asked), "no {asked}");
    }
    // The wheel takes its version and address from the crate; a second copy would only drift.
    assert!(read("pyproject.toml").contains("dynamic = [\"version\", \"urls\"]"));
    assert!(read("bindings/python/Cargo.toml").contains("version.workspace = true"));
    assert!(read("bindings/c/Cargo.toml").contains("version.workspace = true"));
}

/// Code that may be long, and why.
const LONG: [(&str, &str); 3] = [
    ("bindings/c/include/lamport_clock.h", "it is generated"),
    (
        "bindings/c/include/lamport_clock.hpp",
        "a C++ program includes one header",
    ),
    (
        "scripts/start_etcd.sh",
        "it is copied to a host, and needs nothing beside it",
    ),
];

#[test]
fn no_file_of_code_has_more_than_400_lines() {
    let code = ["c", "cpp", "h", "hpp", "js", "py", "pyi", "rs", "sh"];
    let files = sources_in("", &code);
    assert!(files.len() > 400, "{} files", files.len());
    let mut long = Vec::new();
    for (path, text) in files {
        if text.lines().count() > 400 {
            let path = path.strip_prefix(root()).unwrap();
            long.push(path.to_str().unwrap().to_owned());
        }
    }
    long.sort();
    let allowed = LONG.map(|(path, _)| path);
    assert_eq!(
        long, allowed,
        "part these by what a reader looks for, or give a reason in LONG"
    );
}
