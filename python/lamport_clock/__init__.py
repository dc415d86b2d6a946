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
processes that share their clock through etcd. `AsyncSharedClock` has the same verbs for asyncio.
All errors are subclasses of LamportError.
"""

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
)
from ._native import (
    Deleted,
    History,
    Holder,
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
    __version__,
)

TYPE_CHECKING = False  # typing's own costs an import of typing
if TYPE_CHECKING:
    from ._asyncio import AsyncSharedClock, AsyncWatch
else:

    def __getattr__(name: str) -> object:
        # Loaded when it is asked for: asyncio would be most of the cost of this import.
        if name not in ("AsyncSharedClock", "AsyncWatch"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
        from . import _asyncio

        globals().update({name: getattr(_asyncio, name)})
        return globals()[name]


__all__ = [
    "AsyncSharedClock",
    "AsyncWatch",
    "ClosedError",
    "CompactedError",
    "CorruptError",
    "Deleted",
    "DeniedError",
    "ExhaustedError",
    "History",
    "Holder",
    "InternalError",
    "Interrupted",
    "InvalidArgumentError",
    "LamportError",
    "LamportTimeoutError",
    "Missed",
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
    "Unreadable",
    "Update",
    "Watch",
    "__version__",
]
