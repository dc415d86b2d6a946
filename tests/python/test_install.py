"""What pip makes of the wheel, in a bare environment with neither Rust nor protoc in reach.

It is tried on every CPython from 3.10 on that this machine has; the end of the run says which.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY
from servers import PATIENCE, Etcd

OLDEST = (3, 10)
NAME = re.compile(r"python3\.\d+")
# What is asked of each interpreter: what it is, or nothing if it can't use an abi3 wheel. A
# distribution's may come without venv.
WHAT = """
import platform, sys, sysconfig, venv
if sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    print(*sys.version_info[:2], platform.python_version())
"""


def interpreters() -> dict[str, Path]:
    """The Pythons of this machine, one for each minor version, by their full version."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders += sorted(pyenv.glob("versions/*/bin"))
    candidates = [Path(sys.executable)]
    for folder in folders:
        candidates += [
            path for path in sorted(folder.glob("python3.*")) if NAME.fullmatch(path.name)
        ]
    found: dict[tuple[int, int], tuple[str, Path]] = {}
    for candidate in candidates:
        done = subprocess.run(
            [candidate, "-c", WHAT], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode == 0 and done.stdout:
            major, minor, version = done.stdout.split()
            found.setdefault((int(major), int(minor)), (version, candidate))
    return dict(found[minor] for minor in sorted(found) if minor >= OLDEST)


PYTHONS = interpreters()


@pytest.fixture(params=PYTHONS)
def python(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The Python of a new environment that holds the wheel and nothing else."""
    environment = tmp_path / "environment"
    base = PYTHONS[request.param]
    subprocess.run([base, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin/python"
    [wheel] = REPOSITORY.glob("dist/*.whl")
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "--disable-pip-version-check",
    ]
    # Without an index, a dependency could not be met.
    subprocess.run([*pip, "install", "--quiet", "--no-index", wheel], check=True)
    yield python
    shutil.rmtree(environment)


def bare(*command: str | Path, **variables: str) -> subprocess.Popen[str]:
    """The command in an environment that has no other in reach."""
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={"PATH": "/nowhere", **variables}
    )


def said(*command: str | Path, **variables: str) -> str:
    """What it prints, when it ends well."""
    with bare(*command, **variables) as process:
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 0
    return output


def test_it_works_where_there_is_nothing_but_python(
    python: Path, etcd: Etcd, key: str, request: pytest.FixtureRequest
) -> None:
    version = said(python, "-c", "import platform; print(platform.python_version())").strip()
    installed = said(python, "-c", "import lamport_clock; print(lamport_clock.__file__)")
    assert Path(installed).is_relative_to(python.parents[1])
    program = f"""
import pickle
from lamport_clock import SharedClock, Stamp
with SharedClock.connect({etcd.uri(key)!r}, node="a") as clock:
    assert clock.receive("41@b") == Stamp(42, "a", clock.instance)
    assert pickle.loads(pickle.dumps(clock.tick())).time == 43
    print(clock.update().value)
"""
    assert said(python, "-c", program) == "45\n"
    lamport = python.with_name("lamport")
    assert said(lamport, "--version").startswith("lamport ")
    memory = {"NODE_NAME": "a", "LAMPORT_STORE": "memory:"}
    assert "2" in said(python, "-m", "lamport_clock", "update", **memory)
    with bare(python, "-m", "logical_count", **memory) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert lines[0] == "Connected to memory: as a\n"
    assert lines[1].startswith("Updated Lamport clock to 2 ")
    assert rest.startswith("Stopped: 1 update, 0 failures")
    request.node.user_properties.append(("the wheel works on Python", version))


# Makes an interpreter as mod_wsgi does, and runs code in it.
ANOTHER = """
import sys
try:
    import _interpreters
    other = _interpreters.create("legacy")
    run = _interpreters.exec
except ImportError:
    import _xxsubinterpreters
    other = _xxsubinterpreters.create(isolated=False)
    run = _xxsubinterpreters.run_string
"""
IMPORTS = """
try:
    import lamport_clock
    print("imported", flush=True)
except ImportError as error:
    print(error, flush=True)
"""


@pytest.mark.parametrize("first", ["here", "there"])
def test_a_second_interpreter_of_a_process_is_refused(python: Path, first: str) -> None:
    there = f"run(other, {IMPORTS!r})"
    order = [IMPORTS, there] if first == "here" else [there, IMPORTS]
    # Once more where it was first: that goes on, and the process ends well.
    one, two, three = said(python, "-c", "\n".join([ANOTHER, *order, order[0]])).splitlines()
    assert (one, three) == ("imported", "imported")
    assert "lamport_clock serves one interpreter of a process" in two


def test_a_fork_with_threads_warns_of_nothing_that_concerns_the_clock(python: Path) -> None:
    """The filter is the one of docs/PYTHON.md. Pythons before 3.12 have no such warning."""
    document = (REPOSITORY / "docs/PYTHON.md").read_text()
    filters = [line for line in document.splitlines() if line.startswith("warnings.filterwarnings")]
    program = f"""
import os, warnings
from lamport_clock import SharedClock
clock = SharedClock.memory("a")
clock.update()

def fork():
    child = os.fork()
    if child == 0:
        clock.update()
        os._exit(0)
    return os.waitpid(child, 0)[1]

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(fork(), len(caught))
    {filters[0]}
    print(fork(), len(caught))
"""
    warned = said(python, "-c", "import sys; print(int(sys.version_info >= (3, 12)))").strip()
    assert said(python, "-c", program).splitlines() == [f"0 {warned}"] * 2
