"""scripts/third_party.py: which texts of a crate are handed on. `make lint` compares the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def handed_on(crate: Path, licence: str) -> list[str]:
    """The texts of a crate; each file's text is its path."""
    for file in crate.rglob("*"):
        if file.is_file():
            file.write_text(str(file.relative_to(crate)))
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, third_party\n"
            "crate = {'manifest_path': sys.argv[1], 'license': sys.argv[2]}\n"
            "print(*third_party.texts(crate), sep='\\n')",
            crate / "Cargo.toml",
            licence,
        ],
        cwd=REPOSITORY / "scripts",
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return said.stdout.split()


@pytest.mark.parametrize(
    ("licence", "files", "wanted"),
    [
        ("MIT", "LICENSE", "LICENSE"),
        ("MIT OR Apache-2.0", "LICENSE-APACHE LICENSE-MIT README.md", "LICENSE-MIT"),
        ("Unlicense OR MIT", "COPYING LICENSE-MIT UNLICENSE", "LICENSE-MIT"),
        ("Apache-2.0 OR ISC", "LICENSE-APACHE LICENSE-ISC", "LICENSE-APACHE LICENSE-ISC"),
        ("MIT AND BSD-3-Clause", "LICENSE LICENSE.router", "LICENSE LICENSE.router"),
        ("Apache-2.0 AND MIT", "LICENSE-APACHE LICENSE-MIT", "LICENSE-APACHE LICENSE-MIT"),
        # Notices of other authors are kept, whichever licence is chosen.
        ("MIT/Apache-2.0", "COPYRIGHT LICENSE-APACHE LICENSE-MIT", "COPYRIGHT LICENSE-MIT"),
        ("MIT", "LICENSE src/taken/LICENSE.txt", "LICENSE src/taken/LICENSE.txt"),
    ],
)
def test_a_crates_texts(tmp_path: Path, licence: str, files: str, wanted: str) -> None:
    for name in files.split():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert handed_on(tmp_path, licence) == wanted.split()
