"""scripts/check_artifact.py: it finds what is wrong in programs that are not what is handed out."""

from __future__ import annotations

import platform
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that needs the C library, and names a path of this machine."""
    source = tmp_path / "program.c"
    source.write_text(f'int main(int n, char **of) {{ return "{Path.home()}/secret"[n]; }}\n')
    path = tmp_path / "lamport"
    subprocess.run(["cc", "-o", path, source], check=True, timeout=60)
    return path


def checked(target: str, path: Path) -> subprocess.CompletedProcess[str]:
    """What the program says of a file."""
    return subprocess.run(
        [sys.executable, REPOSITORY / "scripts/check_artifact.py", target, path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_a_dynamic_program_with_symbols_and_paths_is_refused(
    program: Path, architecture: str
) -> None:
    said = checked(f"{architecture}-unknown-linux-musl", program)
    assert said.returncode == 1
    assert "lamport: is not static" in said.stderr
    assert "lamport: is not stripped" in said.stderr
    assert f"lamport: names {Path.home()}/" in said.stderr


def test_a_program_for_another_architecture_is_refused(program: Path) -> None:
    said = [checked(f"{a}-unknown-linux-musl", program).stderr for a in ("x86_64", "aarch64")]
    assert sorted("lamport: is for EM_" in text for text in said) == [False, True]


TARGET = f"{platform.machine()}-unknown-linux-gnu"
IN_LIBRARY = [
    *(f"include/lamport_clock.h{ending}" for ending in ("", "pp")),
    *(f"lib/liblamport_clock.{ending}" for ending in ("a", "so")),
    "lib/pkgconfig/lamport_clock.pc",
    *(f"lib/cmake/lamport_clock/lamport_clock-config{of}.cmake" for of in ("", "-version")),
    *(f"share/licenses/lamport_clock/LICENSE-{of}" for of in ("APACHE", "MIT", "THIRD-PARTY")),
]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder laid out like the C library, with another library in it."""
    root = tmp_path / f"lamport_clock-9.9.9-{TARGET}"
    for name in IN_LIBRARY:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    source = tmp_path / "library.c"
    # Newer than manylinux2014 wherever pthreads are part of libc, since glibc 2.34.
    source.write_text("void pthread_create(void);\nvoid foreign(void) { pthread_create(); }\n")
    shared = root / "lib/liblamport_clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shared, source], check=True, timeout=60)
    subprocess.run(
        ["cc", "-c", "-o", root / "lib/liblamport_clock.a", source], check=True, timeout=60
    )
    return root


def packed(root: Path) -> Path:
    """The folder as an archive of its name."""
    path = root.with_name(root.name + ".tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        archive.add(root, root.name)
    return path


def test_a_c_library_is_refused_for_each_thing_that_is_wrong(library: Path) -> None:
    (library / "lib/pkgconfig/lamport_clock.pc").write_text("prefix=/usr\n")
    (library / "include/lamport_clock.h").write_text(f"// made in {Path.home()}/\n")
    said = checked(TARGET, packed(library))
    assert said.returncode == 1
    assert "against what it says: ['foreign', 'lamport_" in said.stderr
    assert "liblamport_clock.so: needs GLIBC_2.34, newer than" in said.stderr
    assert "has an unwinder of its own" in said.stderr
    assert "liblamport_clock.so: is not stripped" in said.stderr
    assert "lamport_clock.pc names a place" in said.stderr
    assert f"lamport_clock.h: names {Path.home()}/" in said.stderr
    assert "liblamport_clock.a is for" not in said.stderr
    assert "is not named for" not in said.stderr


def test_a_c_library_for_another_architecture_is_refused(library: Path) -> None:
    other = {"x86_64": "aarch64", "aarch64": "x86_64"}[platform.machine()]
    said = checked(f"{other}-unknown-linux-musl", packed(library)).stderr
    assert "lib/liblamport_clock.so: is for EM_" in said
    assert "lib/liblamport_clock.a is for" in said
    assert f"is not named for {other}-unknown-linux-musl" in said


@pytest.mark.parametrize("name", IN_LIBRARY)
def test_a_c_library_that_lacks_a_file_is_refused(library: Path, name: str) -> None:
    (library / name).unlink()
    assert f"has no {name}" in checked(TARGET, packed(library)).stderr


def test_an_unknown_target_is_wrong_usage(program: Path) -> None:
    assert checked("riscv64gc-unknown-linux-gnu", program).returncode == 2
