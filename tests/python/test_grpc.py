"""Stamps in the calls of gRPC, over real connections on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import grpc
import grpc.aio
import pytest
from lamport_clock import SharedClock, Stamp, propagation
from lamport_clock.grpc import (
    AioServerInterceptor,
    ClientInterceptor,
    ServerInterceptor,
    aio_client_interceptors,
)
from servers import PATIENCE
from services import FAR_AHEAD, HOSTILE, Recorder

KINDS = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]


class Service:
    """Handlers of every kind, as text for text, which note where the clock stands."""

    def __init__(self, clock: SharedClock) -> None:
        self.clock = clock
        self.began: list[Stamp] = []
        self.metadata: list[Any] = []

    def begin(self, context: Any) -> None:  # noqa: ANN401
        self.began.append(self.clock.tick())
        self.metadata = [*context.invocation_metadata()]

    def unary_unary(self, request: bytes, context: Any) -> bytes:  # noqa: ANN401
        self.begin(context)
        if request == b"abort":
            context.set_trailing_metadata((("theirs", "kept"),))
            context.abort(grpc.StatusCode.NOT_FOUND, "no tea")
        if request == b"raise":
            raise RuntimeError("out of tea")
        return b"%d" % self.clock.tick().time

    def unary_stream(self, request: bytes, context: Any) -> Iterator[bytes]:  # noqa: ANN401
        self.begin(context)
        if request == b"own":
            context.send_initial_metadata((("theirs", "kept"),))
        for _ in range(3):
            yield b"%d" % self.clock.tick().time
        if request == b"abort":
            context.abort(grpc.StatusCode.NOT_FOUND, "no tea")

    def stream_unary(self, requests: Iterator[bytes], context: Any) -> bytes:  # noqa: ANN401
        self.begin(context)
        for _ in requests:
            self.clock.tick()
        return b"%d" % self.clock.tick().time

    def stream_stream(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:  # noqa: ANN401
        self.begin(context)
        for _ in requests:
            yield b"%d" % self.clock.tick().time


class AioService(Service):
    """The same as coroutines."""

    async def unary_unary(self, request: bytes, context: Any) -> bytes:  # type: ignore[override]  # noqa: ANN401
        self.begin(context)
        if request == b"abort":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no tea")
        if request == b"raise":
            raise RuntimeError("out of tea")
        return b"%d" % self.clock.tick().time

    async def unary_stream(  # type: ignore[override]
        self,
        request: bytes,
        context: Any,  # noqa: ANN401
    ) -> AsyncIterator[bytes]:
        self.begin(context)
        if request == b"own":
            await context.send_initial_metadata((("theirs", "kept"),))
        for _ in range(3):
            yield b"%d" % self.clock.tick().time
        if request == b"abort":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no tea")

    async def stream_unary(  # type: ignore[override]
        self,
        requests: AsyncIterator[bytes],
        context: Any,  # noqa: ANN401
    ) -> bytes:
        self.begin(context)
        async for _ in requests:
            self.clock.tick()
        return b"%d" % self.clock.tick().time

    # One that writes its stream itself.
    async def stream_stream(  # type: ignore[override]
        self,
        requests: AsyncIterator[bytes],
        context: Any,  # noqa: ANN401
    ) -> None:
        self.begin(context)
        async for _ in requests:
            await context.write(b"%d" % self.clock.tick().time)


def handlers(service: Service) -> grpc.GenericRpcHandler:
    def handler(kind: str) -> Any:  # noqa: ANN401
        return getattr(grpc, f"{kind}_rpc_method_handler")(getattr(service, kind))

    return grpc.method_handlers_generic_handler("Shop", {kind: handler(kind) for kind in KINDS})


@contextlib.contextmanager
def serving(service: Service) -> Iterator[str]:
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(
            threads,
            [handlers(service)],
            interceptors=[ServerInterceptor(service.clock, ["127.0.0.0/8"])],
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait(PATIENCE)


@contextlib.asynccontextmanager
async def aio_serving(service: Service) -> AsyncIterator[str]:
    server = grpc.aio.server(
        ThreadPoolExecutor(4),
        [handlers(service)],
        interceptors=[AioServerInterceptor(service.clock, ["127.0.0.0/8"])],
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def last_time(messages: Any) -> int:  # noqa: ANN401
    return int(messages[-1] if isinstance(messages, list) else messages)


def call(channel: Any, kind: str, request: bytes = b"x", **options: Any) -> Any:  # noqa: ANN401
    """Makes a call of this kind and reads it to its end."""
    method = getattr(channel, kind)(f"/Shop/{kind}")
    argument = iter([request, request]) if kind.startswith("stream") else request
    answer = method(argument, **options)
    return list(answer) if kind.endswith("stream") else answer


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_and_its_answer_are_in_order(kind: str) -> None:
    here, service = SharedClock.memory("here"), Service(SharedClock.memory("there"))
    with serving(service) as address, grpc.insecure_channel(address) as plain:
        channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        for _ in range(3):
            for _ in range(10):
                before = here.tick()
            there = last_time(call(channel, kind, metadata=(("theirs", "kept"),)))
            assert before < service.began[-1]
            assert here.now() > there
        assert ("theirs", "kept") in service.metadata
        sent = [value for name, value in service.metadata if name == "lamport"]
        assert len(sent) == 1 and f"@here;instance={here.instance:016x}" in str(sent[0])


def test_a_future_has_its_stamp_when_it_has_its_result() -> None:
    here, service = SharedClock.memory("here"), Service(SharedClock.memory("there"))
    service.clock.receive(1_000)
    with serving(service) as address, grpc.insecure_channel(address) as plain:
        channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        method = channel.unary_unary("/Shop/unary_unary")
        for get in ("result", "exception"):
            service.clock.receive(service.clock.now() + 1_000)
            future = method.future(b"x")
            getattr(future, get)(timeout=PATIENCE)
            assert here.now() > service.began[-1].time
            assert future.done() and future.code() is grpc.StatusCode.OK
        service.clock.receive(service.clock.now() + 1_000)
        called: list[int] = []
        future = method.future(b"x")
        future.add_done_callback(lambda done: called.append(here.now()))
        future.result(PATIENCE)
        assert here.now() > service.began[-1].time
    assert called and called[0] > service.began[-1].time


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream"])
def test_a_failed_call_brings_its_stamp_too(kind: str) -> None:
    here, service = SharedClock.memory("here"), Service(SharedClock.memory("there"))
    service.clock.receive(1_000)
    with serving(service) as address, grpc.insecure_channel(address) as plain:
        channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, kind, b"abort")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert caught.value.details() == "no tea"
        assert here.now() > service.clock.now() - 1 > 1_000
        if kind == "unary_unary":
            assert ("theirs", "kept") in list[Any](caught.value.trailing_metadata())
            with pytest.raises(grpc.RpcError, match="out of tea"):
                call(channel, kind, b"raise")
            assert here.now() > service.began[-1].time


def test_a_stream_stamps_its_first_message_unless_the_handler_was_first() -> None:
    here, service = SharedClock.memory("here"), Service(SharedClock.memory("there"))
    service.clock.receive(1_000)
    with serving(service) as address, grpc.insecure_channel(address) as plain:
        channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        method = channel.unary_stream("/Shop/unary_stream")
        stream = method(b"x")
        first = int(next(stream))
        assert here.now() > first > 1_000
        last = int([*stream][-1])
        assert here.now() > last
        service.clock.receive(service.clock.now() + 1_000)
        stream = method(b"own")
        assert ("theirs", "kept") in [*stream.initial_metadata()]
        last = int([*stream][-1])
        assert here.now() > last


def test_a_method_that_nobody_serves_is_told_as_ever() -> None:
    here, service = SharedClock.memory("here"), Service(SharedClock.memory("there"))
    with serving(service) as address, grpc.insecure_channel(address) as plain:
        channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/Shop/none")(b"x")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with grpc.insecure_channel("127.0.0.1:9") as plain:
        channel = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/Shop/unary_unary")(b"x")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """A server whose handlers never answer."""
    ended = threading.Event()

    def one(_request: Any, _context: Any) -> bytes:  # noqa: ANN401
        ended.wait(PATIENCE)
        return b""

    def many(_request: Any, _context: Any) -> Iterator[bytes]:  # noqa: ANN401
        yield b"first"
        ended.wait(PATIENCE)

    service: Any = Service(SharedClock.memory("there"))
    service.unary_unary = service.stream_unary = one
    service.unary_stream = service.stream_stream = many
    with serving(service) as address:
        try:
            yield address
        finally:
            ended.set()


@pytest.mark.parametrize("kind", KINDS)
def test_a_deadline_ends_a_call_and_a_caller_may_cancel_it(kind: str) -> None:
    here = SharedClock.memory("here")
    with silent() as address, grpc.insecure_channel(address) as plain:
        channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, kind, timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        method = getattr(channel, kind)(f"/Shop/{kind}")
        argument = iter([b"x"]) if kind.startswith("stream") else b"x"
        if kind.endswith("stream"):
            stream = method(argument)
            assert next(stream) == b"first"
            stream.cancel()
            with pytest.raises(grpc.RpcError) as caught:
                next(stream)
            assert caught.value.code() is grpc.StatusCode.CANCELLED
        else:
            future = method.future(argument)
            with pytest.raises(grpc.FutureTimeoutError):
                future.result(timeout=0.01)
            assert future.cancel()
            with pytest.raises(grpc.FutureCancelledError):
                future.result(timeout=PATIENCE)


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


def sendable(value: str) -> bool:
    """Whether gRPC lets it out of a client."""
    return value.isascii() and value.isprintable() and len(value) < 4_000


class Onlooker(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Somebody else's interceptor, which looks at the answer."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:  # noqa: ANN401
        self.calls.append(continuation(details, request))
        return self.calls[-1]

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:  # noqa: ANN401
        return self.intercept_unary_unary(continuation, details, request)


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream"])
def test_an_interceptor_above_ours_is_given_a_call(kind: str) -> None:
    service = Service(SharedClock.memory("there"))
    onlooker = Onlooker()
    with serving(service) as address, grpc.insecure_channel(address) as channel:
        ours = ClientInterceptor(SharedClock.memory("here"))
        call(grpc.intercept_channel(channel, onlooker, ours), kind)
    (answer,) = onlooker.calls
    assert all(isinstance(answer, one) for one in (grpc.Call, grpc.Future))
    answer.theirs = "kept"
    assert answer.theirs == "kept"


class Context:
    """That of a call, which can't be read back, as in a thread of grpc.aio."""

    verdict: str

    def invocation_metadata(self) -> tuple[()]:
        return ()

    def set_trailing_metadata(self, metadata: object) -> None:
        self.sent = metadata


def test_what_a_handler_sets_on_its_context_is_seen_above() -> None:
    def judge(request: bytes, context: Any) -> bytes:  # noqa: ANN401
        assert isinstance(context, Context)
        context.verdict = "guilty"
        return request

    handler: Any = grpc.unary_unary_rpc_method_handler(judge)
    interceptor = ServerInterceptor(SharedClock.memory("there"), "everybody")
    context = Context()
    stamping = interceptor.intercept_service(lambda _: handler, None)
    assert stamping.unary_unary(b"x", context) == b"x"
    assert context.verdict == "guilty"
    assert "lamport" in str(context.sent)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_metadata_breaks_no_call(kind: str) -> None:
    service = Service(SharedClock.memory("there"))
    with serving(service) as address, grpc.insecure_channel(address) as channel:
        for value in filter(sendable, HOSTILE):
            before = service.clock.now()
            call(channel, kind, metadata=(("lamport", value),))
            assert service.clock.now() < before + 20
        both = (("lamport", FAR_AHEAD), ("lamport", "1000@honest"))
        call(channel, kind, metadata=both)
        assert 1_000 < service.clock.now() < 1_020


def test_a_servers_hostile_metadata_breaks_no_call() -> None:
    def answer(_request: bytes, context: Any) -> bytes:  # noqa: ANN401
        context.send_initial_metadata((("lamport", FAR_AHEAD),))
        context.set_trailing_metadata((("lamport", "-1@evil"), ("lamport", "\x20")))
        return b"x"

    handler: Any = grpc.unary_unary_rpc_method_handler(answer)
    here = Recorder()
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("Shop", {"unary_unary": handler})]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as plain:
                channel: Any = grpc.intercept_channel(plain, ClientInterceptor(here, "everybody"))
                assert call(channel, "unary_unary") == b"x"
        finally:
            server.stop(None).wait(PATIENCE)
    assert here.tick().time == 2
    assert propagation.stats().too_far_ahead > 0


def run(work: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(work(), PATIENCE))


async def aio_call(channel: Any, kind: str, request: bytes = b"x", **options: Any) -> Any:  # noqa: ANN401
    method = getattr(channel, kind)(f"/Shop/{kind}")
    argument = iter([request, request]) if kind.startswith("stream") else request
    answer = method(argument, **options)
    if kind.endswith("stream"):
        return [message async for message in answer]
    return await answer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("handlers_are", ["coroutines", "functions"])
def test_an_aio_call_and_its_answer_are_in_order(kind: str, handlers_are: str) -> None:
    async def work() -> None:
        here = SharedClock.memory("here")
        make = AioService if handlers_are == "coroutines" else Service
        service = make(SharedClock.memory("there"))
        interceptors = aio_client_interceptors(here, "everybody")
        async with (
            aio_serving(service) as address,
            grpc.aio.insecure_channel(address, interceptors=interceptors) as channel,
        ):
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
        interceptors = aio_client_interceptors(here, "everybody")
        async with (
            aio_serving(service) as address,
            grpc.aio.insecure_channel(address, interceptors=interceptors) as channel,
        ):
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
        interceptors = aio_client_interceptors(here, "everybody")
        async with (
            aio_serving(service) as address,
            grpc.aio.insecure_channel(address, interceptors=interceptors) as channel,
        ):
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
        interceptors = aio_client_interceptors(here, "everybody")
        async with (
            aio_serving(service) as address,
            grpc.aio.insecure_channel(address, interceptors=interceptors) as channel,
        ):
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
        interceptors = aio_client_interceptors(here, "everybody")
        async with (
            aio_serving(service) as address,
            grpc.aio.insecure_channel(address, interceptors=interceptors) as channel,
        ):
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
        interceptors = aio_client_interceptors(here, "everybody")
        async with (
            aio_serving(service) as address,
            grpc.aio.insecure_channel(address, interceptors=interceptors) as channel,
        ):
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
        interceptors = aio_client_interceptors(here, "everybody")
        async with (
            aio_serving(service) as address,
            grpc.aio.insecure_channel(address, interceptors=interceptors) as channel,
        ):
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
