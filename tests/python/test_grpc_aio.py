"""Stamps in the calls of grpc.aio, over real connections on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import grpc
import grpc.aio
import pytest
from lamport_clock import SharedClock, Stamp
from lamport_clock.grpc import aio_client_interceptors
from services import HOSTILE
from shops import (
    KINDS,
    AioService,
    Service,
    aio_call,
    aio_serving,
    last_time,
    run,
    sendable,
    silent,
)


@contextlib.asynccontextmanager
async def calling(here: SharedClock, service: Service) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the service, whose calls bear stamps of `here`."""
    interceptors = aio_client_interceptors(here, "everybody")
    async with (
        aio_serving(service) as address,
        grpc.aio.insecure_channel(address, interceptors=interceptors) as channel,
    ):
        yield channel


@pytest.mark.parametrize("kind", KINDS)
def test_a_deadline_ends_an_aio_call_and_a_caller_may_cancel_it(kind: str) -> None:
    async def work(address: str) -> None:
        interceptors = aio_client_interceptors(SharedClock.memory("here"))
        async with grpc.aio.insecure_channel(address, interceptors=interceptors) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await aio_call(channel, kind, timeout=0.2)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            method = getattr(channel, kind)(f"/Shop/{kind}")
            argument = iter([b"x"]) if kind.startswith("stream") else b"x"
            answer = method(argument)
            if kind.endswith("stream"):
                assert await answer.read() == b"first"
            answer.cancel()
            with pytest.raises(asyncio.CancelledError):
                if kind.endswith("stream"):
                    await answer.read()
                else:
                    await answer

    with silent() as address:
        run(lambda: work(address))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("handlers_are", ["coroutines", "functions"])
def test_an_aio_call_and_its_answer_are_in_order(kind: str, handlers_are: str) -> None:
    async def work() -> None:
        here = SharedClock.memory("here")
        make = AioService if handlers_are == "coroutines" else Service
        service = make(SharedClock.memory("there"))
        async with calling(here, service) as channel:
            for _ in range(3):
                for _ in range(10):
                    before = here.tick()
                there = last_time(await aio_call(channel, kind, metadata=(("theirs", "kept"),)))
                assert before < service.began[-1]
                assert here.now() > there
            assert ("theirs", "kept") in service.metadata
            sent = [value for name, value in service.metadata if name == "lamport"]
            assert len(sent) == 1 and f"@here;instance={here.instance:016x}" in str(sent[0])

    run(work)


def test_an_aio_stream_stamps_its_first_message_unless_the_handler_was_first() -> None:
    async def work() -> None:
        here, service = SharedClock.memory("here"), AioService(SharedClock.memory("there"))
        async with calling(here, service) as channel:
            service.clock.receive(1_000)
            method: Any = channel.unary_stream("/Shop/unary_stream")
            stream = method(b"x")
            first = int(await stream.read())
            assert here.now() > first > 1_000
            service.clock.receive(service.clock.now() + 1_000)
            stream = method(b"own")
            assert ("theirs", "kept") in list(await stream.initial_metadata())
            last = int([message async for message in stream][-1])
            assert here.now() > last > 2_000

    run(work)


def test_an_aio_call_may_be_written_and_read_by_hand() -> None:
    async def work() -> None:
        here, service = SharedClock.memory("here"), AioService(SharedClock.memory("there"))
        async with calling(here, service) as channel:
            service.clock.receive(1_000)
            to_one: Any = channel.stream_unary("/Shop/stream_unary")()
            await to_one.write(b"x")
            await to_one.write(b"x")
            await to_one.done_writing()
            time = int(await to_one)
            assert here.now() > time > 1_000
            to_many: Any = channel.stream_stream("/Shop/stream_stream")()
            for _ in range(3):
                await to_many.write(b"x")
                time = int(await to_many.read())
            await to_many.done_writing()
            assert [message async for message in to_many] == []
            assert here.now() > time

    run(work)


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream"])
def test_a_failed_aio_call_brings_its_stamp_too(kind: str) -> None:
    async def work() -> None:
        here, service = SharedClock.memory("here"), AioService(SharedClock.memory("there"))
        async with calling(here, service) as channel:
            service.clock.receive(1_000)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await aio_call(channel, kind, b"abort")
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            assert caught.value.details() == "no tea"
            assert here.now() > service.began[-1].time > 1_000
            if kind == "unary_unary":
                with pytest.raises(grpc.aio.AioRpcError, match="out of tea"):
                    await aio_call(channel, kind, b"raise")
                assert here.now() > service.began[-1].time

    run(work)


@pytest.mark.parametrize("as_coroutine", [True, False])
@pytest.mark.parametrize("theirs", [(), (("theirs", "kept"),)])
def test_an_aio_server_stamps_an_abort_after_what_the_handler_did(
    as_coroutine: bool, theirs: tuple[tuple[str, str], ...]
) -> None:
    async def work() -> None:
        here, service = SharedClock.memory("here"), AioService(SharedClock.memory("there"))
        last: list[Stamp] = []

        def thread(_request: bytes, context: Any) -> bytes:  # noqa: ANN401
            last.append(service.clock.receive(1_000))
            context.abort(grpc.StatusCode.NOT_FOUND, "no tea", theirs)
            raise AssertionError("it went on")

        async def coroutine(_request: bytes, context: Any) -> bytes:  # noqa: ANN401
            last.append(service.clock.receive(1_000))
            await context.abort(grpc.StatusCode.NOT_FOUND, "no tea", theirs)
            raise AssertionError("it went on")

        service.unary_unary = coroutine if as_coroutine else thread  # type: ignore[assignment, method-assign]
        async with calling(here, service) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await aio_call(channel, "unary_unary")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        metadata = [*(caught.value.trailing_metadata() or ())]
        assert [pair for pair in metadata if pair[0] == "theirs"] == [*theirs]
        assert here.now() > last[0].time

    run(work)


def test_an_abort_with_a_status_is_stamped_as_any() -> None:
    class Status(NamedTuple):
        code: grpc.StatusCode = grpc.StatusCode.NOT_FOUND
        details: str = "no tea"
        trailing_metadata: tuple[tuple[str, str], ...] | None = (("theirs", "kept"),)

    async def work() -> None:
        here, service = SharedClock.memory("here"), AioService(SharedClock.memory("there"))

        async def refuse(request: bytes, context: Any) -> bytes:  # noqa: ANN401
            service.clock.receive(service.clock.now() + 1_000)
            plain = Status(trailing_metadata=None)
            await context.abort_with_status(plain if request == b"plain" else Status())
            raise AssertionError("it went on")

        service.unary_unary = refuse  # type: ignore[method-assign]
        async with calling(here, service) as channel:
            for request in (b"plain", b"x"):
                with pytest.raises(grpc.aio.AioRpcError, match="no tea") as caught:
                    await aio_call(channel, "unary_unary", request)
                assert here.now() > service.clock.now() - 1 > 1_000
                assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            assert ("theirs", "kept") in [*(caught.value.trailing_metadata() or ())]

    run(work)


def test_cancelling_an_aio_call_frees_the_caller() -> None:
    async def work() -> None:
        here, service = SharedClock.memory("here"), AioService(SharedClock.memory("there"))
        begun = asyncio.Event()

        async def never(_request: bytes, _context: Any) -> bytes:  # noqa: ANN401
            begun.set()
            await asyncio.Event().wait()
            return b""

        service.unary_unary = never  # type: ignore[assignment, method-assign]
        async with calling(here, service) as channel:
            task = asyncio.ensure_future(aio_call(channel, "unary_unary"))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(work)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_metadata_breaks_no_aio_call(kind: str) -> None:
    async def work() -> None:
        service = AioService(SharedClock.memory("there"))
        async with (
            aio_serving(service) as address,
            grpc.aio.insecure_channel(address) as channel,
        ):
            for value in filter(sendable, HOSTILE):
                before = service.clock.now()
                await aio_call(channel, kind, metadata=(("lamport", value),))
                assert service.clock.now() < before + 20

    run(work)
