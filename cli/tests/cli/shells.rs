//! Completions in the shells that are there, and manual pages as groff reads them.

use std::io::Write;
use std::process::{Command, Stdio};

use super::command::run;
use super::refused;

fn script(shell: &str) -> String {
    let ended = run(&["completions", shell]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    ended.lines.join("\n") + "\n"
}

/// What a program says of a text; `None` where there is no such program.
fn told(program: &str, arguments: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let Ok(mut process) = command.stderr(Stdio::piped()).spawn() else {
        eprintln!("skipped: there is no {program}");
        return None;
    };
    process
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = process.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.is_empty(),
        "{program}: {errors}"
    );
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn bash_completes_commands_and_their_flags() {
    for (words, wanted, unwanted) in [
        ("lamport upd", "update", "demo"),
        ("lamport update --t", "--timeout", "--number"),
        ("lamport demo --", "--stay", "--count"),
        ("lamport completions ", "zsh", "update"),
    ] {
        let last = words.split(' ').next_back().unwrap();
        let previous = words.split(' ').rev().nth(1).unwrap();
        let ask = format!(
            "COMP_WORDS=({words} {}); COMP_CWORD=$(({} - 1))\n_lamport lamport '{last}' '{previous}'\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            if last.is_empty() { "''" } else { "" },
            words.split(' ').count(),
        );
        let Some(answer) = told("bash", &["--norc", "-s"], &(script("bash") + &ask)) else {
            return;
        };
        let answers: Vec<_> = answer.lines().collect();
        assert!(answers.contains(&wanted), "{words}: {answers:?}");
        assert!(!answers.contains(&unwanted), "{words}: {answers:?}");
    }
}

#[test]
fn the_other_shells_read_their_completions() {
    let ask = script("fish") + "complete -C 'lamport upd'\n";
    if let Some(answer) = told("fish", &["--no-config"], &ask) {
        assert!(answer.starts_with("update"), "{answer}");
    }
    told("zsh", &["-f", "-n"], &script("zsh"));
    assert!(script("zsh").starts_with("#compdef lamport"));
    refused(
        &run(&["completions", "cmd"]),
        2,
        &["'cmd'", "bash", "zsh", "fish"],
    );
    refused(
        &run(&["completions", "bash", "--key", "/k"]),
        2,
        &["--key", "connects to nothing"],
    );
}

#[test]
fn manual_pages_are_sound_and_have_the_examples() {
    let page = |arguments: &[&str]| {
        let ended = run(&[&["man"], arguments].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.complaint());
        ended.lines.join("\n") + "\n"
    };
    for (page, parts) in [
        (page(&[]), ["LAMPORT_TIMEOUT", "lamport-update(1)"]),
        (
            page(&["update"]),
            ["lamport-update", "lamport update --store memory: -n 3"],
        ),
    ] {
        let Some(shown) = told("groff", &["-man", "-Tascii", "-P-cbou", "-ww"], &page) else {
            return;
        };
        for part in parts {
            assert!(shown.contains(part), "{part} is not in\n{shown}");
        }
    }
    refused(
        &run(&["man", "nonsense"]),
        2,
        &["'nonsense'", "lamport --help"],
    );
}
