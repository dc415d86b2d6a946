"""The header that carries a stamp: how it is found, counted, and ignored without an error.

The core defines the header's value and its signature (src/header.rs).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeAlias

from . import Stamp, TooFarAheadError, UntrustedError
from ._clock import Clock, Trusting, header_of
from ._native import Header

HEADER = "lamport"
"""The name of the header, in HTTP, in gRPC metadata and in the messages of task queues."""

LONGEST = 1024
"""A longer value, in characters or bytes, is ignored unread. The longest valid value has 877."""

MOST = 16
"""The number of stamps that are read of one message; those after them are ignored."""

QUIET = 600.0
"""The least time between two warnings of the same kind about ignored headers, in seconds."""


Kind: TypeAlias = type[str] | type[bytes]
"""The type of a header's name or value."""


class Readable(Protocol):
    """Headers that can be read: a mapping, or the class of any framework."""

    def items(self) -> Iterable[tuple[object, object]]: ...


class Stats(NamedTuple):
    """Counts of the headers that this process has sent and received since it began.

    >>> from lamport_clock import propagation
    >>> str(propagation.extract({"lamport": "42@billing"}, clock))
    '43@api'
    >>> propagation.stats().received >= 1
    True
    """

    sent: int
    """Messages that were given a stamp."""
    received: int
    """Messages whose stamp moved the clock."""
    malformed: int
    """Stamps ignored because they do not have the form `42@mx-nodel;instance=...`."""
    oversized: int
    """Headers ignored because they are longer than 1,024 characters, and messages with more than 16
    stamps."""
    too_far_ahead: int
    """Stamps ignored because they lie further ahead than LAMPORT_MAX_JUMP allows."""
    untrusted: int
    """Stamps ignored because they are not signed with the clock's key, and messages whose stamps
    were ignored because trust= does not name their sender."""
    failed: int
    """Messages sent without a stamp, or received without moving the clock, because the clock itself
    refused."""


def sent(clock: Clock) -> tuple[Stamp, str] | None:
    """Ticks for a message that is about to be sent. Returns its stamp and the header's value, or
    None if the clock can't tick."""
    try:
        stamp = clock.tick()
        value = header_of(clock).write(stamp)
    except Exception as error:
        _ledger.ignore("failed", "sent a message without a stamp", error)
        return None
    _ledger.count("sent")
    return stamp, value


def received(values: Iterable[object], clock: Clock, peer: str | None = None) -> Stamp | None:
    """A message of this peer arrived with these values of the header. Returns the stamp of its
    arrival, or None if no stamp counts.

    Of several stamps, each one that the clock accepts moves it, the newest last.
    """
    if isinstance(clock, Trusting) and not clock.trusts(peer):
        if next(iter(values), None) is not None:
            _ledger.ignore("untrusted", "ignored stamps", f"trust= does not name {peer!a:.99}")
        return None
    # An attacker's stamp far ahead must not hide an honest one, so the clock receives each. The
    # newest moves the clock last, and the arrival is later than all that the clock accepted.
    arrival = None
    for stamp in sorted(_stamps(values, header_of(clock))):
        try:
            arrival = clock.receive(stamp)
        except TooFarAheadError as error:
            _ledger.ignore("too_far_ahead", "ignored a stamp", error)
        except Exception as error:
            _ledger.ignore("failed", "received a message without moving the clock", error)
    if arrival is not None:
        _ledger.count("received")
    return arrival


def arrived(values: Iterable[object], clock: Clock, peer: str | None = None) -> Stamp | None:
    """As received(), but a message without a stamp that counts is a local event.

    None only if the clock can't tick.
    """
    arrival = received(values, clock, peer)
    if arrival is None:
        try:
            return clock.tick()
        except Exception as error:
            _ledger.ignore("failed", "received a message without moving the clock", error)
    return arrival


def stats() -> Stats:
    """Counts of the headers that this process has sent and received so far.

    >>> from lamport_clock import SharedClock, propagation
    >>> before = propagation.stats().malformed
    >>> propagation.extract({"lamport": "rubbish"}, SharedClock.memory("api"))
    >>> propagation.stats().malformed - before
    1
    """
    return _ledger.stats()


def values(headers: Any) -> Iterator[object]:  # noqa: ANN401
    """The values of our header, of whatever type they are."""
    if headers is None:
        return
    # items() of every known multi-dict gives all pairs, or joins the values of a name with commas.
    pairs = headers.items() if hasattr(headers, "items") else headers
    for pair in pairs:
        try:
            name, value = pair
        except (TypeError, ValueError):
            continue
        if is_ours(name):
            yield from value if isinstance(value, (list, tuple)) else (value,)


def put(
    pairs: Iterable[Any] | None,
    message: tuple[Stamp, str] | None,
    *,
    name: Kind = str,
    value: Kind = str,
) -> list[Any]:
    """The pairs of these headers, with `message` (what sent() gave) in place of any old stamp."""
    others = [pair for pair in pairs or () if not is_ours(pair[0])]
    if message is not None:
        others.append((of_kind(name, HEADER), of_kind(value, message[1])))
    return others


def of_kind(kind: Kind, text: str) -> str | bytes:
    return text.encode() if issubclass(kind, bytes) else text


def is_ours(name: object) -> bool:
    # Compare the length first: a sender can make a name as long as it likes.
    if isinstance(name, bytes):
        return len(name) == len(HEADER) and name.lower() == HEADER.encode()
    return isinstance(name, str) and len(name) == len(HEADER) and name.lower() == HEADER


def _stamps(values: Iterable[object], header: Header) -> Iterator[Stamp]:
    texts = _texts(islice(values, MOST + 1))
    for text in islice(texts, MOST):
        try:
            if not text.isascii():
                raise ValueError(f"{text!a:.99} has characters that are not ASCII")
            yield header.read(text)
        except UntrustedError as error:
            _ledger.ignore("untrusted", "ignored a stamp", error)
        except ValueError as error:
            _ledger.ignore("malformed", "ignored a header", error)
    if next(texts, None) is not None:
        _ledger.ignore("oversized", "ignored stamps", f"a message brought more than {MOST}")


def _texts(values: Iterable[object]) -> Iterator[str]:
    """The text of each stamp. In HTTP, a comma may join several headers of one name."""
    for value in values:
        if not isinstance(value, (str, bytes)):
            _ledger.ignore("malformed", "ignored a header", f"it is of type {type(value).__name__}")
        elif len(value) > LONGEST:
            _ledger.ignore("oversized", "ignored a header", f"its length is {len(value):,}")
        else:
            # latin-1 maps each byte to one character. _stamps() refuses text that is not ASCII.
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            # Empty elements of a list are skipped, but an empty header is malformed.
            yield from [part for part in text.split(",") if part.strip(" \t")] or [text]


class _Ledger:
    """Counts headers, and limits how often each kind of ignored header is logged."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(Stats._fields, 0)
        self._next_warning: dict[str, float] = {}
        self.renew_lock()

    def renew_lock(self) -> None:
        # Reentrant: a signal handler or a finalizer of the thread that holds it may send a message.
        self._lock = threading.RLock()

    def count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def ignore(self, kind: str, what: str, why: object) -> None:
        """Counts it. Logs the first of its kind, and then at most one every ten minutes."""
        now = time.monotonic()
        with self._lock:
            self._counts[kind] += 1
            count = self._counts[kind]
            if now < self._next_warning.get(kind, now):
                return
            self._next_warning[kind] = now + QUIET
        # Outside the lock, because a log handler may send a message itself. Its errors don't count.
        try:
            _LOGGER.warning("%s (%s, number %d): %.300s", what, kind, count, why)
        except Exception:
            return

    def stats(self) -> Stats:
        with self._lock:
            return Stats(**self._counts)


_LOGGER = logging.getLogger("lamport_clock.propagation")
_ledger = _Ledger()
# At the fork, a thread of the parent may have held the lock.
os.register_at_fork(after_in_child=_ledger.renew_lock)
