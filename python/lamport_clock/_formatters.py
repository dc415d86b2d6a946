"""How records are written: Formatter and JsonFormatter of lamport_clock.logging."""

from __future__ import annotations

import copy
import json
import logging
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from . import Stamp

if TYPE_CHECKING:
    from typing import Literal

UNSTAMPED: Mapping[str, object] = {
    "lamport": "-",
    "lamport_time": None,
    "lamport_process": None,
    "lamport_instance": None,
    "lamport_after": None,
}
"""The attributes of a record without a stamp: made before install(), or when the clock can't tick.
"""

GIVEN = ("lamport_kind", "lamport_lane")
"""What a log call may say of its event: its kind (send, receive or read), and its lane (the thread
or the task).

A record can't be an update. An update has a stamp of its own (`update.stamp`), and readers of logs
would take the record's stamp for the update's.
"""


class Formatter(logging.Formatter):
    """A plain line with the stamp and its causes at the end: `out of tea 42@api <41@api`.

    The causes are the line before and the messages that arrived since, one word for each, such as
    `<40@billing;at=41`. `<-` says that there are none, `<+3` that three more are not named. In a
    forked child the stamp and its causes show their instances.

    The arguments are those of logging.Formatter. If the message has several lines, or a traceback
    follows, the stamp stands at the end of the first line. If a format names `lamport` itself,
    nothing is added to the line; such a format may also name `lamport_after`, the words.

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
        self._named = "lamport" in (fmt or "")
        self._names_causes = "lamport_after" in (fmt or "")
        self._defaults = dict(defaults or {})
        if self._named:
            # Records made before install() lack these attributes.
            defaults = {**UNSTAMPED, **self._defaults}
        super().__init__(fmt, datefmt, style, validate, defaults=defaults)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, without the traceback that may follow.

        >>> import logging
        >>> from lamport_clock.logging import Formatter
        >>> record = logging.makeLogRecord({"msg": "out of tea", "lamport": "42@api"})
        >>> record.lamport_after = ["41@api;instance=00000000000000ff"]
        >>> Formatter().format(record)
        'out of tea 42@api <41@api'
        """
        if self._names_causes:
            # Change only a copy: other handlers get the same record.
            record = copy.copy(record)
            record.__dict__["lamport_after"] = _words(record.__dict__).lstrip()
        line = super().formatMessage(record)
        if self._named:
            return line
        first, newline, rest = line.partition("\n")
        return f"{first} {_stamp(record.__dict__)}{_words(record.__dict__)}{newline}{rest}"


def _stamp(attributes: Mapping[str, Any]) -> str:
    return str(attributes.get("lamport", "-"))


def _words(attributes: Mapping[str, Any]) -> str:
    """The causes of a plain line, with a blank before each; empty if they are not known."""
    after = attributes.get("lamport_after")
    if not isinstance(after, (list, tuple)):
        return ""
    words = " <" + (" <".join(after) or "-")
    if ";instance=" in _stamp(attributes):
        return words
    if "%" in words:
        # The long form percent-encodes characters (%C3%BC) that the plain form writes as they are.
        words = _ENCODED.sub(lambda found: str(Stamp.parse(found[0])), words)
    first, *others = words.split(";instance=")
    return first + "".join([other[16:] for other in others])


_ENCODED = re.compile("[0-9]+@[^; ]*%[^; ]*")


class JsonFormatter(Formatter):
    """One JSON object a line, in ASCII.

    Its members are `lamport`, `lamport_time`, `lamport_process`, `lamport_instance`,
    `lamport_after`; `timestamp` (wall clock, UTC, for people), `level`, `logger`, `message`; and if
    there are any, `exception`, `stack` and `extra`: what the call gave as extra={...}. Of that,
    `lamport_kind` and `lamport_lane` stand beside the stamp. Only a kind `update` stays in `extra`,
    because the stamp is the record's and not the update's. A value that cannot be written as it is
    becomes a text. No record makes it fail.

    The arguments are those of logging.Formatter, so that dictConfig and fileConfig can name the
    class. `defaults` go into `extra` if a record has no values of its own under these names. The
    other arguments do not change the form of the line.

        >>> import logging
        >>> from lamport_clock.logging import JsonFormatter
        >>> handler = logging.StreamHandler()
        >>> handler.setFormatter(JsonFormatter())
    """

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
            return _ENCODER.encode(self._entry(record))
        except Exception as error:
            stamp = {name: _plain(value) for name, value in stamped(record.__dict__).items()}
            unwritten = f"a record that can't be written: {type(error).__name__}"
            return json.dumps({**stamp, "level": "ERROR", "logger": None, "message": unwritten})

    def _entry(self, record: logging.LogRecord) -> dict[str, object]:
        attributes = record.__dict__
        named = {**self._defaults, **attributes}
        entry = stamped(attributes)
        given = {name: named[name] for name in GIVEN if name in named}
        if is_update(given):
            del given["lamport_kind"]
        entry |= given
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
        extra = {
            name: value
            for name, value in named.items()
            if name not in _STANDARD or (name in GIVEN and name not in given)
        }
        if extra:
            entry["extra"] = extra
        return {name: _plain(value, 1) for name, value in entry.items()}


_ENCODER = json.JSONEncoder(allow_nan=False)


def is_update(attributes: Mapping[str, Any]) -> bool:
    """Whether the log call gave its event the kind `update`."""
    kind = attributes.get("lamport_kind")
    # Comparing some values with a text raises an error: an array, for example.
    return isinstance(kind, str) and kind == "update"


def stamped(attributes: Mapping[str, Any]) -> dict[str, object]:
    """The members of a JSON object that show the stamp of a record with these attributes."""
    entry = {name: attributes.get(name, default) for name, default in UNSTAMPED.items()}
    # To readers of logs, the presence of `lamport_after` says that the writer names causes.
    if entry["lamport_after"] is None:
        del entry["lamport_after"]
    return entry


# The attributes of every record; all others come from the log call or another record factory.
_STANDARD = {*vars(logging.LogRecord("", 0, "", 0, "", (), None)), *UNSTAMPED, *GIVEN}
_STANDARD |= {"message", "asctime", "taskName"}


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        # The arguments do not fit the text. Both are more useful in the log than an error.
        return f"{_text(record.msg)} {_text(record.args)}"


def _moment(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _plain(value: object, depth: int = 0) -> object:
    """The value in JSON's types, to a depth of 8. Deeper values and other types become texts."""
    if value is None or isinstance(value, bool) or type(value) is str:
        return value
    # Python refuses to write an int of thousands of digits, and few readers take more than 64 bits.
    if type(value) is int and value.bit_length() <= 64:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    # Another thread may be changing the list or the mapping.
    with suppress(Exception):
        if isinstance(value, (list, tuple)) and depth < 8:
            return [_plain(one, depth + 1) for one in value]
        if isinstance(value, Mapping) and depth < 8:
            return {_text(key): _plain(one, depth + 1) for key, one in value.items()}
    return _text(value)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<a {type(value).__name__} that can't be shown>"
