"""Log records as lines that end in their stamp, and as JSON."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from lamport_clock import SharedClock, Stamp
from lamport_clock.logging import Filter, Formatter, JsonFormatter


def record(message: object, *args: object, **attributes: object) -> logging.LogRecord:
    attributes = {"lamport": "42@mx-nodel", **attributes}
    return logging.makeLogRecord({"msg": message, "args": args, "name": "shop", **attributes})


def test_a_plain_line_ends_in_the_stamp() -> None:
    assert Formatter().format(record("hello")) == "hello 42@mx-nodel"
    formatter = Formatter("%(name)s: %(message)s")
    assert formatter.format(record("%d left", 3)) == "shop: 3 left 42@mx-nodel"
    # The rest of the message and what follows belong to the line with the stamp.
    assert formatter.format(record("one\ntwo")) == "shop: one 42@mx-nodel\ntwo"
    try:
        raise KeyError("tea")
    except KeyError as error:
        text = formatter.format(record("failed", exc_info=(KeyError, error, error.__traceback__)))
    assert text.splitlines()[0] == "shop: failed 42@mx-nodel"
    assert text.splitlines()[-1] == "KeyError: 'tea'"


@pytest.mark.parametrize(
    ("style", "format"),
    [("%", "%(lamport)s %(message)s"), ("{", "{lamport} {message}"), ("$", "$lamport ${message}")],
)
def test_a_format_may_name_the_stamp(style: Any, format: str) -> None:  # noqa: ANN401
    formatter = Formatter(format, style=style)
    assert formatter.format(record("hello")) == "42@mx-nodel hello"
    before = logging.makeLogRecord({"msg": "made before"})
    assert formatter.format(before) == "- made before"
    assert Formatter("{message}", style="{").format(before) == "made before -"


class Evil:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class Circle(dict[str, object]):
    def __init__(self) -> None:
        super().__init__()
        self["self"] = self


def deep() -> object:
    value: object = []
    for _ in range(100_000):
        value = [value]
    return value


def test_a_json_line_holds_everything() -> None:
    clock = SharedClock.memory("api")
    written = record("%s is out", "tea", levelname="WARNING", shelf=7, created=0.5)
    Filter(clock).filter(written)
    assert json.loads(JsonFormatter().format(written)) == {
        "lamport": "42@mx-nodel",
        "lamport_time": None,
        "lamport_process": None,
        "lamport_instance": None,
        "timestamp": "1970-01-01T00:00:00.500000+00:00",
        "level": "WARNING",
        "logger": "shop",
        "message": "tea is out",
        "extra": {"shelf": 7},
    }
    del written.__dict__["lamport"]
    Filter(clock).filter(written)
    line = json.loads(JsonFormatter().format(written))
    assert line["lamport"] == "1@api" and line["lamport_time"] == 1
    assert line["lamport_process"] == "api"
    assert line["lamport_instance"] == f"{clock.instance:016x}"


@pytest.mark.parametrize(
    "odd",
    [
        Evil(),
        Circle(),
        float("nan"),
        float("-inf"),
        10**5000,
        -(10**5000),
        2**64,
        b"\xff\0",
        "\ud800",
        "\0\n\r\u2028\x1b[31m",
        {Evil(): 1, None: 2, (1, 2): 3, "a": {"b": [{"c": Evil()}]}},
        {1, 2},
        object(),
        Stamp(1, "a"),
        deep(),
    ],
    ids=lambda odd: type(odd).__name__,
)
def test_a_json_line_never_fails_on_odd_values(odd: object) -> None:
    formatter = JsonFormatter()
    places: list[dict[str, Any]] = [
        {"msg": odd},
        {"msg": "%s", "args": (odd,)},
        {"msg": "%d %d", "args": (odd,)},
        {"msg": "m", "odd": odd},
        {"msg": "m", "name": odd},
        {"msg": "m", "levelname": odd},
        {"msg": "m", "created": odd},
        {"msg": "m", "lamport": odd, "lamport_time": odd},
        {"msg": "m", "exc_text": odd},
        {"msg": "m", "stack_info": odd},
        {"msg": "m", "exc_info": odd},
        {"msg": "m", "exc_info": (RuntimeError, RuntimeError(odd), None)},
    ]
    for attributes in places:
        line = formatter.format(logging.makeLogRecord(attributes))
        assert "\n" not in line and line.isascii()

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        entry = json.loads(line, parse_constant=refuse)
        assert {"lamport", "level", "logger", "message"} <= entry.keys()


def test_a_json_line_has_the_exception_and_the_stack() -> None:
    try:
        raise KeyError("tea")
    except KeyError as error:
        info = (KeyError, error, error.__traceback__)
    line = json.loads(JsonFormatter().format(record("m", exc_info=info, stack_info="Stack: ...")))
    assert line["exception"].endswith("KeyError: 'tea'")
    assert line["stack"] == "Stack: ..."
    assert "exception" not in json.loads(JsonFormatter().format(record("m", exc_info=(None,) * 3)))
