"""Stamps in the headers of messages, whatever carries them and whatever is in them."""

from __future__ import annotations

import email.message
import json
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import grpc.aio
import httpx
import pytest
import requests.structures
import starlette.datastructures
import werkzeug.datastructures
from lamport_clock import AsyncSharedClock, SharedClock, Stamp, _header, propagation
from programs import run
from servers import PATIENCE
from services import HOSTILE, UNPRINTABLE, Recorder, exhausted

CARRIERS: dict[str, Callable[[], Any]] = {
    "dict": dict,
    "pairs of str": lambda: [("host", "x")],
    "dict of bytes": lambda: {b"host": b"x"},
    "pairs of bytes": lambda: [(b"host", b"x")],
    "pairs of str and bytes": lambda: [("trace", b"abc")],
    "email": email.message.Message,
    "grpc": grpc.aio.Metadata,
    "httpx": httpx.Headers,
    "requests": requests.structures.CaseInsensitiveDict,
    "starlette": starlette.datastructures.MutableHeaders,
    "werkzeug": werkzeug.datastructures.Headers,
}


@pytest.fixture(autouse=True)
def ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test counts from 0, and logs anew."""
    monkeypatch.setattr(_header, "_ledger", _header._Ledger())


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_carrier_brings_the_stamp_and_brings_it_once(carrier: str) -> None:
    sender, receiver = Recorder(), Recorder()
    headers = CARRIERS[carrier]()
    for _ in range(3):
        sent = propagation.inject(headers, sender)
        assert sent is not None
        received = propagation.extract(headers, receiver)
        assert received is not None and received > sent
        assert receiver.received[-1] == sent
    pairs = list(headers.items() if hasattr(headers, "items") else headers)
    assert len([name for name, _ in pairs if name in ("lamport", b"lamport")]) == 1
    # Each library wants, and has, all its names of one type and all its values of one.
    assert len({type(name) for name, _ in pairs}) == len({type(value) for _, value in pairs}) == 1
    assert propagation.stats()[:2] == (3, 3)


@pytest.mark.parametrize("name", [str, bytes])
@pytest.mark.parametrize("value", [str, bytes])
@pytest.mark.parametrize("carrier", [list, dict])
def test_types_are_those_asked_for_and_stay(
    name: type[str] | type[bytes], value: type[str] | type[bytes], carrier: type
) -> None:
    headers = carrier()
    clock = SharedClock.memory("a")
    propagation.inject(headers, clock, name=name, value=value)
    for count in (1, 2):
        pairs = list(headers.items() if isinstance(headers, dict) else headers)
        assert [(type(one), type(other)) for one, other in pairs] == [(name, value)]
        assert propagation.extract(headers, Recorder()) is not None
        # A message that is sent on has nothing but the stamp, and it tells what is wanted.
        assert clock.now() == count
        propagation.inject(headers, clock)


def test_the_other_headers_tell_more_than_a_stamp_that_is_there() -> None:
    clock = SharedClock.memory("a")
    pairs: list[tuple[str, Any]] = [("lamport", "1@b"), ("tries", None), ("trace", b"x")]
    propagation.inject(pairs, clock)
    assert type(pairs[-1][1]) is bytes
    mixed: dict[str, Any] = {"lang": "py", "root": None, "size": 1, "body": b"x"}
    propagation.inject(mixed, clock)
    assert type(mixed["lamport"]) is str


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_carrier_without_a_stamp_brings_none(carrier: str) -> None:
    receiver = Recorder()
    assert propagation.extract(CARRIERS[carrier](), receiver) is None
    assert propagation.extract(None, receiver) is None
    assert propagation.stats() == propagation.Stats(0, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("name", ["lamport", "Lamport", "LAMPORT", b"Lamport"])
def test_names_are_compared_without_regard_to_case(name: str | bytes) -> None:
    clock = SharedClock.memory("a")
    headers: dict[Any, Any] = {name: "41@b", "lamport-other": "99@b"}
    assert propagation.extract(headers, clock) == Stamp(42, "a", clock.instance)
    if isinstance(name, str):
        propagation.inject(headers, clock)
        assert [key for key in headers if key.lower() == "lamport"] == ["lamport"]


def test_a_clock_of_asyncio_carries_messages_as_well() -> None:
    here, there = AsyncSharedClock.memory("here"), AsyncSharedClock.memory("there")
    headers: dict[str, str] = {}
    sent = propagation.inject(headers, here)
    received = propagation.extract(headers, there)
    assert sent is not None and received is not None and sent < received


def test_what_cannot_carry_a_header_is_the_callers_mistake() -> None:
    clock = SharedClock.memory("a")
    for headers in ((), (("a", "b"),), "text", 5, None):
        with pytest.raises(TypeError, match="headers"):
            propagation.inject(headers, clock)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "process",
    ["mx-nodel", "user@host", "a,b", "100%", "%41", "b\u00fcro", "\u6642" * 85, "~" * 255],
)
def test_the_name_of_any_process_travels_as_visible_ascii(process: str) -> None:
    sender, receiver = SharedClock.memory(process), Recorder()
    headers: dict[str, str] = {}
    sent = propagation.inject(headers, sender)
    value = headers["lamport"]
    assert all("!" <= c <= "~" for c in value) and "," not in value
    assert len(value) <= _header.LONGEST
    propagation.extract(headers, receiver)
    assert receiver.received == [sent]


def test_the_longest_value_is_the_documented_one() -> None:
    longest = f"{Stamp(2**53 - 1, chr(0x6642) * 85, 2**64 - 1):#}"
    assert len(longest) + len(";mac=") + 64 == 877


@pytest.mark.parametrize(
    ("value", "stamp"),
    [
        ("42@a", Stamp(42, "a")),
        (" 42@a\t", Stamp(42, "a")),
        ("42@a;instance=00000000000000ff", Stamp(42, "a", 255)),
        ("42@a ; Instance = 00000000000000ff", Stamp(42, "a", 255)),
        ("42@a;later=x;instance=00000000000000ff;more", Stamp(42, "a", 255)),
        (b"42@a", Stamp(42, "a")),
        (["41@b", "42@a"], Stamp(42, "a")),
        ("41@b, 42@a,40@c", Stamp(42, "a")),
        ("rubbish, 42@a", Stamp(42, "a")),
        (f"42@a, {2**53 - 1}@far", Stamp(42, "a")),
    ],
)
def test_what_a_reader_takes(value: object, stamp: Stamp) -> None:
    receiver = Recorder()
    received = propagation.extract([("lamport", value)], receiver)
    assert received is not None and received.time == 43
    assert stamp in receiver.received


def test_of_several_headers_the_newest_counts() -> None:
    clock = SharedClock.memory("a")
    headers = [("lamport", "5@b"), ("Lamport", "41@c"), ("lamport", "rubbish"), ("x", "99@d")]
    received = propagation.extract(headers, clock)
    assert received is not None and received.time == 42
    assert clock.now() == 42
    # So many that they could cost something: those after the sixteenth are not read.
    many = [("lamport", f"{time}@b") for time in range(100, 200)]
    received = propagation.extract(many, clock)
    assert received is not None and received.time == 116
    assert propagation.stats().oversized == 1


@pytest.mark.parametrize("value", [*HOSTILE, *UNPRINTABLE], ids=lambda value: f"{value!a:.40}")
@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_hostile_header_is_counted_and_changes_nothing(
    value: object, as_bytes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    if as_bytes and isinstance(value, str):
        value = value.encode("utf-8", "surrogatepass")
    clock = SharedClock.memory("a")
    for _ in range(3):
        assert propagation.extract({"lamport": value}, clock) is None
    assert clock.now() == 0
    stats = propagation.stats()
    assert stats.received == 0
    assert stats.malformed + stats.oversized + stats.too_far_ahead >= 3
    # Once for each kind of trouble, and never at length.
    assert 1 <= len(caplog.records) <= 2
    for record in caplog.records:
        assert len(record.getMessage()) < 500
        # Nothing in a header begins a line of its own in a log, or moves a terminal.
        assert record.getMessage().isprintable()


@pytest.mark.parametrize("length", [1024, 1025, 10_000_000])
def test_a_header_that_is_too_long_is_not_read(length: int) -> None:
    value = "42@a;later=".ljust(length, "x")
    for one in (value, value.encode()):
        received = propagation.extract({"lamport": one}, SharedClock.memory("b"))
        assert (received is None) == (length > 1024)
    assert propagation.stats().oversized == (2 if length > 1024 else 0)


def test_a_stamp_too_far_ahead_is_counted_as_such() -> None:
    clock = SharedClock.memory("a")
    assert propagation.extract({"lamport": f"{2**53 - 1}@b"}, clock) is None
    assert propagation.stats() == propagation.Stats(
        0, 0, 0, 0, too_far_ahead=1, untrusted=0, failed=0
    )


def test_a_clock_without_times_breaks_no_message(caplog: pytest.LogCaptureFixture) -> None:
    clock = exhausted()
    headers = {"Lamport": "1@old", "host": "x"}
    assert propagation.inject(headers, clock) is None
    assert headers == {"host": "x"}
    assert propagation.extract({"lamport": "1@b"}, clock) is None
    assert propagation.inject_environment(environment := {"LAMPORT_STAMP": "1@old"}, clock) is None
    assert environment == {}
    assert propagation.stats().failed == 3
    assert len(caplog.records) == 1


def test_the_log_speaks_once_and_then_rarely(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock = SharedClock.memory("a")
    for _ in range(1_000):
        propagation.extract({"lamport": "rubbish"}, clock)
    assert len(caplog.records) == 1
    assert caplog.records[0].name == "lamport_clock.propagation"
    assert "rubbish" in caplog.text
    now += _header.QUIET + 1
    for _ in range(1_000):
        propagation.extract({"lamport": "rubbish"}, clock)
    assert len(caplog.records) == 2
    assert "1001" in caplog.records[1].getMessage()


def test_a_log_that_fails_breaks_no_message() -> None:
    class Failing(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise RuntimeError("the disk is full")

    logger = logging.getLogger("lamport_clock.propagation")
    failing = Failing()
    logger.addFilter(failing)
    try:
        assert propagation.extract({"lamport": "rubbish"}, SharedClock.memory("a")) is None
    finally:
        logger.removeFilter(failing)
    assert propagation.stats().malformed == 1


def test_random_headers_never_raise_and_never_move_the_clock_without_a_stamp() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)  # shown when it fails
    draw = random.Random(seed)
    pieces = ["@", ";", "instance=", "0" * 16, ",", " ", "\t", "%", "%2", "%c3%bc", "a", "\0"]
    pieces += ["-", "+", "1", "42", str(2**53), "\n", "x" * 300, "=", '"', "\ud800", "\u0664"]
    pieces += ["1@b", ";instance=00", "@b;instance=00000000000000ff"]
    clock = SharedClock.memory("a")
    for _ in range(20_000):
        text = "".join(draw.choice(pieces) for _ in range(draw.randrange(8)))
        before = clock.now()
        received = propagation.extract([("lamport", text)], clock)
        assert (clock.now() > before) == (received is not None), ascii(text)


def test_no_chain_of_messages_ever_contradicts_its_causes() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)  # shown when it fails
    draw = random.Random(seed)
    clocks = [SharedClock.memory(name) for name in "abcde"]
    # Beside each Lamport clock a vector clock, which knows the causes exactly.
    vectors = [[0] * 5 for _ in clocks]
    events: list[tuple[list[int], Stamp]] = []
    under_way: list[tuple[dict[str, str], list[int]]] = []

    def happened(who: int, stamp: Stamp | None) -> None:
        assert stamp is not None
        vectors[who][who] += 1
        events.append(([*vectors[who]], stamp))

    for _ in range(400):
        who = draw.randrange(5)
        if under_way and draw.random() < 0.5:
            # Messages are late, overtake each other, arrive twice.
            headers, causes = draw.choice(under_way)
            vectors[who] = [max(pair) for pair in zip(vectors[who], causes, strict=True)]
            happened(who, propagation.extract(headers, clocks[who]))
        elif draw.random() < 0.5:
            happened(who, clocks[who].tick())
        else:
            headers = {}
            happened(who, propagation.inject(headers, clocks[who]))
            under_way.append((headers, [*vectors[who]]))
    for before, first in events:
        for after, second in events:
            if before != after and all(a <= b for a, b in zip(before, after, strict=True)):
                assert first < second


def test_a_child_process_is_past_its_parent() -> None:
    parent = SharedClock.memory("parent")
    for _ in range(5):
        parent.tick()
    environment = dict(os.environ)
    sent = propagation.inject_environment(environment, parent)
    assert sent is not None
    script = """
import os
from lamport_clock import SharedClock, propagation
print(propagation.extract_environment(os.environ, SharedClock.memory("child")))
"""
    done = run("-c", script, LAMPORT_STAMP=environment["LAMPORT_STAMP"])
    assert done.stdout == f"{sent.time + 1}@child\n", done.stderr
    assert propagation.extract_environment({}, parent) is None


def test_a_forked_child_counts_although_a_thread_held_the_lock() -> None:
    script = """
import json, os, threading
from lamport_clock import SharedClock, _header, propagation
reader, writer = os.pipe()
threading.Thread(target=_header._ledger._lock.acquire).start()
child = os.fork()
if child == 0:
    propagation.extract({"lamport": "1@b"}, SharedClock.memory("a"))
    os.write(writer, json.dumps(propagation.stats()).encode())
    os._exit(0)
print(os.read(reader, 1000).decode(), os.waitpid(child, 0)[1])
"""
    done = run("-c", script)
    stats, status = done.stdout.rsplit(maxsplit=1)
    assert (json.loads(stats), status) == ([0, 1, 0, 0, 0, 0, 0], "0"), done.stderr


def test_what_interrupts_a_count_may_send_a_message_itself() -> None:
    """A signal handler does, or a finalizer that the garbage collector runs."""
    clock = SharedClock.memory("a")
    interruptions: list[Stamp | None] = []

    def trace(frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401
        if frame.f_globals is vars(_header) and event == "line":
            interruptions.append(propagation.inject({}, clock))
        return trace

    def work() -> None:
        sys.settrace(trace)
        propagation.inject({}, clock)
        propagation.extract({"lamport": "rubbish"}, clock)
        propagation.stats()

    # Of a thread that hangs the others learn at the end.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert propagation.stats().sent == len(interruptions) + 1 > 10
