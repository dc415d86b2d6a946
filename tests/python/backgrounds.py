"""Programs whose clocks update in the background; test_background.py runs them and says what must
come out.

    backgrounds.py SCENARIO STORE...
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from children import LEAVES, NAME, PATIENCE, Child, stopwatch, threads
from lamport_clock import Observed, SharedClock

SHORT = 0.01
KEPT: list[SharedClock] = []
"""Clocks that live as long as the program."""


def until(condition: Callable[[], bool]) -> None:
    """Returns once it holds."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.002)


def followers() -> list[threading.Thread]:
    """The threads that log."""
    return [each for each in threading.enumerate() if each.name == "lamport-clock-log"]


def goes_on(clock: SharedClock, updates: int = 3) -> bool:
    """Waits for so many updates that nobody called for."""
    before = clock.stats().updates
    until(lambda: clock.stats().updates >= before + updates)
    return True


def started(store: str, interval: float = SHORT) -> SharedClock:
    clock = SharedClock.connect(store, node=NAME)
    clock.start(interval)
    goes_on(clock)
    return clock


def blocked_signals() -> str:
    """The mask of the library's thread, as /proc shows it."""
    for task in Path("/proc/self/task").iterdir():
        status = dict(
            line.split(":", 1) for line in (task / "status").read_text().splitlines() if ":" in line
        )
        if status["Name"].strip() == "lamport-clock":
            return status["SigBlk"].strip()
    return "no thread"


def spans(updates: list[Observed]) -> list[list[int]]:
    """Instance and times of each update."""
    return [[seen.instance or 0, seen.first, seen.value] for seen in updates]


def child(clock: SharedClock, told: Connection) -> None:
    """What a worker of multiprocessing does: a tick, and then nothing at all."""
    assert threads() == 1
    ticked = clock.tick()
    goes_on(clock)
    stats = clock.stats()
    assert stats.running and stats.failures == 0 and stats.last_value is not None
    assert stats.last_value > ticked.time and clock.tick().time > stats.last_value
    names = sorted(thread.name for thread in threading.enumerate())
    own = [seen for seen in clock.history(1_000) if seen.instance == clock.instance]
    told.send([clock.instance, blocked_signals(), names, spans(own)])


def multiprocesses(store: str) -> object:
    """Workers of multiprocessing inherit a clock that was started."""
    clock = started(store)
    context = multiprocessing.get_context("fork")
    ends = [context.Pipe(duplex=False) for _ in range(4)]
    workers = [context.Process(target=child, args=(clock, told)) for _, told in ends]
    for worker in workers:
        worker.start()
    children = []
    for worker, (heard, _) in zip(workers, ends, strict=True):
        assert heard.poll(PATIENCE)
        children.append(heard.recv())
        worker.join(PATIENCE)
        assert worker.exitcode == 0
    goes_on(clock)
    return {"instance": clock.instance, "children": children, "all": spans([*clock.history(2_000)])}


def unused(store: str) -> object:
    """Children that do not use the clock, or end the background first of all."""
    clock = started(store)

    def does_nothing() -> int:
        return threads()

    def stops() -> object:
        clock.stop()
        alone = threads()
        clock.tick()
        stats = clock.stats()
        return [alone, threads(), stats.running, stats.updates]

    def starts_again() -> object:
        clock.stop()
        clock.start(SHORT)
        return goes_on(clock)

    def closes() -> object:
        clock.close()
        clock.tick()
        return [clock.stats().running, threads()]

    works: list[Callable[[], object]] = [does_nothing, stops, starts_again, closes]
    told = [Child(work, leave=leave).join() for work in works for leave in LEAVES]
    goes_on(clock)
    return told


def hurried(store: str) -> object:
    """Forty forks under a background that never rests, and children of the children."""
    clock = started(store)
    values: list[object] = []

    def work() -> object:
        ticked = clock.tick()
        goes_on(clock, 1)
        grandchild = Child(lambda: [clock.tick().time, goes_on(clock, 1), clock.update().value])
        return [ticked.time, grandchild.join(), clock.update().value]

    def forks() -> None:
        for _ in range(20):
            values.append(Child(work).join())

    busy = [threading.Thread(target=forks) for _ in range(2)]
    for each in busy:
        each.start()
    for each in busy:
        each.join(2 * PATIENCE)
        assert not each.is_alive()
    goes_on(clock)
    clock.stop()
    return {"children": len(values), "all": spans([*clock.history(10_000)])}


def hooked(store: str) -> object:
    """A hook of the fork is what uses the clock first."""
    clock = started(store)
    os.register_at_fork(after_in_child=lambda: clock.tick() and None)
    return [Child(lambda: goes_on(clock), leave=leave).join() for leave in LEAVES]


class Heard(logging.Handler):
    """What was logged, as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self.records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.put(record)

    def next(self) -> str:
        return self.records.get(timeout=PATIENCE).getMessage()


def logs(broken: str) -> object:
    """Parent and child each log what goes wrong for them."""
    heard = Heard()
    logging.getLogger("lamport_clock").addHandler(heard)
    clock = SharedClock.open(broken, node=NAME)
    clock.start(SHORT)
    parents = heard.next()

    def work() -> object:
        clock.tick()
        return heard.next()

    return [parents, Child(work).join(), Child(work, leave=sys.exit).join()]


def ends(broken: str) -> None:
    """The program ends while there is something to log, and while something logs."""
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    for _ in range(4):
        KEPT.append(SharedClock.open(broken, node=NAME))
        KEPT[-1].start(SHORT)
    until(lambda: all(clock.stats().failures for clock in KEPT))


def is_stuck(broken: str) -> None:
    """The program ends while a filter of its own never comes back."""
    begun = threading.Event()

    def waits(_: logging.LogRecord) -> bool:
        begun.set()
        return threading.Event().wait()

    # Not a handler: for one that never comes back logging itself waits at the end, for its lock.
    logging.getLogger("lamport_clock").addFilter(waits)
    KEPT.append(SharedClock.open(broken, node=NAME))
    KEPT[0].start(SHORT)
    assert begun.wait(PATIENCE)


if __name__ == "__main__":
    stopwatch()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
