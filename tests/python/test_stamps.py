"""Stamps: their order, their texts, and what is none."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lamport_clock import InvalidArgumentError, SharedClock, Stamp, propagation
from services import Recorder


def test_stamps_are_in_a_total_order_by_time_process_and_instance() -> None:
    ordered = [
        Stamp(1, "b"),
        Stamp(2, "a"),
        Stamp(2, "a", 1),
        Stamp(2, "a", 2**64 - 1),
        Stamp(2, "b"),
        Stamp(10, "a"),
    ]
    for place, one in enumerate(ordered):
        for other in ordered[place + 1 :]:
            assert one < other
            assert one <= other
            assert other > one
            assert other >= one
    shuffled = random.Random(1).sample(ordered, len(ordered))
    assert sorted(shuffled) == ordered
    with pytest.raises(TypeError):
        _ = ordered[0] < 5  # type: ignore[operator]


def test_stamps_have_two_text_forms() -> None:
    stamp = Stamp.parse("42@mx-nodel;instance=00000000000000ff")
    assert stamp == Stamp(42, "mx-nodel", 255)
    assert str(stamp) == f"{stamp}" == "42@mx-nodel"
    assert f"{stamp:#}" == "42@mx-nodel;instance=00000000000000ff"
    assert f"{stamp:>13}|" == "  42@mx-nodel|"
    assert Stamp.parse(str(stamp)) == Stamp(42, "mx-nodel")
    assert int(stamp) == stamp.time == 42
    assert str(Stamp(1, "Knoten-ä")) == "1@Knoten-ä"


def test_every_language_reads_and_writes_these_texts() -> None:
    vectors = Path(__file__).parents[1] / "stamps.tsv"
    lines = [line for line in vectors.read_text(encoding="utf-8").split("\n") if line]
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert len(rows) > 40
    clock = SharedClock.memory("here")
    for text, *row in rows:
        if row[0] == "refused":
            with pytest.raises(InvalidArgumentError) as caught:
                Stamp.parse(text)
            assert row[1] in str(caught.value)
            assert propagation.extract({"lamport": text}, clock) is None
            continue
        time, process, instance, plain, long = row
        stamp = Stamp.parse(text)
        assert stamp == Stamp(int(time), process, int(instance, 16))
        assert (str(stamp), f"{stamp:#}") == (plain, long)
        received = Recorder()
        propagation.extract({"lamport": text}, received)
        assert received.received == [stamp]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "@a",
        "42@",
        "-1@a",
        "1.5@a",
        f"{2**53}@a",
        f"{2**70}@a",
        "1@a b",
        "1@a\0",
        "1@\ud800",
        "1@a;instance=ff",
        "1@" + "x" * 256,
    ],
)
def test_text_that_is_no_stamp_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        Stamp.parse(text)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('"api"', "quotes"),
        ("'api'", "quotes"),
        ("api\r", r"\r"),
        ("api\n", r"\n"),
        ("a\x1b[2J", r"\u{1b}"),
        ("a\x9b2J", r"\u{9b}"),
        ("a\u202eb", r"\u{202e}"),
        ("a\u200b", r"\u{200b}"),
        ("\ufeffa", r"\u{feff}"),
    ],
)
def test_a_name_that_looks_like_another_is_refused_and_shown(name: str, shown: str) -> None:
    makers: list[Callable[[], object]] = [
        lambda: Stamp(1, name),
        lambda: Stamp.parse(f"1@{name}"),
        lambda: SharedClock.memory(name),
        lambda: SharedClock.open("memory:", node=name),
        lambda: SharedClock.open("memory:", node="a", nodes=f"a=h,{name}=i"),
    ]
    for make in makers:
        with pytest.raises(InvalidArgumentError) as caught:
            make()
        message = str(caught.value)
        assert shown in message and message.isprintable(), ascii(message)


# Python itself writes out no number of more than 4,300 digits.
@pytest.mark.parametrize("time", [-1, 2**53, 2**64, 2**70, -(2**70), 10**5000], ids="abcdef")
def test_a_number_that_is_no_time_is_refused(time: int) -> None:
    with pytest.raises(InvalidArgumentError, match=r"range|2\^53"):
        Stamp(time, "a")


@pytest.mark.parametrize("time", ["1", 1.5, None, True, b"1"])
def test_a_time_of_the_wrong_type_is_refused(time: Any) -> None:  # noqa: ANN401
    with pytest.raises(TypeError):
        Stamp(time, "a")


@pytest.mark.parametrize("process", ["", "a b", "a\0b", "a;b", "a\n", "\ud800", "x" * 256])
def test_a_text_that_is_no_process_is_refused(process: str) -> None:
    with pytest.raises(InvalidArgumentError):
        Stamp(1, process)
