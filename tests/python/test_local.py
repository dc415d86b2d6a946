"""The local clock, without a store."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from lamport_clock import (
    InvalidArgumentError,
    LocalClock,
    SharedClock,
    Stamp,
    TooFarAheadError,
    propagation,
)
from programs import run


def test_it_follows_lamports_rules() -> None:
    a, b = LocalClock("a"), LocalClock("b")
    sent = a.tick()
    assert (sent.time, sent.process, sent.instance) == (1, "a", a.instance)
    assert b.receive(sent).time == 2
    assert b.receive("1@a").time == 3
    assert (b.advance(), b.advance_past(sent), b.advance_past(40), b.now()) == (4, 5, 41, 41)
    assert a.instance != LocalClock("a").instance
    assert repr(b) == "<LocalClock of 'b' at 41>"


def test_a_jump_has_a_bound() -> None:
    clock = LocalClock("a", max_jump=10)
    assert clock.advance_past(10) == 11
    for message in (22, "22@b", Stamp(22, "b")):
        with pytest.raises(TooFarAheadError):
            clock.receive(message)
    assert clock.now() == 11
    with pytest.raises(TooFarAheadError):
        LocalClock("a").advance_past(2**53 - 2)


@pytest.mark.parametrize("name", ["", "a b", "a;b", "a" * 256, "a\n"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError):
        LocalClock(name)


@pytest.mark.parametrize("wrong", [5, None, b"a"])
def test_what_is_no_text_is_refused(wrong: Any) -> None:  # noqa: ANN401
    with pytest.raises(TypeError):
        LocalClock(wrong)


def test_threads_share_it_without_repeating_a_stamp() -> None:
    clock = LocalClock("a")
    with ThreadPoolExecutor(4) as pool:
        times = list(pool.map(lambda _: clock.tick().time, range(2_000)))
    assert sorted(times) == list(range(1, 2_001))


def test_it_travels_in_messages_as_a_shared_clock_does() -> None:
    headers: dict[str, str] = {}
    sent = propagation.inject(headers, LocalClock("a"))
    assert sent is not None and propagation.extract(headers, SharedClock.memory("b")) is not None


def test_it_is_not_copied() -> None:
    for copies in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="make one in the other process"):
            copies(LocalClock("a"))


def test_it_needs_no_thread_and_nothing_of_the_environment() -> None:
    script = """
import os
from lamport_clock import LocalClock
clock = LocalClock("api")
print(clock.tick(), len(os.listdir("/proc/self/task")))
"""
    done = run("-c", script, NODE_NAME="nobody", LAMPORT_STORE="redis://h", LAMPORT_MAX_JUMP="x")
    assert (done.stdout, done.stderr) == ("1@api 1\n", "")
