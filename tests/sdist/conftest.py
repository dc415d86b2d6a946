"""A machine without protoc."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def without_protoc(tmp_path: Path) -> Path:
    """A folder with all the programs of this machine but protoc."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for folder in map(Path, os.environ["PATH"].split(os.pathsep)):
        for program in folder.iterdir() if folder.is_dir() else ():
            link = programs / program.name
            if program.name != "protoc" and not link.exists():
                link.unlink(missing_ok=True)
                link.symlink_to(program)
    return programs
