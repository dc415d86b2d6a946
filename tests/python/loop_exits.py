"""Programs that end with calls of event loops under way; test_asyncio_life.py runs them.

loop_exits.py WAY SILENT STORE     (a store that never answers, and one that does)
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from lamport_clock import AsyncSharedClock, ClosedError, LamportError
from loops import LOOPS

WAYS: dict[str, Callable[[str, str], None]] = {}
# Asyncio complains of tasks that are left behind. They are what this is about.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)
KEPT: list[Any] = []


def way(end: Callable[[str, str], None]) -> Callable[[str, str], None]:
    WAYS[end.__name__] = end
    return end


async def busy(silent: str, store: str) -> AsyncSharedClock:
    """Has calls and watches under way, which go on as long as the loop does."""
    stuck = AsyncSharedClock.open(silent, node="a", timeout=3600)
    clock = await AsyncSharedClock.connect(store, node="a")

    async def update() -> None:
        with contextlib.suppress(ClosedError):
            while True:
                await clock.update()

    async def follow() -> None:
        with contextlib.suppress(ClosedError):
            async for _ in clock.watch():
                pass

    seen = stuck.watch(from_revision=1)
    calls = [stuck.update(), stuck.read(), anext(seen), follow(), *(update() for _ in range(8))]
    KEPT.extend(asyncio.ensure_future(call) for call in calls)
    for _ in range(20):
        await clock.update()
    return clock


@way
def leaves_a_loop_open(silent: str, store: str) -> None:
    """The main thread comes to its end, and all is still there."""
    loop = asyncio.new_event_loop()
    KEPT.append(loop.run_until_complete(busy(silent, store)))
    KEPT.append(loop)


@way
def closes_the_loop(silent: str, store: str) -> None:
    """The loop is closed on top of its calls."""
    loop = asyncio.new_event_loop()
    KEPT.append(loop.run_until_complete(busy(silent, store)))
    loop.close()


@way
def runs_to_its_end(silent: str, store: str) -> None:
    """asyncio.run() cancels what is left."""
    asyncio.run(busy(silent, store))


@way
def leaves_a_block(silent: str, store: str) -> None:
    """sys.exit() inside of `async with`: the clock is closed, and its callers learn it."""

    async def main() -> None:
        async with await busy(silent, store) as clock, clock.watch():
            sys.exit()

    asyncio.run(main())


@way
def is_cut_off(silent: str, store: str) -> None:
    """os._exit(): nothing of Python's ends."""

    async def main() -> None:
        await busy(silent, store)
        os._exit(0)

    asyncio.run(main())


def in_a_daemon(kind: str, silent: str, store: str) -> None:
    loop = LOOPS[kind]()
    begun = threading.Event()

    async def main() -> None:
        await busy(silent, store)
        begun.set()
        await asyncio.Event().wait()

    threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True).start()
    begun.wait()


@way
def leaves_a_daemon(silent: str, store: str) -> None:
    """A daemon's loop is busy when the main thread comes to its end."""
    in_a_daemon("asyncio", silent, store)


@way
def leaves_a_daemon_with_uvloop(silent: str, store: str) -> None:
    """The same with uvloop."""
    in_a_daemon("uvloop", silent, store)


@way
def leaves_a_daemon_that_listens_for_it(silent: str, store: str) -> None:
    """The same with a loop for which a thread listens."""
    in_a_daemon("deaf", silent, store)


@way
def says_goodbye(silent: str, store: str) -> None:
    """Exit handlers use the clock in a loop of their own; then it is closed, and refuses."""
    loop = asyncio.new_event_loop()
    clock = loop.run_until_complete(busy(silent, store))
    KEPT.append(loop)

    async def last() -> None:
        await clock.update()
        clock.close()
        try:
            await clock.update()
        except LamportError as error:
            assert error.kind == "closed"

    atexit.register(lambda: asyncio.run(last()))


class Holder:
    """Is dropped at the very end, when modules are torn down, with all that is under way."""

    def __init__(self, clock: AsyncSharedClock) -> None:
        self.clock = clock
        self.itself = self
        self.kept = KEPT[:]

    def __del__(self) -> None:
        self.clock.tick()
        self.clock.sync.update()
        self.clock.close()


@way
def drops_at_last(silent: str, store: str) -> None:
    """Finalisers close the clock while the interpreter is torn down."""
    loop = LOOPS["uvloop"]()
    clock = loop.run_until_complete(busy(silent, store))
    sys.modules["kept"] = Holder(clock)  # type: ignore[assignment]


if __name__ == "__main__":
    WAYS[sys.argv[1]](*sys.argv[2:])
