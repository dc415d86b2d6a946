"""Errors: a class for each kind, and the built-in that people expect."""

from __future__ import annotations

import builtins
import copy
import pickle
from typing import Any

import lamport_clock
import pytest
from lamport_clock import (
    ClosedError,
    CorruptError,
    ExhaustedError,
    InvalidArgumentError,
    LamportError,
    LamportTimeoutError,
    SharedClock,
    TooFarAheadError,
    UnavailableError,
    UnknownNodeError,
)
from servers import Refusal, Silence
from verbs import VERBS, WAITING

KINDS = {
    "invalid_argument": ("InvalidArgumentError", "ValueError"),
    "unknown_node": ("UnknownNodeError", "ValueError"),
    "unavailable": ("UnavailableError", "ConnectionError"),
    "timeout": ("LamportTimeoutError", "TimeoutError"),
    "corrupt": ("CorruptError", "ValueError"),
    "exhausted": ("ExhaustedError", "OverflowError"),
    "too_far_ahead": ("TooFarAheadError", "ValueError"),
    "untrusted": ("UntrustedError", "ValueError"),
    "compacted": ("CompactedError", "LookupError"),
    "denied": ("DeniedError", "PermissionError"),
    "no_space": ("NoSpaceError", "OSError"),
    "regressed": ("RegressedError", "RuntimeError"),
    "overloaded": ("OverloadedError", "RuntimeError"),
    "closed": ("ClosedError", "RuntimeError"),
    "internal": ("InternalError", "RuntimeError"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_a_class_that_is_also_a_built_in(kind: str) -> None:
    name, builtin = KINDS[kind]
    kind_class = getattr(lamport_clock, name)
    assert issubclass(kind_class, LamportError)
    assert issubclass(kind_class, getattr(builtins, builtin))
    assert name in lamport_clock.__all__
    error = kind_class("what was tried")
    assert (error.kind, str(error)) == (kind, "what was tried")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.args) == (kind_class, error.args)
    assert repr(kind_class) == f"<class 'lamport_clock.{name}'>"


def test_there_are_no_other_classes() -> None:
    assert {one.__name__ for one in LamportError.__subclasses__()} == {
        name for name, _ in KINDS.values()
    }


def test_nothing_set_says_what_to_set() -> None:
    with pytest.raises(InvalidArgumentError, match="NODE_NAME") as caught:
        SharedClock.connect()
    assert "LAMPORT_STORE" in str(caught.value)


def test_an_unknown_node_is_told_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNodeError, match="mx-nodel2") as caught:
        SharedClock.connect(node="mx-node1")
    assert "mx-node1" in str(caught.value)
    monkeypatch.setenv("NODE_NAME", "nobody")
    with pytest.raises(ValueError, match="NODE_NAME"):
        SharedClock.connect()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"nodes": "a"}, "name=host"),
        ({"nodes": "a=h,a=i"}, "twice"),
        ({"store": "redis://h"}, "etcd://"),
        ({"store": "etcd://"}, "host"),
        ({"store": "etcd://h:99999"}, "65535"),
        ({"store": "memory:a b"}, "contains ' '"),
        ({"store": "memory:a\0b"}, "memory"),
        ({"store": "memory:\udc80"}, "Unicode"),
        ({"store": "memory:", "key": "clock"}, "/name"),
        ({"store": "memory:", "key": "/\ud800"}, "Unicode"),
        ({"store": "memory:", "node": ""}, "empty"),
        ({"store": "memory:", "node": "a\0b"}, "can't be seen"),
        ({"store": "memory:", "node": "x" * 256}, "255"),
        ({"store": "memory:", "timeout": "soon"}, "500ms"),
        ({"store": "memory:", "timeout": 0}, "1ms"),
        ({"store": "memory:", "timeout": -1.0}, "500ms"),
        ({"store": "memory:", "timeout": float("nan")}, "500ms"),
        ({"store": "memory:", "timeout": float("inf")}, "500ms"),
        ({"store": "memory:", "timeout": 1e300}, "a day"),
        ({"store": "memory:", "timeout": 10**400}, "a day"),
    ],
)
def test_a_wrong_setting_says_what_is_allowed(arguments: dict[str, str], part: str) -> None:
    for make in (SharedClock.connect, SharedClock.open):
        with pytest.raises(ValueError, match=part) as caught:
            make(**{"node": "mx-nodel", **arguments})  # type: ignore[arg-type]
        assert isinstance(caught.value, InvalidArgumentError)


@pytest.mark.parametrize(
    "arguments",
    [{"store": 1}, {"node": b"a"}, {"nodes": {"a": "h"}}, {"timeout": []}, {"timeout": True}],
)
def test_a_setting_of_the_wrong_type_is_a_type_error(arguments: dict[str, str]) -> None:
    with pytest.raises(TypeError):
        SharedClock.connect(**arguments)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        SharedClock.memory(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        SharedClock.connect("memory:", place="here")  # type: ignore[call-arg]


def test_what_everybody_tries_first_says_what_to_try_next() -> None:
    make: Any = SharedClock
    for arguments in ([], ["etcd://10.0.0.5"]):
        with pytest.raises(TypeError, match=r"SharedClock\.connect\(.*SharedClock\.memory\("):
            make(*arguments)
    with pytest.raises(TypeError, match="connect"):
        make(node="api")
    clock = SharedClock.memory("a")
    # multiprocessing pickles what it hands to a process that it does not fork.
    for send in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"SharedClock\.connect\(\).* same settings"):
            send(clock)


def test_settings_in_the_environment_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_NAME", "mx-nodel")
    for variable, value in [
        ("LAMPORT_STORE", "redis://h"),
        ("LAMPORT_NODES", "a"),
        ("LAMPORT_KEY", "clock"),
        ("LAMPORT_TIMEOUT", "soon"),
        ("LAMPORT_MAX_JUMP", "-1"),
    ]:
        with monkeypatch.context() as only:
            only.setenv(variable, value)
            with pytest.raises(InvalidArgumentError, match=variable) as caught:
                SharedClock.connect()
            assert value in str(caught.value)


@pytest.mark.parametrize(
    "message", ["", "x", "42", "1@a b", "-1@a", f"{2**53}@a", "1@\udc80", -1, 2**53, 2**70]
)
def test_a_message_that_is_none_changes_nothing(message: int | str) -> None:
    clock = SharedClock.memory("a")
    clock.tick()
    with pytest.raises(InvalidArgumentError):
        clock.receive(message)
    assert clock.now() == 1


@pytest.mark.parametrize("message", [None, 1.5, b"1@a", True, ["1@a"]])
def test_a_message_of_the_wrong_type_is_a_type_error(message: int) -> None:
    with pytest.raises(TypeError):
        SharedClock.memory("a").receive(message)


@pytest.mark.parametrize("count", [0, -1, 2**32 + 1, 2**64, 2**70])
def test_a_count_that_is_none_is_refused(count: int) -> None:
    clock = SharedClock.memory("a")
    with pytest.raises(InvalidArgumentError):
        clock.reserve(count)
    for wrong in ("1", 1.5, None, True):
        with pytest.raises(TypeError):
            clock.reserve(wrong)  # type: ignore[arg-type]
    assert clock.read() is None


def test_a_stamp_from_far_ahead_changes_nothing() -> None:
    clock = SharedClock.memory("a")
    with pytest.raises(TooFarAheadError, match="LAMPORT_MAX_JUMP"):
        clock.receive(2**53 - 1)
    assert clock.now() == 0


def test_the_last_time_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPORT_MAX_JUMP", str(2**53))
    clock = SharedClock.connect("memory:", node="a")
    assert clock.receive(2**53 - 2).time == 2**53 - 1
    for call in (clock.tick, clock.update, lambda: clock.reserve(1), lambda: clock.receive("1@a")):
        with pytest.raises(OverflowError) as caught:
            call()
        assert isinstance(caught.value, ExhaustedError)
    assert clock.now() == 2**53 - 1
    assert clock.read() is None


def test_nobody_listening_is_a_connection_error() -> None:
    with Refusal() as address:
        with pytest.raises(ConnectionError, match=address) as caught:
            SharedClock.connect(f"etcd://{address}", node="a", timeout="20s")
        assert isinstance(caught.value, UnavailableError)
        assert caught.value.kind == "unavailable"
        clock = SharedClock.open(f"etcd://{address}", node="a", timeout="500ms")
        for verb in WAITING:
            with pytest.raises((UnavailableError, LamportTimeoutError), match=address):
                VERBS[verb](clock)
        assert clock.tick().time >= 1


def test_a_listener_that_never_answers_is_a_timeout_error(silence: Silence) -> None:
    with pytest.raises(TimeoutError, match="LAMPORT_TIMEOUT") as caught:
        SharedClock.connect(silence.uri, node="a", timeout=0.5)
    assert isinstance(caught.value, LamportTimeoutError)
    clock = SharedClock.open(silence.uri, node="a", timeout=0.5)
    for verb in WAITING:
        with pytest.raises(LamportTimeoutError):
            VERBS[verb](clock)


def test_a_closed_clock_says_so() -> None:
    clock = SharedClock.memory("a")
    clock.update()
    clock.close()
    clock.close()
    for verb in VERBS.values():
        with pytest.raises(ClosedError) as caught:
            verb(clock)
        assert isinstance(caught.value, RuntimeError)
    assert clock.tick().time == 3
    assert issubclass(CorruptError, ValueError)
