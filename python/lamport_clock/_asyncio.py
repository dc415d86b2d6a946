"""The shared clock for asyncio. `from lamport_clock import AsyncSharedClock` loads it."""

from __future__ import annotations

from typing import final

from ._asyncwatch import AsyncWatch
from ._loops import answer, ask
from ._native import Completions, Header, SharedClock, Stamp
from ._values import History, Observed, Reservation, SyncStats, Update

__all__ = ["AsyncSharedClock", "AsyncWatch"]

TYPE_CHECKING = False  # typing's own would import what it is for
if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._settings import Settings


@final
class AsyncSharedClock:
    """A SharedClock for asyncio, with the same methods. Those that use the store are awaited.

        >>> import asyncio
        >>> from lamport_clock import AsyncSharedClock
        >>> async def main():
        ...     async with AsyncSharedClock.memory("api") as clock:
        ...         sent = clock.tick()  # local verbs are plain calls: they take nanoseconds
        ...         update = await clock.update()  # a time that nobody else has
        ...         return str(sent), update.value
        >>> asyncio.run(main())
        ('1@api', 3)

    Thousands of calls may be under way at once: calls that wait together are sent together.
    Cancelling a task that awaits a call frees the task at once and gives the call up. Other calls
    go on. asyncio.timeout() and asyncio.wait_for() work, and the deadline of the clock
    (LAMPORT_TIMEOUT, in seconds) ends every call that nobody cancels. Errors are those of
    SharedClock, subclasses of LamportError.

    One clock may be used from several event loops in several threads, one after another or at
    once. Threads without a loop use it through `sync`. In a child of os.fork() it becomes a clock
    of its own, to be used in an event loop of the child's: see SharedClock.
    """

    __slots__ = ("__weakref__", "_sync")

    def __init__(self, sync: SharedClock) -> None:
        """Wraps an existing SharedClock: both objects are one clock.

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
        store: str | None = None, node: str | None = None, **settings: Unpack[Settings]
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
        sync = SharedClock.open(store, node, **settings)
        await answer(Completions.ask, sync, "connect")
        return AsyncSharedClock(sync)

    @staticmethod
    def open(
        store: str | None = None, node: str | None = None, **settings: Unpack[Settings]
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

        Raises InvalidArgumentError if `process` is not a valid name.

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

        Raises TooFarAheadError if the message's time lies further above the newest shared time that
        this clock knows than LAMPORT_MAX_JUMP allows. Raises InvalidArgumentError for a text that
        is no stamp. In both cases the clock is unchanged.

        >>> str(AsyncSharedClock.memory("api").receive("57@billing"))
        '58@api'
        """
        return self._sync.receive(message)

    def log(self) -> tuple[Stamp, list[str]]:
        """An event that is logged: ticks, and returns the stamp and the texts of its causes. No
        I/O. See SharedClock.log().

        >>> stamp, after = AsyncSharedClock.memory("api").log()
        >>> str(stamp), after
        ('1@api', [])
        """
        return self._sync.log()

    def _line(self, long: bool) -> dict[str, object]:
        return self._sync._line(long)

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
        """Where the local clock stands. Reading it changes nothing and is no event.

        >>> AsyncSharedClock.memory("api").now()
        0
        """
        return self._sync.now()

    async def update(self) -> Update:
        """Takes the next time of the shared clock: one round trip, alone or among any number of
        callers.

        Raises LamportTimeoutError, UnavailableError, CorruptError, ExhaustedError,
        TooFarAheadError, RegressedError, OverloadedError, ClosedError and the error of a refusal by
        the store. Whether a failed or cancelled update moved the record is unknown; no time was
        handed out.

        >>> async def main():
        ...     clock = AsyncSharedClock.memory("api")
        ...     updates = await asyncio.gather(*(clock.update() for _ in range(3)))
        ...     return [update.value for update in updates]
        >>> values = asyncio.run(main())
        >>> values == sorted(set(values))
        True
        """
        return await ask(self._sync, SharedClock.update)

    async def reserve(self, count: int) -> Reservation:
        """Takes `count` consecutive times (1 through 2^32) in one update. Raises what update()
        raises.

        >>> async def main():
        ...     return list(await AsyncSharedClock.memory("api").reserve(3))
        >>> asyncio.run(main())
        [2, 3, 4]
        """
        return await ask(self._sync, SharedClock.reserve, count)

    async def read(self) -> Observed | None:
        """The newest update of the record by anyone; None if there is no record yet.

        Raises LamportTimeoutError, UnavailableError, CorruptError, RegressedError and ClosedError.

        >>> async def main():
        ...     return await AsyncSharedClock.memory("api").read()
        >>> print(asyncio.run(main()))
        None
        """
        return await ask(self._sync, SharedClock.read)

    async def history(self, limit: int = 100, *, from_revision: int | None = None) -> History:
        """The newest updates that the store still keeps, at most `limit` of them, oldest first.
        With `from_revision` the newest up to and including that revision: it goes on where the
        deadline cut a history (History.unread_from); 0 counts as 1. One round trip for each
        transaction in the history.

        Raises what read() does, and InvalidArgumentError for a revision that the store has not
        reached.

        >>> async def main():
        ...     clock = AsyncSharedClock.memory("api")
        ...     await clock.update()
        ...     return [update.value for update in await clock.history()]
        >>> asyncio.run(main())
        [2]
        """
        return await ask(self._sync, SharedClock.history, limit, from_revision)

    def watch(self, *, from_revision: int | None = None) -> AsyncWatch:
        """Follows updates by anyone: `async for update in clock.watch()`.

        Without `from_revision`, the watch begins with the first update that is committed after
        `async with clock.watch() as watch` was entered, or, without `async with`, after the
        iteration began. With `from_revision`, it begins at that revision, as far as the store still
        keeps it. This call does no I/O: errors are raised where the watch is awaited.

        >>> async def main():
        ...     clock = AsyncSharedClock.memory("api")
        ...     async with clock.watch() as watch:
        ...         await clock.update()
        ...         async for update in watch:
        ...             return update.value
        >>> asyncio.run(main())
        2
        """
        return AsyncWatch(self._sync, from_revision)

    def start(self, interval: float | str = 2.0) -> None:
        """Starts updates in the background, about every `interval` (seconds, or a text like
        "500ms"): see SharedClock.start(). They need no event loop and go on after it ends. No I/O.

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
        """The results of the updates in the background so far. No I/O.

        >>> AsyncSharedClock.memory("api").stats().updates
        0
        """
        return self._sync.stats()

    def close(self) -> None:
        """Ends the clock, for `sync` too: calls and watches that wait, and later calls that need
        the store, raise ClosedError. The local clock goes on. Closing twice is no error.

        close() does not wait. Leaving `async with` also waits until the record shows the last time
        that this clock took, so that legacy writers see it.

        >>> clock = AsyncSharedClock.memory("api")
        >>> clock.close()
        >>> asyncio.run(clock.update())
        Traceback (most recent call last):
        lamport_clock.ClosedError: this clock was closed
        """
        self._sync._end()

    async def __aenter__(self) -> AsyncSharedClock:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        try:
            await ask(self._sync, SharedClock.close)
        finally:
            # Needed if this task is cancelled before the call above has begun.
            self.close()

    @property
    def sync(self) -> SharedClock:
        """The same clock with blocking calls, for threads.

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
        """The instance of the process that this clock belongs to: 64 bits, drawn at random. Another
        one in a child of os.fork()."""
        return self._sync.instance

    @property
    def location(self) -> str:
        """Where transactions go at present, for people: "memory:", or the endpoint in use as
        "host:port"."""
        return self._sync.location

    @property
    def _header(self) -> Header:
        return self._sync._header

    def __repr__(self) -> str:
        return f"<AsyncSharedClock of {self.process!r} at {self.now()}>"

    def _repr_html_(self) -> str:
        return self._sync._repr_html_()
