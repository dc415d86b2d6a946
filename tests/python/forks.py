"""Programs that fork with clocks in hand; test_fork.py runs them and says what must come out.

    forks.py SCENARIO STORE...

Each prints a JSON text. A child that hangs ends by its alarm, and the program fails.
"""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Generic, TypeVar, cast

from lamport_clock import (
    ClosedError,
    LamportError,
    LamportTimeoutError,
    LocalClock,
    Reservation,
    SharedClock,
)

T = TypeVar("T")
PATIENCE = 30
LEAVES: list[Callable[[int], object]] = [os._exit, sys.exit]
# Too long to be kept in place, so that the list of names is in play.
NAME = "checkout-service-6d4cf56db6-x2v4q"


class Child(Generic[T]):
    """A forked child that does `work`, and tells what that returned."""

    def __init__(self, work: Callable[[], T], *, leave: Callable[[int], object] = os._exit) -> None:
        heard, told = os.pipe()
        self._heard = heard
        self._pid = os.fork()
        if self._pid:
            os.close(told)
            return
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)
        os.close(heard)
        try:
            with os.fdopen(told, "w") as out:
                json.dump(work(), out)
        except BaseException as error:
            print(f"child: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        # By os._exit() nothing of Python's ends; by sys.exit() everything does, unless in a child's
        # child, where it is no more than an exception in `work`.
        leave(0)

    def join(self) -> T:
        """What it told, once it has ended well."""
        with os.fdopen(self._heard) as told:
            text = told.read()
        _, status = os.waitpid(self._pid, 0)
        assert status == 0, f"child: {os.waitstatus_to_exitcode(status)}"
        return cast(T, json.loads(text))


def refused(call: Callable[[], object]) -> str:
    """The message of the ClosedError that the call must raise."""
    try:
        given = call()
    except ClosedError as error:
        return str(error)
    raise AssertionError(f"it gave {given}")


def threads() -> int:
    """How many threads this process has."""
    return len(os.listdir("/proc/self/task"))


def updates(clock: SharedClock, count: int) -> list[int]:
    return [clock.update().value for _ in range(count)]


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


def stopwatch() -> None:
    """The program itself ends by an alarm, too; children set their own."""
    signal.alarm(3 * PATIENCE)


if __name__ == "__main__":
    stopwatch()
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
