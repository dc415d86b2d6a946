"""The C programs under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer.

In `make test` the library is the one that users get: its allocations are watched (freed wrongly,
used by C after the free, leaked), its own code is not instrumented. `make sanitize` runs the same
tests on a library that is.

Not one leak is excused: the library's runtime and its list of long names live as long as the
process, and are reachable until its end. Only a forked child is not asked. What its parent's
threads held is nobody's there, and what it inherits it must not drop (`src/fork.rs`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from library import EXAMPLE, HERE, LIMIT, Library
from servers import Etcd, Silence

SANITIZED = ["-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
STRICT = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


@pytest.fixture(scope="session")
def sanitizers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips, loudly, where the compiler brings none; never in CI."""
    source = tmp_path_factory.mktemp("probe") / "probe.c"
    source.write_text("int main(void) { return 0; }\n")
    compiler = os.environ.get("CC", "cc")
    command = [compiler, *SANITIZED, str(source), "-o", str(source.with_suffix(""))]
    tried = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    if tried.returncode != 0:
        assert os.environ.get("CI") != "true", tried.stderr
        warnings.warn(f"{compiler} has no sanitizers: memory errors go unseen here", stacklevel=1)
        pytest.skip(f"{compiler} can't link with -fsanitize=address: install libasan and libubsan")


def clean(command: list[str], library: Library, **options: str) -> str:
    environment = library.environment | STRICT | options
    ran = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=LIMIT, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Sanitizer" not in ran.stderr and "runtime error" not in ran.stderr, ran.stderr
    return ran.stdout


@pytest.mark.usefixtures("sanitizers")
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
        ("ordering", ["etcd"]),
        ("following", ["etcd"]),
    ],
)
def test_no_memory_error_and_no_leak(
    library: Library, etcd: Etcd, name: str, arguments: list[str]
) -> None:
    examples = EXAMPLE.parent / f"{name}.c"
    source = examples if examples.exists() else HERE / f"{name}.c"
    program = library.program(source, "c11", "shared", *SANITIZED)
    store = [etcd.uri(f"/sanitized-{name}") if a == "etcd" else a for a in arguments]
    clean([str(program), *store], library)


@pytest.mark.usefixtures("sanitizers")
def test_no_memory_error_and_no_leak_in_cpp(library: Library) -> None:
    program = library.program(HERE / "test_cpp.cpp", "c++17", "shared", *SANITIZED)
    clean([str(program), "memory:test"], library)


@pytest.mark.usefixtures("sanitizers")
@pytest.mark.parametrize("way", ["return", "exit", "thread"])
def test_an_end_with_calls_under_way_leaks_nothing(library: Library, etcd: Etcd, way: str) -> None:
    program = library.program(HERE / "exit.c", "c11", "shared", *SANITIZED)
    with Silence() as silence:
        clean([str(program), way, silence.uri, etcd.uri(f"/sanitized-{way}")], library)


@pytest.mark.usefixtures("sanitizers")
@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("lamport_error_free(error); return message[0];", "heap-use-after-free"),
        ("error = NULL;", "leaked"),
    ],
)
def test_what_a_program_does_wrong_is_seen(
    library: Library, tmp_path: Path, fault: str, seen: str
) -> None:
    """That it can be seen at all: planted faults, at the border."""
    source = tmp_path / f"{seen}.c"
    source.write_text(
        "#include <lamport_clock.h>\n"
        "int main(void) {\n"
        "    lamport_error_t *error = NULL;\n"
        "    lamport_clock_t *clock = NULL;\n"
        '    (void)lamport_clock_connect("redis:", "api", 0, &clock, &error);\n'
        "    const char *message = lamport_error_message(error);\n"
        f"    {fault}\n"
        "    return message == NULL;\n"
        "}\n"
    )
    program = library.program(source, "c11", "shared", *SANITIZED)
    ran = subprocess.run(
        [str(program)],
        capture_output=True,
        text=True,
        env=library.environment | STRICT,
        timeout=LIMIT,
        check=False,
    )
    assert ran.returncode != 0
    assert seen in ran.stderr, ran.stderr


@pytest.mark.usefixtures("sanitizers")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the runtime's name is Linux's")
@pytest.mark.parametrize("name", ["test_fork", "test_fork_watch"])
def test_forks_make_no_memory_error(library: Library, name: str, tmp_path: Path) -> None:
    # With the runtime of Rust's own toolchain: in a child of a process with several threads that of
    # older compilers (GCC 12) waits for ever for a lock of its own allocator.
    libraries = subprocess.run(
        ["rustc", "--print", "target-libdir"],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    runtimes = sorted(Path(libraries.stdout.strip()).glob("librustc*_rt.asan.a"))
    assert runtimes, "this Rust toolchain brings no AddressSanitizer"
    unit, program = tmp_path / f"{name}.o", tmp_path / name
    compiler = os.environ.get("CC", "cc")
    include = f"-I{library.folder / 'include'}"
    compiling = [compiler, "-std=c11", "-g", "-O1", "-fsanitize=address", include, "-c"]
    linking = [compiler, str(unit), "-rdynamic", "-Wl,--whole-archive", str(runtimes[0])]
    linking += ["-Wl,--no-whole-archive", f"-L{library.folder / 'lib'}", "-llamport_clock"]
    linking += ["-lpthread", "-lm", "-ldl", "-lrt", "-lresolv", "-o", str(program)]
    for command in [[*compiling, str(HERE / f"{name}.c"), "-o", str(unit)], linking]:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
        assert ran.returncode == 0, ran.stderr
    clean([str(program), "memory:test"], library, ASAN_OPTIONS="detect_leaks=0")
