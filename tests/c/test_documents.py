"""The C and C++ that the pages show, built against the installed library and run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from library import LIMIT, ROOT, Library

GUIDE = (ROOT / "docs/C.md").read_text()
README = (ROOT / "README.md").read_text()
WRAPPED = """#include <inttypes.h>
#include <stdio.h>
#include <lamport_clock.h>

void shown(lamport_clock_t *clock);

void shown(lamport_clock_t *clock) {{
{text}}}

int main(void) {{ return 0; }}
"""
"""A fragment, which has a clock."""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", text, re.M | re.S)


def run(library: Library, command: list[str], folder: Path) -> str:
    ran = subprocess.run(
        command,
        cwd=folder,
        env=library.environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_readme_as_a_newcomer_pastes_it(library: Library, tmp_path: Path) -> None:
    section = README.partition("\n## C\n")[2].partition("\n## ")[0]
    (program,) = blocks(section, "c")
    (shell,) = blocks(section, "sh")
    install, compile_it = shell.splitlines()
    assert install.startswith("make install PREFIX=$HOME/.local")
    (tmp_path / ".local").symlink_to(library.folder)
    (tmp_path / "example.c").write_text(program)
    run(library, ["env", f"HOME={tmp_path}", "sh", "-euc", compile_it], tmp_path)
    # By the path that was linked into it, and no other.
    ran = subprocess.run(
        [tmp_path / "example"], capture_output=True, text=True, timeout=LIMIT, check=True
    )
    assert ran.stdout == "updated to 2\n"


SHOWN = {
    ("docs/C.md", "c"): [
        "1 < 58 < 60\n",
        "",
        "",
        "received at 2@billing\n",
        "started 1@billing <-\ncharged 3@billing <1@billing <1@api;at=2\n",
        "",
        "2 by itself, 0 failed, stopped\n",
    ],
    ("docs/C.md", "cpp"): ["1@api before 3@api\napi took 3\n"],
    ("docs/CHEATSHEET.md", "c"): ["4\n"],
    ("docs/CONFIGURATION.md", "c"): [""],
    ("docs/SERVICES.md", "c"): [""],
    ("docs/TESTING.md", "c"): [""],
}


@pytest.mark.parametrize(("page", "language"), SHOWN)
def test_the_programs_of_the_pages(
    library: Library, page: str, language: str, tmp_path: Path
) -> None:
    said = []
    for number, text in enumerate(blocks((ROOT / page).read_text(), language)):
        source = tmp_path / f"{Path(page).stem}-{language}-{number}.{language}"
        source.write_text(text if "int main" in text else WRAPPED.format(text=text))
        program = library.program(source, "c99" if language == "c" else "c++17", "shared")
        said.append(library.passes([str(program)]))
    assert said == SHOWN[page, language]


def test_pythons_ctypes(library: Library, tmp_path: Path) -> None:
    (text,) = blocks(GUIDE, "python")
    script = tmp_path / "shown.py"
    script.write_text(text)
    said = run(library, [sys.executable, str(script)], tmp_path).splitlines()
    assert said[:3] == ["2", "4", "6"]
    assert len(said) == 4 and "redis:" in said[3]


def test_the_go_program_calls_what_there_is(library: Library) -> None:
    """No Go compiles it here; that it can't go stale unseen is the least."""
    (text,) = blocks(GUIDE, "go")
    calls = set(re.findall(r"C\.(lamport_\w+)\(", text))
    symbols = set((ROOT / "bindings/c/symbols.txt").read_text().split())
    assert calls and calls <= symbols
    header = (library.folder / "include/lamport_clock.h").read_text()
    for word in set(re.findall(r"C\.(lamport_\w+_t|LAMPORT_\w+)\b", text)):
        assert re.search(rf"\b{word}\b", header), word


def test_the_guide_speaks_of_every_type_and_of_no_function_that_is_gone() -> None:
    symbols = set((ROOT / "bindings/c/symbols.txt").read_text().split())
    header = (ROOT / "bindings/c/include/lamport_clock.h").read_text()
    for kind in set(re.findall(r"^typedef struct (\w+) \w+;$", header, re.M)):
        assert f"`{kind}`" in GUIDE, f"docs/C.md does not explain {kind}"
    types = set(re.findall(r"\b(lamport_\w+_t)\b", header))
    for word in set(re.findall(r"`(lamport_\w+)`", GUIDE)):
        assert word in symbols | types | {"lamport_clock"}, f"docs/C.md speaks of {word}"
