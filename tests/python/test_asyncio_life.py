"""AsyncSharedClock through the life of a process: its forks, signals and end, and what is left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import sys
import warnings
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path

import loop_exits
import pytest
from lamport_clock import AsyncSharedClock, LamportError
from lamport_clock._loops import _resolve
from loops import LOOPS, ended, listeners, turns
from programs import Program, ends_well_every_time, run
from servers import PATIENCE, Etcd, Silence
from test_fork import distinct_and_in_order
from test_leaks import FEW, RARE, bytes_given_out

FORKS = Path(__file__).with_name("loop_forks.py")
EXITS = Path(__file__).with_name("loop_exits.py")
# 200 processes in all.
EACH = 200 // len(loop_exits.WAYS) + 1


@pytest.mark.parametrize("way", loop_exits.WAYS)
def test_no_process_crashes_or_hangs_at_its_end(
    way: str, etcd: Etcd, key: str, silence: Silence
) -> None:
    ends_well_every_time(str(EXITS), way, silence.uri, etcd.uri(key), times=EACH)


# --------------------------------------------------------------------------------------- forks


def forked(scenario: str, *stores: str) -> list[list[int]]:
    """The values that everybody took; the program ended well and said nothing else."""
    done = run(str(FORKS), scenario, *stores)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    everyones: list[list[int]] = json.loads(done.stdout)["all"]
    distinct_and_in_order(everyones)
    return everyones


def test_loops_of_parents_and_children(etcd: Etcd, key: str) -> None:
    assert [len(values) for values in forked("between_loops", etcd.uri(key))] == [3, *[5] * 6, 3]


def test_a_fork_in_the_middle_of_a_coroutine(etcd: Etcd, key: str, silence: Silence) -> None:
    everyones = forked("inside_a_loop", silence.uri, etcd.uri(key))
    assert [len(values) for values in everyones] == [*[5] * 5, *[200] * 5, 3]


def test_a_child_that_closes_its_parents_watch_does_not_ring_for_the_parents_loop() -> None:
    script = """
import asyncio, os, select, signal
from lamport_clock import AsyncSharedClock, _loops

async def main():
    watch = AsyncSharedClock.memory("a").watch()
    reader = asyncio.ensure_future(anext(watch))
    while watch._begun is None:
        await asyncio.sleep(0)
    queue = _loops._of_loops[asyncio.get_running_loop()]()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        watch.close()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(status, select.select([queue.fileno()], [], [], 0)[0])
    watch.close()
    await asyncio.gather(reader, return_exceptions=True)

asyncio.run(main())
"""
    done = run("-c", script)
    assert (done.stdout, done.stderr) == ("0 []\n", "")


def test_forks_while_the_loops_of_other_threads_are_busy(etcd: Etcd, key: str) -> None:
    assert len(forked("among_threads", etcd.uri(key))) == 15 + 20 + 1


def test_pools_of_processes_with_loops(etcd: Etcd, key: str) -> None:
    assert len(forked("pools", etcd.uri(key))) == 14


# ------------------------------------------------------------------------------------- signals

PROGRAM = """
import asyncio, sys
from lamport_clock import AsyncSharedClock
async def main():
    clock = AsyncSharedClock.open(sys.argv[1], node="a", timeout=3600)
    watch = clock.watch(from_revision=1)
    waiting = [asyncio.ensure_future(call) for call in (clock.update(), anext(watch))]
    print("calling", flush=True)
    try:
        await asyncio.gather(*waiting)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
asyncio.run(main())
"""


def test_ctrl_c_ends_a_program_that_waits(silence: Silence) -> None:
    with Program("-c", PROGRAM, silence.uri) as program:
        assert program.next_line() == "calling"
        silence.wait_for_caller()
        assert program.end(signal.SIGINT) == -signal.SIGINT
        if sys.version_info >= (3, 11):
            assert "cancelled" in program.lines
        assert program.lines[-1] == "KeyboardInterrupt"


def test_a_clock_goes_on_after_ctrl_c() -> None:
    script = """
import asyncio
from lamport_clock import AsyncSharedClock
clock = AsyncSharedClock.memory("a")
watch = clock.watch()
async def wait():
    async with watch:
        print((await clock.update()).value, flush=True)
        await anext(watch)
        print("waiting", flush=True)
        await anext(watch)
async def go_on():
    return (await clock.update()).value
try:
    asyncio.run(wait())
except KeyboardInterrupt:
    print(asyncio.run(go_on()))
"""
    with Program("-c", script) as program:
        assert [program.next_line(), program.next_line()] == ["2", "waiting"]
        assert program.end(signal.SIGINT) == 0
        assert program.lines[-1] == "4"


def test_what_an_interrupt_leaves_is_resolved_at_the_next_turn() -> None:
    class Interrupted(asyncio.Future[None]):
        def set_result(self, result: None) -> None:
            super().set_result(result)
            raise KeyboardInterrupt

    loop = asyncio.new_event_loop()
    futures: list[asyncio.Future[None]] = [loop.create_future() for _ in range(5)]
    futures[3] = Interrupted(loop=loop)
    all_of_them = futures[:]
    with pytest.raises(KeyboardInterrupt):
        _resolve(futures)
    assert [future.done() for future in all_of_them] == [False, False, False, True, True]
    loop.run_until_complete(turns(1))
    assert all(future.done() for future in all_of_them)
    loop.close()


# -------------------------------------------------------------------------------- what is left


def alarms() -> int:
    """How many sockets of this process wake loops. Those to the store are of another family."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # What is no socket.
            end = socket.socket(fileno=int(name))
            found += end.family == socket.AF_UNIX
            end.detach()
    return found


@pytest.mark.parametrize("kind", LOOPS)
def test_loops_that_end_leave_nothing_behind(kind: str, silence: Silence) -> None:
    """Whether their calls were answered, cancelled, or under way when they were closed."""
    clock = AsyncSharedClock.memory("a")
    stuck = AsyncSharedClock.open(silence.uri, node="a", timeout=3600)
    kept: list[weakref.ref[object]] = []

    async def main() -> None:
        await asyncio.gather(*(clock.update() for _ in range(20)))
        watch = clock.watch(from_revision=1)
        await anext(watch)
        await ended(asyncio.ensure_future(asyncio.wait_for(stuck.update(), 0.001)))
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        for call in (stuck.update(), stuck.read(), anext(stuck.watch(from_revision=1))):
            task = asyncio.ensure_future(call)
            kept.append(weakref.ref(task))
        await turns(3)

    def once() -> None:
        loop = LOOPS[kind]()
        kept.append(weakref.ref(loop))
        loop.run_until_complete(main())
        loop.close()

    once()
    listening = listeners()
    gc.collect()
    before = alarms()
    for _ in range(10):
        once()
    listening += listeners()
    for thread in listening:
        thread.join(PATIENCE)
    gc.collect()
    assert [each for each in kept if each() is not None] == []
    assert alarms() <= before


def test_a_loop_that_is_never_closed_goes_with_its_queue(silence: Silence) -> None:
    stuck = AsyncSharedClock.open(silence.uri, node="a", timeout=3600)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        calls = [stuck.update(), anext(stuck.watch(from_revision=1))]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await turns(3)
        assert not any(task.done() for task in tasks)

    def once() -> weakref.ref[object]:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        return weakref.ref(loop)

    with warnings.catch_warnings():
        # Python has its own word on such loops.
        warnings.simplefilter("ignore", ResourceWarning)
        once()
        gc.collect()
        before = alarms()
        gone = [once() for _ in range(10)]
        gc.collect()
    assert [each for each in gone if each() is not None] == []
    assert alarms() <= before


async def watched(clock: AsyncSharedClock) -> None:
    async with clock.watch() as watch:
        await clock.update()
        await anext(watch)


async def left_alone(clock: AsyncSharedClock) -> None:
    reading = asyncio.ensure_future(anext(clock.watch()))
    await turns(clock.advance() % 6)
    reading.cancel()
    await ended(reading)


async def cancelled(clock: AsyncSharedClock) -> None:
    calls = [asyncio.ensure_future(call) for call in (clock.update(), clock.read())]
    await turns(1 + clock.advance() % 3)
    for call in calls:
        call.cancel()
        await ended(call)


async def refused(clock: AsyncSharedClock) -> None:
    with pytest.raises(LamportError):
        await clock.reserve(0)


async def opened(_: AsyncSharedClock) -> None:
    async with await AsyncSharedClock.connect("memory:leaks", node="a") as own:
        await own.update()


CALLS: dict[str, tuple[int, Callable[[AsyncSharedClock], Awaitable[object]]]] = {
    "update": (FEW, lambda clock: clock.update()),
    "reserve": (FEW, lambda clock: clock.reserve(5)),
    "read": (FEW, lambda clock: clock.read()),
    "history": (FEW, lambda clock: clock.history(3)),
    "watch": (RARE, watched),
    "a watch let go of": (FEW, left_alone),
    "connect": (FEW, opened),
    "cancelled": (FEW, cancelled),
    "refused": (FEW, refused),
}


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("name", CALLS)
def test_a_call_leaves_nothing_behind(name: str) -> None:
    count, call = CALLS[name]
    clock = AsyncSharedClock.open("memory:full", node="a")

    async def often(times: int) -> None:
        for _ in range(times):
            await call(clock)
        # Comes after what the library's thread has still to let go of.
        await clock.update()

    async def main() -> list[tuple[int, int]]:
        await often(count // 2)
        growths = []
        for _ in range(3):
            gc.collect()
            blocks, given_out = sys.getallocatedblocks(), bytes_given_out()
            await often(count // 4)
            gc.collect()
            growths.append((bytes_given_out() - given_out, sys.getallocatedblocks() - blocks))
        return growths

    growths = asyncio.run(main())
    # One leaked allocation a call would be 32 bytes a call at the least.
    assert min(growths)[0] < 16 * (count // 4), growths
    assert min(blocks for _, blocks in growths) < count // 40, growths


def test_callers_who_gave_up_leave_nothing_with_a_store_that_is_silent(silence: Silence) -> None:
    """More than may wait at once: whoever is cancelled no longer waits in the library either."""
    clock = AsyncSharedClock.open(silence.uri, node="a", timeout=3600)

    async def main() -> None:
        for _ in range(11):
            calls = [asyncio.ensure_future(clock.update()) for _ in range(10_000)]
            await turns(2)
            for call in calls:
                call.cancel()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}

    asyncio.run(main())
