"""Stamps log lines with the local clock, so that the lines of many services can be put in order.

One line in a service that logs already:

    >>> import lamport_clock.logging
    >>> from lamport_clock import SharedClock
    >>> lamport_clock.logging.install(SharedClock.memory("api"))

From then on every record of the standard logging, by anyone in the process, is stamped when it is
made: a local tick, no I/O. It has four more attributes:

    lamport             42@api              the stamp, as text; in a forked child with its instance
    lamport_time        42                  the logical time
    lamport_process     api                 who made it
    lamport_instance    00000000000000ff    in which instance of that process

Formatter puts the stamp at the end of a line, JsonFormatter writes one JSON object a line, and any
other formatter may name %(lamport)s. Where the clock must stay out of the process's other logs, a
Filter stamps what passes one handler or one logger.

    >>> import logging, sys
    >>> handler = logging.StreamHandler(sys.stdout)
    >>> handler.setFormatter(lamport_clock.logging.Formatter("%(levelname)s %(message)s"))
    >>> logging.getLogger("shop").addHandler(handler)
    >>> logging.getLogger("shop").warning("out of tea")
    WARNING out of tea 1@api
    >>> lamport_clock.logging.uninstall()

`python -m lamport_clock.logging a.log b.log` prints the lines of several logs in one order; see
merge(). Where messages carry the clock (lamport_clock.propagation), that order never puts an effect
before its cause.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from . import Stamp
from ._clock import Clock
from ._merge import main, merge

if TYPE_CHECKING:
    from typing import Literal

__all__ = [
    "Clock",
    "Filter",
    "Formatter",
    "JsonFormatter",
    "StructlogProcessor",
    "install",
    "merge",
    "uninstall",
]

UNSTAMPED: Mapping[str, object] = {
    "lamport": "-",
    "lamport_time": None,
    "lamport_process": None,
    "lamport_instance": None,
}
"""What a record shows that has no stamp: made before install(), or when the clock can't tick."""


# --------------------------------------------------------------------------------------- stamping


def install(clock: Clock) -> None:
    """Stamps every record of the standard logging from now on.

    The record factory that is in use goes on being used. Installing again changes the clock and
    stamps nothing twice; after somebody else has set a record factory without calling ours, it puts
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
    """Ends what install() began; without it, it does nothing.

    >>> import lamport_clock.logging
    >>> lamport_clock.logging.uninstall()
    """
    global _top
    with _lock:
        if _top is not None and logging.getLogRecordFactory() is _top:
            logging.setLogRecordFactory(_top.below)
        # Where another factory calls ours, ours stays there and only passes on.
        _top = None


class _Factory:
    """A record factory that stamps what the one below it makes, with the newest clock."""

    def __init__(self, clock: Clock, below: Callable[..., logging.LogRecord]) -> None:
        self.clock = clock
        self.below = below

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401
        record = self.below(*args, **kwargs)
        # The newest one's clock also where this one was replaced while it was called.
        top = _top
        if top is not None and "lamport" not in record.__dict__:
            record.__dict__.update(_tick(top.clock))
        return record


_top: _Factory | None = None
_form = ""
_lock = threading.RLock()
_ticking = threading.local()


def _renew_lock() -> None:
    # A thread of the parent may have been installing.
    # And a child shares its name with its parent and its siblings, which the plain form does not
    # tell apart.
    global _lock, _form
    _lock = threading.RLock()
    _form = "#"


os.register_at_fork(after_in_child=_renew_lock)


def _tick(clock: Clock) -> Mapping[str, object]:
    """The attributes of an event now; never raises."""
    # A clock that logs would ask itself for a stamp, without end.
    if getattr(_ticking, "yes", False):
        return UNSTAMPED
    _ticking.yes = True
    try:
        return _attributes(clock.tick())
    except Exception:
        return UNSTAMPED
    finally:
        _ticking.yes = False


def _attributes(stamp: Stamp) -> dict[str, object]:
    # Plain values: records are pickled and sent to processes that know nothing of this library.
    return {
        "lamport": format(stamp, _form),
        "lamport_time": stamp.time,
        "lamport_process": stamp.process,
        "lamport_instance": f"{stamp.instance:016x}",
    }


class Filter(logging.Filter):
    """Lets records pass, and stamps those that have no stamp yet.

    For one handler or one logger alone, in place of install(). The stamp is of the moment at which
    the record gets here, so a handler behind a queue stamps late. As with logging.Filter, a name
    lets only records of that logger and of those below it pass; without one all of them do.

        >>> import logging
        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.logging import Filter
        >>> logging.getLogger("shop").addFilter(Filter(SharedClock.memory("api")))
    """

    def __init__(self, clock: Clock, name: str = "") -> None:
        super().__init__(name)
        self._clock = clock

    def filter(self, record: logging.LogRecord) -> bool:
        """Stamps what passes; whether it does.

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
    """A processor for structlog: puts the four attributes into each event.

    Place it before the renderer. An event that has a stamp keeps it, and so does a record of the
    standard logging that comes by way of structlog.stdlib.ProcessorFormatter.

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
            stamped = "lamport" in record
            event.update(
                {name: record.get(name) for name in UNSTAMPED} if stamped else _tick(self._clock)
            )
        return event


# --------------------------------------------------------------------------------------- writing


class Formatter(logging.Formatter):
    """A plain line with the stamp at its end: `out of tea 42@api`.

    The arguments are those of logging.Formatter. If the message has several lines, or a traceback
    follows, the stamp stands at the end of the first. A format that names `lamport` itself is left
    as it is.

        >>> import logging
        >>> from lamport_clock.logging import Formatter
        >>> handler = logging.StreamHandler()
        >>> handler.setFormatter(Formatter("%(asctime)s %(levelname)s %(message)s"))
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        validate: bool = True,
        *,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        # The defaults are for records from before install().
        super().__init__(fmt, datefmt, style, validate, defaults={**UNSTAMPED, **(defaults or {})})
        self._named = "lamport" in (fmt or "")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, without the traceback that may follow.

        >>> import logging
        >>> from lamport_clock.logging import Formatter
        >>> record = logging.makeLogRecord({"msg": "out of tea", "lamport": "42@api"})
        >>> Formatter().format(record)
        'out of tea 42@api'
        """
        line = super().formatMessage(record)
        if self._named:
            return line
        first, newline, rest = line.partition("\n")
        return f"{first} {record.__dict__.get('lamport', '-')}{newline}{rest}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII.

    `lamport`, `lamport_time`, `lamport_process`, `lamport_instance`; `timestamp` (wall clock, UTC,
    for people), `level`, `logger`, `message`; if there are any, `exception`, `stack`, and in
    `extra` what the call gave as extra={...}. Whatever cannot be written as it is becomes a text.
    No record makes it fail.

    The arguments are those of logging.Formatter, so that dictConfig and fileConfig can name the
    class. `defaults` are the `extra` of records that have nothing else under these names; the form
    of the line is always the one above, whatever the others say.

        >>> import logging
        >>> from lamport_clock.logging import JsonFormatter
        >>> handler = logging.StreamHandler()
        >>> handler.setFormatter(JsonFormatter())
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        validate: bool = True,
        *,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(fmt, datefmt, style, validate, defaults=defaults)
        self._defaults = dict(defaults or {})

    def format(self, record: logging.LogRecord) -> str:
        """The line.

        >>> import json, logging
        >>> from lamport_clock.logging import JsonFormatter
        >>> record = logging.makeLogRecord({"msg": "out of tea", "lamport": "42@api"})
        >>> line = json.loads(JsonFormatter().format(record))
        >>> line["lamport"], line["message"]
        ('42@api', 'out of tea')
        """
        try:
            return json.dumps(self._entry(record), allow_nan=False)
        except Exception as error:
            stamp = {name: _plain(record.__dict__.get(name)) for name in UNSTAMPED}
            unwritten = f"a record that can't be written: {type(error).__name__}"
            return json.dumps({**stamp, "level": "ERROR", "logger": None, "message": unwritten})

    def _entry(self, record: logging.LogRecord) -> dict[str, object]:
        attributes = record.__dict__
        entry = {name: attributes.get(name, default) for name, default in UNSTAMPED.items()}
        entry["timestamp"] = _moment(record.created)
        entry["level"] = record.levelname
        entry["logger"] = record.name
        entry["message"] = _message(record)
        exception = record.exc_text
        if not exception and record.exc_info and record.exc_info[0]:
            exception = self.formatException(record.exc_info)
        if exception:
            entry["exception"] = exception
        if record.stack_info:
            entry["stack"] = record.stack_info
        named = {**self._defaults, **attributes}
        extra = {name: value for name, value in named.items() if name not in _STANDARD}
        if extra:
            entry["extra"] = extra
        plain = _plain(entry)
        assert isinstance(plain, dict)
        return plain


# What each record has; the rest of its attributes came from the call, or from somebody's factory.
_STANDARD = {*vars(logging.LogRecord("", 0, "", 0, "", (), None)), *UNSTAMPED}
_STANDARD |= {"message", "asctime", "taskName"}


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        # The arguments do not fit the text; both are worth more than a complaint.
        return f"{_text(record.msg)} {_text(record.args)}"


def _moment(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _plain(value: object, depth: int = 0) -> object:
    """The value made of what JSON has, to a depth of 8; beyond that and otherwise as text."""
    if value is None or isinstance(value, bool):
        return value
    # Python writes no int of some thousand digits, and few readers take one past 64 bits.
    if type(value) is int and value.bit_length() <= 64:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is str:
        return value
    # Another thread may be changing it.
    with suppress(Exception):
        if depth < 8 and isinstance(value, Mapping):
            return {_text(key): _plain(one, depth + 1) for key, one in value.items()}
        if depth < 8 and isinstance(value, (list, tuple)):
            return [_plain(one, depth + 1) for one in value]
    return _text(value)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<a {type(value).__name__} that can't be shown>"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
