"""The shared clock for asyncio. `from lamport_clock import AsyncSharedClock` loads it.

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
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Concatenate, Generic, Literal, ParamSpec, TypeVar, final, overload

from ._native import (
    Call,
    Completions,
    Deleted,
    History,
    Interrupted,
    Missed,
    Observed,
    Reservation,
    SharedClock,
    Stamp,
    SyncStats,
    Unreadable,
    Update,
    Watch,
)

TYPE_CHECKING = False  # typing's own would import what it is for
if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._settings import Settings

_P = ParamSpec("_P")
_Answer = TypeVar("_Answer")
_Told = TypeVar("_Told", covariant=True)


@final
class AsyncSharedClock:
    """A SharedClock for asyncio: the same verbs; those that go to the store are awaited.

        >>> import asyncio
        >>> from lamport_clock import AsyncSharedClock
        >>> async def main():
        ...     async with AsyncSharedClock.memory("api") as clock:
        ...         sent = clock.tick()  # local verbs are plain calls: they take nanoseconds
        ...         update = await clock.update()  # a time that nobody else has
        ...         return str(sent), update.value
        >>> asyncio.run(main())
        ('1@api', 3)

    Thousands of calls may be under way at once: those that wait together travel together.
    Cancelling the task that awaits one frees it at once and gives the call up, which takes nothing
    from others. asyncio.timeout() and asyncio.wait_for() work, and the deadline of the clock
    (LAMPORT_TIMEOUT, in seconds) ends every call that nobody cancels. Errors are those of
    SharedClock, subclasses of LamportError.

    One clock may be used from several event loops, in several threads, one after another or at
    once, and by threads through `sync`. A child of os.fork() goes on with it in a loop of its own,
    as a clock of its own: see SharedClock.
    """

    __slots__ = ("__weakref__", "_sync")

    def __init__(self, sync: SharedClock) -> None:
        """The other face of a clock that is there already: both are one clock.

        >>> from lamport_clock import SharedClock
        >>> sync = SharedClock.memory("api")
        >>> clock = AsyncSharedClock(sync)
        >>> clock.tick(), sync.now(), clock.sync is sync
        (Stamp(time=1, process='api', instance=...), 1, True)
        """
        if not isinstance(sync, SharedClock):
            raise TypeError(
                "AsyncSharedClock() takes a SharedClock; make one from settings with await "
                "AsyncSharedClock.connect(...), or with .open(...) or .memory('name')"
            )
        self._sync = sync

    @staticmethod
    async def connect(
        store: str | None = None,
        node: str | None = None,
        **settings: Unpack[Settings],
    ) -> AsyncSharedClock:
        """A clock on the store that the settings name, once that store has answered.

        The settings are those of SharedClock.connect(): what is not given comes from the
        environment (LAMPORT_STORE, NODE_NAME, ...). `timeout` is the deadline of each call, in
        seconds or as a text like "500ms".

        Raises InvalidArgumentError and UnknownNodeError for wrong settings; UnavailableError at
        once if every endpoint refuses; LamportTimeoutError at the deadline if they are silent.

        >>> async def main():
        ...     clock = await AsyncSharedClock.connect("memory:", node="api", timeout=0.5)
        ...     return clock.location
        >>> asyncio.run(main())
        'memory:'
        """
        return AsyncSharedClock(await _answer(Completions.connect, store, node, **settings))

    @staticmethod
    def open(
        store: str | None = None,
        node: str | None = None,
        **settings: Unpack[Settings],
    ) -> AsyncSharedClock:
        """As connect(), without asking whether the store is there. No I/O; it needs no event loop.

        Raises InvalidArgumentError and UnknownNodeError for wrong settings.

        >>> AsyncSharedClock.open("etcd://10.0.0.5:2379", node="api").process
        'api'
        """
        return AsyncSharedClock(SharedClock.open(store, node, **settings))

    @staticmethod
    def memory(process: str) -> AsyncSharedClock:
        """A clock on a private store in memory: no network, nothing to install.

        Raises InvalidArgumentError if `process` is no name.

        >>> AsyncSharedClock.memory("api")
        <AsyncSharedClock of 'api' at 0>
        """
        return AsyncSharedClock(SharedClock.memory(process))

    def tick(self) -> Stamp:
        """A local event or a send: time + 1. No I/O. Raises ExhaustedError past 2^53 - 1.

        >>> str(AsyncSharedClock.memory("api").tick())
        '1@api'
        """
        return self._sync.tick()

    def receive(self, message: Stamp | int | str) -> Stamp:
        """A message arrived that carried this stamp (a Stamp, its text, or a bare time):
        max(local, message) + 1. No I/O.

        Raises TooFarAheadError if it lies further ahead than LAMPORT_MAX_JUMP allows, and
        InvalidArgumentError for a text that is no stamp; the clock is then unchanged.

        >>> str(AsyncSharedClock.memory("api").receive("57@billing"))
        '58@api'
        """
        return self._sync.receive(message)

    def advance(self) -> int:
        """As tick(), for callers that need the time alone.

        >>> AsyncSharedClock.memory("api").advance()
        1
        """
        return self._sync.advance()

    def advance_past(self, message: Stamp | int | str) -> int:
        """As receive(), for callers that need the time alone.

        >>> AsyncSharedClock.memory("api").advance_past(57)
        58
        """
        return self._sync.advance_past(message)

    def now(self) -> int:
        """Where the local clock stands. Changes nothing, and names no event.

        >>> AsyncSharedClock.memory("api").now()
        0
        """
        return self._sync.now()

    async def update(self) -> Update:
        """Takes the next time of the shared clock: one round trip, alone and in any
        crowd.

        Raises LamportTimeoutError, UnavailableError, CorruptError, ExhaustedError,
        TooFarAheadError, OverloadedError, ClosedError and what the store refuses with. Whether a
        failed or cancelled update moved the record is unknown; no time was handed out.

        >>> async def main():
        ...     clock = AsyncSharedClock.memory("api")
        ...     updates = await asyncio.gather(*(clock.update() for _ in range(3)))
        ...     return [update.value for update in updates]
        >>> values = asyncio.run(main())
        >>> values == sorted(set(values))
        True
        """
        return await _answer(Completions.update, self._sync)

    async def reserve(self, count: int) -> Reservation:
        """Takes `count` consecutive times (1 through 2^32) in one update. Raises as update() does.

        >>> async def main():
        ...     return list(await AsyncSharedClock.memory("api").reserve(3))
        >>> asyncio.run(main())
        [2, 3, 4]
        """
        return await _answer(Completions.reserve, self._sync, count)

    async def read(self) -> Observed | None:
        """The newest update of the record by anyone; None if there is no record yet.

        Raises LamportTimeoutError, UnavailableError, CorruptError, RegressedError and ClosedError.

        >>> async def main():
        ...     return await AsyncSharedClock.memory("api").read()
        >>> print(asyncio.run(main()))
        None
        """
        return await _answer(Completions.read, self._sync)

    async def history(self, limit: int = 100) -> History:
        """The newest updates that the store still keeps, at most `limit` of them, oldest first. One
        round trip for each transaction in the history. Raises what read() does.

        >>> async def main():
        ...     clock = AsyncSharedClock.memory("api")
        ...     await clock.update()
        ...     return [update.value for update in await clock.history()]
        >>> asyncio.run(main())
        [2]
        """
        return await _answer(Completions.history, self._sync, limit)

    @overload
    def watch(
        self, *, from_revision: int | None = None, notices: Literal[False] = False
    ) -> AsyncWatch[Observed]: ...

    @overload
    def watch(
        self, *, from_revision: int | None = None, notices: Literal[True]
    ) -> AsyncWatch[Observed | Missed | Unreadable | Deleted | Interrupted]: ...

    def watch(
        self, *, from_revision: int | None = None, notices: bool = False
    ) -> AsyncWatch[Observed] | AsyncWatch[Observed | Missed | Unreadable | Deleted | Interrupted]:
        """Follows updates by anyone: `async for update in clock.watch()`.

        Without `from_revision` it begins with the first update that is committed after `async with
        clock.watch() as watch` was entered, or else after its iteration began; with it, at that
        revision, with what the store still keeps. `notices=True` is explained in Watch. No I/O:
        what goes wrong is raised where it is awaited.

        >>> async def main():
        ...     clock = AsyncSharedClock.memory("api")
        ...     async with clock.watch() as watch:
        ...         await clock.update()
        ...         async for update in watch:
        ...             return update.value
        >>> asyncio.run(main())
        2
        """
        return AsyncWatch(self._sync, from_revision, notices)

    def start(self, interval: float | str = 2.0) -> None:
        """Updates in the background from now on, about every `interval` (seconds, or a text like
        "500ms"): see SharedClock.start(). They need no event loop and go on after it. No I/O.

        Raises InvalidArgumentError for an interval out of range, and ClosedError.

        >>> clock = AsyncSharedClock.memory("api")
        >>> clock.start()
        >>> clock.stats().running, clock.stats().interval
        (True, 2.0)
        """
        self._sync.start(interval)

    def stop(self) -> None:
        """Ends the updates in the background: none begins after this returned. Never waits.

        >>> clock = AsyncSharedClock.memory("api")
        >>> clock.start()
        >>> clock.stop()
        """
        self._sync.stop()

    def stats(self) -> SyncStats:
        """What the updates in the background have come to by now. No I/O.

        >>> AsyncSharedClock.memory("api").stats().updates
        0
        """
        return self._sync.stats()

    def close(self) -> None:
        """Ends the clock, for both of its faces: calls and watches that wait, and later calls that
        need the store, raise ClosedError. The local clock goes on. To close twice is no error.

        It waits for nothing; `async with` also waits until the record shows what this clock took
        last, so that legacy writers see it.

        >>> clock = AsyncSharedClock.memory("api")
        >>> clock.close()
        >>> asyncio.run(clock.update())
        Traceback (most recent call last):
        lamport_clock.ClosedError: this clock was closed
        """
        self._sync._end()

    async def __aenter__(self) -> AsyncSharedClock:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await _answer(Completions.close, self._sync)
        finally:
            # Also where this task is cancelled before that has begun.
            self.close()

    @property
    def sync(self) -> SharedClock:
        """The same clock for threads, whose calls block.

        >>> AsyncSharedClock.memory("api").sync.update().value
        2
        """
        return self._sync

    @property
    def process(self) -> str:
        """The process that this clock belongs to."""
        return self._sync.process

    @property
    def instance(self) -> int:
        """The life of the process that this clock belongs to: 64 bits, drawn at random. Another one
        in a child of os.fork()."""
        return self._sync.instance

    @property
    def location(self) -> str:
        """Where transactions go at present, for people: "memory:", or the endpoint in use as
        "host:port"."""
        return self._sync.location

    def __repr__(self) -> str:
        return f"<AsyncSharedClock of {self.process!r} at {self.now()}>"

    def _repr_html_(self) -> str:
        return self._sync._repr_html_()


@final
class AsyncWatch(Generic[_Told]):
    """Every update by anyone, in order: what AsyncSharedClock.watch() gives.

    It resumes by itself where the connection broke, without losing or repeating an update, and a
    reader that is cancelled loses none either: the next one gets it. It raises what Watch raises,
    and goes on or ends as that does. It is for one reader at a time; close() may be called by any
    thread.

        >>> async def main():
        ...     async with AsyncSharedClock.memory("api") as clock, clock.watch() as watch:
        ...         await clock.reserve(3)
        ...         async for update in watch:
        ...             return update.first, update.value
        >>> asyncio.run(main())
        (2, 4)
    """

    __slots__ = ("__weakref__", "_begun", "_call", "_closed", "_origin", "_reading")

    def __init__(self, clock: SharedClock, from_revision: int | None, notices: bool) -> None:
        self._origin = clock, from_revision, notices
        self._begun: Watch[_Told] | None = None
        self._call: Call[_Told | None] | None = None
        self._reading = False
        self._closed = False

    def __aiter__(self) -> AsyncWatch[_Told]:
        return self

    async def __anext__(self) -> _Told:
        with self._as_the_only_reader():
            while (watch := await self._begin()) is not None:
                told = await self._next(watch)
                if told is not None:
                    return told
        raise StopAsyncIteration

    async def __aenter__(self) -> AsyncWatch[_Told]:
        with self._as_the_only_reader():
            await self._begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the watch: a task that waits for the next update sees the end of the iteration.

        >>> async def main():
        ...     watch = AsyncSharedClock.memory("api").watch()
        ...     watch.close()
        ...     return [update async for update in watch]
        >>> asyncio.run(main())
        []
        """
        # In this order: who waits by now is told below, and who does not yet sees this first.
        self._closed = True
        if self._begun is not None:
            self._begun.close()
        if (call := self._call) is not None:
            call.look_again()

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

    async def _begin(self) -> Watch[_Told] | None:
        """What to read from; None once it is closed."""
        if self._begun is None and not self._closed:
            self._begun = await _answer(Completions.watch, *self._origin)
        return None if self._closed else self._begun

    async def _next(self, watch: Watch[_Told]) -> _Told | None:
        """What it tells next; None if that is nothing after all."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._call = call = _completions(loop).next(future, watch)
        if self._closed:
            call.look_again()
        try:
            await future
            # Not before: an update that was taken from the watch is given to somebody.
            return call.answer()
        except BaseException:
            call.give_up()
            raise
        finally:
            self._call = None


async def _answer(
    begin: Callable[Concatenate[Completions, asyncio.Future[None], _P], Call[_Answer]],
    *arguments: _P.args,
    **named: _P.kwargs,
) -> _Answer:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    call = begin(_completions(loop), future, *arguments, **named)
    try:
        await future
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
