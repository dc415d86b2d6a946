"""Calls that tasks of an event loop wait for.

A caller awaits a future of its own loop. The library's native thread never touches Python. When a
call has its answer, that thread puts the call's number into the loop's queue (`Completions`,
bindings/python/src/completions.rs), and rings by making a file descriptor readable. The loop
watches the descriptor as it watches its sockets, and resolves all futures of the queue in one go.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import select
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ._native import Call, Completions, SharedClock

_Answer = TypeVar("_Answer")


def ask(
    clock: SharedClock, verb: Callable[..., _Answer], *arguments: object
) -> Coroutine[Any, Any, _Answer]:
    """Calls this method of the clock; the result is to be awaited."""
    return answer(Completions.ask, clock, verb.__name__, *arguments)


async def answer(asks: Callable[..., Call], *what: object) -> Any:  # noqa: ANN401
    """Makes a call with `asks`, a method of Completions, and returns its answer. The call is a
    verb of a clock, by its name in bindings/python/src/verbs.rs, or asks a watch for its next
    update."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    call = asks(_completions(loop), future, *what)
    try:
        await future
        # Taken only now: if the task is cancelled before, the update stays in the watch.
        return call.answer()
    except BaseException:
        # Explicit, because a traceback may keep this frame alive, and the call with it.
        call.give_up()
        raise


# Weak both ways. The loop itself keeps its queue alive while it listens. The futures in the queue
# keep the loop alive, so a strong reference here would leak a loop closed while calls waited.
_of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[Completions]]
_of_loops = weakref.WeakKeyDictionary()


def _forget_the_parents_loops() -> None:
    global _of_loops
    _of_loops = weakref.WeakKeyDictionary()


os.register_at_fork(after_in_child=_forget_the_parents_loops)


def _completions(loop: asyncio.AbstractEventLoop) -> Completions:
    """The queue of this loop. A call that is asked for now begins at the loop's next turn."""
    known = _of_loops.get(loop)
    completions = None if known is None else known()
    if completions is None:
        completions = Completions()
        _listen(loop, completions)
        _of_loops[loop] = weakref.ref(completions)
    if completions.idle:
        loop.call_soon(completions.begin)
    return completions


def _listen(loop: asyncio.AbstractEventLoop, completions: Completions) -> None:
    """Has the loop empty the queue whenever it rings, for as long as the loop is open."""
    try:
        # In an empty context: the reader outlives the caller, whose variables it would keep alive.
        context = contextvars.Context()
        context.run(loop.add_reader, completions.fileno(), _look, completions)
    except NotImplementedError:
        listening = threading.Thread(
            target=_pass_on, args=(loop, completions), name="lamport-clock-loop", daemon=True
        )
        listening.start()


def _look(completions: Completions) -> None:
    _resolve(completions.take())


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    """Resolves these futures, the last first."""
    try:
        while futures:
            # A cancelled future is done already, although its task has not run since.
            if not (future := futures.pop()).done():
                future.set_result(None)
    finally:
        # Some are left if Ctrl-C interrupted the loop above. They follow at the loop's next turn.
        if futures:
            futures[-1].get_loop().call_soon(_resolve, futures)


_LOOK_UP = 1_000
"""After a loop was closed, the thread that listens for it ends within this time, in ms."""


def _pass_on(loop: asyncio.AbstractEventLoop, completions: Completions) -> None:
    """Listens to the queue's descriptor for a loop that can't do it itself."""
    rings = select.poll()
    rings.register(completions.fileno(), select.POLLIN)
    while not loop.is_closed():
        if not rings.poll(_LOOK_UP):
            continue
        # This read silences the queue. Until the loop empties it, one ring is enough.
        with contextlib.suppress(BlockingIOError):
            os.read(completions.fileno(), 8)
        # Raised if the loop was closed in the meantime.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_look, completions)
