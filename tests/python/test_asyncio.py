"""AsyncSharedClock: its verbs, in every kind of event loop and in several at once."""

from __future__ import annotations

import asyncio
import doctest
import random
import sys
import threading
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from inspect import signature

import lamport_clock
import pytest
from lamport_clock import (
    AsyncSharedClock,
    AsyncWatch,
    ClosedError,
    CorruptError,
    InvalidArgumentError,
    LamportTimeoutError,
    SharedClock,
    UnavailableError,
    Update,
)
from loops import LOOPS, Loop, ended, turns
from servers import PATIENCE, Etcd, Refusal, Relay, Silence
from verbs import VERBS


def asked(clock: AsyncSharedClock, verb: str) -> Awaitable[object]:
    """The verb's answer; of a watch what it tells first."""
    called: AsyncWatch | Awaitable[object] = VERBS[verb](clock)
    return anext(called) if isinstance(called, AsyncWatch) else called


def in_order(updates: list[Update]) -> list[int]:
    values = [update.value for update in updates]
    assert values == sorted(set(values))
    return values


def test_every_verb(loop: Loop, store: str) -> None:
    async def main() -> None:
        async with await AsyncSharedClock.connect(store, node="a") as clock:
            assert await clock.read() is None
            assert clock.tick().time == 1
            assert clock.receive("57@b").time == 58
            assert clock.advance() == 59
            assert clock.advance_past(70) == 71
            async with clock.watch() as watch:
                update = await clock.update()
                assert (update.value, update.process, update.instance) == (73, "a", clock.instance)
                reservation = await clock.reserve(5)
                assert list(reservation) == [75, 76, 77, 78, 79]
                seen = [await anext(watch), await anext(watch)]
            assert clock.now() == 79
            assert [(each.first, each.value) for each in seen] == [(73, 73), (75, 79)]
            assert await clock.read() == seen[-1]
            assert list(await clock.history()) == seen
            assert list(await clock.history(1)) == seen[1:]
            assert list(await clock.history(from_revision=update.revision)) == seen[:1]
            replayed = clock.watch(from_revision=update.revision)
            assert await anext(replayed) == seen[0]
            assert clock.process == "a"
            assert clock.location in store
            assert repr(clock) == "<AsyncSharedClock of 'a' at 79>"
        with pytest.raises(ClosedError):
            await clock.update()

    loop.run(main())


def test_every_verb_of_the_other_face_is_there() -> None:
    def verbs(face: type) -> set[str]:
        return {name for name in dir(face) if not name.startswith("_")}

    def arguments(verb: object) -> list[tuple[object, ...]] | None:
        if not callable(verb):
            return None
        taken = signature(verb).parameters.values()
        return [(one.name, one.kind, one.default) for one in taken if one.name != "self"]

    assert verbs(SharedClock) <= verbs(AsyncSharedClock)
    for name in verbs(SharedClock):
        sync, other = getattr(SharedClock, name), getattr(AsyncSharedClock, name)
        assert arguments(sync) == arguments(other), name


def test_a_history_that_the_deadline_cuts_goes_on_where_it_was_cut(
    loop: Loop, etcd: Etcd, key: str
) -> None:
    async def main() -> None:
        patient = await AsyncSharedClock.connect(etcd.uri(key), node="a", timeout=PATIENCE)
        taken = [(await patient.update()).value for _ in range(100)]
        with Relay(etcd) as relay:
            clock = await AsyncSharedClock.connect(relay.uri(key), node="a", timeout=1)
            relay.fall_silent_after(4_000)
            newest = await clock.history(1_000)
        assert newest.unread_from is not None and 0 < len(newest) < len(taken)
        older = await patient.history(1_000, from_revision=newest.unread_from)
        assert older.unread_from is None
        assert [update.value for update in (*older, *newest)] == taken

    loop.run(main())


def test_both_faces_are_one_clock(loop: Loop) -> None:
    sync = SharedClock.memory("a")
    clock = AsyncSharedClock(sync)
    assert clock.sync is sync and clock.instance == sync.instance

    async def main() -> list[int]:
        first = (await clock.update()).value
        return [first, sync.update().value, (await clock.update()).value, sync.tick().time]

    assert loop.run(main()) == [2, 4, 6, 7]
    clock.close()
    with pytest.raises(ClosedError):
        sync.update()


def test_it_is_made_of_a_clock_alone() -> None:
    with pytest.raises(TypeError, match="connect"):
        AsyncSharedClock("etcd://10.0.0.5:2379")  # type: ignore[arg-type]


def test_thousands_at_once_travel_together(loop: Loop, store: str) -> None:
    async def main() -> None:
        clock = await AsyncSharedClock.connect(store, node="a", timeout=PATIENCE)
        last = 0
        for _ in range(3):
            updates = await asyncio.gather(*(clock.update() for _ in range(5_000)))
            values = sorted(update.value for update in updates)
            assert len(set(values)) == 5_000 and values[0] > last
            last = values[-1]
            if not store.startswith("memory"):
                assert len({update.revision for update in updates}) < 50
        assert in_order([await clock.update() for _ in range(50)])[0] > last

    loop.run(main())


def test_no_thread_of_the_library_is_one_of_pythons() -> None:
    seen: set[int] = set()

    async def main() -> None:
        clock = AsyncSharedClock.memory("a")

        async def update() -> None:
            await clock.update()
            seen.update(sys._current_frames())

        await asyncio.gather(*(update() for _ in range(2_000)))

    before = set(sys._current_frames())
    asyncio.run(main())
    assert seen <= before


@pytest.mark.parametrize("verb", VERBS)
def test_cancelling_frees_a_caller_at_once(loop: Loop, verb: str, silence: Silence) -> None:
    clock = AsyncSharedClock.open(silence.uri, node="a", timeout=3600)

    async def main() -> None:
        calls = [asyncio.ensure_future(asked(clock, verb)) for _ in range(3)]
        await asyncio.get_running_loop().run_in_executor(None, silence.wait_for_caller)
        for call in calls:
            call.cancel()
        done, pending = await asyncio.wait(calls)
        assert not pending and all(call.cancelled() for call in done)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asked(clock, verb), 0.01)

    loop.run(main())


if sys.version_info >= (3, 11):

    def test_a_timeout_of_asyncio(loop: Loop, silence: Silence) -> None:
        clock = AsyncSharedClock.open(silence.uri, node="a", timeout=3600)

        async def main() -> None:
            with pytest.raises(TimeoutError) as raised:
                async with asyncio.timeout(0.01):
                    await clock.update()
            # Not the clock's own, which would be 3600 s away.
            assert raised.type is TimeoutError

        loop.run(main())


def test_errors_are_those_of_the_other_face(
    loop: Loop, etcd: Etcd, key: str, silence: Silence
) -> None:
    async def main() -> None:
        with pytest.raises(InvalidArgumentError, match="redis"):
            await AsyncSharedClock.connect("redis://h", node="a")
        with pytest.raises(LamportTimeoutError):
            await AsyncSharedClock.connect(silence.uri, node="a", timeout=0.1)
        with Refusal() as nowhere, pytest.raises(UnavailableError):
            await AsyncSharedClock.connect(f"etcd://{nowhere}", node="a")
        clock = await AsyncSharedClock.connect(etcd.uri(key), node="a")
        etcd.put(key, "no record")
        for verb in ("update", "read"):
            with pytest.raises(CorruptError, match="no record"):
                await asked(clock, verb)
        with pytest.raises(InvalidArgumentError):
            await clock.reserve(0)
        with pytest.raises(TypeError):
            await clock.reserve(1.5)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await clock.watch(from_revision="1").__aenter__()  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await clock.history(from_revision="1")  # type: ignore[arg-type]

    loop.run(main())


def test_without_a_loop_it_says_so() -> None:
    update = AsyncSharedClock.memory("a").update()
    with pytest.raises(RuntimeError, match="no running event loop"):
        update.send(None)


@pytest.mark.parametrize("verb", VERBS)
def test_a_closed_clock_refuses(loop: Loop, verb: str) -> None:
    clock = AsyncSharedClock.memory("a")

    async def main() -> None:
        clock.close()
        clock.close()
        for _ in range(2):
            with pytest.raises(ClosedError, match="closed"):
                await asked(clock, verb)

    loop.run(main())
    assert clock.tick().time == 1 and clock.now() == 1


@pytest.mark.parametrize("verb", VERBS)
def test_closing_ends_who_waits(loop: Loop, verb: str, silence: Silence) -> None:
    clock = AsyncSharedClock.open(silence.uri, node="a", timeout=3600)

    def close() -> None:
        silence.wait_for_caller()
        clock.close()

    async def main() -> None:
        calls = [asked(clock, verb) for _ in range(3)]
        closing = asyncio.get_running_loop().run_in_executor(None, close)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ClosedError] * 3
        await closing

    loop.run(main())


def test_a_cancelling_that_meets_the_answer(loop: Loop, store: str) -> None:
    """Whoever is cancelled, and whenever: the others get theirs, and no time is given twice."""
    chance = random.Random(5)

    async def main() -> None:
        clock = await AsyncSharedClock.connect(store, node="a", timeout=PATIENCE)
        values = []
        for _ in range(150):
            calls = [asyncio.ensure_future(clock.update()) for _ in range(8)]
            cancelled = chance.sample(calls, 4)
            for call in cancelled:
                await turns(chance.randrange(4))
                call.cancel()
            kept = [call for call in calls if call not in cancelled]
            values += [update.value for update in await asyncio.gather(*kept)]
            for call in cancelled:
                await ended(call)
                if not call.cancelled():
                    values.append(call.result().value)
        assert len(set(values)) == len(values) >= 4 * 150

    loop.run(main())


def test_two_loops_in_two_threads_share_a_clock(store: str) -> None:
    clock = AsyncSharedClock.open(store, node="a", timeout=PATIENCE)
    begun = threading.Barrier(len(LOOPS) * 2)

    def thread(kind: str) -> list[int]:
        async def caller() -> list[int]:
            return in_order([await clock.update() for _ in range(30)])

        async def main() -> list[int]:
            begun.wait(PATIENCE)
            async with clock.watch() as watch:
                everyones = await asyncio.gather(*(caller() for _ in range(20)))
                seen = {(await anext(watch)).value}
            values = [value for values in everyones for value in values]
            assert seen
            return values

        return Loop(kind).run(main())

    with ThreadPoolExecutor(len(LOOPS) * 2) as pool:
        everyones = list(pool.map(thread, list(LOOPS) * 2))
    values = [value for values in everyones for value in values]
    assert len(set(values)) == len(values) == len(LOOPS) * 2 * 600


def test_its_examples_are_true() -> None:
    import lamport_clock._asyncio as module

    failed, tried = doctest.testmod(
        module, optionflags=doctest.ELLIPSIS, extraglobs={"asyncio": asyncio}
    )
    assert failed == 0 and tried > 20


def test_it_is_found_when_it_is_asked_for() -> None:
    assert {"AsyncSharedClock", "AsyncWatch"} <= set(lamport_clock.__all__)
    everything: dict[str, object] = {}
    exec("from lamport_clock import *", everything)
    assert everything["AsyncSharedClock"] is AsyncSharedClock
    with pytest.raises(AttributeError, match="AsyncSharedClok"):
        _ = lamport_clock.AsyncSharedClok  # type: ignore[attr-defined]
