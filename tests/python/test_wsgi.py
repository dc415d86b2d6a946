"""Stamps in the requests and responses of WSGI applications, behind a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import requests
from flask import Flask, Response, request
from lamport_clock import SharedClock, Stamp, propagation
from lamport_clock.wsgi import LamportMiddleware
from services import FAR_AHEAD, HOSTILE, UNPRINTABLE, exhausted, raw, wsgi


def application(clock: Any) -> Flask:  # noqa: ANN401
    app = Flask(__name__)
    app.wsgi_app = LamportMiddleware(app.wsgi_app, clock, "everybody")  # type: ignore[method-assign]

    @app.get("/")
    def show() -> dict[str, str]:
        return {"arrived": f"{request.environ['lamport.stamp']:#}"}

    @app.get("/stream")
    def stream() -> Response:
        return Response(iter(["one ", "two ", "three"]))

    @app.get("/own")
    def own() -> Response:
        return Response("x", headers={"Lamport": "1@forged", "x-own": "kept"})

    @app.get("/error")
    def error() -> str:
        raise RuntimeError("out of tea")

    return app


@pytest.fixture(scope="module")
def clock() -> SharedClock:
    return SharedClock.memory("there")


@pytest.fixture(scope="module")
def address(clock: SharedClock) -> Iterator[str]:
    with wsgi(application(clock)) as address:
        yield address


def get(address: str, path: str = "/", **headers: str) -> requests.Response:
    return requests.get(f"http://{address}{path}", headers=headers, timeout=30)


def test_request_handler_and_response_are_in_order(address: str) -> None:
    here = SharedClock.memory("here")
    for _ in range(3):
        headers: dict[str, str] = {}
        for _ in range(10):
            here.tick()
        sent = propagation.inject(headers, here)
        response = get(address, **headers)
        arrived = Stamp.parse(response.json()["arrived"])
        left = Stamp.parse(response.headers["lamport"])
        back = propagation.extract(response.headers, here)
        assert sent is not None and back is not None
        assert sent < arrived < left < back
        assert arrived.process == left.process == "there"


def test_a_streaming_response_streams_after_its_stamp(address: str) -> None:
    response = get(address, "/stream")
    assert response.text == "one two three"
    assert Stamp.parse(response.headers["lamport"]).process == "there"


def test_a_response_has_one_stamp_whatever_the_handler_set(address: str) -> None:
    response = get(address, "/own")
    assert "," not in response.headers["lamport"]
    assert "forged" not in response.headers["lamport"]
    assert response.headers["x-own"] == "kept"


def test_an_error_of_the_handler_is_told_as_ever(address: str) -> None:
    response = get(address, "/error")
    assert response.status_code == 500
    assert Stamp.parse(response.headers["lamport"]).process == "there"
    assert get(address, "/none").status_code == 404


def test_what_the_server_and_the_application_tell_each_other_passes() -> None:
    told: list[Any] = []

    class Body(list[bytes]):
        closed = False

        def close(self) -> None:
            self.closed = True

    body = Body([b"x"])

    def inner(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401
        write = start_response("200 OK", [("a", "b")])
        write(b"written")
        error = ValueError("late")
        start_response("500 No", [], (ValueError, error, None))
        return body

    def start_response(*arguments: Any) -> Callable[[bytes], object]:  # noqa: ANN401
        told.append(arguments)
        return told.append

    service = LamportMiddleware(inner, SharedClock.memory("a"))
    assert service({}, start_response) is body
    assert told[0][0] == "200 OK" and told[0][1][0] == ("a", "b") and len(told[0]) == 2
    assert told[1] == b"written"
    assert told[2][0] == "500 No" and told[2][2][0] is ValueError

    def failing(_environ: Any, _start_response: Any) -> Iterable[bytes]:  # noqa: ANN401
        raise KeyError("tea")

    with pytest.raises(KeyError, match="tea"):
        LamportMiddleware(failing, SharedClock.memory("a"))({}, start_response)


def test_hostile_headers_break_no_request(address: str, clock: SharedClock) -> None:
    values = [value.encode() for value in HOSTILE]
    values += [b"42@b\xfcro", b"\xff\xfe", b"4\x002@a", b"x" * 60_000, b"x" * 10_000_000]
    for value in values:
        before = clock.now()
        answer = raw(address, b"lamport: " + value)
        # The server itself may refuse a line of ten million bytes.
        served = answer.startswith(b"HTTP/1.0 200")
        assert served or len(value) > 60_000, (value[:50], answer[:100])
        assert clock.now() <= before + 2
        assert get(address).status_code == 200
    answer = raw(
        address, b"lamport: " + FAR_AHEAD.encode(), b"Lamport: 90000@honest", b"lamport: ;"
    )
    assert b"90001@there" in answer


@pytest.mark.parametrize("value", [*HOSTILE, *UNPRINTABLE], ids=lambda value: f"{value!a:.30}")
def test_a_server_that_passes_anything_on_breaks_no_request(value: object) -> None:
    seen: list[Any] = []

    def show(environ: dict[str, Any], _start_response: Any) -> Iterable[bytes]:  # noqa: ANN401
        seen.append(environ["lamport.stamp"])
        return []

    service = LamportMiddleware(show, SharedClock.memory("a"), "everybody")
    service({"HTTP_LAMPORT": value}, None)  # type: ignore[arg-type]
    # None is what a server says of a header that is not there.
    assert [str(stamp) for stamp in seen] == ["1@a"]


def test_a_clock_without_times_breaks_no_request() -> None:
    with wsgi(application(exhausted())) as address:
        response = get(address, "/stream")
    assert response.status_code == 200
    assert "lamport" not in response.headers
