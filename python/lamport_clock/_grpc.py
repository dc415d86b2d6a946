"""The clock in the calls of threaded gRPC; lamport_clock.grpc says which metadata has stamps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import grpc

from . import _header
from ._clock import Clock, Trust, Trusting


class Standin:
    """Wraps an object of gRPC's and adds methods of ours. All other attributes are the object's."""

    __slots__ = ("_clock", "_theirs")

    def __init__(self, theirs: Any, clock: Clock) -> None:
        self._theirs = theirs
        self._clock = clock

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        # isinstance() takes the wrapper for the call, or the context, that it wraps.
        return self._theirs.__class__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._theirs, name)

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(type(self), name):
            super().__setattr__(name, value)
        else:
            setattr(self._theirs, name, value)


# ---------------------------------------------------------------------------------------- client


class ClientInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Stamps the calls of a channel, and receives the stamps of their answers."""

    def __init__(self, clock: Clock, trust: Trust = None) -> None:
        self._clock = Trusting(clock, trust, peers=False)

    def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        call = _Answer(self._begin(continuation, client_call_details, request), self._clock)
        # A blocking call has its response by now. A future gets the response later: see _Answer.
        call.receive()
        return call

    def intercept_unary_stream(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        return _Answers(self._begin(continuation, client_call_details, request), self._clock)

    def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return self.intercept_unary_unary(continuation, client_call_details, request_iterator)

    def intercept_stream_stream(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return self.intercept_unary_stream(continuation, client_call_details, request_iterator)

    def _begin(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(_Details(details, self._clock), request)


class _Details(Standin):
    """The details of a call with a stamp in its metadata."""

    __slots__ = ("metadata",)

    def __init__(self, details: Any, clock: Clock) -> None:
        super().__init__(details, clock)
        self.metadata = stamped(details.metadata, clock)


class _Answer(Standin):
    """A call. The stamp of the answer is received before the caller has the response."""

    _received = False

    def receive(self) -> None:
        """If the call is done, receives the stamps of its initial and trailing metadata."""
        if self._received or not self._theirs.done():
            return
        self._received = True
        receive((self._theirs.initial_metadata, self._theirs.trailing_metadata), self._clock)

    def result(self, timeout: float | None = None) -> Any:
        try:
            return self._theirs.result(timeout)
        finally:
            self.receive()

    def exception(self, timeout: float | None = None) -> Any:
        try:
            return self._theirs.exception(timeout)
        finally:
            self.receive()

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        def done(_: object) -> None:
            self.receive()
            callback(self)

        self._theirs.add_done_callback(done)


class _Answers(Standin):
    """A call whose answer is a stream: one stamp before the first message, one at the end."""

    _begun = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            response = next(self._theirs)
        except (StopIteration, grpc.RpcError):
            receive((self._theirs.trailing_metadata,), self._clock)
            raise
        if not self._begun:
            self._begun = True
            receive((self._theirs.initial_metadata,), self._clock)
        return response


# ---------------------------------------------------------------------------------------- server


class ServerInterceptor(grpc.ServerInterceptor):
    """Receives the stamps of a server's calls, and stamps their answers."""

    def __init__(self, clock: Clock, trust: Trust = None) -> None:
        self._clock = Trusting(clock, trust)

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        return wrapped(handler, lambda behaviour: stamping(behaviour, handler, self._clock))


def wrapped(handler: Any, wrap: Callable[[Any], Any]) -> Any:
    """A method's handler, its behaviour replaced by what `wrap` makes of it."""
    kind = "_".join(
        "stream" if streaming else "unary"
        for streaming in (handler.request_streaming, handler.response_streaming)
    )
    behaviour = getattr(handler, kind)
    # gRPC has an experimental kind of behaviour with another signature. It is not wrapped.
    if getattr(behaviour, "experimental_non_blocking", False):
        return handler
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    return make(wrap(behaviour), handler.request_deserializer, handler.response_serializer)


def stamping(behaviour: Any, handler: Any, clock: Clock) -> Any:
    """The behaviour of a method that runs in a thread, wrapped to receive and to send stamps."""

    @functools.wraps(behaviour)
    def one(request: Any, context: Any) -> Any:
        context = begin(context, clock)
        try:
            return behaviour(request, context)
        finally:
            leave(context, clock)

    @functools.wraps(behaviour)
    def many(request: Any, context: Any) -> Iterator[Any]:
        context = begin(context, clock)
        try:
            begun = False
            for response in behaviour(request, context):
                if not begun:
                    begun = True
                    # Raises if the handler has sent initial metadata, or if the caller is gone.
                    with suppress(Exception):
                        context.send_initial_metadata(stamped((), clock))
                yield response
        finally:
            leave(context, clock)

    return many if handler.response_streaming else one


# -------------------------------------------------------------------------------------- metadata


def stamped(metadata: Any, clock: Clock) -> tuple[tuple[str, str | bytes], ...]:
    """The pairs of this metadata with a new stamp, for a message that is about to be sent."""
    return tuple(_header.put(metadata, _header.sent(clock)))


def receive(sources: tuple[Callable[[], Any], ...], clock: Clock) -> None:
    """Receives the stamps in the metadata that these functions of a call return."""
    pairs: list[Any] = []
    for source in sources:
        # A call that failed before it was made has no metadata: some kinds of call then raise.
        with suppress(Exception):
            pairs += source() or ()
    _header.received(_header.values(pairs), clock)


def begin(context: Any, clock: Clock) -> Any:
    """Receives the stamp of a call that arrived. Returns the context to give to its handler."""
    _header.arrived(_header.values(context.invocation_metadata()), clock, _peer(context))
    return context if hasattr(context, "trailing_metadata") else _Remembering(context, clock)


def _peer(context: Any) -> str | None:
    """The address that called: "ipv4:10.0.0.1:53", "ipv6:%5B::1%5D:53"; None for a Unix socket."""
    with suppress(Exception):
        kind, _, address = unquote(context.peer()).partition(":")
        if kind in ("ipv4", "ipv6"):
            return address.rpartition(":")[0].strip("[]")
    return None


class _Remembering(Standin):
    """The context of a function that grpc.aio runs in a thread. gRPC gives no way to read its
    trailing metadata back, so they are remembered here."""

    _trailing: tuple[Any, ...] = ()

    def set_trailing_metadata(self, metadata: Any) -> None:
        self._trailing = tuple(metadata)
        self._theirs.set_trailing_metadata(self._trailing)

    def trailing_metadata(self) -> tuple[Any, ...]:
        return self._trailing

    def abort(self, code: Any, details: str = "", trailing_metadata: tuple[Any, ...] = ()) -> None:
        # This abort() sends at once. A threaded server sends only when the handler has ended.
        metadata = stamped(trailing_metadata or self._trailing, self._clock)
        self._theirs.abort(code, details, metadata)


def leave(context: Any, clock: Clock) -> None:
    """Adds a stamp to the answer's trailing metadata, beside what the handler has set."""
    # Another interceptor's context may lack one of these methods. The answer matters more.
    with suppress(Exception):
        context.set_trailing_metadata(stamped(context.trailing_metadata(), clock))
