"""The Python and the shell of the pages, pasted as a reader would: it runs to its end.

The blocks of one section are pasted one after another, the shell's first. The pages' etcd is at
10.0.0.5 to 10.0.0.7; here it is one that the test started.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import lamport_clock
import pytest
from conftest import REPOSITORY
from servers import LAMPORT_ETCD, PATIENCE, Etcd

# Whose shell is a list to choose from, or an installation, which other suites do: all but this.
REFERENCES = ("README.md", "docs/PYTHON.md", "python/README.md")
FIRST_SHELL = "lamport demo --diagram"
DOCUMENTS = (
    *REFERENCES,
    "cli/README.md",
    "docs/CHEATSHEET.md",
    "docs/CONFIGURATION.md",
    "docs/SERVICES.md",
    "docs/TESTING.md",
    "docs/WHY.md",
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
ETCD = re.compile(r"etcd://(?:10\.0\.0\.[567](?::2379)?,?)+")
ADDRESS = re.compile(r"10\.0\.0\.5:2379")
COMMAND = re.compile(r"\blamport ([a-z]+)((?: [^\s|`#]+)*)")


class Section(NamedTuple):
    """What a reader pastes of one section."""

    shell: str
    python: str


def sections() -> Iterator[tuple[str, Section]]:
    """Each section that holds something to run, by "document: title"."""
    for document in DOCUMENTS:
        text = (REPOSITORY / document).read_text()
        for section in re.split(r"^## ", text, flags=re.M)[1:]:
            blocks = FENCE.findall(section)
            shell = [it for kind, it in blocks if kind == "sh"]
            if document in REFERENCES:
                shell = [it for it in shell if it.startswith(FIRST_SHELL)]
            python = [it for kind, it in blocks if kind == "python"]
            if shell or python:
                name = f"{document}: {section.splitlines()[0]}"
                yield name, Section("\n".join(shell), "\n".join(python))


SECTIONS = dict(sections())


def run(command: list[str], folder: Path, **variables: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # The command is the wheel's.
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            **variables,
        },
        timeout=4 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def test_every_document_has_something_to_run() -> None:
    assert SECTIONS["README.md: Shell"].shell
    for document in DOCUMENTS:
        assert any(name.startswith(document) for name in SECTIONS), document


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_is_of_a_language_that_some_suite_runs(document: str) -> None:
    """Rust by `cargo test --doc`, C and C++ by tests/c; text is for reading."""
    languages = {language for language, _ in FENCE.findall((REPOSITORY / document).read_text())}
    assert languages <= {"python", "sh", "rust", "c", "cpp", "toml", "text"}, languages


@pytest.mark.parametrize("name", SECTIONS)
def test_what_is_pasted_runs(name: str, etcd: Etcd, tmp_path: Path) -> None:
    section = SECTIONS[name]
    key = "/documents/" + "".join(c if c.isalnum() else "-" for c in name)
    address = etcd.uri("").partition("://")[2].partition(",")[0].partition("/")[0]
    shell, python = (ADDRESS.sub(address, ETCD.sub(etcd.uri(""), text)) for text in section)
    if shell:
        run(["bash", "-euo", "pipefail", "-c", shell], tmp_path, LAMPORT_KEY=key)
    if python:
        program = tmp_path / "test_pasted.py"
        program.write_text(python)
        # What begins with nothing but the environment finds the same etcd.
        variables = {"LAMPORT_STORE": etcd.uri(""), "LAMPORT_KEY": key, "NODE_NAME": "api"}
        if LAMPORT_ETCD:
            variables["LAMPORT_ETCD"] = LAMPORT_ETCD
        run([sys.executable, str(program)], tmp_path, **variables)
        if tests := re.findall(r"^def (test_\w+)", python, re.M):
            pytest_command = ["-m", "pytest", "-v", "-p", "no:cacheprovider", str(program)]
            said = run([sys.executable, *pytest_command], tmp_path, **variables)
            assert f"{len(tests)} passed" in said, said


def test_the_commands_that_are_listed_are_there(tmp_path: Path) -> None:
    """The shell that is not run: each command takes the flags that stand behind it."""
    listed = set[tuple[str, str]]()
    for document in DOCUMENTS:
        text = (REPOSITORY / document).read_text()
        code = [block for language, block in FENCE.findall(text) if language == "sh"]
        code += re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
        for command, rest in COMMAND.findall("\n".join(code)):
            listed |= {(command, flag) for flag in ["", *re.findall(r"--?[a-z-]+", rest)]}
    assert len(listed) > 20
    helps: dict[str, str] = {}
    for command, flag in sorted(listed):
        if command not in helps:
            helps[command] = run(["lamport", command, "--help"], tmp_path)
            if "The other settings" in helps[command]:
                helps[command] += run(["lamport", "--help"], tmp_path)
        assert re.search(rf"(?<!\S){flag}\b", helps[command]) or not flag, f"{command} {flag}"


def test_the_makefile_has_what_is_to_be_made() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.M))
    for document in ("CONTRIBUTING.md", "docs/C.md", "docs/RELIABILITY.md", *DOCUMENTS):
        text = (REPOSITORY / document).read_text()
        for made in re.findall(r"(?:^|[`(])make ([a-z]+)", text, re.M):
            assert made in targets, f"{document}: make {made}"


def test_the_cheat_sheet_names_what_there_is() -> None:
    page = (REPOSITORY / "docs/CHEATSHEET.md").read_text()
    symbols = set((REPOSITORY / "bindings/c/symbols.txt").read_text().split())
    rust = (REPOSITORY / "docs/api/rust.txt").read_text()
    rows = re.findall(r"^\|((?:[^|\n]*\|){5})$", page, re.M)[2:]
    assert len(rows) > 15
    for row in rows:
        _, in_rust, in_python, in_c, *_ = row.split("|")
        for name in re.findall(r"`(\w+)\(", in_rust):
            assert f"lamport_clock::SharedClock: pub fn {name}" in rust or (
                f"lamport_clock::SharedClock: pub async fn {name}" in rust
            ), name
        for name in re.findall(r"`(\w+)\(", in_python):
            known = (lamport_clock.SharedClock, lamport_clock)
            assert any(hasattr(it, name) for it in known), name
        for name in re.findall(r"`(lamport_\w+)`", in_c):
            assert name in symbols, name
