"""The settings of the library's table, by keyword."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import pytest
from lamport_clock import AsyncSharedClock, InvalidArgumentError, SharedClock
from lamport_clock._settings import Settings

KEYWORDS = set(Settings.__annotations__)


def test_type_checkers_know_the_whole_table() -> None:
    with pytest.raises(TypeError, match="there is no setting 'colour'") as caught:
        SharedClock.connect("memory:", colour="red")  # type: ignore[call-arg]
    told = str(caught.value).partition("there are ")[2].split(", ")
    assert set(told) == KEYWORDS | {"store", "node"}


@pytest.mark.parametrize("keyword", sorted(KEYWORDS))
def test_none_is_as_if_it_was_not_said(keyword: str) -> None:
    clock = SharedClock.connect("memory:", node="api", **{keyword: None})
    assert clock.process == "api"


def test_a_number_stays_a_number() -> None:
    clock = SharedClock.connect("memory:", node="api", max_jump=5, timeout=0.25)
    assert clock.receive(5).time == 6
    with pytest.raises(Exception, match="ahead"):
        clock.receive(100)


@pytest.mark.parametrize(
    ("named", "part"),
    [
        ({"timeout": 0}, "argument 'timeout'"),
        ({"timeout": 1e9}, "argument 'timeout'"),
        ({"tls_ca": "/nonexistent/ca.pem"}, "argument 'tls_ca'"),
        ({"user": "me"}, "LAMPORT_PASSWORD_FILE"),
        ({"key": "clock"}, "argument 'key'"),
    ],
)
def test_what_is_refused_is_named(named: dict[str, object], part: str) -> None:
    for make in (SharedClock.open, AsyncSharedClock.open):
        with pytest.raises(InvalidArgumentError, match=part):
            make("memory:", "api", **named)  # type: ignore[arg-type]


def test_a_keyword_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "clock.toml"
    file.write_text("max_jump = 7\n")
    monkeypatch.setenv("LAMPORT_MAX_JUMP", "9")

    async def connected() -> AsyncSharedClock:
        return await AsyncSharedClock.connect("memory:", node="api", max_jump=5, config=str(file))

    clock = asyncio.run(connected())
    assert clock.receive(5).time == 6
    with pytest.raises(Exception, match="ahead"):
        clock.receive(13)


def test_the_signature_says_so() -> None:
    assert str(inspect.signature(SharedClock.connect)) == "(store=None, node=None, **settings)"
