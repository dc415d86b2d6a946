"""The C programs: compiled as strictly as it goes, linked both ways, run on both stores."""

from __future__ import annotations

import re
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest
from library import EXAMPLE, HERE, LIMIT, ROOT, Library, version
from servers import Etcd, Silence

LINKS = ["shared", "static"]


def checks(output: str) -> int:
    """How many checks a test program made."""
    found = re.search(r"^(\d+) checks, 0 failed$", output, re.M)
    assert found, output
    return int(found.group(1))


# What a program says does not depend on both together.
@pytest.mark.parametrize(("standard", "link"), [("c99", "shared"), ("c11", "static")])
@pytest.mark.parametrize(
    ("name", "arguments", "least"),
    [
        ("test_background", ["memory:test"], 60),
        ("test_border", [], 300),
        ("test_clock", ["memory:test"], 130),
        ("test_descriptors", ["memory:test"], 250),
        ("test_follow", ["memory:test"], 200),
        ("test_fork", ["memory:test"], 500),
        ("test_fork_watch", ["memory:test"], 90),
        ("test_local", [str(ROOT / "tests/stamps.tsv")], 350),
        ("test_process", [], 15),
        ("test_watch", ["memory:test"], 300),
    ],
)
def test_program(
    library: Library, name: str, arguments: list[str], least: int, standard: str, link: str
) -> None:
    program = library.program(HERE / f"{name}.c", standard, link)
    assert checks(library.passes([str(program), *arguments])) >= least


def test_signed_headers_are_those_of_every_language(library: Library, tmp_path: Path) -> None:
    program = library.program(HERE / "test_clock.c", "c99", "shared")
    arguments = ["memory:signed", str(ROOT / "tests/header.tsv"), str(tmp_path / "key")]
    assert checks(library.passes([str(program), *arguments])) >= 250


def test_checks_count_without_assertions_too(library: Library) -> None:
    program = library.program(HERE / "test_border.c", "c99", "shared", "-DNDEBUG", "-O2")
    assert checks(library.passes([str(program)])) >= 300


@pytest.mark.parametrize("link", LINKS)
def test_clock_on_etcd(library: Library, etcd: Etcd, link: str) -> None:
    program = library.program(HERE / "test_clock.c", "c99", link)
    assert checks(library.passes([str(program), etcd.uri(f"/clock-{link}")])) >= 130


@pytest.mark.parametrize(("name", "least"), [("test_fork", 500), ("test_fork_watch", 90)])
def test_fork_on_etcd(library: Library, etcd: Etcd, name: str, least: int) -> None:
    program = library.program(HERE / f"{name}.c", "c99", "shared")
    assert checks(library.passes([str(program), etcd.uri(f"/{name}")])) >= least


def test_descriptors_on_etcd(library: Library, etcd: Etcd) -> None:
    program = library.program(HERE / "test_descriptors.c", "c99", "shared")
    assert checks(library.passes([str(program), etcd.uri("/test_descriptors")])) >= 250


@pytest.mark.parametrize("link", LINKS)
def test_cancel(library: Library, link: str) -> None:
    program = library.program(HERE / "test_cancel.c", "c99", link)
    with Silence() as silence:
        assert checks(library.passes([str(program), silence.uri])) >= 300


@pytest.mark.parametrize(
    ("name", "least"), [("test_watch", 300), ("test_follow", 200), ("test_background", 60)]
)
def test_by_itself_on_etcd(library: Library, etcd: Etcd, name: str, least: int) -> None:
    program = library.program(HERE / f"{name}.c", "c99", "shared")
    assert checks(library.passes([str(program), etcd.uri(f"/{name}")])) >= least


@pytest.mark.parametrize(
    ("standard", "link", "options"),
    [
        ("c++17", "shared", []),
        ("c++17", "static", ["-O2", "-DNDEBUG"]),
        ("c++20", "shared", ["-fno-rtti"]),
    ],
)
def test_cpp(library: Library, standard: str, link: str, options: list[str]) -> None:
    program = library.program(HERE / "test_cpp.cpp", standard, link, *options)
    assert checks(library.passes([str(program), "memory:test"])) >= 60


def test_cpp_on_etcd(library: Library, etcd: Etcd) -> None:
    program = library.program(HERE / "test_cpp.cpp", "c++17", "shared")
    assert checks(library.passes([str(program), etcd.uri("/cpp")])) >= 60


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("standard", ["c++11", "c++17"])
def test_header_in_cpp(library: Library, standard: str, link: str) -> None:
    program = library.program(HERE / "header.cpp", standard, link)
    assert library.passes([str(program)]) == "ok 2\n"


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("where", ["memory", "etcd"])
def test_example(library: Library, etcd: Etcd, where: str, link: str) -> None:
    store = etcd.uri(f"/example-{link}") if where == "etcd" else "memory:example"
    program = library.program(EXAMPLE, "c99", link)
    assert library.passes([str(program), store]).splitlines() == [
        f"lamport-clock {version()} on {store}",
        "api sends a message at 1",
        "worker receives it at 2",
        # api: local 1 + 1, the record empty, so max(2, 0) + 1; and so on by the rule.
        "api updates to 3",
        "worker updates to 4",
        "api updates to 5",
        "worker updates to 6",
        "api updates to 7",
        "worker updates to 8",
        "api reserves 9 to 108",
        "the record holds 108, written by api",
    ]


def test_example_says_what_is_wrong(library: Library) -> None:
    ran = library.run([str(library.program(EXAMPLE, "c99", "shared")), "redis://there"])
    assert ran.returncode == 1
    assert ran.stderr.startswith("open: ") and ran.stderr.endswith("(invalid_argument)\n")
    assert "redis://there" in ran.stderr and ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("test_background", ["etcd"]),
        ("test_border", []),
        ("test_clock", ["memory:test"]),
        ("test_clock", ["etcd"]),
        ("test_follow", ["memory:test"]),
        ("test_follow", ["etcd"]),
        ("test_local", []),
        ("test_process", []),
        ("test_watch", ["memory:test"]),
        ("test_watch", ["etcd"]),
        ("ordering", ["memory:example"]),
        ("ordering", ["etcd"]),
    ],
)
def test_under_valgrind(library: Library, etcd: Etcd, name: str, arguments: list[str]) -> None:
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        warnings.warn("no valgrind: memory errors in the C library go unseen here", stacklevel=1)
        pytest.skip("valgrind is not installed: install it to have memory errors and leaks seen")
    source = EXAMPLE if name == "ordering" else HERE / f"{name}.c"
    program = library.program(source, "c99", "shared")
    store = [etcd.uri(f"/valgrind-{name}") if a == "etcd" else a for a in arguments]
    options = ["--quiet", "--error-exitcode=99", "--fair-sched=yes"]
    # A forked child has lost the threads that held what they had: leaks mean nothing there.
    if name != "test_process":
        options += ["--leak-check=full"]
        options += [f"--{what}-leak-kinds=definite,indirect" for what in ["show", "errors-for"]]
    ran = library.run([valgrind, *options, str(program), *store])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "==" not in ran.stderr, ran.stderr


def test_exports_are_the_listed_ones(library: Library) -> None:
    table = tool(["nm", "-D", "--defined-only", str(library.shared)])
    exported = sorted(line.split()[-1] for line in table.splitlines())
    assert exported == (ROOT / "bindings/c/symbols.txt").read_text().split()


def test_soname_and_dependencies(library: Library) -> None:
    dynamic = tool(["readelf", "--dynamic", "--wide", str(library.shared)])
    assert re.findall(r"\(SONAME\).*\[(.+)\]", dynamic) == ["liblamport_clock.so.0"]
    assert "NODELETE" in dynamic
    # Nothing beyond the C library and the compiler's own: it runs wherever it is copied to.
    needed = re.findall(r"\(NEEDED\).*\[(\w[\w-]*)", dynamic)
    assert set(needed) <= {"libc", "libgcc_s", "libm", "ld-linux-x86-64", "ld-linux-aarch64"}


def tool(command: list[str]) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True)
    return ran.stdout
