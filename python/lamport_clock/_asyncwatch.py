"""A watch for asyncio: what AsyncSharedClock.watch() gives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import final

from ._errors import LamportError
from ._loops import answer, ask
from ._native import Completions, SharedClock, Watch
from ._values import Observed


@final
class AsyncWatch:
    """Every update by anyone, in order: what AsyncSharedClock.watch() gives.

    If the connection breaks, the watch resumes by itself, without losing or repeating an update. A
    cancelled reader loses no update either: the next reader gets it. The watch raises what Watch
    raises, and after an error it goes on or ends as Watch does. It is for one reader at a time;
    any thread may call close().

        >>> async def main():
        ...     async with AsyncSharedClock.memory("api") as clock, clock.watch() as watch:
        ...         await clock.reserve(3)
        ...         async for update in watch:
        ...             return update.first, update.value
        >>> asyncio.run(main())
        (2, 4)
    """

    def __init__(self, clock: SharedClock, from_revision: int | None) -> None:
        self._clock = clock
        self._from_revision = from_revision
        self._begun: Watch | None = None
        self._reading = False
        self._closed = False

    def __aiter__(self) -> AsyncWatch:
        return self

    async def __anext__(self) -> Observed:
        with self._as_the_only_reader():
            while (watch := await self._begin()) is not None:
                # None: there is no update after all, so wait again.
                told: Observed | None = await answer(Completions.next, watch)
                if told is not None:
                    return told
        raise StopAsyncIteration

    async def __aenter__(self) -> AsyncWatch:
        with self._as_the_only_reader():
            await self._begin()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.close()

    @property
    def next_revision(self) -> int | None:
        """The revision at which a new watch would go on: see Watch.next_revision. Before this watch
        has begun, its `from_revision`, which may be None."""
        return self._from_revision if self._begun is None else self._begun.next_revision

    @property
    def interrupted(self) -> LamportError | None:
        """Why the connection broke, if nothing has come since: see Watch.interrupted."""
        return None if self._begun is None else self._begun.interrupted

    def close(self) -> None:
        """Ends the watch: a task that waits for the next update sees the end of the iteration.

        >>> async def main():
        ...     watch = AsyncSharedClock.memory("api").watch()
        ...     watch.close()
        ...     return [update async for update in watch]
        >>> asyncio.run(main())
        []
        """
        # In this order: a reader that waits already is woken below; a later one sees the flag.
        self._closed = True
        if self._begun is not None:
            self._begun.close()

    @contextlib.contextmanager
    def _as_the_only_reader(self) -> Iterator[None]:
        if self._reading:
            raise RuntimeError(
                "another task reads from this watch at the moment: give each reader a watch of its "
                "own"
            )
        self._reading = True
        try:
            yield
        finally:
            self._reading = False

    async def _begin(self) -> Watch | None:
        """The native watch, begun at the first call; None once this watch is closed."""
        if self._begun is None and not self._closed:
            self._begun = await ask(self._clock, SharedClock.watch, self._from_revision)
        return None if self._closed else self._begun
