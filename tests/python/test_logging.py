"""Stamps on log records: who gives them, and where they are set up."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import logging.handlers
import pickle
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from lamport_clock import SharedClock, Stamp
from lamport_clock.logging import Filter, install, uninstall
from programs import run
from servers import PATIENCE
from services import exhausted


class Kept(logging.Handler):
    """Keeps the records it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def stamps(self) -> list[object]:
        return [getattr(record, "lamport", None) for record in self.records]


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger that hands everything to its own handlers alone."""
    logger = logging.getLogger("tests.lamport")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.handlers.clear()
    logger.filters.clear()


@pytest.fixture
def kept(logger: logging.Logger) -> Kept:
    handler = Kept()
    logger.addHandler(handler)
    return handler


@pytest.fixture(autouse=True)
def factory() -> Iterator[Any]:
    """What makes records is afterwards what it was."""
    before = logging.getLogRecordFactory()
    yield before
    uninstall()
    logging.setLogRecordFactory(before)


def test_every_record_is_stamped_when_it_is_made(logger: logging.Logger, kept: Kept) -> None:
    clock = SharedClock.memory("api")
    logger.info("before")
    install(clock)
    logger.info("one")
    clock.receive("41@b")
    logger.info("two")
    uninstall()
    logger.info("after")
    assert kept.stamps == [None, "1@api", "43@api", None]
    record = kept.records[2]
    stamp = Stamp.parse(
        f"{record.__dict__['lamport']};instance={record.__dict__['lamport_instance']}"
    )
    assert stamp == Stamp(43, "api", clock.instance)
    assert record.__dict__["lamport_time"] == 43
    assert record.__dict__["lamport_process"] == "api"


def test_installing_again_changes_the_clock_and_stamps_nothing_twice(
    logger: logging.Logger, kept: Kept, factory: object
) -> None:
    first, second = SharedClock.memory("first"), SharedClock.memory("second")
    for clock in (first, first, second, second):
        install(clock)
    logger.info("one")
    assert kept.stamps == ["1@second"]
    assert (first.now(), second.now()) == (0, 1)
    uninstall()
    uninstall()
    assert logging.getLogRecordFactory() is factory


def test_the_factory_in_use_goes_on_being_used(logger: logging.Logger, kept: Kept) -> None:
    class Theirs(logging.LogRecord):
        pass

    logging.setLogRecordFactory(Theirs)
    install(SharedClock.memory("api"))
    logger.info("one")
    assert isinstance(kept.records[0], Theirs)
    assert kept.stamps == ["1@api"]
    uninstall()
    assert logging.getLogRecordFactory() is Theirs


def test_a_library_may_put_its_factory_on_top(logger: logging.Logger, kept: Kept) -> None:
    clock = SharedClock.memory("api")
    install(clock)
    below = logging.getLogRecordFactory()

    def theirs(*args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401
        record = below(*args, **kwargs)
        record.__dict__["theirs"] = True
        return record

    logging.setLogRecordFactory(theirs)
    logger.info("stamped by way of theirs")
    install(clock)
    logger.info("once")
    uninstall()
    logger.info("no more")
    install(clock)
    logger.info("again")
    assert kept.stamps == ["1@api", "2@api", None, "3@api"]
    assert all(record.__dict__["theirs"] for record in kept.records)


def test_after_a_library_has_taken_the_factory_away_installing_helps(
    logger: logging.Logger, kept: Kept
) -> None:
    install(SharedClock.memory("api"))
    logging.setLogRecordFactory(logging.LogRecord)
    logger.info("lost")
    install(SharedClock.memory("api"))
    logger.info("found")
    assert kept.stamps == [None, "1@api"]


class Broken:
    """A clock that does not work, in one of several ways."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self.logger = logger
        self.ticks = 0

    def tick(self) -> Stamp:
        self.ticks += 1
        if self.logger:
            self.logger.info("ticking")
        raise RuntimeError("no time")

    def receive(self, message: Stamp, /) -> Stamp:
        raise RuntimeError("no time")


def test_a_clock_that_fails_breaks_no_log_call(
    logger: logging.Logger, kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(lamport)s %(lamport_time)s %(message)s"))
    logger.addHandler(handler)
    for clock in (exhausted(), Broken()):
        install(clock)
        logger.info("hello")
    assert text.getvalue() == "- None hello\n" * 2
    assert capsys.readouterr().err == ""


def test_a_clock_that_logs_is_asked_once(logger: logging.Logger, kept: Kept) -> None:
    clock = Broken(logger)
    install(clock)
    logger.info("hello")
    assert clock.ticks == 1
    assert [record.getMessage() for record in kept.records] == ["ticking", "hello"]
    assert kept.stamps == ["-", "-"]


def test_threads_get_stamps_of_their_own_in_their_own_order(
    logger: logging.Logger, kept: Kept
) -> None:
    install(SharedClock.memory("api"))
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        barrier.wait(PATIENCE)
        for _ in range(200):
            logger.info("%d", number)
            # Installing meanwhile loses no stamp.
            if number == 0:
                install(clock)

    clock = SharedClock.memory("api")
    clock.receive(1_000_000)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    times = [record.__dict__["lamport_time"] for record in kept.records]
    assert len(set(times)) == len(times) == 1_600
    for number in range(8):
        own = [r.__dict__["lamport_time"] for r in kept.records if r.getMessage() == str(number)]
        assert own == sorted(own)


def test_stamping_asks_no_store(logger: logging.Logger, kept: Kept) -> None:
    # Nothing listens there, and open() has not asked.
    install(SharedClock.open("etcd://127.0.0.1:9/x", node="api"))
    logger.info("hello")
    assert kept.stamps == ["1@api"]


def test_a_filter_stamps_one_handler_and_keeps_earlier_stamps(
    logger: logging.Logger, kept: Kept
) -> None:
    kept.addFilter(Filter(SharedClock.memory("handler")))
    plain = Kept()
    logger.handlers.insert(0, plain)
    logger.info("one")
    assert kept.stamps == ["1@handler"]
    install(SharedClock.memory("factory"))
    logger.info("two")
    assert kept.stamps[1] == plain.stamps[1] == "1@factory"


def test_a_filter_works_from_a_dict_config(logger: logging.Logger) -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {
                "lamport": {"()": "lamport_clock.logging.Filter", "clock": SharedClock.memory("a")}
            },
            "formatters": {
                "plain": {"class": "lamport_clock.logging.Formatter", "format": "%(message)s"},
                "json": {"class": "lamport_clock.logging.JsonFormatter"},
            },
            "handlers": {
                name: {
                    "class": "logging.StreamHandler",
                    "stream": "ext://sys.stdout",
                    "formatter": name,
                    "filters": ["lamport"],
                }
                for name in ("plain", "json")
            },
            "loggers": {logger.name: {"handlers": ["plain", "json"]}},
        }
    )
    outputs = [io.StringIO(), io.StringIO()]
    for handler, output in zip(logger.handlers, outputs, strict=True):
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(output)
    logger.warning("hello")
    assert outputs[0].getvalue() == "hello 1@a <-\n"
    assert json.loads(outputs[1].getvalue())["lamport"] == "1@a"


def test_a_filter_has_a_name_as_theirs_have(logger: logging.Logger, kept: Kept) -> None:
    clock = SharedClock.memory("api")
    kept.addFilter(Filter(clock, name=f"{logger.name}.sub"))
    logger.info("stopped")
    logging.getLogger(f"{logger.name}.sub.below").info("passes")
    assert kept.stamps == ["1@api"]
    assert clock.now() == 1


@pytest.mark.parametrize("name", ["Formatter", "JsonFormatter"])
def test_a_formatter_takes_all_that_a_dict_config_gives(logger: logging.Logger, name: str) -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "ours": {
                    "class": f"lamport_clock.logging.{name}",
                    "format": "{message}",
                    "datefmt": "%H",
                    "style": "{",
                    "validate": True,
                },
                "called": {
                    "()": f"lamport_clock.logging.{name}",
                    "defaults": {"service": "till"},
                },
            },
            "handlers": {
                name: {"class": "logging.StreamHandler", "formatter": name}
                for name in ("ours", "called")
            },
            "loggers": {logger.name: {"handlers": ["ours", "called"]}},
        }
    )
    record = logging.makeLogRecord({"msg": "hello", "lamport": "1@api"})
    ours, called = (handler.format(record) for handler in logger.handlers)
    if name == "Formatter":
        assert ours == called == "hello 1@api"
    else:
        assert json.loads(ours)["message"] == "hello"
        assert "extra" not in json.loads(ours)
        assert json.loads(called)["extra"] == {"service": "till"}
        named = logging.makeLogRecord({"service": "own"})
        assert json.loads(logger.handlers[1].format(named))["extra"] == {"service": "own"}


def test_a_file_config_names_a_formatter(tmp_path: Path) -> None:
    path = tmp_path / "logging.ini"
    path.write_text(
        """
[loggers]
keys=root
[handlers]
keys=out
[formatters]
keys=json
[logger_root]
handlers=out
[handler_out]
class=StreamHandler
formatter=json
args=(sys.stdout,)
[formatter_json]
class=lamport_clock.logging.JsonFormatter
format=%(message)s
datefmt=%H
"""
    )
    script = f"import logging.config as c; c.fileConfig({str(path)!r}); c.logging.error('hello')"
    done = run("-c", script)
    assert json.loads(done.stdout)["message"] == "hello", done.stderr


def test_a_record_that_goes_through_a_queue_keeps_its_stamp(
    logger: logging.Logger, kept: Kept
) -> None:
    clock = SharedClock.memory("api")
    install(clock)
    records: queue.Queue[logging.LogRecord] = queue.Queue()
    logger.handlers[:] = [logging.handlers.QueueHandler(records)]
    logger.info("hello")
    clock.receive(100)
    listener = logging.handlers.QueueListener(records, kept)
    listener.start()
    listener.stop()
    assert kept.stamps == ["1@api"]


def test_a_record_is_read_where_this_library_is_unknown(logger: logging.Logger, kept: Kept) -> None:
    install(SharedClock.memory("api"))
    logger.info("hello")
    sent = pickle.dumps(kept.records[0].__dict__)
    script = f"""
import logging, pickle, sys
sys.modules["lamport_clock"] = None
record = logging.makeLogRecord(pickle.loads({sent!r}))
print(record.lamport, record.lamport_time)
"""
    done = run("-c", script)
    assert done.stdout == "1@api 1\n", done.stderr


def test_the_module_asks_for_nothing_heavy() -> None:
    script = """
import sys
import lamport_clock.logging, lamport_clock.propagation
print([name for name in ("asyncio", "socket", "ssl", "http", "email") if name in sys.modules])
"""
    assert run("-c", script).stdout == "[]\n"
