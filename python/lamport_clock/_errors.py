"""The exceptions, one for each kind of error. Each is also the built-in exception that fits it.

bindings/python/src/errors.rs finds the class of an error by its kind, and has one for each.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs an import of typing
if TYPE_CHECKING:
    from typing import ClassVar


class LamportError(Exception):
    """Why a call failed: `kind` for the program, the message for the person.

    The message says what was tried, where, what came back and what to change. Each subclass is also
    the built-in exception that says the same, so both of these catch the error:

        >>> try:
        ...     Stamp.parse("yesterday")
        ... except LamportError as error:
        ...     print(error.kind)
        invalid_argument
        >>> try:
        ...     Stamp.parse("yesterday")
        ... except ValueError as error:
        ...     print(type(error).__name__)
        InvalidArgumentError

    After an error of a call no time was handed out.
    """

    kind: ClassVar[str]
    """What went wrong, as in JSON output and logs: "timeout", "unavailable", ..."""
    revision: int | None = None
    """The revision in the store's history that a Watch could not give; None for other errors."""


class InvalidArgumentError(LamportError, ValueError):
    """An argument, a variable, a file or a text that does not have the required form.

    Correct what the message names; trying again changes nothing.
    """

    kind = "invalid_argument"


class UnknownNodeError(LamportError, ValueError):
    """NODE_NAME is not one of the nodes of the node map.

    The message lists them: correct NODE_NAME, or add the node to LAMPORT_NODES.
    """

    kind = "unknown_node"


class UnavailableError(LamportError, ConnectionError):
    """No store could be reached, or none was able to serve (no quorum, no leader).

    Try again later. `lamport nodes` says which members answer.
    """

    kind = "unavailable"


class LamportTimeoutError(LamportError, TimeoutError):
    """The deadline of the call passed without an answer. Nothing was handed out.

    Try again, as often as you like: a call that did reach the store leaves a gap, and no time is
    handed out twice. LAMPORT_TIMEOUT sets the deadline.
    """

    kind = "timeout"


class CorruptError(LamportError, ValueError):
    """The value under a key of the clock can't be read; nothing was overwritten.

    The message shows the value and says what to do. If another program writes to the key, give the
    clock a key of its own (LAMPORT_KEY). If a later version of this library wrote it, upgrade.
    """

    kind = "corrupt"


class ExhaustedError(LamportError, OverflowError):
    """The next time would lie past 2^53 - 1.

    Counting alone never gets there: somebody moved the clock. A new LAMPORT_KEY begins at 0.
    """

    kind = "exhausted"


class TooFarAheadError(LamportError, ValueError):
    """A time lies further ahead than the jump bound allows; the clock is unchanged.

    Look for the sender of that time. If the time is right after all, raise LAMPORT_MAX_JUMP.
    """

    kind = "too_far_ahead"


class UntrustedError(LamportError, ValueError):
    """A stamp in a message is not signed with the key of this process; the clock is unchanged.

    Every process whose stamps should count needs the key of LAMPORT_HEADER_KEY_FILE.
    """

    kind = "untrusted"


class CompactedError(LamportError, LookupError):
    """The store no longer keeps the revisions asked for.

    Ask for newer ones. etcd's auto-compaction determines how long revisions are kept.
    """

    kind = "compacted"


class DeniedError(LamportError, PermissionError):
    """The store refused for lack of permission or of a valid user.

    Check LAMPORT_USER, LAMPORT_PASSWORD_FILE and the user's role, which needs the key and all keys
    below it.
    """

    kind = "denied"


class NoSpaceError(LamportError, OSError):
    """The store's space quota is used up.

    Trying again does not help: compact, defragment and disarm the alarm, as the message says.
    """

    kind = "no_space"


class RegressedError(LamportError, RuntimeError):
    """The store lost times that were handed out: it was restored, it is another store, or keys of
    the clock were deleted.

    No time is handed out until somebody has run `lamport repair`.
    """

    kind = "regressed"


class OverloadedError(LamportError, RuntimeError):
    """Too many callers wait in this process already.

    Slow down, and take several times at once with reserve().
    """

    kind = "overloaded"


class ClosedError(LamportError, RuntimeError):
    """The clock was closed, or belongs to the parent of this process.

    Make a new one; in a child, begin watches and reservations anew.
    """

    kind = "closed"


class InternalError(LamportError, RuntimeError):
    """A fault of this library or of the machine (no memory, no threads).

    The message says which of the two; a fault of the library is worth a report.
    """

    kind = "internal"


# Tracebacks and pickles name the public module, from which users import these classes.
for _class in (LamportError, *LamportError.__subclasses__()):
    _class.__module__ = __name__.rpartition(".")[0]
