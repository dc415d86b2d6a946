"""Three services in a chain, each with a log of its own, and their lines in one order.

    python examples/python/web_chain/shop.py

A customer (requests, here) asks the front (FastAPI, front.py), which asks billing (Flask,
billing.py). Every request and every response carries the clock, so in the order that is printed no
line stands before one that led to it, whatever the wall clocks of the machines say. Behind its
stamp each line names what it came after: the line before and the messages that arrived since. It
needs fastapi, flask, httpx, requests and uvicorn.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lamport_clock.logging
import lamport_clock.requests
import requests
from lamport_clock import SharedClock

HERE = Path(__file__).parent


def start(program: str, log: Path, **variables: str) -> tuple[subprocess.Popen[str], str]:
    """A service, and where it listens."""
    command = [sys.executable, str(HERE / program)]
    environment = {**os.environ, "LOG": str(log), **variables}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    return process, f"http://127.0.0.1:{process.stdout.readline().strip()}"


def main() -> None:
    clock = SharedClock.memory("customer")
    lamport_clock.logging.install(clock)
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder, f"{name}.log") for name in ("billing", "customer", "front")]
        handler = logging.FileHandler(logs[1])
        handler.setFormatter(lamport_clock.logging.Formatter())
        logging.basicConfig(handlers=[handler])
        log = logging.getLogger("shop")
        log.setLevel("INFO")

        billing, address = start("billing.py", logs[0])
        front, address = start("front.py", logs[2], BILLING=address)
        session = lamport_clock.requests.install(requests.Session(), clock, trust=["127.0.0.1"])

        def order(item: str) -> None:
            log.info("customer: a %s, please", item)
            answer = session.post(f"{address}/orders/{item}", timeout=30)
            log.info("customer: so %s", answer.json())

        try:
            with session, ThreadPoolExecutor() as customers:
                list(customers.map(order, ["teapot", "cup", "spoon"]))
        finally:
            for service in (front, billing):
                service.terminate()
                service.communicate()

        subprocess.run([sys.executable, "-m", "lamport_clock", "order", *logs], check=True)


if __name__ == "__main__":
    main()
