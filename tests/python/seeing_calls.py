"""A gRPC server that does as a call says, and calls others on the way: test_seeing.py.

    seeing_calls.py NAME FOLDER

It prints its port, and ends with its stdin. A call is a list of such calls to others, in JSON:
[["1234/One", [...]], ["1235/Many", [...]], ...].
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from lamport_clock._grpc import Standin, wrapped
from lamport_clock.grpc import ClientInterceptor, ServerInterceptor
from vectored import HEADER, Vectored

name, folder = sys.argv[1:]
clock = Vectored(name, folder)


def with_vector(metadata: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """What leaves with the stamp that is in it."""
    return (*metadata, (HEADER, clock.left()))


def seen(metadata: Any) -> Any:  # noqa: ANN401
    """What arrived, before its stamp is received."""
    for key, value in metadata or ():
        if key == HEADER:
            clock.arriving(value)
    return metadata


class Details(Standin):
    __slots__ = ("metadata",)

    def __init__(self, details: Any) -> None:  # noqa: ANN401
        super().__init__(details, clock)
        self.metadata = with_vector(details.metadata)


class Answer(Standin):
    def initial_metadata(self) -> Any:  # noqa: ANN401
        return seen(self._theirs.initial_metadata())

    def trailing_metadata(self) -> Any:  # noqa: ANN401
        return seen(self._theirs.trailing_metadata())

    def __next__(self) -> Any:  # noqa: ANN401
        return next(self._theirs)


class Context(Standin):
    def send_initial_metadata(self, metadata: Any) -> None:  # noqa: ANN401
        self._theirs.send_initial_metadata(with_vector(metadata))

    def set_trailing_metadata(self, metadata: Any) -> None:  # noqa: ANN401
        self._theirs.set_trailing_metadata(with_vector(metadata))


class ClientVectors(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:  # noqa: ANN401
        return Answer(continuation(Details(details), request), clock)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:  # noqa: ANN401
        return Answer(continuation(Details(details), request), clock)


class ServerVectors(grpc.ServerInterceptor):
    def intercept_service(self, continuation: Any, details: Any) -> Any:  # noqa: ANN401
        def wrap(behaviour: Callable[..., Any]) -> Callable[..., Any]:
            def call(request: bytes, context: Any) -> Any:  # noqa: ANN401
                seen(context.invocation_metadata())
                return behaviour(request, Context(context, clock))

            return call

        return wrapped(continuation(details), wrap)


def ask(place: str, calls: list[Any]) -> None:
    """Calls somebody, and has all of the answer."""
    port, _, method = place.partition("/")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as plain:
        # The one of the stamps is called first, and that of the vectors knows what it did.
        channel = grpc.intercept_channel(
            plain, ClientInterceptor(clock, "everybody"), ClientVectors()
        )
        request = json.dumps(calls).encode()
        if method == "One":
            one: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/Shop/One")
            one(request, timeout=30)
        else:
            many: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/Shop/Many")
            for _ in many(request, timeout=30):
                clock.log()


def many(request: bytes, _context: grpc.ServicerContext) -> Iterator[bytes]:
    clock.log()
    for place, calls in json.loads(request):
        ask(place, calls)
        clock.log()
        yield b""


def one(request: bytes, context: grpc.ServicerContext) -> bytes:
    return b"".join(many(request, context))


with ThreadPoolExecutor(32) as threads:
    server = grpc.server(
        threads, interceptors=[ServerVectors(), ServerInterceptor(clock, ["127.0.0.1"])]
    )
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "One": grpc.unary_unary_rpc_method_handler(one),
        "Many": grpc.unary_stream_rpc_method_handler(many),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Shop", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None).wait()
clock.log_last()
