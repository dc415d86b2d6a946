"""A client in Python that works without end and writes down every call.

usage: worker.py STORE PROCESS TIMEOUT_S RECORD REST_MS

It rests about so long between two calls, never the same time, and SIGTERM ends it. A call stands
in the record twice: when it begins, since we may be killed in it, and when it has returned. Four of
five are updates, the others reserve or read.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from lamport_clock import LamportError, SharedClock


class Recorder:
    """Appends whole lines: each is one write, which a kill does not tear."""

    def __init__(self, path: str, clock: SharedClock) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._who = {"process": clock.process, "instance": f"{clock.instance:016x}"}

    def call(self, operation: str, work: Callable[[], dict[str, Any]]) -> None:
        called = time.monotonic_ns()
        line = {**self._who, "operation": operation, "called": called}
        self._write(line)
        try:
            outcome = {"outcome": "ok", **work()}
        except LamportError as error:
            # Only the library knows which failures had no effect, and it says so of none.
            outcome = {"outcome": "unknown", "kind": error.kind, "error": str(error)}
        self._write({**line, "returned": time.monotonic_ns(), **outcome})

    def _write(self, line: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")


def connected(store: str, process: str, timeout: float) -> SharedClock:
    while True:
        try:
            return SharedClock.connect(store, node=process, timeout=timeout)
        except LamportError as error:
            print(error, flush=True)
            time.sleep(0.25)


def main() -> None:
    store, process, timeout, path, rest = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    clock = connected(store, process, float(timeout))
    recorder = Recorder(path, clock)

    def update() -> dict[str, Any]:
        done = clock.update()
        return {
            "first": done.value,
            "value": done.value,
            "previous": done.previous.value if done.previous else None,
            "revision": done.revision,
            "round_trips": done.round_trips,
            "regressed": done.regressed,
        }

    def reserve() -> dict[str, Any]:
        done = clock.reserve(random.randint(2, 9))
        return {
            "first": done.first,
            "value": done.last,
            "previous": done.previous.value if done.previous else None,
            "revision": done.revision,
            "round_trips": done.round_trips,
            "regressed": done.regressed,
        }

    def read() -> dict[str, Any]:
        found = clock.read()
        return {
            "value": found.value if found else None,
            "revision": found.revision if found else None,
        }

    work = {"update": update, "reserve": reserve, "read": read}
    while not stop.wait(random.uniform(0.5, 1.5) * float(rest) / 1e3):
        operation = random.choices(list(work), (8, 1, 1))[0]
        recorder.call(operation, work[operation])
    clock.close()


if __name__ == "__main__":
    main()
