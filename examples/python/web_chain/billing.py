"""The billing of a shop, with Flask."""

from __future__ import annotations

import logging
import os

import lamport_clock.logging
from flask import Flask
from lamport_clock import SharedClock
from lamport_clock.wsgi import LamportMiddleware
from werkzeug.serving import make_server

clock = SharedClock.memory("billing")  # among many machines: SharedClock.open()
lamport_clock.logging.install(clock)
handler = logging.FileHandler(os.environ["LOG"])
handler.setFormatter(lamport_clock.logging.Formatter())
logging.basicConfig(handlers=[handler])
log = logging.getLogger("shop")
log.setLevel("INFO")
logging.getLogger("werkzeug").setLevel("WARNING")

app = Flask(__name__)
app.wsgi_app = LamportMiddleware(app.wsgi_app, clock, ["127.0.0.1"])  # type: ignore[method-assign]


@app.post("/charges/<item>")
def charge(item: str) -> str:
    price = f"{len(item)} pounds"
    log.info("billing: %s for the %s", price, item)
    return price


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()
