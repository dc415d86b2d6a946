"""Clocks on a store in memory: the rule, to the digit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from lamport_clock import Holder, InvalidArgumentError, SharedClock, Stamp
from servers import PATIENCE


def test_one_process_alone_gets_2_4_6() -> None:
    clock = SharedClock.memory("api")
    assert clock.read() is None
    updates = [clock.update() for _ in range(3)]
    assert [update.value for update in updates] == [2, 4, 6]
    assert [update.previous for update in updates] == [None, Holder(2, "api"), Holder(4, "api")]
    assert [update.round_trips for update in updates] == [1, 1, 1]
    assert {update.process for update in updates} == {"api"}
    assert {update.instance for update in updates} == {clock.instance}
    revisions = [update.revision for update in updates]
    assert revisions == sorted(set(revisions))
    assert clock.now() == 6


def test_two_clocks_on_one_named_store_get_2_3_4_5_in_turn() -> None:
    a, b = (SharedClock.connect("memory:in-turn", node=name) for name in "ab")
    assert [clock.update().value for clock in (a, b, a, b)] == [2, 3, 4, 5]
    update = a.update()
    assert (update.value, update.previous) == (6, Holder(5, "b"))
    # A look without a record of one's own: the other clock's update.
    seen = b.read()
    assert seen is not None
    assert (seen.value, seen.process, seen.instance) == (6, "a", a.instance)


def test_stores_without_a_name_are_private() -> None:
    for _ in range(2):
        assert SharedClock.connect("memory:", node="a").update().value == 2
        assert SharedClock.memory("a").update().value == 2


def test_keys_are_apart() -> None:
    for key in ("/one", "/two"):
        assert SharedClock.connect("memory:keys", node="a", key=key).update().value == 2


def test_the_environment_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_NAME", "mx-nodel2")
    monkeypatch.setenv("LAMPORT_STORE", "memory:environment")
    with SharedClock.connect() as clock:
        assert (clock.process, clock.location) == ("mx-nodel2", "memory:")
        assert clock.update().value == 2
    assert SharedClock.connect(node="explicit").process == "explicit"


def test_the_local_clock_follows_lamports_two_rules() -> None:
    clock = SharedClock.memory("a")
    assert clock.now() == 0
    assert clock.tick() == Stamp(1, "a", clock.instance)
    assert clock.receive(10).time == 11
    assert clock.receive("3@b").time == 12
    assert clock.receive(Stamp(20, "b")).time == 21
    assert clock.receive("30@b;instance=00000000000000ff").time == 31
    assert clock.advance() == 32
    assert clock.advance_past("40@b") == 41
    assert clock.now() == 41
    assert clock.update().value == 43


def test_a_message_orders_two_clocks() -> None:
    a, b = SharedClock.memory("a"), SharedClock.memory("b")
    for _ in range(5):
        sent = a.tick()
    received = b.receive(str(sent))
    assert sent < received
    assert received.process == "b"


def test_a_reservation_takes_consecutive_times() -> None:
    a, b = (SharedClock.connect("memory:reserve", node=name) for name in "ab")
    first = a.reserve(3)
    assert list(first) == [2, 3, 4]
    assert first.previous is None
    second = b.reserve(2)
    assert list(second) == [5, 6]
    assert second.previous == Holder(4, "a")
    assert a.update().value == 7
    seen = a.read()
    assert seen is not None
    assert seen.value == 7
    assert len(a.reserve(2**32)) == 2**32


def test_64_threads_at_once_share_a_clock() -> None:
    threads, each = 64, 20
    clock = SharedClock.memory("pool")
    barrier = threading.Barrier(threads)

    def work(number: int) -> list[int]:
        barrier.wait(PATIENCE)
        if number % 8 == 0:
            return [time for _ in range(each) for time in clock.reserve(3)]
        return [clock.update().value for _ in range(each)]

    with ThreadPoolExecutor(threads) as pool:
        taken = list(pool.map(work, range(threads)))
    for times in taken:
        assert times == sorted(times), "a thread saw time go back"
    everything = sorted(time for times in taken for time in times)
    assert len(everything) == (56 + 8 * 3) * each
    assert len(set(everything)) == len(everything), "a value was handed out twice"

    # The store saw exactly these times, in whatever transactions they travelled.
    recorded: list[int] = []
    for update in clock.history(limit=threads * each):
        recorded.extend(range(update.first, update.value + 1))
    assert recorded == everything
    assert clock.now() == everything[-1]


def test_ticks_of_many_threads_are_distinct() -> None:
    clock = SharedClock.memory("ticks")
    with ThreadPoolExecutor(8) as pool:
        stamps = list(pool.map(lambda _: clock.tick(), range(2_000)))
    assert sorted(stamp.time for stamp in stamps) == list(range(1, 2_001))


def test_a_context_closes_its_clock() -> None:
    with SharedClock.memory("a") as clock:
        clock.update()
    with pytest.raises(RuntimeError, match="closed"):
        clock.update()
    with pytest.raises(KeyError), SharedClock.memory("a") as clock:
        raise KeyError
    assert "SharedClock" in repr(clock)
    assert "'a'" in repr(clock)


def test_history_is_what_the_store_keeps() -> None:
    clock = SharedClock.memory("a")
    assert list(clock.history()) == []
    values = [clock.update().value for _ in range(5)]
    history = clock.history()
    assert [update.value for update in history] == values
    assert {update.process for update in history} == {"a"}
    assert [update.value for update in clock.history(limit=2)] == values[-2:]
    older = clock.history(from_revision=history[3].revision - 1)
    assert [update.value for update in older] == values[:3]
    assert [*clock.history(2, from_revision=older[-1].revision)] == [*older[-2:]]
    assert [*clock.history(from_revision=history[0].revision)] == [history[0]]
    assert [*clock.history(0)] == []
    with pytest.raises(InvalidArgumentError, match="revision"):
        clock.history(from_revision=2**63)
    with pytest.raises(ValueError, match="range"):
        clock.history(-1)


def test_each_clock_is_an_instance_of_its_own() -> None:
    instances = {SharedClock.memory("a").instance for _ in range(10)}
    assert len(instances) == 10
    assert 0 not in instances
