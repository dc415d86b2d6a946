"""The C library as `make install` leaves it, and the tools that find it there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from library import LIMIT, ROOT

TOOLS = Path(sys.executable).parent
"""Where the project's own cmake and pkgconf are: the machine need not have any."""


class Installed:
    """A prefix with the library in it."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix

    @property
    def environment(self) -> dict[str, str]:
        """An environment in which the library is found in this prefix alone."""
        # Not make's either: the one that runs the tests has words for its own children in it.
        foreign = re.compile(r"LAMPORT_|NODE_NAME$|MAKE|MFLAGS|PKG_CONFIG|CMAKE|LD_LIBRARY_PATH$")
        kept = {name: value for name, value in os.environ.items() if not foreign.match(name)}
        return kept | {
            "PKG_CONFIG": str(TOOLS / "pkgconf"),
            "PKG_CONFIG_PATH": str(self.prefix / "lib/pkgconfig"),
            "CMAKE_PREFIX_PATH": str(self.prefix),
        }

    def run(self, command: list[str], folder: Path) -> str:
        """Runs a program in a folder; its output."""
        ran = subprocess.run(
            command,
            cwd=folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert ran.returncode == 0, f"{command} gave {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return ran.stdout

    def flags(self, *options: str) -> list[str]:
        """What pkg-config says."""
        return self.run([str(TOOLS / "pkgconf"), *options, "lamport_clock"], self.prefix).split()

    def files(self) -> set[str]:
        """Every file below the prefix."""
        found = (path for path in self.prefix.rglob("*") if path.is_symlink() or path.is_file())
        return {str(path.relative_to(self.prefix)) for path in found}


def make(target: str, *settings: str) -> str:
    """Runs the project's own make; its output."""
    ran = subprocess.run(
        ["make", "--no-print-directory", target, *settings],
        cwd=ROOT,
        env={
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFL", "FORCE"))
        },
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
