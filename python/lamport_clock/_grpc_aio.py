"""The clock in the calls of grpc.aio; lamport_clock.grpc says which metadata has stamps."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Generator
from contextlib import aclosing, suppress
from typing import Any

import grpc.aio

from . import _header
from ._clock import Clock, Trust, Trusting
from ._grpc import Standin, begin, leave, stamped, stamping, wrapped

# ---------------------------------------------------------------------------------------- client


def aio_client_interceptors(clock: Clock, trust: Trust = None) -> list[grpc.aio.ClientInterceptor]:
    """The interceptors for the argument `interceptors` of grpc.aio's channels.

    There are four, because grpc.aio uses an interceptor for one kind of call alone.
    """
    believer = Trusting(clock, trust, peers=False)
    return [
        _UnaryUnary(believer),
        _UnaryStream(believer),
        _StreamUnary(believer),
        _StreamStream(believer),
    ]


class _Interceptor:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def _begin(self, continuation: Any, details: Any, request: Any) -> Any:
        # `details` is a named tuple. _replace() keeps its type and its other fields.
        metadata = grpc.aio.Metadata(*stamped(details.metadata, self._clock))
        return await continuation(details._replace(metadata=metadata), request)

    async def _stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return _answers(await self._begin(continuation, details, request), self._clock)


class _UnaryUnary(_Interceptor, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        call = await self._begin(continuation, client_call_details, request)
        # The caller awaits the call again, and gets its error there.
        with suppress(grpc.aio.AioRpcError):
            await call
        await _receive(call, self._clock)
        return call


class _StreamUnary(_Interceptor, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        call = await self._begin(continuation, client_call_details, request_iterator)
        # Awaiting the call here would never end: the caller can write only after this returns.
        return _Answer(call, self._clock)


class _UnaryStream(_Interceptor, grpc.aio.UnaryStreamClientInterceptor):
    intercept_unary_stream: Any = _Interceptor._stream


class _StreamStream(_Interceptor, grpc.aio.StreamStreamClientInterceptor):
    intercept_stream_stream: Any = _Interceptor._stream


class _Answer(Standin):
    """A call. The stamp of the answer is received before the caller has the response."""

    def __await__(self) -> Generator[Any, None, Any]:
        return self._response().__await__()

    async def _response(self) -> Any:
        try:
            return await self._theirs
        finally:
            await _receive(self._theirs, self._clock)


async def _answers(call: Any, clock: Clock) -> AsyncIterator[Any]:
    """The messages of a stream, with one stamp received before the first and one at the end."""
    try:
        begun = False
        async for response in call:
            if not begun:
                begun = True
                _header.received(_header.values(await call.initial_metadata()), clock)
            yield response
    finally:
        await _receive(call, clock)


async def _receive(call: Any, clock: Clock) -> None:
    """If the call is done, receives the stamps of its initial and trailing metadata."""
    if call.done():
        pairs = [*(await call.initial_metadata() or ()), *(await call.trailing_metadata() or ())]
        _header.received(_header.values(pairs), clock)


# ---------------------------------------------------------------------------------------- server


class AioServerInterceptor(grpc.aio.ServerInterceptor):
    """Receives the stamps of a server's calls, and stamps their answers."""

    def __init__(self, clock: Clock, trust: Trust = None) -> None:
        self._clock = Trusting(clock, trust)

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        return wrapped(handler, lambda behaviour: _stamping(behaviour, handler, self._clock))


def _stamping(behaviour: Any, handler: Any, clock: Clock) -> Any:
    """The behaviour of a method, wrapped to receive and to send stamps. The wrapper is of the same
    kind of function, because gRPC looks at that."""

    @functools.wraps(behaviour)
    async def one(request: Any, context: Any) -> Any:
        context = _Aborting(begin(context, clock), clock)
        try:
            return await behaviour(request, context)
        finally:
            leave(context, clock)

    @functools.wraps(behaviour)
    async def many(request: Any, context: Any) -> AsyncIterator[Any]:
        context = _Aborting(begin(context, clock), clock)
        try:
            begun = False
            async with aclosing(behaviour(request, context)) as responses:
                async for response in responses:
                    if not begun:
                        begun = True
                        # Raises if the handler has sent initial metadata, or if the caller is gone.
                        with suppress(Exception):
                            await context.send_initial_metadata(stamped((), clock))
                    yield response
        finally:
            leave(context, clock)

    if inspect.isasyncgenfunction(behaviour):
        return many
    # This includes a coroutine that writes its stream itself: its first message can't be seen here.
    if inspect.iscoroutinefunction(behaviour):
        return one
    return stamping(behaviour, handler, clock)


class _Aborting(Standin):
    """The context of a coroutine. Its abort() sends at once, so the stamp is added before that."""

    async def abort(
        self, code: Any, details: str = "", trailing_metadata: tuple[Any, ...] = ()
    ) -> None:
        metadata = stamped(trailing_metadata or self._theirs.trailing_metadata(), self._clock)
        await self._theirs.abort(code, details, metadata)

    async def abort_with_status(self, status: Any) -> None:
        # gRPC's own method would call gRPC's own abort(), without a stamp.
        await self.abort(status.code, status.details, tuple(status.trailing_metadata or ()))
