"""Programs that fork while something else is under way, in another thread, a handler or a hook;
test_fork.py runs them and says what must come out.

    fork_races.py SCENARIO STORE...

Each prints a JSON text. A child that hangs ends by its alarm, and the program fails.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

from children import LEAVES, NAME, PATIENCE, Child, refused, stopwatch, updates
from lamport_clock import LamportError, LamportTimeoutError, SharedClock


def in_flight(store: str) -> object:
    """Fifty forks while other threads of the parent have updates under way."""
    clock = SharedClock.connect(store, node=NAME)
    over = threading.Event()
    values: list[list[int]] = [[] for _ in range(4)]

    def go_on(mine: list[int]) -> None:
        while not over.is_set():
            mine.append(clock.update().value)

    def work() -> list[int]:
        clock.tick()
        return updates(clock, 2)

    busy = [threading.Thread(target=go_on, args=(mine,)) for mine in values]
    for each in busy:
        each.start()
    for number in range(50):
        values.append(Child(work, leave=LEAVES[number % 2]).join())
    over.set()
    for each in busy:
        each.join(PATIENCE)
        assert not each.is_alive()
    return {"all": values, "after": updates(clock, 1)}


def silence(silent: str, store: str) -> object:
    """A call that no server answers is under way in another thread."""
    stuck = SharedClock.open(silent, node="a", timeout=3600)
    threading.Thread(target=stuck.update, daemon=True).start()
    short = SharedClock.open(silent, node="a", timeout=0.3)
    watch = stuck.watch(from_revision=1)
    threading.Thread(target=lambda: next(watch), daemon=True).start()
    clock = SharedClock.connect(store, node="a")
    sys.stdin.readline()  # The server has heard of the call.

    def work() -> object:
        assert "forked" in refused(lambda: next(watch))
        watch.close()
        values = updates(clock, 2)
        try:
            short.update()
        except LamportTimeoutError:
            values.append(clock.update().value)
        stuck.close()
        refused(stuck.update)
        return values

    children = [Child(work, leave=leave) for leave in LEAVES]
    values = [child.join() for child in children]
    return {"all": [*values, updates(clock, 1)]}


def beginnings(store: str) -> object:
    """Forks while other threads start the runtime, keep names, open stores and make clocks."""

    def use() -> int:
        named = SharedClock.connect("memory:shared", node=f"{NAME}-{threading.get_ident()}")
        named.update()
        mine = SharedClock.open(store, node=f"{NAME}-{os.getpid()}")
        return mine.update().value

    def family(inherited: SharedClock | None) -> list[int]:
        started = threading.Barrier(5)

        def begin() -> None:
            started.wait(PATIENCE)
            use()
            if inherited is not None:
                inherited.update()

        busy = [threading.Thread(target=begin) for _ in range(4)]
        for each in busy:
            each.start()
        started.wait(PATIENCE)
        values = [Child(use).join() for _ in range(6)]
        if inherited is not None:
            values += [Child(lambda: inherited.update().value).join() for _ in range(2)]
        for each in busy:
            each.join(PATIENCE)
            assert not each.is_alive()
        return values

    # The first ones fork off before anything was begun here; the others have a clock to make.
    first = [Child(lambda: family(None)).join() for _ in range(5)]
    clock = SharedClock.connect(store, node=NAME)
    clock.update()
    later = [Child(lambda: family(clock)).join() for _ in range(5)]
    return {"all": [[value] for values in first + later for value in values]}


def handler(silent: str) -> object:
    """A signal handler forks on top of a call that waits: the child comes back into that call."""
    clock = SharedClock.open(silent, node="a", timeout=1)
    watch = SharedClock.memory("b").watch()
    outcomes = []
    for call in (clock.update, lambda: watch.next_within(1)):
        heard, told = os.pipe()
        children: list[int] = []

        def fork(_number: int, _frame: object, children: list[int] = children) -> None:
            children.append(os.fork())

        signal.signal(signal.SIGUSR1, fork)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        try:
            outcome = repr(call())
        except LamportError as error:
            outcome = error.kind
        if children == [0]:
            os.write(told, outcome.encode())
            os._exit(0)
        os.close(told)
        with os.fdopen(heard) as child:
            outcomes.append([outcome, child.read()])
        assert os.waitpid(children[0], 0)[1] == 0
    return {"outcomes": outcomes}


def hooks(store: str) -> object:
    """Other hooks of the fork use the clock, before and after, in parent and child."""
    clock = SharedClock.connect(store, node=NAME)
    reservation = clock.reserve(3)
    begun = iter(reservation)
    mine: list[int] = [next(begun)]
    childs: list[int] = []

    def after_in_child() -> None:
        refused(lambda: next(begun))
        childs.append(clock.update().value)

    os.register_at_fork(
        before=lambda: mine.append(clock.update().value),
        after_in_parent=lambda: mine.append(clock.update().value),
        after_in_child=after_in_child,
    )
    children = [Child(lambda: [*childs, *updates(clock, 1)]) for _ in range(5)]
    values = [child.join() for child in children]
    return {"all": [mine, *values, updates(clock, 1)]}


def attack(store: str) -> object:
    """Threads fork all at once, and their children do, while others make and close clocks."""
    clock = SharedClock.connect(store, node=NAME)
    shared = [clock.update().value]
    stamps: list[list[int]] = []
    values: list[list[int]] = []
    over = threading.Event()

    def restless() -> None:
        while not over.is_set():
            own = SharedClock.open(store, node=f"{NAME}-{threading.get_ident()}")
            with own, own.watch() as watch:
                own.reserve(2)
                watch.next_within(0.01)
            clock.tick()

    def deepens(left: int) -> list[list[int]]:
        first = clock.tick()
        mine = [clock.update().value, *clock.reserve(2)]
        grand = Child(lambda: deepens(left - 1)).join() if left else [[], []]
        again = clock.tick()
        return [mine + grand[0], [first.instance, first.time, again.time, *grand[1]]]

    def forks() -> None:
        for _ in range(4):
            told = Child(lambda: deepens(2)).join()
            values.append(told[0])
            stamps.append(told[1])

    busy = [threading.Thread(target=restless) for _ in range(3)]
    forking = [threading.Thread(target=forks) for _ in range(4)]
    for each in busy + forking:
        each.start()
    for each in forking:
        each.join(PATIENCE)
        assert not each.is_alive()
    over.set()
    for each in busy:
        each.join(PATIENCE)
        assert not each.is_alive()
    return {"all": [shared, *values, updates(clock, 1)], "stamps": stamps}


if __name__ == "__main__":
    stopwatch()
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
