"""A closed clock used again, and used while it is closed: the typed error, and no more."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from lamport_clock import ClosedError, LamportTimeoutError, SharedClock, Watch
from servers import PATIENCE, Etcd, Silence
from verbs import VERBS

LOCAL: dict[str, Callable[[SharedClock], object]] = {
    "tick": lambda clock: clock.tick(),
    "receive": lambda clock: clock.receive(5),
    "log": lambda clock: clock.log(),
    "advance": lambda clock: clock.advance(),
    "advance_past": lambda clock: clock.advance_past(5),
    "now": lambda clock: clock.now(),
    "process": lambda clock: clock.process,
    "instance": lambda clock: clock.instance,
    "location": lambda clock: clock.location,
    "repr": repr,
    "stop": lambda clock: clock.stop(),
    "stats": lambda clock: clock.stats(),
    "close": lambda clock: clock.close(),
}
# Needs no store, is refused all the same, and never waits.
START: dict[str, Callable[[SharedClock], object]] = {"start": lambda clock: clock.start(0.01)}


def test_every_verb_is_tried() -> None:
    tried = {name.removesuffix("_from").removesuffix("repr") for name in [*VERBS, *LOCAL, *START]}
    made = {"connect", "open", "memory"}
    public = {name for name in vars(SharedClock) if not name.startswith("_")}
    assert public - made <= tried


@pytest.fixture(params=["memory", "etcd"])
def clock(request: pytest.FixtureRequest, key: str) -> SharedClock:
    if request.param == "memory":
        return SharedClock.memory("a")
    etcd: Etcd = request.getfixturevalue("etcd")
    return SharedClock.connect(etcd.uri(key), node="a")


@pytest.mark.parametrize("verb", [*VERBS, *START])
def test_what_needs_the_store_is_refused(clock: SharedClock, verb: str) -> None:
    watch = clock.watch()
    clock.update()
    for _ in range(2):
        clock.close()
        with pytest.raises(ClosedError, match="closed"):
            (VERBS.get(verb) or START[verb])(clock)
    with pytest.raises(ClosedError):
        for _ in range(2):
            next(watch)
    assert list(watch) == []


@pytest.mark.parametrize("verb", LOCAL)
def test_what_is_local_goes_on(clock: SharedClock, verb: str) -> None:
    clock.close()
    before = clock.now()
    LOCAL[verb](clock)
    assert clock.now() >= before


@pytest.mark.parametrize("verb", VERBS)
def test_closing_ends_who_waits(verb: str, silence: Silence) -> None:
    clock = SharedClock.open(silence.uri, node="a", timeout=3600)
    told: list[BaseException] = []

    def waits() -> None:
        try:
            given = VERBS[verb](clock)
            if isinstance(given, Watch):
                next(given)
        except BaseException as error:
            told.append(error)

    threads = [threading.Thread(target=waits) for _ in range(3)]
    for thread in threads:
        thread.start()
    silence.wait_for_caller()
    clock.close()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert [type(error) for error in told] == [ClosedError] * 3


def test_every_verb_by_every_thread_while_it_is_closed(clock: SharedClock) -> None:
    """Rounds of all verbs at once, closed by one of the threads in the middle of it."""
    strange: list[BaseException] = []
    calls = [*VERBS.values(), *LOCAL.values(), *START.values()]
    closing = threading.Barrier(len(calls))

    def goes_on(call: Callable[[SharedClock], object]) -> None:
        closing.wait(PATIENCE)
        try:
            for _ in range(20):
                given = call(clock)
                if isinstance(given, Watch):
                    given.next_within("1ms")
                    given.close()
        except ClosedError:
            pass
        except BaseException as error:
            strange.append(error)

    threads = [threading.Thread(target=goes_on, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert strange == []
    assert not clock.stats().running


def test_a_deadline_and_a_closing_that_meet(silence: Silence) -> None:
    for _ in range(20):
        clock = SharedClock.open(silence.uri, node="a", timeout=0.02)
        closing = threading.Timer(0.02, clock.close)
        closing.start()
        with pytest.raises((ClosedError, LamportTimeoutError)):
            clock.update()
        closing.join(PATIENCE)
        with pytest.raises(ClosedError):
            clock.update()
