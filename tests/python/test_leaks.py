"""Calls leave nothing behind, whether they succeed or fail: counted, since Python hides leaks.

Two counts, exact where the resident size is not: Python's own blocks, and the bytes that the C
library's allocator has given out, from which the Rust side lives.
"""

from __future__ import annotations

import copy
import ctypes
import gc
import pickle
import sys
from collections.abc import Callable

import pytest
from backgrounds import followers, until
from lamport_clock import LamportError, SharedClock, Stamp


class Mallinfo(ctypes.Structure):
    """struct mallinfo2 of glibc."""

    _fields_ = [(f"count_{i}", ctypes.c_size_t) for i in range(4)] + [
        ("hblkhd", ctypes.c_size_t),
        ("usmblks", ctypes.c_size_t),
        ("fsmblks", ctypes.c_size_t),
        ("uordblks", ctypes.c_size_t),
        ("fordblks", ctypes.c_size_t),
        ("keepcost", ctypes.c_size_t),
    ]


C = ctypes.CDLL(None)
C.mallinfo2.restype = Mallinfo
STAMP, OTHER = Stamp.parse("57@billing"), Stamp.parse("57@b")
RARE, FEW, MANY = 400, 4_000, 80_000
"""Calls: what waits takes a millisecond, what asks another thread microseconds, the rest less."""


def bytes_given_out() -> int:
    counted = C.mallinfo2()
    return int(counted.uordblks + counted.hblkhd)


def watched(clock: SharedClock) -> None:
    # An update that is there already: whether a new one is folded depends on the time, and changes
    # how much the store holds.
    newest = clock.read()
    assert newest is not None
    with clock.watch(from_revision=newest.revision) as watch:
        next(watch)


def left_alone(clock: SharedClock) -> None:
    watch = clock.watch()
    assert watch.next_within("1ms") is None


def opened(_: SharedClock) -> None:
    with SharedClock.connect(
        "memory:leaks", node="a-name-that-is-too-long-to-stay-in-place"
    ) as own:
        own.update()


def started_and_stopped(clock: SharedClock) -> None:
    clock.start()
    clock.stats()
    clock.stop()


def started(_: SharedClock) -> None:
    SharedClock.memory("b").start()


def forgotten(_: SharedClock) -> None:
    SharedClock.memory("b").tick()


CALLS: dict[str, tuple[int, Callable[[SharedClock], object]]] = {
    "tick": (MANY, lambda clock: clock.tick()),
    "receive": (MANY, lambda clock: clock.receive(STAMP)),
    "receive a text": (MANY, lambda clock: clock.receive("57@billing")),
    "advance": (MANY, lambda clock: clock.advance()),
    "advance_past": (MANY, lambda clock: clock.advance_past(57)),
    "now": (MANY, lambda clock: clock.now()),
    "names": (MANY, lambda clock: (clock.process, clock.instance, clock.location, repr(clock))),
    "values": (
        MANY,
        lambda clock: (str(STAMP), f"{STAMP:#}", hash(STAMP), STAMP < OTHER, repr(STAMP)),
    ),
    "pickle": (FEW, lambda clock: copy.deepcopy(pickle.loads(pickle.dumps(STAMP)))),
    "update": (FEW, lambda clock: (clock.update().previous, clock.update().stamp)),
    "reserve": (
        FEW,
        lambda clock: (*(got := clock.reserve(5)), got[1:], got.times, copy.copy(got)),
    ),
    "read": (FEW, lambda clock: clock.read()),
    "history": (FEW, lambda clock: list(clock.history(3))),
    "watch": (RARE, watched),
    "a watch let go of": (RARE, left_alone),
    "start and stop": (FEW, started_and_stopped),
    "a started clock let go of": (RARE, started),
    "tables": (
        FEW,
        lambda clock: (clock._repr_html_(), STAMP._repr_html_(), clock.history(1)._repr_html_()),
    ),
    "connect": (FEW, opened),
    "a clock let go of": (FEW, forgotten),
}
MISTAKES: dict[str, tuple[int, Callable[[SharedClock], object]]] = {
    "receive what is none": (MANY, lambda clock: clock.receive("no stamp")),
    "receive a wrong type": (MANY, lambda clock: clock.receive([])),  # type: ignore[arg-type]
    "receive from too far": (MANY, lambda clock: clock.receive(2**53 - 1)),
    "receive a surrogate": (MANY, lambda clock: clock.receive("1@\udc80")),
    "reserve none": (FEW, lambda clock: clock.reserve(0)),
    "reserve too many": (MANY, lambda clock: clock.reserve(2**70)),
    "connect to nowhere": (FEW, lambda clock: SharedClock.connect("redis://h", node="a")),
    "name badly": (FEW, lambda clock: SharedClock.memory("a b")),
    "make no stamp": (MANY, lambda clock: Stamp(-1, "a")),
    "update when closed": (FEW, lambda clock: clock.update()),
    "watch when closed": (FEW, lambda clock: clock.watch()),
}


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("name", [*CALLS, *MISTAKES])
def test_a_call_leaves_nothing_behind(name: str) -> None:
    count, call = (CALLS | MISTAKES)[name]
    clock = SharedClock.connect("memory:full", node="a")
    if name.endswith("closed"):
        clock.close()

    def often(times: int) -> None:
        if name in CALLS:
            for _ in range(times):
                call(clock)
            # What logs for a clock ends half a second after it.
            until(lambda: not followers())
            return
        for _ in range(times):
            try:
                call(clock)
            except (LamportError, TypeError):
                continue
            raise AssertionError("it succeeded")

    often(count // 2)
    growths = []
    # A thread of the library may be on its way to free something: the least of some rounds.
    for _ in range(6):
        gc.collect()
        blocks, given_out = sys.getallocatedblocks(), bytes_given_out()
        often(count // 4)
        gc.collect()
        growths.append((bytes_given_out() - given_out, sys.getallocatedblocks() - blocks))
    # One leaked allocation a call would be sixteen bytes a call at the least.
    assert min(growths)[0] < 8 * (count // 4), growths
    assert min(blocks for _, blocks in growths) < count // 40, growths


def test_the_counts_see_what_is_left_behind() -> None:
    before = bytes_given_out(), sys.getallocatedblocks()
    kept = [(C.malloc(16), object()) for _ in range(10_000)]
    assert bytes_given_out() - before[0] > 8 * len(kept)
    assert sys.getallocatedblocks() - before[1] > len(kept)
