"""The clock in the calls of gRPC.

    >>> import grpc
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from lamport_clock import SharedClock
    >>> from lamport_clock.grpc import ClientInterceptor, ServerInterceptor
    >>> clock = SharedClock.memory("api")
    >>> channel = grpc.insecure_channel("billing:50051")
    >>> channel = grpc.intercept_channel(channel, ClientInterceptor(clock, trust="everybody"))
    >>> ours = ServerInterceptor(clock, trust=["10.0.0.0/8"])
    >>> server = grpc.server(ThreadPoolExecutor(), interceptors=[ours])

For grpc.aio there are `aio_client_interceptors(clock, trust)`, for the argument `interceptors` of
its channels, and `AioServerInterceptor(clock, trust)`. `trust` says whose stamps count
(lamport_clock.propagation has its values). A client takes no list, because gRPC does not tell an
interceptor who answers.

A call carries a stamp in its metadata. The server's clock moves past it before the handler begins.
The answer carries a stamp in its trailing metadata, made after the handler ended, also when the
handler failed. An answer that is a stream carries another one in its initial metadata, made before
its first message, unless the handler has sent initial metadata itself. The client's clock moves
past each stamp of the answer before the caller has the result, or the message. Messages within a
stream have no metadata of their own.
See lamport_clock.propagation for the header, and for what becomes of one that is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._frameworks import needed

with needed("grpc", "grpcio"):
    from ._grpc import ClientInterceptor, ServerInterceptor

if TYPE_CHECKING:
    from ._grpc_aio import AioServerInterceptor, aio_client_interceptors

__all__ = [
    "AioServerInterceptor",
    "ClientInterceptor",
    "ServerInterceptor",
    "aio_client_interceptors",
]


def __getattr__(name: str) -> Any:
    # Imported at first use: grpc.aio imports asyncio, which a threaded program does not need.
    if name in ("AioServerInterceptor", "aio_client_interceptors"):
        from . import _grpc_aio

        return getattr(_grpc_aio, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
