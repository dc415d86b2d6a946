"""AsyncWatch: what it gives, and how it ends, in every kind of event loop."""

from __future__ import annotations

import asyncio
import random

import lamport_clock
import pytest
from lamport_clock import AsyncSharedClock, ClosedError, CorruptError, Observed
from loops import LOOPS, Loop, ended, turns
from servers import PATIENCE, Etcd


def pair(name: str) -> tuple[AsyncSharedClock, AsyncSharedClock]:
    a, b = (AsyncSharedClock.open(f"memory:{name}", node=node) for node in "ab")
    return a, b


def test_a_watch_gives_what_comes_after_it_was_entered(loop: Loop) -> None:
    a, b = pair("entered")

    async def main() -> None:
        await a.update()
        async with a.watch() as watch:
            taken = [(await clock.update()).value for clock in (a, b, b, a)]
            seen = []
            async for update in watch:
                assert isinstance(update, Observed)
                seen.append(update.value)
                if len(seen) == 4:
                    break
        assert seen == taken

    loop.run(main())


def test_a_watch_that_is_not_entered_begins_with_its_iteration(loop: Loop) -> None:
    a, b = pair("iterated")

    async def main() -> None:
        await b.update()
        watch = a.watch()
        await b.update()
        reading = asyncio.ensure_future(anext(watch))
        values: list[int] = []
        while not reading.done():
            values.append((await b.update()).value)
            await turns(5)
        assert (await reading).value in values

    loop.run(main())


def test_a_watch_raises_for_what_it_cannot_show_and_goes_on(
    loop: Loop, etcd: Etcd, key: str
) -> None:
    async def main() -> None:
        clock = await AsyncSharedClock.connect(etcd.uri(key), node="a")
        begin = (await clock.update()).revision
        unreadable = etcd.put(key, "no record")
        watch = clock.watch(from_revision=begin)
        assert (watch.next_revision, watch.interrupted) == (begin, None)
        assert (await anext(watch)).value == 2
        with pytest.raises(CorruptError) as caught:
            await anext(watch)
        assert caught.value.revision == unreadable
        # A reader that waits by now is told as well.
        coming = asyncio.ensure_future(anext(watch))
        await turns(5)
        deleted = etcd.delete(key)
        with pytest.raises(CorruptError, match="deleted") as gone:
            await coming
        assert gone.value.revision == deleted
        written = etcd.put(key, '{"value": 9, "process_id": "b", "real_timestamp": 1.5}')
        async for update in watch:
            assert update.value == 9
            break
        assert watch.next_revision == written + 1

    loop.run(main())


def test_closing_a_watch_ends_its_reader(loop: Loop) -> None:
    a, _ = pair("close-watch")

    async def read(watch: lamport_clock.AsyncWatch) -> list[Observed]:
        return [update async for update in watch]

    async def main() -> None:
        watch = a.watch()
        for begin in (turns(0), turns(1), turns(3), watch.__aenter__()):
            reading = asyncio.ensure_future(read(watch))
            await begin
            watch.close()
            watch.close()
            assert await reading == []
            assert await read(watch) == []
            watch = a.watch()
        # By another thread, at any moment.
        for _ in range(100):
            watch = a.watch()
            reading = asyncio.ensure_future(read(watch))
            closing = asyncio.get_running_loop().run_in_executor(None, watch.close)
            assert await reading == []
            await closing
        async with watch:
            assert await read(watch) == []

    loop.run(main())


def test_closing_the_clock_ends_its_watches_with_an_error(loop: Loop) -> None:
    a, _ = pair("close-clock")

    async def main() -> None:
        async with a.watch() as watch:
            reading = asyncio.ensure_future(anext(watch))
            await turns(3)
            a.close()
            with pytest.raises(ClosedError):
                await reading
            assert [update async for update in watch] == []

    loop.run(main())


def test_a_watch_is_for_one_reader_at_a_time(loop: Loop) -> None:
    a, b = pair("readers")

    async def main() -> None:
        async with a.watch() as watch:
            first = asyncio.ensure_future(anext(watch))
            await turns(2)
            with pytest.raises(RuntimeError, match="of its own"):
                await anext(watch)
            value = (await b.update()).value
            assert (await first).value == value

    loop.run(main())


def test_readers_that_are_cancelled_lose_nothing(loop: Loop, store: str) -> None:
    """Each update is told once, to whoever is there, though readers come and go at any moment."""
    chance = random.Random(7)

    async def main() -> None:
        clock = await AsyncSharedClock.connect(store, node="a", timeout=PATIENCE)
        over = asyncio.Event()
        values: list[int] = []

        async def write() -> None:
            for _ in range(300):
                values.append((await clock.update()).value)
                await turns(chance.randrange(3))
            over.set()

        seen: list[int] = []
        async with clock.watch() as watch:
            writing = asyncio.ensure_future(write())
            while not over.is_set():
                reading = asyncio.ensure_future(anext(watch))
                await turns(chance.randrange(12))
                reading.cancel()
                await ended(reading)
                if not reading.cancelled():
                    seen.append(reading.result().value)
            await writing
            while len(seen) < len(values):
                seen.append((await asyncio.wait_for(anext(watch), PATIENCE)).value)
        assert seen == values

    loop.run(main())


def test_a_watch_may_be_read_by_one_loop_after_the_other() -> None:
    a, b = pair("moved")
    watch = a.watch()

    async def begin() -> None:
        await watch.__aenter__()

    async def go_on() -> None:
        value = (await b.update()).value
        assert (await anext(watch)).value == value
        # Left behind in the middle of its waiting, for the next loop to go on.
        reading = asyncio.ensure_future(anext(watch))
        await turns(5)
        assert not reading.done()

    asyncio.run(begin())
    for kind in [*LOOPS, *LOOPS]:
        Loop(kind).run(go_on())
