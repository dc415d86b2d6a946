"""The clock in the requests and responses of a WSGI application (Flask, Django, ...).

    >>> from flask import Flask, request
    >>> from lamport_clock import SharedClock
    >>> from lamport_clock.wsgi import LamportMiddleware
    >>> app = Flask("shop")
    >>> app.wsgi_app = LamportMiddleware(app.wsgi_app, SharedClock.memory("api"), ["10.0.0.0/8"])
    >>> @app.get("/")
    ... def show() -> str:
    ...     return f"received at {request.environ['lamport.stamp']}"

See lamport_clock.propagation for the header, and for what becomes of one that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from . import _header
from ._clock import Clock, Trust, Trusting

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["LamportMiddleware"]


class LamportMiddleware:
    """A request moves the clock past its stamp; the response carries one of its own.

    The handler finds the stamp of the request's arrival in environ["lamport.stamp"] (None only when
    the clock's times are used up). The response is stamped when its head leaves, so a streaming
    body comes after its stamp. The body and exceptions pass untouched.

        >>> from lamport_clock import SharedClock
        >>> from lamport_clock.wsgi import LamportMiddleware
        >>> def application(environ, start_response):
        ...     print("arrived", environ["lamport.stamp"])
        ...     start_response("200 OK", [])
        ...     return []
        >>> def start_response(status, headers):
        ...     print("left", headers[0][1][:6])
        >>> service = LamportMiddleware(application, SharedClock.memory("api"), "everybody")
        >>> service({"HTTP_LAMPORT": "41@web"}, start_response)
        arrived 42@api
        left 43@api
        []
    """

    def __init__(self, app: WSGIApplication, clock: Clock, trust: Trust = None) -> None:
        self._app = app
        self._clock = Trusting(clock, trust)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def stamped(
            status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None, /
        ) -> Callable[[bytes], object]:
            headers = _header.put(headers, _header.sent(self._clock))
            if exc_info is None:
                return start_response(status, headers)
            return start_response(status, headers, exc_info)

        value = environ.get("HTTP_LAMPORT")
        values = () if value is None else (value,)
        # Empty if the request came over a Unix socket.
        peer = environ.get("REMOTE_ADDR") or None
        environ["lamport.stamp"] = _header.arrived(values, self._clock, peer)
        return self._app(environ, stamped)
