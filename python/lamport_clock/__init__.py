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
processes that share their clock through etcd. All errors are subclasses of LamportError.
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
    Unreadable,
    Update,
    Watch,
    __version__,
)

__all__ = [
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
    "TooFarAheadError",
    "UnavailableError",
    "UnknownNodeError",
    "Unreadable",
    "Update",
    "Watch",
    "__version__",
]
