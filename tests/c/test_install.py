"""`make install`: what is where, how it is found by Make, pkg-config and CMake, and moved."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from installed import TOOLS, Installed, make
from library import LIMIT, ROOT, version

EXAMPLES = ROOT / "bindings/c/examples"
MAJOR, MINOR, PATCH = version().split(".")
SHARED = f"lib/liblamport_clock.so.{version()}"
FILES = {
    "include/lamport_clock.h",
    "include/lamport_clock.hpp",
    "lib/liblamport_clock.a",
    "lib/liblamport_clock.so",
    "lib/liblamport_clock.so.0",
    SHARED,
    "lib/pkgconfig/lamport_clock.pc",
    "lib/cmake/lamport_clock/lamport_clock-config.cmake",
    "lib/cmake/lamport_clock/lamport_clock-config-version.cmake",
    "share/licenses/lamport_clock/LICENSE-APACHE",
    "share/licenses/lamport_clock/LICENSE-MIT",
    "share/licenses/lamport_clock/LICENSE-THIRD-PARTY",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Staged as a packager does, and then moved: it lies where nobody told it that it would."""
    folder = tmp_path_factory.mktemp("install")
    make("install", "PREFIX=/opt/lamport", f"DESTDIR={folder / 'stage'}")
    shutil.move(folder / "stage/opt/lamport", folder / "moved")
    return Installed(folder / "moved")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The examples, away from the checkout."""
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    return tmp_path / "examples"


def test_every_file_is_where_its_readers_look(installed: Installed) -> None:
    assert installed.files() == FILES
    lib = installed.prefix / "lib"
    assert os.readlink(lib / "liblamport_clock.so") == "liblamport_clock.so.0"
    assert os.readlink(lib / "liblamport_clock.so.0") == f"liblamport_clock.so.{version()}"
    for name in FILES:
        mode = stat.S_IMODE((installed.prefix / name).stat().st_mode)
        assert mode == (0o755 if ".so" in name else 0o644), name


def test_uninstall_takes_its_own_and_nothing_else(tmp_path: Path) -> None:
    prefix = tmp_path / "usr local"
    make("install", f"PREFIX={prefix}")
    foreign = prefix / "lib/pkgconfig/other.pc"
    foreign.write_text("Name: other\n")
    assert Installed(prefix).files() == FILES | {"lib/pkgconfig/other.pc"}
    make("install", f"PREFIX={prefix}")
    make("uninstall", f"PREFIX={prefix}")
    assert Installed(prefix).files() == {"lib/pkgconfig/other.pc"}
    assert not (prefix / "lib/cmake/lamport_clock").exists()
    assert not (prefix / "share/licenses/lamport_clock").exists()


def test_a_program_is_compiled_by_the_lines_that_are_printed(tmp_path: Path) -> None:
    prefix = tmp_path / "home/.local"
    said = make("install", f"PREFIX={prefix}")
    [direct, export, by_pkg_config] = re.findall(r"^    (.*)$", said, re.M)
    shutil.copy(EXAMPLES / "ordering.c", tmp_path / "program.c")
    # Nothing says where the prefix is, but the lines.
    environment = {"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
    for lines in [[direct, "./program"], [export, by_pkg_config, "./program"]]:
        ran = subprocess.run(
            ["sh", "-euc", "\n".join(lines)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.endswith("the record holds 108, written by api\n")
        (tmp_path / "program").unlink()


def test_a_packager_is_told_of_no_place(tmp_path: Path) -> None:
    said = make("install", "PREFIX=/opt/lamport", f"DESTDIR={tmp_path}")
    assert said.endswith(f"installed lamport_clock in {tmp_path}/opt/lamport\n")


def test_no_file_names_the_place_where_it_was_built(installed: Installed) -> None:
    for name in FILES:
        content = (installed.prefix / name).read_bytes()
        for place in [ROOT, installed.prefix, Path("/opt/lamport")]:
            text = not name.startswith("lib/liblamport")
            assert not text or str(place).encode() not in content, f"{name} names {place}"


def test_versions_agree(installed: Installed) -> None:
    assert installed.flags("--modversion") == [version()]
    header = (installed.prefix / "include/lamport_clock.h").read_text()
    for part, number in [("MAJOR", MAJOR), ("MINOR", MINOR), ("PATCH", PATCH)]:
        assert f"#define LAMPORT_VERSION_{part} {number}\n" in header
    assert f'#define LAMPORT_VERSION_STRING "{version()}"\n' in header


def needs_the_shared_library(program: Path) -> bool:
    dynamic = ["readelf", "--dynamic", "--wide", str(program)]
    ran = subprocess.run(dynamic, capture_output=True, text=True, timeout=LIMIT, check=True)
    return "[liblamport_clock.so.0]" in ran.stdout


def check_examples(installed: Installed, folder: Path) -> None:
    said = installed.run([str(folder / "ordering")], folder)
    assert said.startswith(f"lamport-clock {version()} on memory:example\n")
    assert said.endswith("the record holds 108, written by api\n")
    assert installed.run([str(folder / "following")], folder).splitlines() == [
        "2 by api",
        "4 by api",
        "6 to 8 by api",
        "3 updates were heard of",
    ]
    assert installed.run([str(folder / "services")], folder).splitlines() == [
        "1@api      order 17 came in",
        "2@api      asking billing",
        "3@billing  order 17 is paid",
        "4@billing  asking stock",
        "5@stock    order 17 is packed",
    ]
    assert needs_the_shared_library(folder / "ordering")


def test_examples_with_make(installed: Installed, sources: Path) -> None:
    installed.run(
        ["make", "CFLAGS=-Wall -Wextra -Werror", "CXXFLAGS=-Wall -Wextra -Werror"], sources
    )
    check_examples(installed, sources)
    installed.run([str(sources / "ordering-static")], sources)
    assert not needs_the_shared_library(sources / "ordering-static")


def test_examples_with_cmake(installed: Installed, sources: Path) -> None:
    cmake = str(TOOLS / "cmake")
    installed.run([cmake, "-S", ".", "-B", "build", "-G", "Unix Makefiles"], sources)
    installed.run([cmake, "--build", "build"], sources)
    check_examples(installed, sources / "build")
    installed.run([str(sources / "build/ordering-static")], sources)
    assert not needs_the_shared_library(sources / "build/ordering-static")


def test_a_program_without_any_shared_library(installed: Installed, sources: Path) -> None:
    flags = installed.flags("--static", "--cflags", "--libs")
    compiler = os.environ.get("CC", "cc")
    installed.run([compiler, "ordering.c", "-static", *flags, "-o", "alone"], sources)
    assert installed.run(["./alone"], sources).endswith("written by api\n")


@pytest.mark.parametrize(
    ("asked", "compatible"),
    [
        (f"{MAJOR}.{MINOR}", True),
        (version(), True),
        (f"{MAJOR}.{MINOR}.{int(PATCH) + 1}", False),
        (f"{int(MAJOR) + 1}.0", False),
        (f"{MAJOR}.{MINOR}...{MAJOR}.99", True),
        (f"0.0.1...<{version()}", False),
    ],
)
def test_cmake_asks_for_a_version(
    installed: Installed, tmp_path: Path, asked: str, compatible: bool
) -> None:
    # In a script CMake looks at versions, but has no targets: whatever fits fails after that.
    script = tmp_path / "ask.cmake"
    script.write_text(f"find_package(lamport_clock {asked} REQUIRED CONFIG)\n")
    ran = subprocess.run(
        [TOOLS / "cmake", "-P", script],
        env=installed.environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    refused = re.search(r"compatible with\s+requested version", ran.stderr)
    assert (refused is None) == compatible, ran.stderr
    assert compatible == ("add_library command is not scriptable" in ran.stderr), ran.stderr


def test_cmake_says_what_is_missing(installed: Installed, tmp_path: Path) -> None:
    shutil.copytree(installed.prefix, tmp_path / "broken", symlinks=True)
    (tmp_path / "broken/lib/liblamport_clock.a").unlink()
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\n"
        "project(asks LANGUAGES NONE)\n"
        "find_package(lamport_clock REQUIRED)\n"
    )
    ran = subprocess.run(
        [TOOLS / "cmake", "-S", tmp_path, "-B", tmp_path / "build"],
        env=Installed(tmp_path / "broken").environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert ran.returncode != 0
    assert "liblamport_clock.a is missing" in " ".join(ran.stderr.split()), ran.stderr
