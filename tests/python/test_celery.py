"""Stamps in the messages of Celery, with a real worker."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import celery
import lamport_clock.celery
import pytest
from celery.contrib.testing.worker import start_worker
from celery.signals import before_task_publish
from lamport_clock import SharedClock, Stamp, propagation
from servers import PATIENCE
from services import HOSTILE, UNPRINTABLE, exhausted

app = celery.Celery("shop", broker="memory://", backend="cache+memory://")
app.conf.broker_transport_options = {"polling_interval": 0.01}
app.conf.worker_hijack_root_logger = False
app.conf.task_default_queue = "shop"
# What the tasks saw: the header that came, and where the clock stood when the task began.
BEGAN: list[tuple[Any, int]] = []
CLOCKS: list[Any] = []


@app.task(bind=True)
def charge(self: Any, pounds: int) -> int:  # noqa: ANN401
    BEGAN.append((getattr(self.request, "lamport", None), CLOCKS[-1].now()))
    return pounds


@app.task(bind=True, max_retries=1)
def twice(self: Any) -> str:  # noqa: ANN401
    BEGAN.append((getattr(self.request, "lamport", None), CLOCKS[-1].now()))
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    return "done"


@app.task
def failing() -> None:
    raise KeyError("tea")


@pytest.fixture(scope="module")
def worker() -> Iterator[None]:
    # Celery sets the root logger's level, and leaves it so to the tests that come later.
    level = logging.root.level
    with start_worker(app, pool="solo", perform_ping_check=False):
        yield
    logging.root.setLevel(level)


@pytest.fixture
def clock(worker: None) -> Iterator[SharedClock]:
    clock = SharedClock.memory("shop")
    use(clock)
    yield clock
    lamport_clock.celery.uninstall()


def use(clock: Any) -> None:  # noqa: ANN401
    BEGAN.clear()
    CLOCKS.append(clock)
    lamport_clock.celery.install(clock, trust="everybody")


def test_a_task_begins_after_its_message_was_sent(clock: SharedClock) -> None:
    for _ in range(3):
        before = clock.tick()
        assert charge.delay(5).get(PATIENCE, interval=0.01) == 5
        header, began = BEGAN[-1]
        sent = Stamp.parse(header)
        assert sent.process == "shop" and sent.instance == clock.instance
        assert before < sent and sent.time < began


def test_a_message_of_another_process_moves_the_worker(clock: SharedClock) -> None:
    def theirs(headers: dict[str, Any], **_: object) -> None:
        headers["lamport"] = "5000@elsewhere;instance=00000000000000ff"

    # As if published by somebody else: connected later, it has the last word.
    before_task_publish.connect(theirs)
    try:
        charge.delay(5).get(PATIENCE, interval=0.01)
    finally:
        before_task_publish.disconnect(theirs)
    assert BEGAN[-1] == ("5000@elsewhere;instance=00000000000000ff", 5_001)


def test_a_retried_task_gets_a_new_stamp(clock: SharedClock) -> None:
    assert twice.delay().get(PATIENCE, interval=0.01) == "done"
    (one, _), (two, began) = BEGAN
    assert Stamp.parse(one) < Stamp.parse(two)
    assert Stamp.parse(two).time < began


def test_chains_carry_the_clock_from_task_to_task(clock: SharedClock) -> None:
    chain = celery.chain(charge.si(1), charge.si(2), charge.si(3))
    assert chain.apply_async().get(PATIENCE, interval=0.01) == 3
    times = [(Stamp.parse(header).time, began) for header, began in BEGAN]
    everything = [time for pair in times for time in pair]
    assert len(times) == 3 and everything == sorted(set(everything))


def test_the_callers_headers_stay_and_an_exception_passes(clock: SharedClock) -> None:
    charge.apply_async((5,), headers={"lamport": "1@forged", "theirs": "kept"}).get(
        PATIENCE, interval=0.01
    )
    assert "@shop" in BEGAN[-1][0]
    with pytest.raises(KeyError, match="tea"):
        failing.delay().get(PATIENCE, interval=0.01)


def test_a_task_that_is_run_here_is_an_event(clock: SharedClock) -> None:
    before = clock.now()
    assert charge.apply((5,)).get() == 5
    assert BEGAN[-1] == (None, before + 1)


def test_installing_again_changes_the_clock_and_uninstalling_ends_it(clock: SharedClock) -> None:
    other = SharedClock.memory("other")
    use(other)
    before = clock.now()
    charge.delay(5).get(PATIENCE, interval=0.01)
    assert "@other" in BEGAN[-1][0]
    assert (clock.now(), other.now()) == (before, 2)
    lamport_clock.celery.uninstall()
    charge.delay(5).get(PATIENCE, interval=0.01)
    assert BEGAN[-1] == (None, 2)


def test_hostile_headers_break_no_task(clock: SharedClock) -> None:
    header: list[object] = [None]

    def theirs(headers: dict[str, Any], **_: object) -> None:
        headers["lamport"] = header[0]

    before_task_publish.connect(theirs)
    ignored = propagation.stats()
    # What the serializer of messages can carry.
    values = [v for v in UNPRINTABLE if v is None or isinstance(v, (str, int, float, dict, list))]
    try:
        for header[0] in [*HOSTILE, *values]:
            before = clock.now()
            assert charge.delay(5).get(PATIENCE, interval=0.01) == 5
            assert clock.now() == before + 2
    finally:
        before_task_publish.disconnect(theirs)
    assert propagation.stats().malformed > ignored.malformed
    assert propagation.stats().oversized > ignored.oversized


def test_a_clock_without_times_breaks_no_task(clock: SharedClock) -> None:
    use(exhausted())
    assert charge.delay(5).get(PATIENCE, interval=0.01) == 5
    assert BEGAN[-1][0] is None
