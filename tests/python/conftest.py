"""What all tests share. They run on the installed wheel: what users get, not the source tree."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import lamport_clock
import pytest
from lamport_clock import SharedClock
from loops import LOOPS, Loop
from servers import Etcd, Silence

REPOSITORY = Path(__file__).resolve().parents[2]


def pytest_configure() -> None:
    # A suite that a shell started in the background ignores Ctrl-C, and so would what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    home = Path(lamport_clock.__file__).resolve()
    if home.is_relative_to(REPOSITORY / "python"):
        pytest.exit(f"lamport_clock was imported from {home}: install the wheel and test that", 3)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says what depends on the machine, such as the Pythons that the wheel was tried on."""
    found: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("passed", []):
        for name, value in getattr(report, "user_properties", []):
            found.setdefault(name, []).append(str(value))
    for name, values in found.items():
        terminalreporter.line(f"{name}: {', '.join(values)}")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for variable in list(os.environ):
        if variable == "NODE_NAME" or variable.startswith("LAMPORT_"):
            monkeypatch.delenv(variable)
    # Nor does a proxy lie between a test and its own servers.
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")


@pytest.fixture
def silence() -> Iterator[Silence]:
    """A server that accepts connections and never answers."""
    with Silence() as silence:
        yield silence


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    """A single-member etcd for all tests; each has a key of its own. Leave it running."""
    with Etcd(tmp_path_factory.mktemp("etcd"), 1) as etcd:
        yield etcd


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A key that only this test uses."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return f"/{name}"


@pytest.fixture(params=["memory", "etcd"])
def store(request: pytest.FixtureRequest, key: str) -> str:
    """A store of each kind, with a record that only this test uses."""
    if request.param == "memory":
        return f"memory:{key[1:]}"
    etcd: Etcd = request.getfixturevalue("etcd")
    return etcd.uri(key)


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Loop:
    """An event loop of each kind."""
    return Loop(request.param)


@pytest.fixture(scope="session")
def full() -> SharedClock:
    """memory:full, which keeps as much as it ever will: for each update to come it forgets one."""
    clock = SharedClock.connect("memory:full", node="filler")
    for _ in range(10_001):
        clock.update()
    return clock
