"""Calls that tasks of an event loop wait for.

What waits for a call is a future of the loop in which the caller runs. The library's own thread
never touches Python: it puts the number of a call that has its answer into a queue of the loop's
(`Completions`, bindings/python/src/completions.rs) and rings once; the loop hears that as it hears
its sockets, and resolves all futures of the queue in one go.
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
    """What this method of the clock returns, to be awaited."""
    return answer(Completions.ask, clock, verb.__name__, *arguments)


async def answer(asks: Callable[..., Call], *what: object) -> Any:  # noqa: ANN401
    """The answer to what this method of Completions asks: a verb of a clock, by its name in
    bindings/python/src/verbs.rs, or what a watch tells next."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    call = asks(_completions(loop), future, *what)
    try:
        await future
        # Not before: an update that was taken from a watch is given to somebody.
        return call.answer()
    except BaseException:
        # Said outright: a traceback may keep this frame, and the call with it.
        call.give_up()
        raise


# The queue belongs to the loop, which holds it as long as it listens: what waits in it holds the
# loop in turn, and a loop that was closed in the middle of it must be let go of with all that.
_of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[Completions]]
_of_loops = weakref.WeakKeyDictionary()


def _forget_the_parents_loops() -> None:
    global _of_loops
    _of_loops = weakref.WeakKeyDictionary()


os.register_at_fork(after_in_child=_forget_the_parents_loops)


def _completions(loop: asyncio.AbstractEventLoop) -> Completions:
    """The queue of this loop, which begins at its next turn what is asked for now."""
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
    """Has the loop look into the queue whenever it rings, for as long as the loop is open."""
    try:
        # In a context of its own: this outlives the caller, and so would all its variables.
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
    """Resolves them, the last first."""
    try:
        while futures:
            # One that was cancelled has a task that does not know yet.
            if not (future := futures.pop()).done():
                future.set_result(None)
    finally:
        # Cut short by Ctrl-C: the others' turn is the loop's next.
        if futures:
            futures[-1].get_loop().call_soon(_resolve, futures)


_LOOK_UP = 1_000
"""So long, in ms, a loop may be closed before the thread that listens for it ends."""


def _pass_on(loop: asyncio.AbstractEventLoop, completions: Completions) -> None:
    """Listens for a loop that can't listen to a descriptor."""
    rings = select.poll()
    rings.register(completions.fileno(), select.POLLIN)
    while not loop.is_closed():
        if not rings.poll(_LOOK_UP):
            continue
        # Silent from here on: until the loop looks, one ring is enough.
        with contextlib.suppress(BlockingIOError):
            os.read(completions.fileno(), 8)
        # Closed in the meantime.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_look, completions)
