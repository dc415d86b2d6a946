"""A Lamport logical clock that processes in many containers share through etcd.

    >>> from lamport_clock import SharedClock
    >>> clock = SharedClock.memory("api")
    >>> event = clock.tick()  # a local event
    >>> str(event)
    '1@api'
    >>> update = clock.update()  # a time that nobody else has
    >>> event < update.stamp
    True

`SharedClock.connect()` takes the store from the environment (NODE_NAME, LAMPORT_STORE, ...), for
processes that share their clock through etcd. `AsyncSharedClock` has the same methods for asyncio.
`LocalClock` has the methods that need no store. All errors are subclasses of LamportError.
"""

from __future__ import annotations

from ._errors import (
    ClosedError,
    CompactedError,
    CorruptError,
    DeniedError,
    ExhaustedError,
    InternalError,
    InvalidArgumentError,
    LamportError,
    LamportTimeoutError,
    NoSpaceError,
    OverloadedError,
    RegressedError,
    TooFarAheadError,
    UnavailableError,
    UnknownNodeError,
    UntrustedError,
)
from ._native import LocalClock, SharedClock, Stamp, Watch, __version__
from ._native import log_with as _log_with
from ._values import History, Holder, Observed, Reservation, SyncStats, Update

TYPE_CHECKING = False  # typing's own costs an import of typing
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._asyncio import AsyncSharedClock, AsyncWatch
else:

    def __getattr__(name: str) -> object:
        # Imported at first use: asyncio would be most of the cost of importing this package.
        if name not in ("AsyncSharedClock", "AsyncWatch"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
        from . import _asyncio

        globals().update({name: getattr(_asyncio, name)})
        return globals()[name]


def _logger(clock: SharedClock) -> Callable[[], None]:
    # Imported when updates in the background begin, because only they need logging.
    from ._background import Follower

    return Follower(clock).begin


_log_with(_logger)

__all__ = [
    "AsyncSharedClock",
    "AsyncWatch",
    "ClosedError",
    "CompactedError",
    "CorruptError",
    "DeniedError",
    "ExhaustedError",
    "History",
    "Holder",
    "InternalError",
    "InvalidArgumentError",
    "LamportError",
    "LamportTimeoutError",
    "LocalClock",
    "NoSpaceError",
    "Observed",
    "OverloadedError",
    "RegressedError",
    "Reservation",
    "SharedClock",
    "Stamp",
    "SyncStats",
    "TooFarAheadError",
    "UnavailableError",
    "UnknownNodeError",
    "UntrustedError",
    "Update",
    "Watch",
    "__version__",
]
