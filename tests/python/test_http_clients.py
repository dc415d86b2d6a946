"""Stamps in the requests of httpx and of requests, and in the responses they bring."""

from __future__ import annotations

import asyncio
import copy
import pickle
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import lamport_clock.httpx
import lamport_clock.requests
import pytest
import requests
import urllib3
from lamport_clock import SharedClock, Stamp
from lamport_clock.requests import LamportAdapter
from lamport_clock.wsgi import LamportMiddleware
from servers import PATIENCE
from services import FAR_AHEAD, HOSTILE, exhausted, wsgi

LOOPBACK = ["127.0.0.0/8"]


class Service:
    """An application that notes with which stamps requests came, and redirects."""

    def __init__(self) -> None:
        self.clock = SharedClock.memory("there")
        self.headers: list[str | None] = []
        self.application = LamportMiddleware(self.serve, self.clock, trust=LOOPBACK)

    def serve(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401
        self.headers.append(environ.get("HTTP_LAMPORT"))
        if environ["PATH_INFO"] == "/redirect":
            start_response("302 Found", [("location", "/end"), ("content-length", "0")])
            return []
        if environ["PATH_INFO"] == "/busy" and len(self.headers) < 3:
            start_response("503 Busy", [("content-length", "0")])
            return []
        if environ["PATH_INFO"] == "/private" and "HTTP_AUTHORIZATION" not in environ:
            challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
            start_response("401 No", [("www-authenticate", challenge), ("content-length", "0")])
            return []
        start_response("200 OK", [("content-length", "2")])
        return [b"ok"]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def address(service: Service) -> Iterator[str]:
    with wsgi(service.application) as address:
        yield f"http://{address}"


Get = Callable[[str, SharedClock], Any]


def httpx_get(url: str, clock: SharedClock) -> Any:  # noqa: ANN401
    with lamport_clock.httpx.install(
        httpx.Client(follow_redirects=True), clock, LOOPBACK
    ) as client:
        return client.get(url)


def httpx_hooks_get(url: str, clock: SharedClock) -> Any:  # noqa: ANN401
    hooks = lamport_clock.httpx.hooks(clock, LOOPBACK)
    with httpx.Client(follow_redirects=True, event_hooks=hooks) as client:
        return client.get(url)


def httpx_async_get(url: str, clock: SharedClock) -> Any:  # noqa: ANN401
    async def get() -> Any:  # noqa: ANN401
        client = httpx.AsyncClient(follow_redirects=True)
        async with lamport_clock.httpx.install(client, clock, LOOPBACK):
            return await client.get(url)

    return asyncio.run(get())


def requests_get(url: str, clock: SharedClock) -> Any:  # noqa: ANN401
    with lamport_clock.requests.install(requests.Session(), clock, LOOPBACK) as session:
        return session.get(url, timeout=PATIENCE)


CLIENTS: list[Get] = [httpx_get, httpx_hooks_get, httpx_async_get, requests_get]
each_client = pytest.mark.parametrize("get", CLIENTS)


@each_client
def test_a_request_and_its_response_are_in_order(get: Get, address: str, service: Service) -> None:
    here = SharedClock.memory("here")
    for _ in range(3):
        for _ in range(10):
            before = here.tick()
        response = get(address, here)
        assert response.status_code == 200
        assert service.headers[-1] is not None
        sent = Stamp.parse(service.headers[-1])
        left = Stamp.parse(response.headers["lamport"])
        assert before < sent < left
        assert sent.instance == here.instance
        assert here.now() > left.time


@each_client
def test_each_hop_of_a_redirect_has_a_stamp_of_its_own(
    get: Get, address: str, service: Service
) -> None:
    here = SharedClock.memory("here")
    service.clock.receive(1_000)
    response = get(f"{address}/redirect", here)
    assert response.url.path if hasattr(response.url, "path") else response.url.endswith("/end")
    one, two = (Stamp.parse(header or "") for header in service.headers)
    # The second request was sent after the first one's answer had come.
    assert one.time < 1_000 < two.time
    assert here.now() > Stamp.parse(response.headers["lamport"]).time


def httpx_authenticated(url: str, clock: SharedClock) -> int:
    client = httpx.Client(auth=httpx.DigestAuth("u", "p"))
    with lamport_clock.httpx.install(client, clock, LOOPBACK):
        return client.get(url).status_code


def requests_authenticated(url: str, clock: SharedClock) -> int:
    auth = requests.auth.HTTPDigestAuth("u", "p")
    with lamport_clock.requests.install(requests.Session(), clock, LOOPBACK) as session:
        return session.get(url, auth=auth, timeout=PATIENCE).status_code


@pytest.mark.parametrize("get", [httpx_authenticated, requests_authenticated])
def test_each_request_of_an_authentication_has_a_stamp_of_its_own(
    get: Callable[[str, SharedClock], int], address: str, service: Service
) -> None:
    here = SharedClock.memory("here")
    service.clock.receive(1_000)
    assert get(f"{address}/private", here) == 200
    one, two = (Stamp.parse(header or "") for header in service.headers)
    assert one.time < 1_000 < two.time


def test_what_an_adapter_sends_again_is_in_order_too(address: str, service: Service) -> None:
    here = SharedClock.memory("here")
    retry = urllib3.Retry(total=5, status_forcelist=[503], backoff_factor=0)
    with requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
        lamport_clock.requests.install(session, here, LOOPBACK)
        before = here.tick()
        response = session.get(f"{address}/busy", timeout=PATIENCE)
    assert response.status_code == 200
    # Three sends of one message: each was received after it was made.
    assert len(service.headers) == 3 and len(set(service.headers)) == 1
    sent = Stamp.parse(service.headers[0] or "")
    assert before < sent < Stamp.parse(response.headers["lamport"])
    assert here.now() > Stamp.parse(response.headers["lamport"]).time


def test_other_hooks_and_adapters_stay(address: str) -> None:
    here = SharedClock.memory("here")
    seen: list[object] = []
    with httpx.Client(event_hooks={"request": [seen.append], "response": [seen.append]}) as client:
        lamport_clock.httpx.install(client, here, LOOPBACK).get(address)
    assert [type(one) for one in seen] == [httpx.Request, httpx.Response]

    class Counting(requests.adapters.HTTPAdapter):
        count = 0

        def send(self, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401
            self.count += 1
            return super().send(*args, **kwargs)

    counting = Counting()
    with requests.Session() as session:
        session.mount(address, counting)
        lamport_clock.requests.install(session, here, LOOPBACK)
        lamport_clock.requests.install(session, here, LOOPBACK)
        before = here.now()
        session.get(address, timeout=PATIENCE)
    assert counting.count == 1
    # One send and one receipt, although it was installed twice.
    assert here.now() <= before + 20
    assert isinstance(session.get_adapter(address), LamportAdapter)


def test_an_adapter_serves_one_address_alone(address: str, service: Service) -> None:
    with requests.Session() as session:
        session.mount(
            f"{address}/stamped", LamportAdapter(SharedClock.memory("here"), trust=LOOPBACK)
        )
        session.get(f"{address}/stamped", timeout=PATIENCE)
        session.get(f"{address}/plain", timeout=PATIENCE)
    assert [header is None for header in service.headers] == [False, True]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copied_session_goes_on(
    address: str, service: Service, copied: Callable[[Any], Any]
) -> None:
    here = SharedClock.memory("here")
    with lamport_clock.requests.install(requests.Session(), here, LOOPBACK) as session:
        for other in (copied(session), session):
            other.mount("http://later/", requests.adapters.HTTPAdapter())
            other.adapters = copied(other.adapters)
            other.mount("http://", copied(other.get_adapter("http://later/")))
            other.adapters = other.adapters.copy()
            before = here.tick()
            assert other.get(address, timeout=PATIENCE).ok
            stamp = Stamp.parse(service.headers[-1] or "")
            assert before < stamp and stamp.instance == here.instance


def test_a_pickled_session_waits_for_a_clock_of_its_process(address: str, service: Service) -> None:
    here = SharedClock.memory("here")
    session = lamport_clock.requests.install(requests.Session(), here, LOOPBACK)
    session.mount("http://", LamportAdapter(here, max_retries=7))
    other = pickle.loads(pickle.dumps(session))
    other.mount("http://later/", requests.adapters.HTTPAdapter())
    assert other.get_adapter("http://").max_retries.total == 7
    assert other.get(address, timeout=PATIENCE).ok
    there = SharedClock.memory("other")
    lamport_clock.requests.install(other, there)
    assert other.get(address, timeout=PATIENCE).ok
    assert all(adapter._clock._clock is there for adapter in other.adapters.values())
    assert [header and header.partition("@")[2][:5] for header in service.headers] == [
        None,
        "other",
    ]
    assert pickle.loads(pickle.dumps(session.get_adapter("http://"))).max_retries.total == 7


def test_attributes_are_those_of_the_adapter_that_sends(address: str, service: Service) -> None:
    session = lamport_clock.requests.install(requests.Session(), SharedClock.memory("here"))
    adapter: Any = session.get_adapter(address)
    adapter.max_retries = urllib3.Retry(total=5, status_forcelist=[503], backoff_factor=0)
    assert adapter.max_retries.total == 5
    assert session.get(f"{address}/busy", timeout=PATIENCE).status_code == 200
    assert adapter.poolmanager.connection_pool_kw is not None
    with pytest.raises(AttributeError, match="no_such"):
        adapter.no_such  # noqa: B018
    with pytest.raises(TypeError, match="give max_retries to the adapter"):
        LamportAdapter(SharedClock.memory("a"), requests.adapters.HTTPAdapter(), max_retries=1)


def test_an_adapter_that_is_mounted_later_stamps_too(address: str, service: Service) -> None:
    session = lamport_clock.requests.install(requests.Session(), SharedClock.memory("here"))
    session.mount(address, requests.adapters.HTTPAdapter())
    session.mount("http://", requests.adapters.HTTPAdapter())
    session.get(address, timeout=PATIENCE)
    assert service.headers[-1] is not None
    assert [*session.adapters] == sorted(session.adapters, key=len, reverse=True)


@each_client
def test_an_error_of_the_connection_is_told_as_ever(get: Get) -> None:
    with pytest.raises((httpx.ConnectError, requests.ConnectionError)):
        get("http://127.0.0.1:9", SharedClock.memory("here"))


@each_client
def test_a_clock_without_times_breaks_no_request(get: Get, address: str, service: Service) -> None:
    assert get(address, exhausted()).status_code == 200
    assert service.headers == [None]


@contextmanager
def answering(*headers: bytes) -> Iterator[str]:
    """A server that answers each request with these lines."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                if not connection.recv(65_536):
                    return
                lines = [b"HTTP/1.1 200 OK", b"content-length: 2", b"connection: close", *headers]
                connection.sendall(b"\r\n".join([*lines, b"", b"ok"]))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with socket.create_connection(listener.getsockname()):
            pass
        thread.join(PATIENCE)
        listener.close()


@each_client
def test_hostile_headers_of_a_response_break_nothing(get: Get) -> None:
    here = SharedClock.memory("here")
    for value in [*(value.encode() for value in HOSTILE), b"42@b\xfcro", b"\xff\xfe"]:
        before = here.now()
        with answering(b"lamport: " + value) as url:
            assert get(url, here).text == "ok"
        assert here.now() == before + 1
    both = (b"lamport: " + FAR_AHEAD.encode(), b"Lamport: 5000@honest", b"lamport: ;")
    with answering(*both) as url:
        get(url, here)
    assert here.now() == 5_001
