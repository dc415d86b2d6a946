"""Stamps on log records, and log lines in one order."""

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
from lamport_clock.logging import Filter, Formatter, JsonFormatter, install, uninstall
from orders import merge
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


def test_a_forked_child_stamps_with_an_instance_of_its_own() -> None:
    script = """
import logging, os, sys
import lamport_clock.logging
from lamport_clock import SharedClock
lamport_clock.logging.install(SharedClock.memory("api"))
logging.basicConfig(stream=sys.stdout, level="INFO", format="%(lamport_time)s %(lamport_instance)s")
logging.info("parent")
sys.stdout.flush()
if os.fork() == 0:
    logging.info("child")
    sys.stdout.flush()
    os._exit(0)
os.wait()
"""
    done = run("-c", script)
    (parent, one), (child, other) = (line.split() for line in done.stdout.splitlines())
    assert int(child) > int(parent) and one != other, done.stderr


def test_the_lines_of_two_children_are_told_apart() -> None:
    script = """
import logging, os, sys
import lamport_clock.logging
from lamport_clock import SharedClock
lamport_clock.logging.install(SharedClock.memory("api"))
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(lamport_clock.logging.Formatter())
logging.basicConfig(handlers=[handler], level="INFO")
logging.info("parent")
for child in "ab":
    if os.fork() == 0:
        logging.info(child)
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""
    done = run("-c", script)
    parent, a, b = done.stdout.splitlines()
    assert parent == "parent 1@api <-", done.stderr
    stamps = [Stamp.parse(line.split()[1]) for line in (a, b)]
    # Each came after the parent's line.
    parents = {line.split()[2] for line in (a, b)}
    assert len(parents) == 1 and parents.pop().startswith("<1@api;instance=")
    assert stamps[0] != stamps[1] and stamps[0].time == stamps[1].time == 2
    assert all(stamp.instance for stamp in stamps)
    assert merge([b], [a], [parent])[0] == parent


def test_a_forked_child_installs_although_a_thread_of_the_parent_was_installing() -> None:
    script = """
import logging, os, threading
import lamport_clock.logging
from lamport_clock import SharedClock
held, forked = threading.Event(), threading.Event()
def install():
    with lamport_clock.logging._lock:
        held.set()
        forked.wait()
thread = threading.Thread(target=install)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    lamport_clock.logging.install(SharedClock.memory("child"))
    os._exit(0 if logging.makeLogRecord({}).lamport.startswith("1@child;") else 1)
forked.set()
print(os.waitpid(child, 0)[1])
"""
    assert run("-c", script).stdout == "0\n"


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


def test_lines_of_several_logs_come_in_one_order() -> None:
    plain = ["started 1@b", "asked 5@b", "  Traceback", "  KeyError: 5", "done 12@b"]
    other = ["started 1@a", "served 6@a", '{"lamport": "7@a", "message": "json"}', "12 12@a"]
    assert merge(plain, other) == [
        "started 1@a",
        "started 1@b",
        "asked 5@b",
        "  Traceback",
        "  KeyError: 5",
        "served 6@a",
        '{"lamport": "7@a", "message": "json"}',
        "12 12@a",
        "done 12@b",
    ]


def test_two_lives_of_a_process_are_kept_apart() -> None:
    def line(time: int, instance: int) -> str:
        return json.dumps({"lamport": f"{time}@a", "lamport_instance": f"{instance:016x}"})

    assert merge([line(1, 2), line(2, 2)], [line(1, 1), "2@a;instance=0000000000000001"]) == [
        line(1, 1),
        line(1, 2),
        "2@a;instance=0000000000000001",
        line(2, 2),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "   ",
        "no stamp",
        "-1@a",
        "1.5@a",
        f"{2**53}@a",
        "\uff14@a",
        "{",
        "{}",
        "[1]",
        '{"lamport": 5}',
        '{"lamport": "-"}',
        '{"lamport": "1@a", "x": ' + "[" * 100_000,
        '{"lamport_time": ' + "9" * 5_000 + "}",
        "x" * 1_000_000,
    ],
    ids=lambda line: f"{line!a:.30}",
)
def test_a_line_without_a_stamp_stays_where_it_was(line: str) -> None:
    assert merge(["9@b"], [line, "5@a", line, "10@a"]) == [line, "5@a", line, "9@b", "10@a"]


def test_the_command_prints_lines_byte_for_byte(tmp_path: Path) -> None:
    a, b = tmp_path / "a.log", tmp_path / "b.log"
    a.write_bytes(b"\xff\xfe odd\x0bbytes\r 2@a\nlast 9@a")
    b.write_bytes("b\u00fcro \u2028 1@b\n".encode())
    script = """
import subprocess, sys
command = [sys.executable, "-m", "lamport_clock.logging", *sys.argv[1:]]
done = subprocess.run(command, stdin=open(sys.argv[1]), capture_output=True)
print(done.returncode, done.stdout)
"""
    expected = "b\u00fcro \u2028 1@b\n".encode() + b"\xff\xfe odd\x0bbytes\r 2@a\nlast 9@a\n"
    assert run("-c", script, str(a), str(b)).stdout == f"0 {expected!r}\n"
    done = run("-m", "lamport_clock.logging", str(tmp_path / "none.log"))
    assert done.returncode == 2 and "No such file" in done.stderr
    done = run("-m", "lamport_clock.logging")
    assert done.returncode == 2 and "FILE" in done.stderr


def test_the_command_ends_when_nobody_reads_on(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"{'x' * 100} {time}@a\n" for time in range(10_000)))
    script = """
import subprocess, sys
command = [sys.executable, "-m", "lamport_clock.logging", sys.argv[1]]
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
process.stdout.readline()
process.stdout.close()
print(process.wait(), process.stderr.read())
"""
    assert run("-c", script, str(log)).stdout == "0 b''\n"


def test_the_module_asks_for_nothing_heavy() -> None:
    script = """
import sys
import lamport_clock.logging, lamport_clock.propagation
print([name for name in ("asyncio", "socket", "ssl", "http", "email") if name in sys.modules])
"""
    assert run("-c", script).stdout == "[]\n"
