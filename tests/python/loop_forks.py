"""Programs that fork with clocks and event loops in hand; test_asyncio_life.py says what must come
out.

    loop_forks.py SCENARIO STORE...

Each prints a JSON text.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import multiprocessing
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from children import LEAVES, PATIENCE, Child, threads
from lamport_clock import AsyncSharedClock, AsyncWatch, ClosedError
from loops import LOOPS, Loop, turns


async def updates(clock: AsyncSharedClock, count: int) -> list[int]:
    return [(await clock.update()).value for _ in range(count)]


def connected(store: str) -> AsyncSharedClock:
    return asyncio.run(AsyncSharedClock.connect(store, node="a", timeout=PATIENCE))


def between_loops(store: str) -> object:
    """The parent has run a loop, and runs another one; each child runs some."""
    clock = connected(store)
    values = [asyncio.run(updates(clock, 3))]
    for kind in LOOPS:
        for leave in LEAVES:

            def work(kind: str = kind) -> list[int]:
                assert threads() == 1
                mine = Loop(kind).run(updates(clock, 3))
                return mine + asyncio.run(updates(clock, 2))

            values.append(Child(work, leave=leave).join())
    return {"all": [*values, asyncio.run(updates(clock, 3))]}


def inside_a_loop(silent: str, store: str) -> object:
    """In the middle of a coroutine, with calls under way in this loop and in another thread's."""
    clock = connected(store)
    values: list[list[int]] = []

    async def main() -> None:
        stuck = AsyncSharedClock.open(silent, node="a", timeout=3600)
        watch = stuck.watch(from_revision=1)
        tasks = [asyncio.ensure_future(call) for call in (stuck.update(), anext(watch))]
        callers = [asyncio.ensure_future(updates(clock, 200)) for _ in range(5)]
        await turns(5)

        def work() -> list[int]:
            assert threads() == 1
            mine = asyncio.run(updates(clock, 3))
            # What was under way is the parent's: to let go of it here does nothing there.
            for task in [*tasks, *callers]:
                task.cancel()
            gc.collect()
            asyncio.run(refused(watch))
            return mine + asyncio.run(updates(clock, 2))

        for _ in range(5):
            values.append(Child(work).join())
            await turns(3)
        values.extend(await asyncio.gather(*callers))
        stuck.close()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ended] == [ClosedError, ClosedError]
        values.append(await updates(clock, 3))

    asyncio.run(main())
    return {"all": values}


async def refused(watch: AsyncWatch) -> None:
    """A watch that is inherited refuses, and is closed as any other."""
    # Its reader is the parent's task, which never ends here.
    with contextlib.suppress(ClosedError, RuntimeError):
        raise AssertionError(f"it gave {await anext(watch)}")
    watch.close()


def among_threads(store: str) -> object:
    """Forks while the loops of other threads are in the middle of calls."""
    clock = connected(store)
    over = threading.Event()
    values: list[list[int]] = []

    async def go_on() -> None:
        async def caller() -> None:
            mine: list[int] = []
            values.append(mine)
            while not over.is_set():
                mine += await updates(clock, 1)

        await asyncio.gather(*(caller() for _ in range(5)))

    # What they import has hooks of the fork, whose locks must be there before one begins.
    for make in LOOPS.values():
        make().close()
    busy = [threading.Thread(target=Loop(kind).run, args=(go_on(),)) for kind in LOOPS]
    for each in busy:
        each.start()
    for number in range(20):
        child = Child(lambda: asyncio.run(updates(clock, 2)), leave=LEAVES[number % 2])
        values.append(child.join())
    over.set()
    for each in busy:
        each.join(PATIENCE)
        assert not each.is_alive()
    return {"all": [*values, asyncio.run(updates(clock, 1))]}


POOLED: list[AsyncSharedClock] = []


def pooled(_: int) -> list[int]:
    return asyncio.run(updates(POOLED[0], 2))


def pools(store: str) -> object:
    """multiprocessing, by fork: each job runs a loop of its own."""
    POOLED.append(connected(store))
    values = [asyncio.run(updates(POOLED[0], 1))]
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(3, context) as executor:
        values += executor.map(pooled, range(12), timeout=PATIENCE)
    return {"all": [*values, asyncio.run(updates(POOLED[0], 1))]}


SCENARIOS: dict[str, Callable[..., object]] = {
    one.__name__: one for one in (between_loops, inside_a_loop, among_threads, pools)
}

if __name__ == "__main__":
    print(json.dumps(SCENARIOS[sys.argv[1]](*sys.argv[2:])))
