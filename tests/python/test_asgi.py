"""Stamps in the requests and responses of ASGI applications, behind a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from lamport_clock import SharedClock, Stamp, propagation
from lamport_clock.asgi import LamportMiddleware
from services import FAR_AHEAD, HOSTILE, UNPRINTABLE, asgi, exhausted, raw
from websockets.sync.client import connect

EVENTS: list[str] = []


def application(clock: Any) -> FastAPI:  # noqa: ANN401
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        EVENTS.append("begun")
        yield
        EVENTS.append("ended")

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(LamportMiddleware, clock=clock, trust="everybody")

    @app.get("/")
    async def show(request: Request) -> dict[str, str]:
        return {"arrived": f"{request.scope['lamport']:#}"}

    @app.get("/thread")
    def thread(request: Request) -> dict[str, str]:
        return {"arrived": f"{request.scope['lamport']:#}"}

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter([b"one ", b"two ", b"three"]))

    @app.get("/own")
    async def own() -> Any:  # noqa: ANN401
        return StreamingResponse(iter([b"x"]), headers={"Lamport": "1@forged", "x-own": "kept"})

    @app.get("/error")
    async def error() -> None:
        raise RuntimeError("out of tea")

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept(headers=[(b"x-own", b"kept")])
        await websocket.send_text(f"{websocket.scope['lamport']:#}")
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    @app.websocket("/refused")
    async def refused(websocket: WebSocket) -> None:
        await websocket.close()

    return app


@pytest.fixture(scope="module")
def clock() -> SharedClock:
    return SharedClock.memory("there")


@pytest.fixture(scope="module")
def address(clock: SharedClock) -> Iterator[str]:
    with asgi(application(clock)) as address:
        yield address


def get(address: str, path: str = "/", **headers: str) -> httpx.Response:
    return httpx.get(f"http://{address}{path}", headers=headers)


@pytest.mark.parametrize("path", ["/", "/thread"])
def test_request_handler_and_response_are_in_order(address: str, path: str) -> None:
    here = SharedClock.memory("here")
    for _ in range(3):
        headers: dict[str, str] = {}
        for _ in range(10):
            here.tick()
        sent = propagation.inject(headers, here)
        response = get(address, path, **headers)
        arrived = Stamp.parse(response.json()["arrived"])
        left = Stamp.parse(response.headers["lamport"])
        back = propagation.extract(response.headers, here)
        assert sent is not None and back is not None
        assert sent < arrived < left < back
        assert arrived.process == left.process == "there"


def test_a_request_without_a_stamp_is_an_event_like_any(address: str) -> None:
    one, two = (get(address) for _ in range(2))
    assert Stamp.parse(one.headers["lamport"]) < Stamp.parse(two.json()["arrived"])


def test_a_streaming_response_streams_after_its_stamp(address: str) -> None:
    response = get(address, "/stream")
    assert response.text == "one two three"
    assert Stamp.parse(response.headers["lamport"]).process == "there"


def test_a_response_has_one_stamp_whatever_the_handler_set(address: str) -> None:
    response = get(address, "/own")
    assert response.headers.get_list("lamport") == [response.headers["lamport"]]
    assert "forged" not in response.headers["lamport"]
    assert response.headers["x-own"] == "kept"


def test_an_error_of_the_handler_is_told_as_ever(address: str) -> None:
    response = get(address, "/error")
    assert response.status_code == 500
    assert get(address, "/none").status_code == 404


def test_what_the_application_puts_into_the_scope_is_seen_above() -> None:
    """Middleware that counts requests by route reads the route when the request is over."""
    routes: list[object] = []

    class Metrics:
        def __init__(self, app: Any) -> None:  # noqa: ANN401
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
            await self.app(scope, receive, send)
            if scope["type"] == "http":
                routes.append(getattr(scope.get("route"), "path", None))

    app = application(SharedClock.memory("there"))
    app.add_middleware(Metrics)
    with asgi(app) as address:
        assert get(address, "/thread").status_code == 200
    assert routes == ["/thread"]


def test_an_exception_passes() -> None:
    async def failing(_scope: Any, _receive: Any, _send: Any) -> None:  # noqa: ANN401
        raise KeyError("tea")

    service = LamportMiddleware(failing, SharedClock.memory("a"))
    for kind in ("http", "websocket", "lifespan"):
        with pytest.raises(KeyError, match="tea"):
            asyncio.run(service({"type": kind, "headers": []}, None, None))  # type: ignore[arg-type]


def test_a_websocket_is_stamped_when_it_opens(address: str) -> None:
    here = SharedClock.memory("here")
    headers: dict[str, str] = {}
    here.receive("5000@x")
    sent = propagation.inject(headers, here)
    with connect(f"ws://{address}/socket", additional_headers=headers, proxy=None) as socket:
        arrived = Stamp.parse(str(socket.recv()))
        assert socket.response is not None
        accepted = Stamp.parse(socket.response.headers["lamport"])
        assert socket.response.headers["x-own"] == "kept"
        socket.send("hello")
        assert socket.recv() == "hello"
    assert sent is not None and sent < arrived < accepted
    with pytest.raises(Exception, match="403"), connect(f"ws://{address}/refused", proxy=None):
        pass


def test_the_applications_life_is_its_own() -> None:
    EVENTS.clear()
    with asgi(application(SharedClock.memory("a"))) as address:
        get(address)
        assert EVENTS == ["begun"]
    assert EVENTS == ["begun", "ended"]


def test_hostile_headers_break_no_request(address: str, clock: SharedClock) -> None:
    values = [value.encode() for value in HOSTILE]
    values += [b"42@b\xfcro", b"\xff\xfe", b"4\x002@a", b"x" * 100_000, b"x" * 10_000_000]
    for value in values:
        before = clock.now()
        answer = raw(address, b"lamport: " + value)
        # The server itself may refuse what is no header; otherwise the request is served.
        assert answer == b"" or answer[:12] in (b"HTTP/1.1 200", b"HTTP/1.1 400", b"HTTP/1.1 431")
        if len(value) < 10_000 and value.isascii() and b"\0" not in value:
            assert answer.startswith(b"HTTP/1.1 200"), value
        assert clock.now() <= before + 2
        assert get(address).status_code == 200
    answer = raw(
        address, b"lamport: " + FAR_AHEAD.encode(), b"Lamport: 90000@honest", b"lamport: ;"
    )
    assert b"90001@there" in answer


@pytest.mark.parametrize("value", [*HOSTILE, *UNPRINTABLE], ids=lambda value: f"{value!a:.30}")
def test_a_server_that_passes_anything_on_breaks_no_request(value: object) -> None:
    seen: list[Any] = []

    async def show(scope: Any, _receive: Any, _send: Any) -> None:  # noqa: ANN401
        seen.append(scope["lamport"])

    if isinstance(value, str):
        value = value.encode("utf-8", "surrogatepass")
    service = LamportMiddleware(show, SharedClock.memory("a"), "everybody")
    scope = {"type": "http", "headers": [(b"lamport", value)]}
    asyncio.run(service(scope, None, None))  # type: ignore[arg-type]
    assert [str(stamp) for stamp in seen] == ["1@a"]
    assert scope["lamport"] is seen[0]


def test_a_clock_without_times_breaks_no_request() -> None:
    with asgi(application(exhausted())) as address:
        response = get(address, "/stream")
    assert response.status_code == 200
    assert "lamport" not in response.headers
