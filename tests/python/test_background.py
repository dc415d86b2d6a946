"""Updates in the background: start(), stop(), stats(), their log, and what forks make of them."""

from __future__ import annotations

import gc
import itertools
import json
import logging
import os
import pickle
import re
import signal
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from backgrounds import SHORT, Heard, followers, goes_on, until
from lamport_clock import (
    ClosedError,
    InvalidArgumentError,
    SharedClock,
    Stamp,
    SyncStats,
    TooFarAheadError,
    propagation,
)
from programs import Program, run
from servers import PATIENCE, Etcd

PROGRAM = Path(__file__).with_name("backgrounds.py")
DEFAULT_INTERVAL = 2.0
# But those that can't be blocked, and libc's own: glibc has two, musl three.
ALL_SIGNALS = int("fffffffc7ffbfeff", 16)
LATER = '{"value": 1000000, "process_id": "somebody", "real_timestamp": 1.5}'


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What the library logs."""
    handler = Heard()
    logger = logging.getLogger("lamport_clock")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def outcome(scenario: str, *stores: str) -> Any:  # noqa: ANN401
    """What the program told; it ended well and said nothing else."""
    done = run(str(PROGRAM), scenario, *stores)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


def nothing_is_repeated(spans: list[list[int]]) -> None:
    """Oldest first, and none begins before the one before it has ended."""
    for (_, _, last), (_, first, value) in itertools.pairwise(spans):
        assert last < first <= value


# ------------------------------------------------------------------------------------- one process


def test_it_updates_by_itself_and_ticks_stay_ahead_of_the_shared_clock(store: str) -> None:
    with SharedClock.connect(store, node="a") as clock, clock.watch() as watch:
        clock.start(SHORT)
        seen = [next(watch) for _ in range(4)]
        assert {one.instance for one in seen} == {clock.instance}
        # A watch may hear of an update before its process does: until then both are concurrent.
        until(lambda: clock.stats().updates >= 4)
        assert clock.tick().time > seen[-1].value
        stats = clock.stats()
        assert stats.running and (stats.failures, stats.failing) == (0, 0)
        assert (stats.interval, stats.failures_by_kind) == (SHORT, {})
        assert stats.last_value is not None and stats.last_value >= seen[-1].value
        assert stats.running_for is not None and stats.since_update is not None
        assert 0 <= stats.since_update <= stats.running_for
        clock.stop()
        stopped = clock.stats()
        assert not stopped.running and stopped.running_for is None
        assert stopped.updates >= stats.updates
    with pytest.raises(ClosedError):
        clock.start()


def test_the_interval_is_the_deployed_one_and_the_first_update_comes_at_once() -> None:
    clock = SharedClock.memory("a")
    assert clock.stats().interval is None
    with clock.watch() as watch:
        clock.start()
        assert next(watch).value == 2
    assert clock.stats().interval == DEFAULT_INTERVAL
    clock.start("1m")
    assert clock.stats().interval == 60


@pytest.mark.parametrize("interval", [0, 0.009, -1, "9ms", "soon", "", 86_401, 1e300, float("nan")])
def test_an_interval_out_of_range_is_refused(interval: float | str) -> None:
    clock = SharedClock.memory("a")
    with pytest.raises(InvalidArgumentError):
        clock.start(interval)
    assert not clock.stats().running


@pytest.mark.parametrize("interval", [True, b"1", [1]])
def test_an_interval_of_the_wrong_type_is_refused(interval: Any) -> None:  # noqa: ANN401
    with pytest.raises(TypeError):
        SharedClock.memory("a").start(interval)


def test_threads_start_and_stop_it_as_they_like_and_one_thread_logs() -> None:
    clock = SharedClock.memory("a")

    def plays() -> None:
        for turn in range(50):
            clock.start(SHORT + turn % 3 / 1_000)
            clock.stats()
            clock.stop()

    with ThreadPoolExecutor(4) as pool:
        for played in [pool.submit(plays) for _ in range(4)]:
            played.result(PATIENCE)
    assert not clock.stats().running
    clock.start(SHORT)
    goes_on(clock)
    until(lambda: len(followers()) == 1)
    clock.close()
    until(lambda: not followers())


def test_a_clock_that_is_dropped_is_not_kept_alive(store: str) -> None:
    clock = SharedClock.connect(store, node="a")
    clock.start(SHORT)
    goes_on(clock)
    assert followers()
    del clock
    gc.collect()
    # The one who logs ends when the clock is gone, and not before.
    until(lambda: not followers())


def test_stats_are_a_value() -> None:
    clock = SharedClock.memory("a")
    clock.start()
    until(lambda: clock.stats().updates == 1)
    clock.stop()
    stats = clock.stats()
    assert pickle.loads(pickle.dumps(stats)) == stats
    assert eval(repr(stats), {"SyncStats": SyncStats}) == stats
    assert str(stats) == "not running: 1 update, 0 failures, last value 2"
    stats.failures_by_kind["timeout"] = 1
    assert stats.failures_by_kind == {}
    with pytest.raises(AttributeError):
        stats.updates = 3  # type: ignore[misc]


def test_refused_messages_are_counted_with_or_without_it() -> None:
    clock = SharedClock.connect("memory:", node="a", max_jump=100)
    for message in (101, Stamp(2**53 - 1, "mallory")):
        with pytest.raises(TooFarAheadError):
            clock.receive(message)
    assert propagation.extract({"lamport": "500@mallory"}, clock) is None
    clock.receive(100)
    assert clock.stats().refused == 3
    assert str(clock.stats()) == "not running: 0 updates, 0 failures; 3 messages refused"


# --------------------------------------------------------------------------------------------- log


def test_failures_and_the_recovery_are_logged_once_while_nobody_calls(
    etcd: Etcd, key: str, heard: Heard
) -> None:
    etcd.put(key, "no record")
    with SharedClock.open(etcd.uri(key), node="api") as clock:
        clock.start(SHORT)
        failing = heard.records.get(timeout=PATIENCE)
        until(lambda: clock.stats().failures >= 3)
        stats = clock.stats()
        assert stats.running and stats.failing == stats.failures
        assert (stats.updates, stats.last_error_kind) == (0, "corrupt")
        assert set(stats.failures_by_kind) == {"corrupt"}
        assert stats.last_error is not None and key in stats.last_error
        etcd.put(key, LATER)
        recovered = heard.records.get(timeout=PATIENCE)
        failures = clock.stats().failures
        assert clock.stats().failing == 0 and clock.stats().last_error_kind == "corrupt"
    assert heard.records.empty()
    for record in (failing, recovered):
        assert (record.name, record.levelno) == ("lamport_clock", logging.WARNING)
    assert re.match(
        r"the clock of api: updates in the background fail \(corrupt\)", failing.getMessage()
    )
    assert re.search(rf"succeed again, after {failures} failures in \d", recovered.getMessage())


def test_each_kind_of_failure_is_logged_once_and_a_stop_is_no_recovery(
    etcd: Etcd, key: str, heard: Heard
) -> None:
    etcd.put(key, "no record")
    with SharedClock.open(etcd.uri(key), node="api") as clock:
        clock.start(SHORT)
        assert "(corrupt)" in heard.next()
        # The clock has not begun: it would begin above this.
        etcd.put(key, LATER.replace("1000000", str(2**53 - 1)))
        assert "(exhausted)" in heard.next()
        etcd.put(key, "no record")
        before = clock.stats().failures_by_kind["corrupt"]
        until(lambda: clock.stats().failures_by_kind["corrupt"] > before)
        clock.stop()
        until(lambda: not followers())
        assert heard.records.empty()
        clock.start(SHORT)
        assert "(corrupt)" in heard.next()
        etcd.put(key, LATER)
        assert "succeed again" in heard.next()
    assert heard.records.empty()


def test_importing_it_imports_no_logging() -> None:
    done = run(
        "-c",
        "import sys; before = set(sys.modules); import lamport_clock\n"
        "clock = lamport_clock.SharedClock.memory('a'); clock.update(); clock.stats()\n"
        "late = {'logging', 'threading', 'atexit', 'lamport_clock._background'}\n"
        "assert not late & (set(sys.modules) - before), late & set(sys.modules)\n"
        "clock.start(); assert late < set(sys.modules)\n",
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_processes_that_end_while_it_fails_and_logs_end_well(etcd: Etcd, key: str) -> None:
    etcd.put(key, "no record")

    def once(_: int) -> tuple[int, int]:
        done = run(str(PROGRAM), "ends", etcd.uri(key))
        # What was noticed before the end is logged before the end.
        told = done.stderr.splitlines()
        assert all("fail (corrupt)" in line for line in told), done.stderr
        return done.returncode, len(told)

    with ThreadPoolExecutor(4) as batch:
        assert set(batch.map(once, range(20))) == {(0, 4)}


def test_a_filter_that_never_comes_back_does_not_keep_the_process(etcd: Etcd, key: str) -> None:
    etcd.put(key, "no record")
    assert outcome("is_stuck", etcd.uri(key)) is None


def test_a_filter_that_raises_does_not_end_the_log(
    etcd: Etcd, key: str, heard: Heard, capfd: pytest.CaptureFixture[str]
) -> None:
    filtered = threading.Event()

    def raises(_: logging.LogRecord) -> bool:
        if not filtered.is_set():
            filtered.set()
            raise RuntimeError("a filter of the program's")
        return True

    logger = logging.getLogger("lamport_clock")
    logger.addFilter(raises)
    etcd.put(key, "no record")
    try:
        with SharedClock.open(etcd.uri(key), node="api") as clock:
            clock.start(SHORT)
            assert filtered.wait(PATIENCE)
            etcd.put(key, LATER)
            assert "succeed again" in heard.next()
    finally:
        logger.removeFilter(raises)
    assert "a filter of the program's" in capfd.readouterr().err


# ------------------------------------------------------------------------------------------- forks


def test_workers_of_multiprocessing_go_on_as_processes_of_their_own(store: str) -> None:
    told = outcome("multiprocesses", store)
    instances = [told["instance"], *(instance for instance, *_ in told["children"])]
    assert len(set(instances)) == 5
    nothing_is_repeated(told["all"])
    for instance, blocked, names, own in told["children"]:
        # The library's thread was started by a tick, and no signal is handled on it.
        assert int(blocked, 16) & ALL_SIGNALS == ALL_SIGNALS, blocked
        assert names == ["MainThread", "lamport-clock-log"]
        assert len(own) >= 3
        nothing_is_repeated(own)
        if not store.startswith("memory"):
            assert len([span for span in told["all"] if span[0] == instance]) >= 3


def test_a_child_that_wants_none_has_none(store: str) -> None:
    nothing, stops, again, closes = (told for told in outcome("unused", store)[::2])
    assert nothing == 1
    assert stops == [1, 1, False, 0]
    assert again is True
    assert closes == [False, 1]


def test_forks_in_a_hurry_under_a_background_that_never_rests(etcd: Etcd, key: str) -> None:
    told = outcome("hurried", etcd.uri(key))
    assert told["children"] == 40
    nothing_is_repeated(told["all"])


def test_a_child_forked_while_the_first_start_imports_what_logs_waits_for_no_import() -> None:
    script = """
import importlib.machinery, os, signal, sys, threading
from lamport_clock import SharedClock

importing, over = threading.Event(), threading.Event()

class Slow(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = super().find_spec(name, path, target)
        if name == "lamport_clock._background":
            run = spec.loader.exec_module
            def slowly(module):
                importing.set()
                over.wait()
                run(module)
            spec.loader.exec_module = slowly
        return spec

sys.meta_path.insert(0, Slow)
clock = SharedClock.memory("a")
start = threading.Thread(target=clock.start)
start.start()
importing.wait()
child = os.fork()
if child == 0:
    signal.alarm(10)
    clock.tick()
    os._exit(0)
status = os.waitpid(child, 0)[1]
over.set()
start.join()
print(status, clock.stats().running)
"""
    done = run("-c", script)
    assert (done.stdout, done.stderr) == ("0 True\n", "")


def test_a_hook_of_the_fork_may_be_the_first_to_use_it(store: str) -> None:
    assert outcome("hooked", store) == [True, True]


def test_children_log_what_goes_wrong_for_them(etcd: Etcd, key: str) -> None:
    etcd.put(key, "no record")
    told = outcome("logs", etcd.uri(key))
    assert len(told) == 3
    assert all("fail (corrupt)" in line for line in told)


def test_workers_of_gunicorn_go_on_as_processes_of_their_own(etcd: Etcd, key: str) -> None:
    workers = 3
    settings = {"WORKERS": str(workers), "LAMPORT_STORE": etcd.uri(key), "NODE_NAME": "web"}
    arguments = ["--preload", "--workers", str(workers), "--bind", "127.0.0.1:0"]
    module = ["-m", "gunicorn", *arguments, "--chdir", str(PROGRAM.parent), "preloaded:application"]
    with Program(*module, **settings) as gunicorn:
        address = gunicorn.wait_for_text(r"Listening at: (http://[\d.:]+)")
        for _ in range(workers):
            gunicorn.wait_for_text("Booting worker")

        def ask(_: int) -> dict[str, int]:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(address, timeout=PATIENCE) as answer:
                told: dict[str, int] = json.load(answer)
            return told

        with ThreadPoolExecutor(workers) as clients:
            first = list(clients.map(ask, range(workers)))
            # A worker that is replaced is forked from a master that has gone on meanwhile.
            os.kill(first[0]["pid"], signal.SIGKILL)
            gunicorn.wait_for_text("Booting worker")
            second = list(clients.map(ask, range(workers)))
        assert gunicorn.end(signal.SIGTERM) == 0, gunicorn.lines

    for told in (first, second):
        assert len({one["pid"] for one in told}) == workers
        assert all(one["running"] and one["failures"] == 0 for one in told)
    pids = {one["pid"] for one in first + second}
    assert len(pids) == workers + 1
    assert len({one["instance"] for one in first + second}) == workers + 1
    assert len({one["value"] for one in first + second}) == 2 * workers
    with SharedClock.connect(etcd.uri(key), node="observer") as observer:
        history = observer.history(5_000)
    nothing_is_repeated([[0, seen.first, seen.value] for seen in history])
    # The master's own, and each worker's.
    assert len({seen.instance for seen in history}) == workers + 2
