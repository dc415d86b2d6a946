"""Stamps log lines with the local clock, so that the lines of many services can be put in order.

A service that logs already needs one line:

    >>> import lamport_clock.logging
    >>> from lamport_clock import SharedClock
    >>> lamport_clock.logging.install(SharedClock.memory("api"))

From then on every record of the standard logging, by anyone in the process, is stamped when it is
made: a local tick, no I/O. The record has five more attributes:

    lamport             42@api              the stamp, as text; in a forked child with its instance
    lamport_time        42                  the logical time
    lamport_process     api                 who made it
    lamport_instance    00000000000000ff    in which instance of that process
    lamport_after       a list of texts     its causes: the record before, 41@api;instance=..., and
                                            the messages that arrived since, 40@billing;...;at=41

So each message links one line to another, although nobody logs its arrival. A missing line leaves a
gap that can be seen.

Formatter puts the stamp and its causes at the end of a line, JsonFormatter writes one JSON object a
line, and any other formatter may name %(lamport)s. If the process's other logs must stay without
stamps, a Filter stamps only the records of one handler or one logger.

    >>> import logging, sys
    >>> handler = logging.StreamHandler(sys.stdout)
    >>> handler.setFormatter(lamport_clock.logging.Formatter("%(levelname)s %(message)s"))
    >>> logging.getLogger("shop").addHandler(handler)
    >>> logging.getLogger("shop").warning("out of tea")
    WARNING out of tea 1@api <-
    >>> lamport_clock.logging.uninstall()

`python -m lamport_clock.logging a.log b.log` prints the lines of several logs in one order, as
`lamport order` does. Where messages carry the clock (lamport_clock.propagation), that order never
puts an effect before its cause.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from . import Stamp
from .__main__ import main
from ._clock import Clock
from ._formatters import UNSTAMPED, Formatter, JsonFormatter, is_update, stamped

__all__ = [
    "Clock",
    "Filter",
    "Formatter",
    "JsonFormatter",
    "StructlogProcessor",
    "install",
    "uninstall",
]


def install(clock: Clock) -> None:
    """Stamps every record of the standard logging from now on.

    The present record factory is still called. Installing again changes the clock, and no record is
    stamped twice. If another record factory was set that does not call ours, installing again puts
    ours back on top. A clock that fails never breaks a log call: that record shows `-`.

        >>> import lamport_clock.logging, logging
        >>> from lamport_clock import SharedClock
        >>> lamport_clock.logging.install(SharedClock.memory("api"))
        >>> logging.makeLogRecord({}).lamport
        '1@api'
        >>> lamport_clock.logging.uninstall()
    """
    global _top
    with _lock:
        below = logging.getLogRecordFactory()
        if _top is not None and below is _top:
            below = _top.below
        _top = _Factory(clock, below)
        logging.setLogRecordFactory(_top)


def uninstall() -> None:
    """Undoes install(). Does nothing if install() was not called.

    >>> import lamport_clock.logging
    >>> lamport_clock.logging.uninstall()
    """
    global _top
    with _lock:
        if _top is not None and logging.getLogRecordFactory() is _top:
            logging.setLogRecordFactory(_top.below)
        # If another factory calls ours, ours stays in use, but no longer stamps.
        _top = None


class _Factory:
    """A record factory that stamps what the one below it makes, with the newest clock."""

    def __init__(self, clock: Clock, below: Callable[..., logging.LogRecord]) -> None:
        self.clock = clock
        self.below = below

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401
        record = self.below(*args, **kwargs)
        # If this factory was replaced during the call, the newest factory's clock stamps.
        top = _top
        if top is not None and "lamport" not in record.__dict__:
            record.__dict__.update(_tick(top.clock))
        return record


_top: _Factory | None = None
_forked = False
_lock = threading.RLock()
_ticking = threading.local()


def _renew_lock() -> None:
    # At the fork, a thread of the parent may have held the lock.
    # A child has the process name of its parent and its siblings, so its stamps must also show the
    # instance.
    global _lock, _forked
    _lock = threading.RLock()
    _forked = True


os.register_at_fork(after_in_child=_renew_lock)


def _tick(clock: Clock) -> Mapping[str, object]:
    """The attributes of an event now; never raises."""
    # A clock may log while it ticks. Stamping that record, too, would never end.
    if getattr(_ticking, "yes", False):
        return UNSTAMPED
    _ticking.yes = True
    try:
        # A clock that is not of this library has only tick().
        line = getattr(clock, "_line", None)
        return line(_forked) if line else _attributes(clock.tick())
    except Exception:
        return UNSTAMPED
    finally:
        _ticking.yes = False


def _attributes(stamp: Stamp) -> dict[str, object]:
    """The attributes for a clock that is not of this library. The values are plain: records are
    pickled and sent to processes that do not have this library."""
    return {
        "lamport": format(stamp, "#" if _forked else ""),
        "lamport_time": stamp.time,
        "lamport_process": stamp.process,
        "lamport_instance": f"{stamp.instance:016x}",
        "lamport_after": None,
    }


class Filter(logging.Filter):
    """Lets records pass, and stamps those that have no stamp yet.

    For one handler or one logger alone, in place of install(). A record is stamped when it reaches
    the filter, so a handler behind a queue stamps late. As with logging.Filter, a name lets only
    records of that logger and of those below it pass; without a name all records pass.

        >>> import logging
        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.logging import Filter
        >>> logging.getLogger("shop").addFilter(Filter(SharedClock.memory("api")))
    """

    def __init__(self, clock: Clock, name: str = "") -> None:
        super().__init__(name)
        self._clock = clock

    def filter(self, record: logging.LogRecord) -> bool:
        """Stamps the record if it passes. Returns whether it passes.

        >>> import logging
        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.logging import Filter
        >>> record = logging.makeLogRecord({"msg": "hello"})
        >>> Filter(SharedClock.memory("api")).filter(record)
        True
        >>> record.lamport
        '1@api'
        """
        passes = bool(super().filter(record))
        if passes and "lamport" not in record.__dict__:
            record.__dict__.update(_tick(self._clock))
        return passes


class StructlogProcessor:
    """A processor for structlog: puts the five attributes into each event.

    Place it before the renderer. An event that has a stamp keeps it, and so does a record of the
    standard logging that comes by way of structlog.stdlib.ProcessorFormatter. A lamport_kind of
    `update` goes into `extra`, as in JsonFormatter.

        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.logging import StructlogProcessor
        >>> stamp = StructlogProcessor(SharedClock.memory("api"))
        >>> stamp(None, "info", {"event": "hello"})["lamport"]
        '1@api'
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(
        self, _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if "lamport" not in event:
            record = getattr(event.get("_record"), "__dict__", {})
            event.update(stamped(record if "lamport" in record else _tick(self._clock)))
            if is_update(event):
                extra = event.get("extra", {})
                if not isinstance(extra, Mapping):
                    extra = {"extra": extra}
                event["extra"] = {**extra, "lamport_kind": event.pop("lamport_kind")}
        return event


if __name__ == "__main__":
    sys.exit(main("order", *sys.argv[1:]))
