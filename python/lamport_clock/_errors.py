"""The exceptions: one for each kind of error, each also the built-in that people expect.

bindings/python/src/errors.rs has the table from kind to class, and checks it on import.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs an import of typing
if TYPE_CHECKING:
    from typing import ClassVar


class LamportError(Exception):
    """Why a call failed: `kind` for the program, the message for the person.

    The message says what was tried, where, what came back and what to change.
    """

    kind: ClassVar[str]
    """What went wrong, as in JSON output and logs: "timeout", "unavailable", ..."""


class InvalidArgumentError(LamportError, ValueError):
    """An argument, a variable, a file or a text that does not have the required form."""

    kind = "invalid_argument"


class UnknownNodeError(LamportError, ValueError):
    """NODE_NAME is not one of the nodes of the node map."""

    kind = "unknown_node"


class UnavailableError(LamportError, ConnectionError):
    """No store could be reached, or none was able to serve (no quorum, no leader)."""

    kind = "unavailable"


class LamportTimeoutError(LamportError, TimeoutError):
    """The deadline of the call passed without an answer. Nothing was handed out."""

    kind = "timeout"


class CorruptError(LamportError, ValueError):
    """What lies under a key of the clock can't be read; nothing was overwritten."""

    kind = "corrupt"


class ExhaustedError(LamportError, OverflowError):
    """The next time would lie past 2^53 - 1."""

    kind = "exhausted"


class TooFarAheadError(LamportError, ValueError):
    """A time lies further ahead than the jump bound allows; the clock is unchanged."""

    kind = "too_far_ahead"


class CompactedError(LamportError, LookupError):
    """The store no longer keeps the revisions asked for."""

    kind = "compacted"


class DeniedError(LamportError, PermissionError):
    """The store refused for lack of permission or of a valid user."""

    kind = "denied"


class NoSpaceError(LamportError, OSError):
    """The store's space quota is used up."""

    kind = "no_space"


class RegressedError(LamportError, RuntimeError):
    """The store lost times that were handed out: it was restored, is another one, or keys of the
    clock were deleted. No time is handed out until `lamport repair`."""

    kind = "regressed"


class OverloadedError(LamportError, RuntimeError):
    """Too many callers wait in this process already."""

    kind = "overloaded"


class ClosedError(LamportError, RuntimeError):
    """The clock was closed, or belongs to the parent of this process."""

    kind = "closed"


class InternalError(LamportError, RuntimeError):
    """A fault of this library or of the machine (no memory, no threads)."""

    kind = "internal"


# Tracebacks and pickles name the place from which they are imported.
for _class in (LamportError, *LamportError.__subclasses__()):
    _class.__module__ = __name__.rpartition(".")[0]
