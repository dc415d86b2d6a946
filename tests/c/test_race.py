"""Two processes in C, one in Python and one in Rust race on one key of a real etcd."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from library import LIMIT, ROOT, Library
from servers import Etcd

EACH = 150
"""Updates that each has to have had among the others."""


def made(variable: str) -> str:
    """A program that the Makefile has made for this suite, and names so."""
    path = os.environ.get(variable)
    if path is None or not Path(path).exists():
        pytest.fail(f"{variable} is {path!r}: run this suite by `make test`, or set it")
    return path


def taken(record: Path) -> list[int]:
    """The times that a racer was given, in the order in which it was answered."""
    if not record.exists():
        return []
    # The last line may still be on its way.
    lines = record.read_text().rpartition("\n")[0].splitlines()
    calls = [json.loads(line) for line in lines]
    answers = [call for call in calls if call.get("outcome") == "ok" and "first" in call]
    return [time for call in answers for time in range(call["first"], call["value"] + 1)]


def wait_until(happened: Callable[[], bool]) -> None:
    give_up = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.05)


def test_c_python_and_rust_race_on_one_key(
    library: Library, own_etcd: Etcd, tmp_path: Path
) -> None:
    lamport, python = made("LAMPORT_COMMAND"), made("LAMPORT_PYTHON")
    store = own_etcd.uri("/race")
    worker = str(library.program(ROOT / "tests/chaos/worker.c", "c11", "shared"))
    records = {name: tmp_path / f"{name}.jsonl" for name in ["c-1", "c-2", "python", "rust"]}

    def words(name: str, deadline: str) -> list[str]:
        return [store, name, deadline, str(records[name]), "2"]

    rust = ["run", "--json", "--interval", "2ms", "--timeout", "10s", "--node", "rust"]
    racers = {
        "c-1": [worker, *words("c-1", "10000")],
        "c-2": [worker, *words("c-2", "10000")],
        "python": [python, str(ROOT / "tests/chaos/worker.py"), *words("python", "10")],
        "rust": [lamport, *rust, "--store", store, "--record", str(records["rust"])],
    }
    running = {
        name: subprocess.Popen(argv, env=library.environment, stdout=subprocess.DEVNULL)
        for name, argv in racers.items()
    }
    try:
        wait_until(lambda: all(len(taken(record)) >= EACH for record in records.values()))
        for racer in running.values():
            racer.send_signal(signal.SIGTERM)
        assert {name: racer.wait(LIMIT) for name, racer in running.items()} == dict.fromkeys(
            racers, 0
        )
    finally:
        for racer in running.values():
            racer.kill()
            racer.wait(LIMIT)

    times = [taken(record) for record in records.values()]
    everything = sorted(time for one in times for time in one)
    assert len(everything) == len(set(everything)) >= 4 * EACH
    assert all(one == sorted(one) for one in times)
    # They did race: each has times between those of each other.
    assert max(min(one) for one in times) < min(max(one) for one in times)

    # The order of the calls, and the store's own log, are for the checker to judge. The log may
    # hold more than the answers: who is asked to end in a call does not hear what came of it.
    log = tmp_path / "log.jsonl"
    last = library.passes([lamport, "update", "--node", "last", "--json", "--store", store])
    with log.open("w") as output:
        watch = subprocess.Popen(
            [lamport, "watch", "--from", "1", "--json", "--store", store],
            env=library.environment,
            stdout=output,
        )

    def is_whole() -> bool:
        *_, newest = log.read_text().splitlines() or ["{}"]
        return f'"value":{json.loads(last)["value"]},' in newest and newest.endswith("}")

    try:
        wait_until(is_whole)
    finally:
        watch.kill()
        watch.wait(LIMIT)
    histories = [str(record) for record in records.values()]
    verdict = library.passes([lamport, "check", *histories, "--log", str(log), "--deadline", "10s"])
    assert "VIOLATIONS" not in verdict and "incomplete" not in verdict, verdict
