"""``scripts/start_etcd.sh`` with a real etcd, from its download to its second life."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from machine import (
    Machine,
)
from release import RealEtcd, architecture, make_release


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[RealEtcd, Path]:
    etcd = RealEtcd.find()
    base = tmp_path_factory.mktemp("mirror")
    make_release(base, etcd.version, architecture(), etcd.binaries)
    return etcd, base


def test_a_real_etcd_starts_stops_on_sigterm_and_rejoins(
    machine: Machine, real: tuple[RealEtcd, Path], tmp_path: Path
) -> None:
    etcd, mirror = real
    client, peer = free_port(), free_port()
    env = {
        **machine.env,
        "NODE_NAME": "solo",
        "LAMPORT_NODES": f"solo=127.0.0.1:{client}",
        "ETCD_VERSION": etcd.version,
        "ETCD_MIRROR": str(mirror),
    }
    # The loopback only: a test machine's other addresses are none of our business.
    local = [
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
    ]
    ctl = [str(machine.bin / "etcdctl"), f"--endpoints=http://127.0.0.1:{client}"]

    def life(name: str, *request: str) -> tuple[str, str]:
        """Starts it, asks it something, stops it with SIGTERM; what it and etcdctl wrote."""
        log = tmp_path / name
        with log.open("w") as out:
            shell = subprocess.Popen(
                machine.command(*local), env=env, stdout=out, stderr=subprocess.STDOUT
            )
        try:
            deadline = time.monotonic() + 30
            while "ready to serve client requests" not in log.read_text():
                assert shell.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            answer = subprocess.run(
                [*ctl, *request], capture_output=True, text=True, timeout=10, check=True
            )
            shell.terminate()
            shell.wait(10)
        finally:
            shell.kill()
            shell.wait(10)
        # etcd ends itself with the signal it was sent, after an orderly stop.
        assert shell.returncode in (0, -signal.SIGTERM)
        return log.read_text(), answer.stdout

    first, _ = life("first", "put", "/lamport_clock", '{"value": 7}')
    assert f"installed etcd {etcd.version}" in first
    assert "unrecognized environment variable" not in first
    assert "shadowed by corresponding" not in first
    second, kept = life("second", "get", "/lamport_clock", "--print-value-only")
    assert "rejoining" in second
    assert "already here" in second
    assert kept.strip() == '{"value": 7}'
