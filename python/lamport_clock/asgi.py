"""The clock in the requests and responses of an ASGI application (FastAPI, Starlette, Django, ...).

    >>> from fastapi import FastAPI, Request
    >>> from lamport_clock import SharedClock
    >>> from lamport_clock.asgi import LamportMiddleware
    >>> app = FastAPI()
    >>> app.add_middleware(LamportMiddleware, clock=SharedClock.memory("api"), trust=["10.0.0.0/8"])
    >>> @app.get("/")
    ... async def show(request: Request) -> str:
    ...     return f"received at {request.scope['lamport']}"

See lamport_clock.propagation for the header, and for what becomes of one that is wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from . import _header
from ._clock import Clock, Trust, Trusting

__all__ = ["LamportMiddleware"]

# The types of the ASGI specification. The typed forms of frameworks differ from each other.
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class LamportMiddleware:
    """A request moves the clock past its stamp; the response carries one of its own.

    The handler finds the stamp of the request's arrival in scope["lamport"] (None only when the
    clock's times are used up). The response is stamped when its head leaves, so a streaming body
    comes after its stamp. A websocket is stamped when it is opened and accepted; what goes through
    it afterwards carries no headers. Lifespan events and exceptions pass untouched.

        >>> import asyncio
        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.asgi import LamportMiddleware
        >>> async def application(scope, receive, send):
        ...     print("arrived", scope["lamport"])
        ...     await send({"type": "http.response.start", "status": 200, "headers": []})
        >>> async def send(message):
        ...     print("left", message["headers"][0][1][:6])
        >>> scope = {"type": "http", "headers": [(b"lamport", b"41@web")]}
        >>> service = LamportMiddleware(application, SharedClock.memory("api"), trust="everybody")
        >>> asyncio.run(service(scope, None, send))
        arrived 42@api
        left b'43@api'
    """

    def __init__(self, app: Application, clock: Clock, trust: Trust = None) -> None:
        self._app = app
        self._clock = Trusting(clock, trust)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def stamped(message: Message) -> None:
            if message["type"] in _HEADS:
                departure, headers = _header.sent(self._clock), message.get("headers")
                headers = _header.put(headers, departure, name=bytes, value=bytes)
                message = {**message, "headers": headers}
            await send(message)

        # None if the request came over a Unix socket.
        peer, _ = scope.get("client") or (None, None)
        arrival = _header.arrived(_header.values(scope.get("headers")), self._clock, peer)
        # Don't copy the scope: outer middleware reads what the application adds, such as its route.
        scope["lamport"] = arrival
        await self._app(scope, receive, stamped)


# The messages that carry the headers of an answer.
_HEADS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
