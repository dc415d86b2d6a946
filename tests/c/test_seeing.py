"""What `lamport order` and `explain` say of processes in C, Rust and Python that talk."""

from __future__ import annotations

from pathlib import Path

from library import HERE, ROOT, Library
from talkers import World
from test_race import made
from vectors import Truth

SEED = 1


def test_processes_of_all_languages_are_seen_as_they_were(library: Library, tmp_path: Path) -> None:
    python = made("LAMPORT_PYTHON")
    c = [str(library.program(HERE / "talker.c", "c99", "shared"))]
    rust = [made("LAMPORT_TALKER")]
    commands = {
        "c": c,
        "sea": c,
        "rust": rust,
        "dust": rust,
        "python": [python, str(ROOT / "tests/support/talker.py")],
    }
    with World(tmp_path, commands, SEED, library.environment) as world:
        world.run(1_000, 10, ("c", "sea", "python"))
    Truth(world.logs.values(), world.vectors, SEED).agrees(tmp_path, python)
