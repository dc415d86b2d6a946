//! What the pages say, held against what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{read, root, sources_in};

#[cfg(feature = "shared")]
#[test]
fn every_setting_is_on_its_page() {
    let (page, python) = ("docs/CONFIGURATION.md", "docs/PYTHON.md");
    let c = "bindings/c/src/config.rs";
    let docstring = "bindings/python/src/clock/methods.rs";
    let rust = "src/config/settings.rs";
    let whole = read(page);
    let in_python = between(python, "\n## Configuration\n", "\n## ");
    let in_rust = between(rust, "/// All settings", "pub const ALL");
    let in_c = between(c, "/// Settings of a clock", "\npub struct");
    let in_docstring = between(docstring, "/// A clock on the store", "fn connect");
    // Anything but names of settings is a blank.
    let in_docstring = in_docstring.replace(|c: char| !c.is_alphanumeric() && c != '_', " ");
    for lamport_clock::Setting { name, variable, .. } in lamport_clock::Setting::ALL {
        for (page, text, said) in [
            (page, &whole, format!("`{variable}`")),
            (page, &whole, format!("`--{}`", name.replace('_', "-"))),
            (rust, &in_rust, format!("`{name}`")),
            (python, &in_python, format!("`{name}`")),
            (c, &in_c, format!("\"{name}\"")),
            (docstring, &in_docstring, format!(" {name} ")),
        ] {
            assert!(text.contains(&said), "{page} does not explain {said}");
        }
    }
}

/// The part of a file that begins with `first` and ends before the next `end`.
#[cfg(feature = "shared")]
fn between(page: &str, first: &str, end: &str) -> String {
    let text = read(page);
    let (_, begun) = text.split_once(first).unwrap();
    begun.split(end).next().unwrap().to_owned()
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
