"""What is in the wheel: the command, the types, and no more than that."""

from __future__ import annotations

import importlib.metadata
import modulefinder
import re
import signal
import subprocess
import sys
from pathlib import Path

import lamport_clock
import pytest
from conftest import REPOSITORY
from programs import run
from servers import PATIENCE

COMMAND = str(Path(sys.executable).with_name("lamport"))
VERSION = importlib.metadata.version("lamport-clock")


def test_the_wheel_needs_nothing_and_says_what_it_is() -> None:
    assert importlib.metadata.requires("lamport-clock") is None
    metadata = importlib.metadata.metadata("lamport-clock")
    assert metadata["License-Expression"] == "MIT OR Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10"
    assert lamport_clock.__version__ == VERSION
    folder = Path(lamport_clock.__file__).parent
    assert {"py.typed", "_native.pyi"} <= {path.name for path in folder.iterdir()}


def test_the_wheel_is_small_and_runs_on_old_distributions() -> None:
    [wheel] = REPOSITORY.glob("dist/*.whl")
    assert wheel.stat().st_size < 5_000_000
    assert wheel.name.startswith(f"lamport_clock-{VERSION}-cp310-abi3-manylinux2014_")
    auditor = Path(sys.executable).with_name("auditwheel")
    said = subprocess.run([auditor, "show", wheel], capture_output=True, text=True, check=True)
    assert re.search(
        r"consistent with the following platform tag:\s+\"manylinux_2_17_", said.stdout
    )
    # The unwinder of libc, and none beside it: test_exit.py shows what happens otherwise.
    assert "libgcc_s.so.1" in said.stdout


def test_the_wheel_says_who_made_it_under_which_licence_and_for_whom() -> None:
    metadata = importlib.metadata.metadata("lamport-clock")
    assert metadata["Author"] == "The lamport-clock developers"
    licences = {"LICENSE-APACHE", "LICENSE-MIT", "LICENSE-THIRD-PARTY"}
    assert set(metadata.get_all("License-File", [])) == licences
    for licence in licences:
        [installed] = [
            file for file in importlib.metadata.files("lamport-clock") or [] if file.name == licence
        ]
        assert installed.read_text() == (REPOSITORY / licence).read_text()
    classifiers = metadata.get_all("Classifier", [])
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.10"} <= set(classifiers)
    assert metadata["Description-Content-Type"].startswith("text/markdown")


def test_what_native_code_imports_is_seen_by_those_who_freeze_programs(tmp_path: Path) -> None:
    sources = (REPOSITORY / "bindings/python/src").rglob("*.rs")
    text = "".join(source.read_text() for source in sources)
    wanted = set(re.findall(r'\bimport\("([\w.]+)"\)', text))
    assert len(wanted) == len(re.findall(r"\bimport\(", text)) >= 4
    program = tmp_path / "program.py"
    program.write_text("import lamport_clock")
    # By the bytecode alone, as they do.
    finder = modulefinder.ModuleFinder()
    finder.run_script(str(program))
    found = {*finder.modules}
    assert wanted <= found
    # Loaded when updates in the background begin.
    assert "lamport_clock._background" in found


def test_the_import_is_light() -> None:
    script = """
import sys
before = set(sys.modules)
import lamport_clock
print(*sorted(set(sys.modules) - before))
"""
    loaded = run("-c", script).stdout.split()
    assert set(loaded) <= {
        "__future__",
        "lamport_clock",
        "lamport_clock._errors",
        "lamport_clock._frozen",
        "lamport_clock._native",
        "lamport_clock._values",
    }


@pytest.mark.parametrize("begin", [[COMMAND], [sys.executable, "-m", "lamport_clock"]])
def test_the_command_comes_with_it(begin: list[str]) -> None:
    def lamport(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*begin, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    done = lamport("--version")
    assert (done.returncode, done.stdout) == (0, f"lamport {VERSION}\n"), done.stderr
    done = lamport("update", "--store", "memory:", "--node", "a")
    assert done.returncode == 0, done.stderr
    assert "2" in done.stdout
    done = lamport("no-such-command")
    assert done.returncode == 2
    assert "no-such-command" in done.stderr
    done = lamport("read", "--store", "redis://h", "--node", "a")
    assert done.returncode != 0
    assert "redis://h" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_command(number: signal.Signals) -> None:
    command = [COMMAND, "run", "--store", "memory:", "--node", "a", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert '"value"' in process.stdout.readline()
            process.send_signal(number)
            process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 0


def check(*arguments: str, **variables: str) -> None:
    done = run("-m", *arguments, **variables)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stub_says_what_the_module_has() -> None:
    check("mypy.stubtest", "lamport_clock")


def test_the_sources_are_strictly_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    cache = f"--cache-dir={tmp_path}"
    check("mypy", "--strict", cache, "python/lamport_clock", "python/logical_count.py")


def test_the_types_are_those_that_users_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
from typing import assert_type

from lamport_clock import (
    History, Holder, LamportError, LocalClock, Observed, Reservation, SharedClock, Stamp, Update,
)

with SharedClock.connect(timeout=0.5) as clock:
    assert_type(clock, SharedClock)
    assert_type(clock.tick(), Stamp)
    assert_type(clock.receive("42@a"), Stamp)
    assert_type(clock.receive(clock.tick()), Stamp)
    assert_type(clock.update(), Update)
    assert_type(clock.update().previous, Holder | None)
    assert_type(clock.reserve(5), Reservation)
    assert_type(clock.reserve(5)[0], int)
    assert_type(list(clock.reserve(5)), list[int])
    assert_type(clock.read(), Observed | None)
    assert_type(clock.history(), History)
    assert_type(clock.now(), int)
    assert_type(clock.advance(), int)
    assert_type(clock.advance_past("42@a"), int)
    for update in clock.watch():
        assert_type(update, Observed)
    assert_type(clock.watch().next_within(1), Observed | None)
    assert_type(clock.watch().interrupted, LamportError | None)
    assert_type(LocalClock("a").receive(clock.tick()), Stamp)
    match clock.update():
        case Update(value, process, previous=Holder(before)):
            assert_type((value, process, before), tuple[int, str, int])
    Update("7", "a", 1, None, 1.5, 12, 1)  # type: ignore[arg-type]
    Update(7, "a")  # type: ignore[call-arg]
    clock.receive(1.5)  # type: ignore[arg-type]
    clock.update().value = 5  # type: ignore[misc]
    Stamp(1, "a") < 5  # type: ignore[operator]
"""
    )
    monkeypatch.chdir(tmp_path)
    check("mypy", "--strict", "--python-version=3.11", f"--cache-dir={tmp_path}", program.name)
