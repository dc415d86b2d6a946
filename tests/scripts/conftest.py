"""A bare machine, and a release server for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import Machine, Server


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
