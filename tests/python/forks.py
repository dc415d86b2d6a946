"""Programs that fork with clocks in hand; test_fork.py runs them and says what must come out.

    forks.py SCENARIO STORE...

Each prints a JSON text. A child that hangs ends by its alarm, and the program fails.
"""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from children import LEAVES, NAME, PATIENCE, Child, refused, stopwatch, threads, updates
from lamport_clock import LocalClock, Reservation, SharedClock


def verbs(store: str) -> object:
    """A child tries everything with what it inherits."""
    clock = SharedClock.connect(store, node=NAME)
    watch = clock.watch()
    before = clock.update()
    next(watch)

    def work() -> list[int]:
        assert threads() == 1
        instance = clock.instance
        assert instance != before.instance and clock.process == before.process
        assert clock.now() == before.value
        ticked = clock.tick()
        assert (ticked.time, ticked.instance) == (before.value + 1, instance)
        assert clock.receive(before.stamp).time == before.value + 2
        assert clock.advance() == before.value + 3
        assert clock.advance_past(1) == before.value + 4
        assert NAME in repr(clock) and clock.location
        # Nothing was started that nobody needed.
        assert threads() == 1
        own = clock.watch()
        update = clock.update()
        assert update.value > before.value + 4 and update.instance == instance
        seen = next(own)
        assert (seen.value, seen.instance) == (update.value, instance)
        reservation = clock.reserve(3)
        assert list(reservation) == list(range(reservation.first, reservation.last + 1))
        read = clock.read()
        assert read is not None and read.value == reservation.last
        assert clock.history().updates[-1] == read
        assert "forked" in refused(lambda: next(watch))
        assert "forked" in refused(lambda: watch.next_within(0.1))
        watch.close()
        clock.close()
        refused(clock.update)
        return [update.value, threads()]

    value, alive = Child(work).join()
    after = clock.update()
    assert after.instance == before.instance
    return {"before": before.value, "child": value, "after": after.value, "threads": alive}


def prefork(store: str) -> object:
    """As a server that connects first and forks its workers then."""
    clock = SharedClock.connect(store, node=NAME)
    before = clock.update()
    workers = [Child(lambda: [clock.instance, updates(clock, 25)]) for _ in range(8)]
    parents = [clock.instance, updates(clock, 25)]
    return {"before": before.value, "all": [parents] + [worker.join() for worker in workers]}


def reserved(store: str) -> object:
    """What the parent reserved is the parent's to hand out."""
    clock = SharedClock.connect(store, node=NAME)
    reservation = clock.reserve(10)
    begun = iter(reservation)
    handed_out = [next(begun), next(begun)]
    sent = pickle.dumps(reservation)

    def inherits() -> object:
        takes: list[Callable[[], object]] = [
            lambda: next(begun),
            lambda: list(reservation),
            lambda: next(iter(reservation)),
            lambda: reservation[0],
            lambda: reservation[1:],
            lambda: reservation.times,
            lambda: list(reversed(reservation.times)),
            lambda: pickle.dumps(reservation),
            lambda: copy.copy(reservation),
            lambda: copy.deepcopy({"inside": [reservation]}),
        ]
        for take in takes:
            assert "reservation" in refused(take)
        # To look at it is no handing out.
        assert reservation.first in reservation and len(reservation) == 10
        assert str(reservation.last) in repr(reservation) and reservation == pickle.loads(sent)
        return list(clock.reserve(5))

    def is_sent_some() -> object:
        theirs: Reservation = pickle.loads(sent)
        return list(theirs)

    own = Child(inherits).join()
    assert Child(is_sent_some).join() == [*reservation]
    return {"handed_out": [*handed_out, *begun], "child": own, "first": reservation.first}


def nested(store: str) -> object:
    """A line of descendants, each from one that has used the clock."""
    clock = SharedClock.connect(store, node=NAME)

    def generation(left: int) -> list[list[int]]:
        mine = [clock.instance, clock.tick().time, clock.update().value, clock.tick().time]
        unused = SharedClock.open(store, node=NAME)
        younger = Child(lambda: generation(left - 1)).join() if left else []
        assert Child(lambda: unused.update().value).join() > mine[2]
        return [mine, *younger]

    return {"all": generation(4), "after": clock.update().value}


def skipped(store: str) -> object:
    """A grandchild is the first to use what its grandparent left; its parent never did."""
    clock = SharedClock.connect(store, node=NAME)
    before = clock.update().value
    value = Child(lambda: Child(lambda: clock.update().value).join()).join()
    return {"all": [[before], [value], updates(clock, 1)]}


def local() -> object:
    """A clock without a store goes on in every child."""
    clock = LocalClock(NAME)

    def work() -> list[int]:
        assert threads() == 1
        stamps = [clock.tick() for _ in range(40)]
        assert {stamp.instance for stamp in stamps} == {clock.instance}
        return [clock.instance, *(stamp.time for stamp in stamps)]

    parents = work()
    stood = clock.now()
    children = [Child(work, leave=LEAVES[number % 2]).join() for number in range(4)]
    return {"all": [parents, *children], "stood": stood}


POOLED: list[SharedClock] = []


def pooled(_: int) -> int:
    """For multiprocessing, which can't send a closure."""
    return POOLED[0].update().value


def pools(store: str) -> object:
    """multiprocessing and concurrent.futures, by fork."""
    POOLED.append(SharedClock.connect(store, node=NAME))
    before = updates(POOLED[0], 1)
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        values = pool.map_async(pooled, range(40), 1).get(PATIENCE)
    with ProcessPoolExecutor(2, context) as executor:
        values += executor.map(pooled, range(20), timeout=PATIENCE)
    process = context.Process(target=pooled, args=(0,))
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == 0
    return {"all": [[value] for value in before + values + updates(POOLED[0], 1)]}


def closed(store: str) -> object:
    """A closed clock stays closed, and a child's closing is its own."""
    clock = SharedClock.connect(store, node=NAME)
    ended = SharedClock.connect(store, node=NAME)
    ended.close()

    def work() -> object:
        for call in (
            ended.update,
            ended.read,
            ended.watch,
            ended.history,
            lambda: ended.reserve(1),
        ):
            refused(call)
        ended.tick()
        with clock:
            value = clock.update().value
        refused(clock.update)
        assert Child(lambda: refused(clock.update)).join()
        return value

    return {"all": [[Child(work).join()], updates(clock, 1)]}


def drops(store: str) -> object:
    """A child lets go of all it inherits, by hand and at its end; the parent notices nothing."""
    clocks = [SharedClock.connect(store, node=NAME) for _ in range(3)]
    watches = [clock.watch() for clock in clocks]
    updates(clocks[0], 1)
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            clocks[0].update()

    threading.Thread(target=go_on).start()

    def work() -> object:
        clocks.pop()
        watches.pop()
        updates(clocks[0], 1)
        clocks.clear()
        return True

    for leave in LEAVES * 5:
        assert Child(work, leave=leave).join()
    over.set()
    seen = [next(watch).value for watch in watches]
    assert len(set(seen)) == 1
    return {"all": [updates(clock, 1) for clock in clocks], "trips": clocks[0].update().round_trips}


if __name__ == "__main__":
    stopwatch()
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
