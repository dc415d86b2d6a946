"""What a line of a log names as its causes: the line before, and the messages since."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import pickle
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog
from lamport_clock import AsyncSharedClock, LocalClock, SharedClock, Stamp, propagation
from lamport_clock.logging import (
    Filter,
    Formatter,
    JsonFormatter,
    StructlogProcessor,
    install,
    uninstall,
)
from orders import merge
from programs import run
from servers import PATIENCE

FIRST = "40@billing;instance=00000000000000ff"
SECOND = "7@b%C3%BCro;instance=000000000000000b"


@pytest.fixture(autouse=True)
def factory() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    yield
    uninstall()
    logging.setLogRecordFactory(before)


def record(clock: Any, **attributes: Any) -> logging.LogRecord:  # noqa: ANN401
    """One that the clock has stamped."""
    made = logging.makeLogRecord({"msg": "hello", **attributes})
    Filter(clock).filter(made)
    return made


def after(made: logging.LogRecord) -> list[str]:
    causes: list[str] = made.__dict__["lamport_after"]
    return causes


@pytest.mark.parametrize("kind", [SharedClock.memory, LocalClock, AsyncSharedClock.memory])
def test_a_line_names_the_line_before_and_what_arrived_since(kind: Callable[[str], Any]) -> None:
    clock = kind("api")
    first = record(clock)
    assert after(first) == []
    clock.receive(FIRST)
    clock.tick()
    clock.receive(Stamp.parse(SECOND))
    second = record(clock)
    own = f"1@api;instance={first.__dict__['lamport_instance']}"
    assert after(second) == [own, f"{FIRST};at=41", f"{SECOND};at=43"]
    assert Formatter().format(first) == "hello 1@api <-"
    assert Formatter().format(second) == "hello 44@api <1@api <40@billing;at=41 <7@b\u00fcro;at=43"
    assert json.loads(JsonFormatter().format(second))["lamport_after"] == after(second)
    stamp, causes = clock.log()
    assert (str(stamp), causes) == ("45@api", [f"44@api{own[5:]}"])


def test_of_many_messages_the_newest_are_named_and_the_rest_counted() -> None:
    clock = SharedClock.memory("api")
    for time in range(1, 20):
        clock.receive(f"{time}@billing")
    # Nobody knows who sent it.
    clock.advance_past(57)
    made = record(clock)
    assert [Stamp.parse(cause).time for cause in after(made)[:-1]] == list(range(4, 20))
    assert after(made)[-1] == "+4"
    assert Formatter().format(made).endswith(" <19@billing;at=20 <+4")
    assert merge([Formatter().format(made)], ["before 58@api", "after 60@api"])[1].endswith("+4")


def test_updates_and_refused_messages_are_no_causes() -> None:
    clock = SharedClock.open("memory:", "api", max_jump=100)
    clock.update()
    assert propagation.extract({"lamport": "5000@evil"}, clock) is None
    assert after(record(clock)) == []


def test_a_format_may_name_the_causes() -> None:
    clock = SharedClock.memory("api")
    clock.receive(FIRST)
    made = record(clock)
    assert Formatter("%(lamport)s %(message)s").format(made) == "42@api hello"
    formatter = Formatter("{message} {lamport} {lamport_after}", style="{")
    assert formatter.format(made) == "hello 42@api <40@billing;at=41"
    assert after(made) == [f"{FIRST};at=41"]
    assert formatter.format(logging.makeLogRecord({"msg": "before"})) == "before - "
    assert Formatter().format(logging.makeLogRecord({"msg": "before"})) == "before -"
    clock.receive(FIRST)
    text = Formatter().format(record(clock, msg="one\ntwo"))
    assert text == "one 44@api <42@api <40@billing;at=43\ntwo"


def test_what_a_call_says_of_its_event_stands_beside_the_stamp() -> None:
    made = record(SharedClock.memory("api"), lamport_kind="send", lamport_lane="worker-1", shelf=7)
    line = json.loads(JsonFormatter().format(made))
    assert (line["lamport_kind"], line["lamport_lane"]) == ("send", "worker-1")
    assert line["extra"] == {"shelf": 7}
    assert "lamport_kind" not in json.loads(JsonFormatter().format(logging.makeLogRecord({})))


def test_a_record_is_no_update_whatever_the_call_says() -> None:
    made = record(SharedClock.memory("api"), lamport_kind="update", lamport_lane="a")
    line = json.loads(JsonFormatter().format(made))
    assert "lamport_kind" not in line
    assert (line["lamport_lane"], line["extra"]) == ("a", {"lamport_kind": "update"})


def test_an_event_of_structlog_is_no_update_unless_it_has_the_stamp_of_one() -> None:
    clock = SharedClock.memory("api")
    stamp = StructlogProcessor(clock)
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"extra": {"shelf": 7}}, {"shelf": 7}),
        ({"extra": 7}, {"extra": 7}),
    ]
    for given, extra in cases:
        event = stamp(None, "info", {"lamport_kind": "update", **given})
        assert "lamport_kind" not in event
        assert event["extra"] == {**extra, "lamport_kind": "update"}
    update = {"lamport": str(clock.update().stamp), "lamport_kind": "update"}
    assert stamp(None, "info", dict(update)) == update
    assert stamp(None, "info", {"lamport_kind": Elementwise()})["lamport"]


class Elementwise:
    """Compares as arrays of numbers do: with no truth in it."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth of an array is ambiguous")

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "elementwise"


def test_a_kind_that_is_no_text_costs_no_line() -> None:
    made = record(SharedClock.memory("api"), lamport_kind=Elementwise(), shelf=7)
    line = json.loads(JsonFormatter().format(made))
    assert line["message"] == "hello"
    assert (line["lamport_kind"], line["extra"]) == ("elementwise", {"shelf": 7})


class Own:
    """A clock that has what the protocol asks for, and a log of its own."""

    def __init__(self) -> None:
        self.clock = SharedClock.memory("own")
        self.log = logging.getLogger("own")

    def tick(self) -> Stamp:
        return self.clock.tick()

    def receive(self, message: Stamp, /) -> Stamp:
        return self.clock.receive(message)


def test_a_clock_of_somebodys_own_names_no_causes() -> None:
    made = record(Own())
    assert Formatter().format(made) == "hello 1@own"
    assert Formatter("%(lamport_after)s").format(made) == ""
    assert "lamport_after" not in json.loads(JsonFormatter().format(made))


def test_records_keep_their_causes_on_their_way() -> None:
    clock = SharedClock.memory("api")
    install(clock)
    clock.receive(FIRST)
    records: queue.Queue[logging.LogRecord] = queue.Queue()
    handler = logging.handlers.QueueHandler(records)
    handler.emit(logging.getLogger("shop").makeRecord("shop", 20, "", 1, "hello", (), None))
    clock.receive(FIRST)
    sent = pickle.loads(pickle.dumps(records.get_nowait()))
    assert Formatter().format(sent) == "hello 42@api <40@billing;at=41"


def test_events_of_structlog_name_their_causes() -> None:
    clock = SharedClock.memory("api")
    stamp = StructlogProcessor(clock)
    clock.receive(FIRST)
    event = stamp(None, "info", {"event": "hello"})
    assert event["lamport_after"] == [f"{FIRST};at=41"]
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[stamp],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    clock.receive(FIRST)
    handler.handle(record(clock))
    assert json.loads(output.getvalue())["lamport_after"][1] == f"{FIRST};at=43"
    assert "lamport_after" not in StructlogProcessor(Own())(None, "info", {})


def test_threads_write_one_chain_and_name_each_message_once() -> None:
    clock = SharedClock.memory("api")
    install(clock)
    kept: list[logging.LogRecord] = []
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        barrier.wait(PATIENCE)
        for time in range(200):
            clock.receive(f"{1 + time}@sender{number}")
            kept.append(logging.makeLogRecord({"msg": "arrived"}))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    kept.sort(key=lambda made: made.__dict__["lamport_time"])
    messages = []
    previous, before = None, 0
    for made in kept:
        own, *arrivals = after(made) if previous else [None, *after(made)]
        assert own == previous
        for arrival in arrivals:
            assert arrival is not None
            sent, _, at = arrival.rpartition(";at=")
            assert before < int(at) < made.__dict__["lamport_time"]
            messages.append(str(Stamp.parse(sent)))
        before = made.__dict__["lamport_time"]
        previous = f"{before}@api;instance={clock.instance:016x}"
    expected = [f"{1 + time}@sender{number}" for time in range(200) for number in range(8)]
    assert sorted(messages) == sorted(expected)


@pytest.mark.parametrize("kind", ["SharedClock.memory", "LocalClock"])
def test_children_of_a_fork_come_after_where_their_parent_stood(kind: str) -> None:
    script = f"""
import json, logging, os, sys, threading
from lamport_clock import LocalClock, SharedClock
from lamport_clock.logging import install
clock = {kind}("api")
install(clock)
def line():
    made = logging.makeLogRecord({{}})
    return made.lamport, made.lamport_instance, made.lamport_after
told = [line()]
clock.receive("40@billing")
over = threading.Event()
def receive():
    while not over.is_set():
        clock.receive("50@busy")
busy = [threading.Thread(target=receive) for _ in range(2)]
reader, writer = os.pipe()
def fork():
    child = os.fork()
    if child == 0:
        clock.receive("60@shop")
        os.write(writer, json.dumps([line(), line()]).encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(os.read(reader, 65536))
told += fork()
told.append(line())
for each in busy:
    each.start()
children = {{fork()[0][1] for _ in range(30)}}
over.set()
for each in busy:
    each.join()
told.append(len(children))
print(json.dumps(told))
"""
    done = run("-c", script)
    assert done.returncode == 0, done.stderr
    parent, first, second, parents_second, children = json.loads(done.stdout)
    instance = f"instance={parent[1]}"
    assert first[1] == second[1] != parent[1]
    # By then a message had arrived that the parent names later.
    stood, *arrivals = first[2]
    assert stood == f"41@api;{instance};at=42"
    assert arrivals == ["60@shop;instance=0000000000000000;at=61"]
    assert second[2] == [first[0]]
    assert parents_second[2] == [
        f"1@api;{instance}",
        "40@billing;instance=0000000000000000;at=41",
    ]
    assert children == 30


def test_plain_lines_with_causes_are_put_in_order() -> None:
    a = ["one 1@a <-", "three 5@a <1@a <3@b;at=4", "four 6@a <5@a <+3"]
    b = ["two 3@b <2@b;instance=00000000000000ff", "  rest <b> 9@b <i>"]
    assert merge(a, b) == [a[0], *b, *a[1:]]


@pytest.mark.parametrize("line", ["1@a <b>", "1@a <", "1@a < 2@b <x", "<1@a", "<-", "<1@a " * 9])
def test_words_that_are_no_causes_hide_no_stamp(line: str) -> None:
    assert merge(["5@b"], ["9@a", line, "10@a"]) == ["5@b", "9@a", line, "10@a"]
