"""The values that calls return: frozen, comparable, hashable and picklable.

Each field is in two places, in the same order: here, with its meaning, and in
bindings/python/src/values.rs, where native code fills it in. Native code runs none of the code
here, because it must not run bytecode.
"""

from __future__ import annotations

from ._frozen import Value, field
from ._native import Stamp, Times, escape

TYPE_CHECKING = False  # typing's own costs an import of typing
if not TYPE_CHECKING:

    def final(known: object) -> object:
        return known

    overload = final
else:
    from collections.abc import Iterable, Iterator
    from typing import Any, SupportsIndex, final, overload


@final
class Holder(Value):
    """Who held the record, and at what value.

    >>> first = clock.update()
    >>> clock.update().previous
    Holder(value=2, process='api')
    """

    value: int = field("The value, a logical time.")
    process: str = field("The process, as the record named it.")

    def __str__(self) -> str:
        return f"{self.value}@{escape(self.process)}"


# The docs of fields that an Update and a Reservation share.
_PREVIOUS = "Who held the record before, and at what value; None if there was no record."
_WRITTEN = (
    "When, by the wall clock of the process that wrote the record (Unix seconds). It is for "
    "looking at only."
)


@final
class Update(Value):
    """One time of the shared clock: what SharedClock.update() gives. int(update) is its value.

    >>> update = clock.update()
    >>> update.value, update.process, update.previous
    (2, 'api', None)
    >>> str(update.stamp), int(update)
    ('2@api', 2)
    """

    value: int = field("The logical time. Nobody else has it.")
    process: str = field("This process.")
    instance: int = field("This instance of it, 64 bits.")
    previous: Holder | None = field(_PREVIOUS)
    real_timestamp: float = field(_WRITTEN)
    revision: int = field("The store's revision of the update.")
    round_trips: int = field("How many transactions the update took.")
    regressed: int | None = field(
        "The highest time known, if the record stood below it: a writer that does not follow the "
        "rule had moved it back. The update started above it all the same.",
        default=None,
    )

    @property
    def stamp(self) -> Stamp:
        """The update as a point in the total order."""
        return Stamp(self.value, self.process, self.instance)

    def __int__(self) -> int:
        return self.value

    def __str__(self) -> str:
        return escape(f"{self.value}@{self.process}{_after(self)}")


@final
class Reservation(Value):
    """Consecutive times of the shared clock, from `first` through `last`: a sequence of int.

    All times are ordered as one event at the moment of the call. A time that is handed out later is
    still unique, but no longer in real-time order with other updates. A Reservation stores only its
    two ends; `times` gives the same times as a range.

    Only this process may hand the times out: in a child of os.fork() that inherits them, indexing,
    iterating (also with an iterator begun before), `times` and pickling raise ClosedError. A list
    or a range that was made before the fork is not protected. To send times to another process on
    purpose, pickle them; the sender must then no longer hand them out.

    >>> taken = clock.reserve(1_000)
    >>> taken.first, taken.last, len(taken)
    (2, 1001, 1000)
    >>> taken[0], taken[-1], taken.times
    (2, 1001, range(2, 1002))
    """

    first: int = field("The first time.")
    last: int = field("The last time, the one in the record.")
    process: str = field("This process.")
    instance: int = field("This instance of it, 64 bits.")
    previous: Holder | None = field(_PREVIOUS)
    real_timestamp: float = field(_WRITTEN)
    revision: int = field("The store's revision of the update.")
    round_trips: int = field("How many transactions the update took.")
    regressed: int | None = field(
        "As for Update: the highest time known, if the record stood below it.", default=None
    )

    def _complete(self, first: int, last: int, *fields: Any) -> tuple[Any, ...]:  # noqa: ANN401
        # Behind the fields: a Times, whose check() refuses the times to children of a fork.
        return first, last, *fields, Times(first, last)

    @property
    def times(self) -> range:
        """The times as a range. Raises ClosedError in a child of os.fork()."""
        self._fields[-1].check()
        return range(self.first, self.last + 1)

    def __len__(self) -> int:
        return self.last - self.first + 1

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, index: slice, /) -> range: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> int | range:
        return self.times[index]

    def __contains__(self, time: object) -> bool:
        return time in range(self.first, self.last + 1)

    def __iter__(self) -> Iterator[int]:
        self._fields[-1].check()
        return Times(self.first, self.last)

    def __reduce__(self) -> tuple[Any, ...]:
        self._fields[-1].check()
        return super().__reduce__()

    def __str__(self) -> str:
        return escape(f"{self.first}..{self.last}@{self.process}{_after(self)}")


@final
class Observed(Value):
    """An update by anyone, as it is found in the store. int(observed) is its value.

    >>> mine = clock.update()
    >>> seen = clock.read()
    >>> seen.value, seen.process, seen.instance == clock.instance
    (2, 'api', True)
    """

    first: int = field("The first time that it took: `value`, unless it took several.")
    value: int = field("The last time that it took, the one in the record.")
    process: str = field("Who took it, as its writer wrote it.")
    instance: int | None = field("Which instance of it, 64 bits; None for a legacy writer.")
    real_timestamp: float | None = field(
        "When, by the writer's wall clock (Unix seconds). Never compared by the clock."
    )
    revision: int = field("The store's revision. Updates that were served together share it.")

    def __int__(self) -> int:
        return self.value

    def __str__(self) -> str:
        times = f"{self.value}" if self.first == self.value else f"{self.first}..{self.value}"
        return f"{times}@{escape(self.process)}"


@final
class History(Value):
    """The newest updates that the store still keeps, oldest first. It can be iterated and indexed
    like `updates`. The other fields say what is missing.

    >>> for _ in range(3):
    ...     update = clock.update()
    >>> history = clock.history()
    >>> [update.value for update in history]
    [2, 4, 6]
    >>> history.compacted_before is None, history.unreadable
    (True, 0)
    """

    updates: tuple[Observed, ...] = field("The updates, oldest first.")
    compacted_before: int | None = field(
        "The store no longer keeps what came before this revision: the history was cut there, not "
        "at the limit and not at the first update. None if it was not cut.",
        default=None,
    )
    unreadable: int = field("Revisions left out, as their record can't be read.", default=0)
    unread_from: int | None = field(
        "The deadline came before the limit: what was written at this revision and before it was "
        "not read. history(from_revision=...) goes on there. None if all was read.",
        default=None,
    )

    def _complete(self, updates: Iterable[Observed], *fields: Any) -> tuple[Any, ...]:  # noqa: ANN401
        return tuple(updates), *fields

    def __len__(self) -> int:
        return len(self.updates)

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Observed: ...
    @overload
    def __getitem__(self, index: slice, /) -> tuple[Observed, ...]: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> Observed | tuple[Observed, ...]:
        return self.updates[index]

    def __iter__(self) -> Iterator[Observed]:
        return iter(self.updates)

    def __str__(self) -> str:
        if not self.updates:
            text = "no updates"
        elif len(self.updates) == 1:
            text = f"1 update, {self.updates[0]}"
        else:
            text = f"{len(self)} updates, from {self.updates[0]} through {self.updates[-1]}"
        if self.compacted_before is not None:
            text += f"; what came before revision {self.compacted_before} was compacted"
        if self.unreadable:
            text += f"; {self.unreadable} could not be read"
        if self.unread_from is not None:
            text += f"; time ran out before revision {self.unread_from} was read"
        return text

    def _repr_html_(self) -> str:
        from . import _html

        return _html.history(self)


@final
class SyncStats(Value):
    """The results of the updates in the background, and the other counts of the clock: what
    SharedClock.stats() returns.

    The counts cover the whole life of the clock in this process, however often updates were started
    and stopped. A child of os.fork() counts its own, from 0. Durations are float, in seconds, by
    the monotonic clock, as of the call of stats().

    >>> from lamport_clock import SharedClock
    >>> stats = SharedClock.memory("api").stats()
    >>> stats.running, stats.updates, stats.failures, stats.failures_by_kind
    (False, 0, 0, {})
    >>> stats.refused
    0
    """

    running: bool = field("Whether updates go on.")
    interval: float | None = field("The newest interval asked for, in seconds; None if none was.")
    running_for: float | None = field("For how long, in seconds; None unless `running`.")
    updates: int = field("The number of successful updates.")
    failures: int = field("The number of failed ones.")
    failing: int = field("The number of failures since the last success: 0 while all is well.")
    failures_by_kind: dict[str, int] = field("Failures by LamportError.kind.", copied=True)
    last_value: int | None = field("The newest time that they took; None before the first.")
    since_update: float | None = field("How long ago that was, in seconds.")
    last_error_kind: str | None = field(
        "What kind of error the newest failure was, as LamportError.kind. It stays when all is "
        "well again; None if there was none."
    )
    last_error: str | None = field("What it said, for people.")
    refused: int = field(
        "The number of messages refused for lying further ahead than max_jump allows, whether or "
        "not anything runs in the background."
    )
    folds: int = field("The number of folds (docs/PROTOCOL.md), after whichever updates.")
    round_trips: int = field("The number of transactions that the successful updates took.")
    distance: int | None = field(
        "How far the shared clock was ahead of the local one when the newest update reached it; "
        "None before the first."
    )
    update_time: float = field("How long all successful updates took together, in seconds.")
    updates_within: dict[float, int] = field(
        "How many successful updates took no longer than each of these seconds.", copied=True
    )

    def __str__(self) -> str:
        state = f"running every {self.interval:g} s" if self.running else "not running"
        text = f"{state}: {counted(self.updates, 'update')}, {counted(self.failures, 'failure')}"
        if self.last_value is not None:
            text += f", last value {self.last_value}"
        if self.last_error is not None:
            text += escape(f"; last error ({self.last_error_kind}): {self.last_error}")
        if self.refused:
            text += f"; {counted(self.refused, 'message')} refused"
        return text


def _after(taken: Update | Reservation) -> str:
    """What came before an update, for people."""
    text = ", the first record" if taken.previous is None else f", after {taken.previous}"
    if taken.regressed is not None:
        text += f"; the record had gone back from {taken.regressed}"
    return text


def counted(count: int, of: str) -> str:
    return f"{count} {of}" if count == 1 else f"{count} {of}s"
