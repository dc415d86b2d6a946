"""Stamps in the events of structlog."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import lamport_clock.logging
import structlog
from lamport_clock import SharedClock
from lamport_clock.logging import StructlogProcessor
from orders import merge
from services import exhausted


def logger(clock: Any, output: io.StringIO) -> Any:  # noqa: ANN401
    return structlog.wrap_logger(
        structlog.PrintLogger(output),
        processors=[StructlogProcessor(clock), structlog.processors.JSONRenderer()],
    )


def test_an_event_is_stamped_and_lines_are_put_in_order() -> None:
    a, b = SharedClock.memory("a"), SharedClock.memory("b")
    outputs = io.StringIO(), io.StringIO()
    here, there = (logger(clock, output) for clock, output in zip((a, b), outputs, strict=True))
    here.info("asked", shelf=7)
    b.receive(a.tick())
    there.warning("answered")
    a.receive(b.tick())
    here.info("done")
    first = json.loads(outputs[0].getvalue().splitlines()[0])
    assert first == {
        "event": "asked",
        "shelf": 7,
        "lamport": "1@a",
        "lamport_time": 1,
        "lamport_process": "a",
        "lamport_instance": f"{a.instance:016x}",
        "lamport_after": [],
    }
    lines = merge(*(output.getvalue().splitlines() for output in reversed(outputs)))
    assert [json.loads(line)["event"] for line in lines] == ["asked", "answered", "done"]


def test_a_stamp_is_kept_and_a_clock_that_fails_breaks_nothing() -> None:
    output = io.StringIO()
    logger(SharedClock.memory("a"), output).info("relayed", lamport="7@b")
    logger(exhausted(), output).info("late")
    assert [json.loads(line)["lamport"] for line in output.getvalue().splitlines()] == ["7@b", "-"]


def test_a_record_of_the_standard_logging_keeps_the_stamp_it_was_made_with() -> None:
    clock = SharedClock.memory("a")
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[StructlogProcessor(clock)],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    lamport_clock.logging.install(clock)
    try:
        record = logging.makeLogRecord({"msg": "made before"})
    finally:
        lamport_clock.logging.uninstall()
    clock.receive(100)
    assert json.loads(formatter.format(record))["lamport"] == "1@a"
    unstamped = logging.makeLogRecord({"msg": "unstamped"})
    assert json.loads(formatter.format(unstamped))["lamport"] == "102@a"
