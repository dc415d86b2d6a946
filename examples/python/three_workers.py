"""Three workers race for the next time of one clock, and a picture shows the order they agreed on.

    python examples/python/three_workers.py
    LAMPORT_STORE=etcd://10.0.0.5 python examples/python/three_workers.py

With etcd the workers are three processes, which may as well run on three machines. Without it they
are three threads on one store in memory, which no other process can see. Each has a clock of its
own. They meet by the clock itself: each takes one time, and begins when it has seen the others'.

At the end two promises are checked on what happened: no time was given twice, and of two updates of
which one had returned before the other was called, the later one has the later time.
"""

from __future__ import annotations

import os
import random
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from typing import NamedTuple

from lamport_clock import LamportError, SharedClock, Update

NAMES = ("anna", "bert", "carl")
TIMES_EACH = 4
# Not the key of your services: this is a game.
KEY = "/examples/three_workers"
WIDTH = 11


class Taken(NamedTuple):
    """An update, and when its call began and ended: seconds on this machine's monotonic clock."""

    called: float
    returned: float
    update: Update


def work(name: str, store: str, revision: int) -> list[Taken]:
    """Waits until all workers are there, then takes times as fast as its work allows."""
    with SharedClock.connect(store, node=name, key=KEY) as clock:
        taken = [take(clock)]
        missing = set(NAMES)
        for seen in clock.watch(from_revision=revision + 1):
            missing.discard(seen.process)
            if not missing:
                break
        for _ in range(TIMES_EACH - 1):
            taken.append(take(clock))
            time.sleep(random.uniform(0, 0.002))  # the work
        return taken


def take(clock: SharedClock) -> Taken:
    """Takes the next time, and notes when."""
    called = time.monotonic()
    update = clock.update()
    return Taken(called, time.monotonic(), update)


def race(store: str, workers: Executor) -> list[Taken]:
    """Lets the workers race; what they took, in the order of the shared clock."""
    with SharedClock.connect(store, node="start", key=KEY) as clock:
        revision = clock.update().revision
        running = [workers.submit(work, name, store, revision) for name in NAMES]
        taken = [one for worker in running for one in worker.result()]
    return sorted(taken, key=lambda one: one.update.value)


def draw(taken: list[Taken]) -> None:
    """One line a time: whose it is, and after whose it came."""
    print("    time" + "".join(f"{name:^{WIDTH}}" for name in NAMES))
    for _, _, update in taken:
        columns = (f"{'●' if name == update.process else '│':^{WIDTH}}" for name in NAMES)
        before = update.previous
        after = f"after {before.value}@{before.process}" if before else "the first record"
        print(f"{update.value:>8}{''.join(columns)}  {after}")


def broken_promises(taken: list[Taken]) -> list[str]:
    """Which promises the run contradicts."""
    broken = [
        f"{one.update.value} was given twice"
        for one, other in pairwise(taken)
        if one.update.value == other.update.value
    ]
    broken += [
        f"{later.update.value} was called after {earlier.update.value} had returned"
        for place, later in enumerate(taken)
        for earlier in taken[place + 1 :]
        if earlier.returned < later.called
    ]
    return broken


def main() -> int:
    """Races, draws and checks; returns the exit status."""
    store = os.environ.get("LAMPORT_STORE", "memory:")
    try:
        if store.startswith("memory:"):
            print("Three threads, each with a clock, on one store in memory.")
            print("With LAMPORT_STORE=etcd://host:port they are three processes.\n")
            with ThreadPoolExecutor(len(NAMES)) as threads:
                taken = race("memory:three-workers", threads)
        else:
            print(f"Three processes, one key: {KEY} in {store}\n")
            with ProcessPoolExecutor(len(NAMES), get_context("spawn")) as processes:
                taken = race(store, processes)
    except LamportError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    draw(taken)
    crossed = sum(earlier.returned > later.called for earlier, later in pairwise(taken))
    print(
        f"\n{len(taken)} updates; {crossed} of them were called while the one before was under way"
    )
    broken = broken_promises(taken)
    print("\n".join(broken) or "no time was given twice, and whoever called later got a later time")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
