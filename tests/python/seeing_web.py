"""A service that does as a request says, and calls others on the way: test_seeing.py.

    seeing_web.py NAME FOLDER

It prints its port. A request is a list of such requests to others, each with its address:
[["http://127.0.0.1:1234", [...]], ...].
"""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import lamport_clock.httpx
import uvicorn
from fastapi import Body, FastAPI
from lamport_clock.asgi import Application, LamportMiddleware, Message, Receive, Scope, Send
from vectored import HEADER, Vectored

LOOPBACK = ["127.0.0.1"]
name, folder = sys.argv[1:]
clock = Vectored(name, folder)


class VectorMiddleware:
    """The vector clock in what LamportMiddleware, inside of it, receives and sends."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_vector(message: Message) -> None:
            if message["type"] == "http.response.start":
                pair = (HEADER.encode(), clock.left().encode())
                message = {**message, "headers": [*message["headers"], pair]}
            await send(message)

        for key, value in scope.get("headers", ()):
            if key == HEADER.encode():
                clock.arriving(value.decode())
        await self._app(scope, receive, with_vector if scope["type"] == "http" else send)


def leave(request: httpx.Request) -> None:
    request.headers[HEADER] = clock.left()


def arrive(response: httpx.Response) -> None:
    clock.arriving(response.headers[HEADER])


async def leave_soon(request: httpx.Request) -> None:
    leave(request)


async def arrive_soon(response: httpx.Response) -> None:
    arrive(response)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    clock.log_last()


# Each in a thread, which shares the clock of the process with the others, or each a task.
threads = lamport_clock.httpx.install(httpx.Client(timeout=30), clock, LOOPBACK)
threads.event_hooks["request"].append(leave)
threads.event_hooks["response"].insert(0, arrive)
tasks = lamport_clock.httpx.install(httpx.AsyncClient(timeout=30), clock, LOOPBACK)
tasks.event_hooks["request"].append(leave_soon)
tasks.event_hooks["response"].insert(0, arrive_soon)

app = FastAPI(lifespan=lifespan)
app.add_middleware(LamportMiddleware, clock=clock, trust=LOOPBACK)
app.add_middleware(VectorMiddleware)


@app.post("/threads")
def in_a_thread(calls: list[Any] = Body()) -> None:  # noqa: B008
    clock.log()
    for address, inner in calls:
        threads.post(address, json=inner).raise_for_status()
        clock.log()


@app.post("/tasks")
async def in_a_task(calls: list[Any] = Body()) -> None:  # noqa: B008
    clock.log()
    for address, inner in calls:
        (await tasks.post(address, json=inner)).raise_for_status()
        clock.log()


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_config=None)).run(sockets=[listener])
