"""A bare machine, and a release server for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import Machine, Server


def pytest_configure() -> None:
    # A suite that runs in the background or under nohup ignores these, and so would the script.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def server(machine: Machine) -> Iterator[Server]:
    server = Server(machine.mirror)
    machine.env["ETCD_MIRROR"] = server.url
    yield server
    if server.stall:
        server.stall.set()
    server.http.shutdown()
    server.http.server_close()
