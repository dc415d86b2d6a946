"""The script's face: the lines it prints, and its one function."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import logical_count
import pytest
from lamport_clock import SharedClock, UnknownNodeError
from programs import Program, run
from servers import Etcd, Refusal

QUICKLY = "import logical_count; raise SystemExit(logical_count.main(interval=0.01))"
UPDATED = re.compile(
    r"Updated Lamport clock to (\d+) "
    r"\(before: (?:(\d+) by (.*?)(?:; had gone back from (\d+))?|no record)\)"
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_connects_updates_and_stops(number: signal.Signals) -> None:
    with Program("-c", QUICKLY, LAMPORT_STORE="memory:", NODE_NAME="mx-nodel2") as program:
        assert program.next_line() == "Connected to memory: as mx-nodel2"
        assert program.next_line() == "Updated Lamport clock to 2 (before: no record)"
        assert program.next_line() == "Updated Lamport clock to 4 (before: 2 by mx-nodel2)"
        assert program.end(number) == 0
    last = len(program.lines) - 2
    assert program.lines[-1] == f"Stopped: {last} updates, 0 failures, last value {2 * last}"
    for line in program.lines[1:-1]:
        assert UPDATED.fullmatch(line), line


def test_it_runs_as_a_module_with_the_pace_of_the_old_script() -> None:
    assert logical_count.INTERVAL == 2.0
    with Program("-m", "logical_count", LAMPORT_STORE="memory:", NODE_NAME="a") as program:
        assert program.next_line() == "Connected to memory: as a"
        assert program.next_line() == "Updated Lamport clock to 2 (before: no record)"
        # In the middle of its sleep.
        assert program.end(signal.SIGTERM) == 0
        assert program.lines[-1] == "Stopped: 1 update, 0 failures, last value 2"


def test_it_runs_as_a_file() -> None:
    with Program(logical_count.__file__, LAMPORT_STORE="memory:", NODE_NAME="a") as program:
        program.wait_for("Updated")
        assert program.end(signal.SIGINT) == 0


def test_the_command_is_not_taken_in_by_the_old_script_beside_it(tmp_path: Path) -> None:
    (tmp_path / "logical_count.py").write_text("print('the old one')")
    there = "import os, sys; os.chdir(sys.argv[1]); os.execv(sys.argv[2], sys.argv[2:])"
    command = str(Path(sys.executable).with_name("logical_count"))
    old = [sys.executable, "-m", "logical_count"]
    assert run("-c", there, str(tmp_path), *old).stdout == "the old one\n"
    variables = {"LAMPORT_STORE": "memory:", "NODE_NAME": "a"}
    with Program("-c", there, str(tmp_path), command, **variables) as program:
        assert program.next_line() == "Connected to memory: as a"
        assert program.end(signal.SIGTERM) == 0
    if sys.version_info >= (3, 11):
        safe = [sys.executable, "-P", *old[1:]]
        with Program("-c", there, str(tmp_path), *safe, **variables) as program:
            assert program.next_line() == "Connected to memory: as a"


def test_a_name_that_stdout_cannot_encode_ends_nothing(etcd: Etcd, key: str) -> None:
    store = etcd.uri(key)
    SharedClock.connect(store, node="\u6642").update()
    variables = {"LAMPORT_STORE": store, "NODE_NAME": "a", "PYTHONIOENCODING": "ascii:strict"}
    with Program("-c", QUICKLY, **variables) as program:
        assert program.wait_for("Updated").endswith("(before: 2 by \\u6642)")
        program.wait_for("Updated")
        assert program.end(signal.SIGTERM) == 0
        assert program.lines[-1].startswith("Stopped: ")


STDOUTS = {
    "full": "os.dup2(os.open('/dev/full', os.O_WRONLY), 1)",
    "unread": "r, w = os.pipe(); os.close(r); os.dup2(w, 1)",
    "closed": "os.close(1)",
}


@pytest.mark.parametrize("stdout", STDOUTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_stdout_that_takes_nothing_ends_nothing(
    stdout: str, number: signal.Signals, etcd: Etcd, key: str
) -> None:
    start = f"import os, sys; {STDOUTS[stdout]}; os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", QUICKLY]
    store = etcd.uri(key)
    observer = SharedClock.connect(store, node="observer")
    with Program("-c", start, *command, LAMPORT_STORE=store, NODE_NAME="a") as program:
        while len([*observer.history()]) < 3:
            assert program.process.poll() is None, program.lines
        assert program.end(number) == 0
        # Nor does the interpreter complain as it ends.
        assert program.lines == []


@pytest.mark.parametrize("numbers", [[signal.SIGINT] * 30, [signal.SIGTERM, signal.SIGINT] * 15])
def test_further_signals_while_it_ends_change_nothing(numbers: list[signal.Signals]) -> None:
    for _ in range(5):
        with Program("-c", QUICKLY, LAMPORT_STORE="memory:", NODE_NAME="a") as program:
            program.wait_for("Updated")
            for number in numbers:
                program.process.send_signal(number)
            assert program.end() == 0
            assert program.lines[-1].startswith("Stopped: "), program.lines


def test_it_goes_on_trying_while_nobody_listens() -> None:
    with Refusal() as address:
        store = f"etcd://{address}"
        with Program("-c", QUICKLY, LAMPORT_STORE=store, NODE_NAME="mx-nodel") as program:
            for _ in range(3):
                line = program.next_line()
                assert line.startswith("Connection failed (unavailable): ")
                assert address in line
            assert program.end(signal.SIGTERM) == 0
            assert re.fullmatch(r"Stopped: 0 updates, \d+ failures, no value", program.lines[-1])


@pytest.mark.parametrize(
    ("variables", "parts"),
    [
        ({"NODE_NAME": "mx-node1"}, ["unknown_node", "NODE_NAME", "mx-node1", "mx-nodel3"]),
        ({"NODE_NAME": ""}, ["invalid_argument", "NODE_NAME", "LAMPORT_STORE"]),
        ({"NODE_NAME": "a", "LAMPORT_NODES": "a"}, ["invalid_argument", "LAMPORT_NODES"]),
        ({"NODE_NAME": "a", "LAMPORT_STORE": "x"}, ["invalid_argument", "LAMPORT_STORE"]),
    ],
)
def test_a_wrong_setting_ends_it_with_one_line(variables: dict[str, str], parts: list[str]) -> None:
    done = run("-m", "logical_count", **variables)
    assert (done.returncode, done.stderr) == (2, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith("Wrong setting (")
    for part in parts:
        assert part in line


def test_the_function_connects_when_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logical_count, "_clock", None)
    with pytest.raises(UnknownNodeError):
        monkeypatch.setenv("NODE_NAME", "nobody")
        logical_count.update_lamport_clock()
    monkeypatch.setenv("NODE_NAME", "mx-nodel")
    monkeypatch.setenv("LAMPORT_STORE", "memory:function")
    assert [logical_count.update_lamport_clock() for _ in range(3)] == [2, 4, 6]
    other = SharedClock.connect(node="other")
    assert other.update().value == 7
    assert logical_count.update_lamport_clock() == 8
