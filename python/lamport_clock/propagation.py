"""The clock in messages: the sender puts a stamp into the headers, the receiver takes it out.

    >>> from lamport_clock import SharedClock, propagation
    >>> api, billing = SharedClock.memory("api"), SharedClock.memory("billing")
    >>> headers = {"accept": "text/plain"}
    >>> sent = propagation.inject(headers, api)
    >>> headers["lamport"].partition(";")[0]
    '1@api'
    >>> received = propagation.extract(headers, billing)
    >>> sent < received
    True

One header, the same in HTTP, in gRPC metadata and in the messages of task queues:
`lamport: 42@mx-nodel;instance=00000000000000ff`. Between a process and its child the environment
variable LAMPORT_STAMP carries the same text. lamport_clock.asgi, .wsgi, .httpx, .requests, .grpc
and .celery do this for those frameworks.

The program has to say whose stamps count, because anyone who can send a header can pull a clock
ahead. So everything that receives for you (a middleware, an interceptor, a client's hooks) takes
`trust`:

- "signed": from those who have this clock's key (LAMPORT_HEADER_KEY_FILE, or the keyword
  header_key_file);
- networks and names of hosts, such as ["10.0.0.0/8", "billing"]: from these peers. Behind a proxy
  every peer is the proxy: let it drop the header of strangers, or sign;
- "everybody": from all who can send you a message;
- None: as "signed" if the clock has a key, else from nobody. Messages are stamped all the same.

extract() takes no `trust`: whoever calls it has decided. But a clock with a key accepts no unsigned
stamp there either.

A header comes from outside, so nothing in it breaks a request. Its length is checked before it is
read. Of several stamps in one message, each one that the clock accepts counts. A stamp that is
wrong, or lies too far ahead, is ignored and counted in stats(). It is logged once for each kind,
and then at most every ten minutes (logger "lamport_clock.propagation").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Protocol

from . import Stamp, _header
from ._clock import Clock
from ._header import HEADER, Kind, Readable, Stats, stats

__all__ = [
    "HEADER",
    "VARIABLE",
    "Clock",
    "Stats",
    "extract",
    "extract_environment",
    "inject",
    "inject_environment",
    "stats",
]

VARIABLE = "LAMPORT_STAMP"
"""The environment variable that carries a stamp to a child process."""


class Settable(Protocol):
    """Headers that can be set: a dict, or the class of any framework."""

    def keys(self) -> Iterable[Any]: ...
    def __setitem__(self, name: Any, value: Any, /) -> None: ...  # noqa: ANN401
    def __delitem__(self, name: Any, /) -> None: ...  # noqa: ANN401


def inject(
    headers: Settable | list[Any],
    clock: Clock,
    *,
    name: Kind | None = None,
    value: Kind | None = None,
) -> Stamp | None:
    """A message is about to leave: ticks, puts the stamp into its headers, and returns it.

    `headers` is a dict, the headers of any framework, or a list of pairs. A stamp that is in them
    already is replaced. No I/O. If the clock can't tick (its times are used up), the message has no
    stamp: an old stamp is removed from the headers, and None is returned.

        >>> from lamport_clock import SharedClock, propagation
        >>> headers = [("Lamport", "1@somebody")]
        >>> stamp = propagation.inject(headers, SharedClock.memory("api"))
        >>> [(name, value[:5]) for name, value in headers]
        [('lamport', '1@api')]

    Name and value are str or bytes, like the other headers in the dict or the list, or str if there
    are none. The arguments `name` and `value` set other types. For a library whose values are
    bytes, such as kafka-python:

        >>> headers = []
        >>> stamp = propagation.inject(headers, SharedClock.memory("api"), value=bytes)
        >>> [(name, value[:5]) for name, value in headers]
        [('lamport', b'1@api')]

    Raises TypeError for headers that can't be changed.
    """
    message = _header.sent(clock)
    if isinstance(headers, list):
        kinds = {"name": name or _kind(headers, 0), "value": value or _kind(headers, 1)}
        headers[:] = _header.put(headers, message, **kinds)
    elif hasattr(headers, "keys") and hasattr(headers, "__setitem__"):
        # The header classes of frameworks convert a str to what they need.
        pairs = list(headers.items()) if isinstance(headers, dict) else []
        text = None if message is None else message[1]
        _put_into_mapping(headers, text, name or _kind(pairs, 0), value or _kind(pairs, 1))
    else:
        raise TypeError(
            "headers are a dict, a framework's headers or a list of pairs,"
            f" not {type(headers).__name__}"
        )
    return None if message is None else message[0]


def _kind(pairs: list[Any], place: int) -> Kind:
    """The type of the names (0) or values (1) of these pairs. An old stamp of ours counts last."""
    for pair in sorted(pairs, key=lambda pair: _header.is_ours(pair[0])):
        if isinstance(pair[place], (str, bytes)):
            return bytes if isinstance(pair[place], bytes) else str
    return str


def extract(headers: Readable | Iterable[object] | None, clock: Clock) -> Stamp | None:
    """A message has arrived: moves the clock past the stamp in its headers.

    `headers` is a mapping, the headers of any framework, or pairs; names are compared without
    regard to case, and both names and values may be bytes. Returns the stamp of the arrival, later
    than the sender's. Returns None, and leaves the clock as it was, if the message has no stamp or
    none that counts. No I/O; nothing in a header raises.

        >>> from lamport_clock import SharedClock, propagation
        >>> clock = SharedClock.memory("billing")
        >>> str(propagation.extract({"Lamport": "41@api"}, clock))
        '42@billing'
        >>> propagation.extract({"Lamport": "-1@api"}, clock) is None
        True
    """
    return _header.received(_header.values(headers), clock)


def inject_environment(environment: MutableMapping[str, str], clock: Clock) -> Stamp | None:
    """As inject(), for the environment of a child that is about to be started: sets LAMPORT_STAMP.

    >>> from lamport_clock import SharedClock, propagation
    >>> environment = {"PATH": "/bin"}
    >>> stamp = propagation.inject_environment(environment, SharedClock.memory("parent"))
    >>> environment["LAMPORT_STAMP"].startswith("1@parent;")
    True
    """
    environment.pop(VARIABLE, None)
    message = _header.sent(clock)
    if message is None:
        return None
    environment[VARIABLE] = message[1]
    return message[0]


def extract_environment(environment: Mapping[str, str], clock: Clock) -> Stamp | None:
    """As extract(), for the environment that this process was started with (os.environ).

    >>> from lamport_clock import SharedClock, propagation
    >>> clock = SharedClock.memory("child")
    >>> str(propagation.extract_environment({"LAMPORT_STAMP": "41@parent"}, clock))
    '42@child'
    """
    value = environment.get(VARIABLE)
    return _header.received(() if value is None else (value,), clock)


def _put_into_mapping(headers: Settable, text: str | None, name: Kind, value: Kind) -> None:
    # Setting alone may not replace an old stamp: some headers are case-sensitive, others only add.
    for old in [old for old in headers.keys() if _header.is_ours(old)]:  # noqa: SIM118
        # If a name stands twice, the first deletion removed both.
        with suppress(KeyError):
            del headers[old]
    if text is not None:
        headers[_header.of_kind(name, HEADER)] = _header.of_kind(value, text)
