"""The C library as it would be installed, and programs against it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXAMPLE = ROOT / "bindings/c/examples/ordering.c"
LIMIT = 300
"""Seconds for any one program, under valgrind on a busy machine too."""

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
CPP_WARNINGS = [*WARNINGS, "-Wshadow", "-Wconversion", "-Wold-style-cast", "-Wnon-virtual-dtor"]
SYSTEM = ["-lm", "-lpthread", "-ldl"]
"""What the static library needs besides itself."""


class Library:
    """The library in the form that users get: include/ and lib/."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        headers = ["include/lamport_clock.h", "include/lamport_clock.hpp"]
        for name in [*headers, "lib/liblamport_clock.so", "lib/liblamport_clock.a"]:
            assert (folder / name).is_file(), (
                f"{folder / name} is missing: build it with bindings/c/build.sh, or say with "
                "LAMPORT_C_LIBRARY where it is"
            )

    @property
    def shared(self) -> Path:
        """The shared library."""
        return self.folder / "lib/liblamport_clock.so"

    def program(self, source: Path, standard: str, link: str, *options: str) -> Path:
        """`source` compiled without a warning and linked; the same one is compiled once."""
        name = "-".join([source.stem, standard, link, *options]).replace("/", "_")
        program = self.programs / name
        if program.exists():
            return program
        compiler = os.environ.get("CXX", "c++") if "++" in standard else os.environ.get("CC", "cc")
        warnings = CPP_WARNINGS if source.suffix == ".cpp" else WARNINGS
        libraries = {
            "shared": [f"-L{self.folder / 'lib'}", "-llamport_clock", "-lpthread"],
            "static": [str(self.folder / "lib/liblamport_clock.a"), *SYSTEM],
        }
        command = [compiler, f"-std={standard}", "-g", *warnings, *options]
        command += [f'-DEXPECTED_VERSION="{version()}"', f"-I{self.folder / 'include'}"]
        command += [str(source), *libraries[link], "-o", str(program)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
        assert ran.returncode == 0 and not ran.stderr, ran.stderr
        return program

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a program: the library can be found, and nothing configures it."""
        foreign = re.compile(r"LAMPORT_|NODE_NAME$")
        kept = {name: value for name, value in os.environ.items() if not foreign.match(name)}
        return kept | {"LD_LIBRARY_PATH": str(self.folder / "lib")}

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end."""
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=LIMIT,
            check=False,
        )

    def passes(self, command: list[str]) -> str:
        """Runs a program that ends well; its output."""
        ran = self.run(command)
        assert ran.returncode == 0, f"{command} gave {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return ran.stdout


class Session:
    """The program session.c, under way."""

    def __init__(self, library: Library) -> None:
        self.process = subprocess.Popen(
            [library.program(HERE / "session.c", "c99", "shared")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=library.environment,
        )

    def tell(self, line: str) -> None:
        """Asks for something without waiting for the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """The next answer. It comes by the clock's own deadline, or the test's."""
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        assert answer, f"the program ended: {self.process.wait(LIMIT)}"
        return answer.rstrip("\n")

    def ask(self, line: str) -> str:
        """Asks and waits."""
        self.tell(line)
        return self.hear()

    def end(self) -> int:
        """Lets it end, and says how it did."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(LIMIT)

    def kill(self) -> None:
        """Ends it whatever it is at."""
        self.process.kill()
        self.process.wait(LIMIT)


def version() -> str:
    """The version of the workspace."""
    cargo = (ROOT / "Cargo.toml").read_text()
    found = re.search(r'^version = "(.+)"$', cargo, re.M)
    assert found
    return found.group(1)
