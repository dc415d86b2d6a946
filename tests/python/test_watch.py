"""Following the record."""

from __future__ import annotations

import itertools
import signal
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from types import FrameType

import pytest
from lamport_clock import ClosedError, InvalidArgumentError, Observed, SharedClock
from servers import PATIENCE


def pair(name: str) -> tuple[SharedClock, SharedClock]:
    a, b = (SharedClock.connect(f"memory:{name}", node=node) for node in "ab")
    return a, b


def test_plain_iteration_gives_updates_alone() -> None:
    a, b = pair("plain")
    a.update()
    with a.watch() as watch:
        taken = [clock.update().value for clock in (a, b, b, a)]
        seen = list(itertools.islice(watch, 4))
    assert [update.value for update in seen] == taken
    assert [update.process for update in seen] == ["a", "b", "b", "a"]
    assert all(isinstance(update, Observed) for update in seen)


def test_a_reservation_is_seen_as_one_update() -> None:
    a, b = pair("reservation")
    watch = a.watch()
    times = b.reserve(5)
    seen = next(watch)
    assert (seen.first, seen.value) == (times.first, times.last)


def test_it_can_begin_at_an_old_revision() -> None:
    a, b = pair("old")
    updates = [b.update() for _ in range(3)]
    watch = a.watch(from_revision=updates[1].revision)
    assert [next(watch).value, next(watch).value] == [update.value for update in updates[1:]]


def test_waiting_can_be_bounded_and_loses_nothing() -> None:
    a, b = pair("bounded")
    watch = a.watch()
    assert watch.next_within(0) is watch.next_within(-0.0) is None
    assert watch.next_within("60ms") is None
    value = b.update().value
    seen = watch.next_within(PATIENCE)
    assert seen is not None
    assert seen.value == value
    for wrong in (-1.0, "soon", float("nan"), 1e9):
        with pytest.raises(InvalidArgumentError):
            watch.next_within(wrong)


def test_waiting_lets_other_threads_run() -> None:
    a, b = pair("threads")
    watch = a.watch()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, watch)
        value = b.update().value
        assert waiting.result(PATIENCE).value == value


def test_a_signal_handler_runs_while_a_watch_waits() -> None:
    """The update that ends the waiting comes from the handler itself."""
    a, b = pair("signal")
    watch = a.watch()
    values = []

    def handle(_number: int, _frame: FrameType | None) -> None:
        values.append(b.update().value)

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        seen = watch.next_within(PATIENCE)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen is not None
    assert [seen.value] == values


def test_a_closed_watch_ends_without_an_error() -> None:
    a, b = pair("closed")
    watch = a.watch()
    watch.close()
    watch.close()
    b.update()
    assert list(watch) == []
    # Not as if nothing had come yet.
    with pytest.raises(StopIteration):
        watch.next_within(1)


def test_closing_a_watch_ends_the_thread_that_waits() -> None:
    a, _ = pair("close-watch")
    watch = a.watch()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(list, watch)
        watch.close()
        assert reading.result(PATIENCE) == []


def test_closing_the_clock_ends_its_watches_with_an_error() -> None:
    a, _ = pair("close-clock")
    watch = a.watch()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(list, watch)
        a.close()
        with pytest.raises(ClosedError):
            reading.result(PATIENCE)
    assert list(watch) == []


def test_a_watch_is_for_one_reader_at_a_time() -> None:
    a, b = pair("readers")
    watch = a.watch()
    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(next, watch) for _ in range(2)]
        try:
            # Whichever of the two finds the other reading.
            (refused,), (reading,) = wait(readers, PATIENCE, FIRST_COMPLETED)
        finally:
            value = b.update().value
        with pytest.raises(RuntimeError, match="of its own"):
            refused.result()
        assert reading.result(PATIENCE).value == value
