"""Every message that an integration receives is a cause of what comes after it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import lamport_clock.httpx
import lamport_clock.requests
import pytest
import requests
from fastapi import FastAPI
from lamport_clock import AsyncSharedClock, SharedClock, Stamp, _header, propagation
from lamport_clock.asgi import LamportMiddleware as Asgi
from lamport_clock.grpc import ClientInterceptor, ServerInterceptor
from lamport_clock.wsgi import LamportMiddleware as Wsgi
from servers import PATIENCE
from services import asgi, wsgi


class Messages:
    """Each message that arrived: its stamp, and that of its arrival."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arrived: list[tuple[str, Stamp]] = []
        theirs = _header.received

        def received(values: Any, clock: Any, peer: str | None = None) -> Stamp | None:  # noqa: ANN401
            [value] = values = list(values)
            arrival = theirs(values, clock, peer)
            text = value if isinstance(value, str) else value.decode()
            if arrival is not None:
                self.arrived.append((text, arrival))
            return arrival

        monkeypatch.setattr(_header, "received", received)

    def are_named_by(self, *clocks: SharedClock) -> None:
        named = []
        for clock in clocks:
            stamp, causes = clock.log()
            assert causes, f"nothing arrived at {stamp}"
            named += [(cause, stamp.process) for cause in causes]
        arrived = [(f"{sent};at={at.time}", at.process) for sent, at in self.arrived]
        assert sorted(named) == sorted(arrived)


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> Messages:
    return Messages(monkeypatch)


def test_a_request_and_its_answer_are_named(messages: Messages) -> None:
    server, web, client = (SharedClock.memory(name) for name in ("server", "web", "client"))

    application = FastAPI()
    application.add_api_route("/", lambda: None)

    def old(_environment: Any, start: Any) -> list[bytes]:  # noqa: ANN401
        start("200 OK", [("content-length", "0")])
        return [b""]

    session = lamport_clock.requests.install(requests.Session(), client, trust="everybody")
    with (
        asgi(Asgi(application, server, "everybody")) as new_address,
        wsgi(Wsgi(old, web, "everybody")) as old_address,
        session,
        httpx.Client() as other,
    ):
        lamport_clock.httpx.install(other, client, trust="everybody")
        session.get(f"http://{new_address}/", timeout=PATIENCE)
        other.get(f"http://{old_address}/", timeout=PATIENCE)
    messages.are_named_by(server, web, client)
    assert len(messages.arrived) == 4


def test_a_call_of_grpc_and_its_answer_are_named(messages: Messages) -> None:
    server, client = SharedClock.memory("server"), SharedClock.memory("client")
    method: grpc.RpcMethodHandler[bytes, bytes]
    method = grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")
    service = grpc.method_handlers_generic_handler("Kitchen", {"Order": method})
    with ThreadPoolExecutor(1) as threads:
        listening = grpc.server(threads, interceptors=[ServerInterceptor(server, "everybody")])
        listening.add_generic_rpc_handlers([service])
        port = listening.add_insecure_port("127.0.0.1:0")
        listening.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as plain:
            channel = grpc.intercept_channel(plain, ClientInterceptor(client, "everybody"))
            order: grpc.UnaryUnaryMultiCallable[bytes, bytes]
            order = channel.unary_unary("/Kitchen/Order")
            order(b"", timeout=PATIENCE)
        listening.stop(None).wait()
    messages.are_named_by(server, client)


def test_a_message_is_named_in_the_loop_and_in_the_environment(messages: Messages) -> None:
    sender, receiver = SharedClock.memory("sender"), SharedClock.memory("receiver")
    environment: dict[str, str] = {}
    propagation.inject_environment(environment, sender)
    propagation.extract_environment(environment, receiver)

    async def main() -> None:
        headers: dict[str, str] = {}
        propagation.inject(headers, AsyncSharedClock(sender))
        propagation.extract(headers, AsyncSharedClock(receiver))

    asyncio.run(main())
    messages.are_named_by(receiver)


def test_each_stamp_of_a_message_is_named() -> None:
    # A proxy that joins what two services sent.
    clock = SharedClock.memory("api")
    value = "7@shop;instance=00000000000000aa, 40@billing;instance=00000000000000bb"
    assert str(propagation.extract({"lamport": value}, clock)) == "41@api"
    _, causes = clock.log()
    assert [cause.partition(";")[0] for cause in causes] == ["7@shop", "40@billing"]
