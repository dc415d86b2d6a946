"""Services of gRPC to test with, and calls of theirs: with threads and with a loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
from lamport_clock import SharedClock, Stamp
from lamport_clock.grpc import AioServerInterceptor, ServerInterceptor
from servers import PATIENCE

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


def sendable(value: str) -> bool:
    """Whether gRPC lets it out of a client."""
    return value.isascii() and value.isprintable() and len(value) < 4_000


def run(work: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(work(), PATIENCE))


async def aio_call(channel: Any, kind: str, request: bytes = b"x", **options: Any) -> Any:  # noqa: ANN401
    method = getattr(channel, kind)(f"/Shop/{kind}")
    argument = iter([request, request]) if kind.startswith("stream") else request
    answer = method(argument, **options)
    if kind.endswith("stream"):
        return [message async for message in answer]
    return await answer
