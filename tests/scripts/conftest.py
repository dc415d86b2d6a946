"""A bare machine, and a release server for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
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
    server.close()


@pytest.fixture
def secure_server(machine: Machine, tmp_path: Path) -> Iterator[Server]:
    """The same over TLS, by an authority that curl and wget are told to trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "wgetrc").write_text(f"ca_certificate = {tmp_path}/ca.pem\n")
    machine.env["CURL_CA_BUNDLE"] = f"{tmp_path}/ca.pem"
    machine.env["WGETRC"] = f"{tmp_path}/wgetrc"
    server = Server(machine.mirror, authority)
    machine.env["ETCD_MIRROR"] = server.url
    yield server
    server.close()
