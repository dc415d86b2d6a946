"""The library under test, and stores for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from library import LIMIT, ROOT, Library, Session
from servers import Etcd


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = Path(os.environ.get("LAMPORT_C_LIBRARY", ROOT / "build/c"))
    return Library(folder, tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with Etcd(tmp_path_factory.mktemp("etcd"), 1) as etcd:
        yield etcd


@pytest.fixture
def own_etcd(tmp_path: Path) -> Iterator[Etcd]:
    """One that the test may stop."""
    with Etcd(tmp_path, 1) as etcd:
        yield etcd


@pytest.fixture
def session(library: Library) -> Iterator[Callable[[], Session]]:
    sessions: list[Session] = []

    def start() -> Session:
        session = Session(library)
        # A program that hangs must fail the test and not hang it.
        watchdog = threading.Timer(LIMIT, session.process.kill)
        watchdog.daemon = True
        watchdog.start()
        sessions.append(session)
        watchdogs.append(watchdog)
        return session

    watchdogs: list[threading.Timer] = []
    yield start
    for watchdog in watchdogs:
        watchdog.cancel()
    for each in sessions:
        each.kill()
