//! The rules of the house that a machine can check: who may know whom, and what agrees with what.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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

/// The same for files that end in one of these.
fn sources_in(folder: &str, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
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

#[cfg(feature = "shared")]
#[test]
fn every_setting_is_on_its_page() {
    let page = read("docs/CONFIGURATION.md");
    for setting in lamport_clock::Setting::ALL {
        for name in [
            setting.variable.to_owned(),
            format!("--{}", setting.name.replace('_', "-")),
        ] {
            let is_there = page.contains(&format!("`{name}`"));
            assert!(is_there, "docs/CONFIGURATION.md does not explain {name}");
        }
    }
}

/// The pages at the root, in `docs` and in `deploy`.
fn pages() -> Vec<PathBuf> {
    let folders = ["", "docs", "deploy"].map(|folder| root().join(folder));
    let entries = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut pages: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    pages.retain(|path| path.extension() == Some("md".as_ref()));
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// A page without its blocks of code, whose `#` begin no heading.
fn prose(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
    let mut is_code = false;
    let kept = text.lines().filter(|line| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    kept.collect::<Vec<_>>().join("\n")
}

/// What a link can name after `#`: the headings in small letters, a hyphen for each blank and nothing for a
/// mark; the second one of a name ends in `-1`.
fn anchors(page: &Path) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for line in prose(page).lines().filter(|line| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let name: String = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut anchor = name.clone();
        for number in 1.. {
            if anchors.insert(anchor) {
                break;
            }
            anchor = format!("{name}-{number}");
        }
    }
    anchors
}

#[test]
fn the_links_of_the_pages_lead_somewhere() {
    let mut followed = 0;
    for page in pages() {
        for link in prose(&page).split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            if target.starts_with("http") {
                continue;
            }
            followed += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => page.clone(),
                _ => page.parent().unwrap().join(file),
            };
            assert!(file.exists(), "{page:?} names {target}, which is not there");
            let is_there = anchor.is_empty() || anchors(&file).contains(anchor);
            assert!(is_there, "{page:?}: no heading is #{anchor} in {file:?}");
        }
    }
    assert!(followed > 100, "{followed}");
}

/// PyPI and crates.io show them, where no other file of ours lies beside.
#[test]
fn what_the_packages_show_links_to_none_of_our_files() {
    for folder in ["cli", "python", "trace"] {
        let page = root().join(folder).join("README.md");
        for link in prose(&page).split("](").skip(1) {
            assert!(link.starts_with("https://"), "{page:?}: {link}");
        }
    }
}

/// Figures on the first page were measured, and stand where they were.
#[test]
fn the_figures_of_the_readme_stand_on_their_pages() {
    let measured = read("docs/RELIABILITY.md") + &read("docs/BENCHMARKS.md");
    let readme = read("README.md");
    let promises = readme.split("## Promises").nth(1).unwrap();
    let is_part = |c: char| c.is_ascii_digit() || ",.".contains(c);
    let mut found = 0;
    for word in promises.split(|c| !is_part(c)) {
        let figure = word.trim_matches([',', '.']);
        if figure.contains([',', '.']) {
            found += 1;
            assert!(measured.contains(figure), "README.md says {figure}");
        }
    }
    assert!(found > 8, "{found}");
}

/// A page that names files that are gone sends its reader the wrong way.
#[test]
fn every_path_that_the_architecture_names_is_there() {
    let page = read("ARCHITECTURE.md");
    let mut named = 0;
    for word in page.split('`').skip(1).step_by(2) {
        let is_path = word.contains('/') && !word.contains([' ', '<', '*', '$', ':', '"']);
        if !is_path || word.starts_with(['/', '-']) {
            continue;
        }
        named += 1;
        // Within the row of a folder its files are named from there.
        let below = [
            "",
            "src",
            "src/store",
            "python/lamport_clock",
            "bindings",
            "bindings/c",
        ];
        let found = below
            .iter()
            .any(|folder| root().join(folder).join(word).exists());
        assert!(found, "ARCHITECTURE.md names {word}, which is not there");
    }
    assert!(named > 40, "{named}");
}

#[test]
fn the_tests_that_the_pages_name_are_there() {
    let mut functions = BTreeSet::new();
    let mut files = Vec::new();
    for folder in ["src", "tests", "trace", "cli", "bindings", "fuzz", "loom"] {
        for (path, text) in sources_in(folder, &["rs", "py", "c", "cpp"]) {
            functions.extend(named(&text).map(str::to_owned));
            files.push(path);
        }
    }
    for page in ["SECURITY.md", "docs/RELIABILITY.md"] {
        let text = read(page);
        let mut seen = 0;
        for quoted in text.split('`').skip(1).step_by(2) {
            if let Some((file, test)) = quoted
                .split_once("::")
                .filter(|(file, _)| file.contains('.'))
            {
                let text = read(file);
                assert!(named(&text).any(|name| name == test), "{page}: {quoted}");
                seen += 1;
            } else if let Some(module) = quoted.strip_suffix("::tests") {
                let file = format!("src/{}.rs", module.replace("::", "/"));
                assert!(read(&file).contains("mod tests"), "{page}: {quoted}");
            } else if quoted.ends_with(".rs") || quoted.ends_with(".py") || quoted.ends_with(".c") {
                let is_there = files.iter().any(|path| path.ends_with(quoted));
                assert!(is_there, "{page}: {quoted}");
            } else if is_a_sentence(quoted) {
                assert!(functions.contains(quoted), "{page}: {quoted}");
                seen += 1;
            }
        }
        assert!(seen > 20, "{page} names {seen} tests");
    }
}

/// Whether this is a name as tests have it: words, of which there are many.
fn is_a_sentence(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.chars().all(is_word) && name.matches('_').count() >= 3
}

/// The functions that a file in Rust, Python or C begins.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let begun = ["fn ", "def ", "void "].iter().find_map(|word| {
            let (before, after) = line.split_once(word)?;
            let is_alone = before.is_empty() || before.ends_with(' ');
            is_alone.then_some(after)
        })?;
        begun.split_once(['(', '<']).map(|(name, _)| name)
    })
}
