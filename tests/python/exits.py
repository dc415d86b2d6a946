"""Programs that end with calls under way; test_exit.py runs them.

exits.py WAY SILENT STORE     (a store that never answers, and one that does)
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Callable

from lamport_clock import ClosedError, LamportError, SharedClock

WAYS: dict[str, Callable[[str, str], None]] = {}


def way(end: Callable[[str, str], None]) -> Callable[[str, str], None]:
    WAYS[end.__name__] = end
    return end


def keep(*calls: Callable[[], object]) -> None:
    """Daemons that call again and again until the clock is closed; each is at it on return."""
    begun = threading.Barrier(len(calls) + 1)

    def go_on(call: Callable[[], object]) -> None:
        begun.wait()
        with contextlib.suppress(ClosedError, StopIteration):
            while True:
                call()

    for call in calls:
        threading.Thread(target=go_on, args=(call,), daemon=True).start()
    begun.wait()


def busy(silent: str, store: str) -> tuple[SharedClock, SharedClock]:
    """Two clocks with calls and watches under way."""
    stuck = SharedClock.open(silent, node="a", timeout=3600)
    clock = SharedClock.connect(store, node="a")
    stuck.start(0.01)
    clock.start(0.01)
    watch = clock.watch()
    seen = stuck.watch(from_revision=1)
    keep(stuck.update, stuck.read, lambda: next(seen), lambda: next(watch))
    keep(clock.update, clock.update, clock.read, clock.tick)
    return stuck, clock


@way
def returns(silent: str, store: str) -> None:
    """The main thread comes to its end."""
    busy(silent, store)


@way
def leaves_a_block(silent: str, store: str) -> None:
    """sys.exit() inside of `with`: the clock is closed, and callers are told while all ends."""
    _, clock = busy(silent, store)
    with clock, clock.watch():
        sys.exit()


@way
def is_cut_off(silent: str, store: str) -> None:
    """os._exit(): nothing of Python's ends."""
    busy(silent, store)
    os._exit(0)


@way
def says_goodbye(silent: str, store: str) -> None:
    """Exit handlers use the clocks; the ones that were closed refuse."""
    stuck, clock = busy(silent, store)

    def goodbye() -> None:
        clock.update()
        stuck.close()
        try:
            stuck.update()
        except LamportError as error:
            assert error.kind == "closed"

    atexit.register(goodbye)


class Holder:
    """Is dropped at the very end, when modules are torn down, and calls even then."""

    def __init__(self, clock: SharedClock) -> None:
        self.clock = clock
        self.itself = self
        self.watch = clock.watch()

    def __del__(self) -> None:
        self.clock.tick()
        self.clock.update()
        self.watch.close()
        self.clock.close()


@way
def drops_at_last(silent: str, store: str) -> None:
    """Finalisers call while the interpreter is torn down."""
    _, clock = busy(silent, store)
    sys.modules["kept"] = Holder(clock)  # type: ignore[assignment]


@way
def waits_for_threads(silent: str, store: str) -> None:
    """Threads that are no daemons are waited for, each in a call of its own."""
    clock = SharedClock.open(silent, node="a", timeout=0.2)

    def calls() -> None:
        try:
            clock.update()
        except LamportError as error:
            assert error.kind == "timeout"

    for _ in range(4):
        threading.Thread(target=calls).start()
    keep(SharedClock.connect(store, node="a").update)


@way
def watches(silent: str, store: str) -> None:
    """Daemons iterate over watches that bring something all the time."""
    clock = SharedClock.connect(store, node="a")

    def follow() -> None:
        for _ in clock.watch():
            pass

    keep(clock.update, follow, follow, follow, SharedClock.memory("b").update)


if __name__ == "__main__":
    WAYS[sys.argv[1]](*sys.argv[2:])
