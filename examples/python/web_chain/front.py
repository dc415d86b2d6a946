"""The front of a shop, with FastAPI. It asks billing for each order."""

from __future__ import annotations

import logging
import os
import socket

import httpx
import lamport_clock.httpx
import lamport_clock.logging
import uvicorn
from fastapi import FastAPI
from lamport_clock import SharedClock
from lamport_clock.asgi import LamportMiddleware

clock = SharedClock.memory("front")  # among many machines: SharedClock.open()
lamport_clock.logging.install(clock)
handler = logging.FileHandler(os.environ["LOG"])
handler.setFormatter(lamport_clock.logging.Formatter())
logging.basicConfig(handlers=[handler])
log = logging.getLogger("shop")
log.setLevel("INFO")

app = FastAPI()
app.add_middleware(LamportMiddleware, clock=clock, trust=["127.0.0.1"])
billing = httpx.Client(base_url=os.environ["BILLING"])
lamport_clock.httpx.install(billing, clock, trust=["127.0.0.1"])


@app.post("/orders/{item}")
def order(item: str) -> str:
    log.info("front: an order of %s", item)
    price = billing.post(f"/charges/{item}").text
    log.info("front: the %s costs %s", item, price)
    return f"{item} for {price}"


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None)).run(sockets=[listener])
