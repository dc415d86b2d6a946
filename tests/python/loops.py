"""Event loops to test with: asyncio's own, uvloop's, and one that can't listen to descriptors."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deaf(asyncio.SelectorEventLoop):
    """A loop that offers no add_reader, as loops of some frameworks and systems."""

    def add_reader(self, *arguments: object) -> None:
        raise NotImplementedError


def uvloops() -> asyncio.AbstractEventLoop:
    import uvloop  # A program that does not use it starts sooner.

    return uvloop.new_event_loop()


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloops,
    "deaf": Deaf,
}


class Loop:
    """A kind of loop."""

    def __init__(self, kind: str) -> None:
        self.new = LOOPS[kind]

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """As asyncio.run(): a new loop, whose tasks are cancelled at the end."""
        loop = self.new()
        try:
            return loop.run_until_complete(main)
        finally:
            cancel_all(loop)
            loop.close()


def cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


async def turns(count: int) -> None:
    """Lets the loop turn so often."""
    for _ in range(count):
        await asyncio.sleep(0)


async def ended(task: asyncio.Task[Any]) -> None:
    """Waits for a task that was cancelled or has failed."""
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


def listeners() -> list[threading.Thread]:
    """The threads that listen for loops that can't."""
    return [each for each in threading.enumerate() if each.name == "lamport-clock-loop"]
