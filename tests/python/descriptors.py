"""Programs that close the library's descriptors under it; test_descriptors.py runs them.

    descriptors.py SCENARIO STORE

Each prints a JSON text, and nothing else on stderr.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamport_clock import AsyncSharedClock, ClosedError, LamportError, SharedClock

PATIENCE = 30
TEXT = b"as it was"


class Files:
    """Files that take all the numbers which are free by now."""

    def __init__(self) -> None:
        # Bare numbers, which nothing closes later on.
        self._files = [os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_RDWR) for _ in range(64)]
        for file in self._files:
            os.write(file, TEXT)

    def untouched(self) -> bool:
        """Whether each is still open, still itself, and holds what it held."""
        return all(os.pread(file, 100, 0) == TEXT for file in self._files)


def close_all() -> None:
    """What a daemon does at its start, while the library's threads wait for something."""
    while any(state(task) != "S" for task in Path("/proc/self/task").iterdir()):
        pass
    os.closerange(3, 4096)


def state(task: Path) -> str:
    """Of a thread, in the letters of proc(5); of the one that asks, as if it waited."""
    if task.name == str(threading.get_native_id()):
        return "S"
    return (task / "stat").read_text().rpartition(")")[2].split()[0]


def at_rest(store: str) -> dict[str, Any]:
    clock = SharedClock.connect(store, "a", timeout="1s")
    other = SharedClock.connect(store, "b", timeout="1s")
    reserved = iter(clock.reserve(10))
    before = [other.update().value, clock.update().value, next(reserved)]
    instance, ticked = clock.instance, clock.tick()
    told: dict[str, Any] = {}
    for turn in ("first", "second"):
        close_all()
        files = Files()
        told[turn] = [clock.update().value, other.update().value, clock.update().value]
        assert clock.tick() > ticked and clock.instance != instance
        # What nobody uses any more is let go of.
        SharedClock.connect(store, "c", timeout="1s").close()
        told[turn + " files"] = files.untouched()
    assert next(reserved) == before[2] + 1
    told["new"] = SharedClock.connect(store, "d", timeout="1s").update().value
    newest = clock.read()
    assert newest is not None
    told["newest"] = newest.value
    clock.close()
    other.close()
    return {**told, "before": before[:2]}


def dropped(store: str) -> bool:
    """Everything that a clock has is let go of after the loss, without a call."""
    clock = SharedClock.connect(store, "a", timeout="1s")
    clock.update()
    watch = clock.watch()
    clock.start(60)
    next(watch)
    close_all()
    files = Files()
    clock.stop()
    watch.close()
    del watch
    clock.close()
    del clock
    return files.untouched()


def in_the_background(store: str) -> dict[str, Any]:
    clock = SharedClock.connect(store, "a", timeout="1s")
    clock.start(0.5)
    watch = clock.watch(from_revision=1)
    next(watch)
    close_all()
    files = Files()
    first = clock.update().value
    watch = clock.watch()
    # By what was started, not by a call.
    values = [first, *(next(watch).value for _ in range(3))]
    running = clock.stats().running
    watch.close()
    clock.close()
    return {"values": values, "running": running, "files": files.untouched()}


def under_way(store: str) -> dict[str, Any]:
    """Nobody answers: calls are under way, and a watch is being waited for."""
    clock = SharedClock.open(store, "a", timeout="60s")
    followed = SharedClock.memory("b")
    watch = followed.watch()
    ends: list[str] = []

    def ends_as(call: Callable[[], object]) -> None:
        try:
            call()
        except LamportError as error:
            ends.append(error.kind)

    threads = [
        threading.Thread(target=ends_as, args=(call,))
        for call in (clock.update, clock.read, lambda: next(watch))
    ]
    for thread in threads:
        thread.start()
    print("it has called", flush=True)
    sys.stdin.readline()
    close_all()
    files = Files()
    for thread in threads:
        thread.join(PATIENCE)
    return {"ends": ends, "files": files.untouched(), "after": followed.update().value}


def loops(store: str) -> dict[str, Any]:
    outcomes: list[str] = []
    files: list[Files] = []

    async def loses() -> None:
        clock = await AsyncSharedClock.connect(store, node="a", timeout="1s")
        await clock.update()
        close_all()
        files.append(Files())
        outcomes.append("lost")
        try:
            await clock.update()
        except ClosedError:
            outcomes.append("closed")

    async def goes_on() -> int:
        clock = await AsyncSharedClock.connect(store, node="a", timeout="1s")
        return (await clock.update()).value

    # Its own descriptors are gone as well, and it is left open: it would close other files.
    loop = asyncio.new_event_loop()
    with contextlib.suppress(OSError):
        loop.run_until_complete(loses())
    told = {"outcomes": outcomes, "value": asyncio.run(goes_on()), "files": files[0].untouched()}
    print(json.dumps(told), flush=True)
    os._exit(0)


if __name__ == "__main__":
    signal.alarm(2 * PATIENCE)
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
