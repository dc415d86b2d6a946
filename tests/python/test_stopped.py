"""A process that is stopped in the midst of a call, and continued after the call's deadline."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lamport_clock import SharedClock
from programs import Program
from servers import PATIENCE, Etcd

PROGRAM = """
import sys
from lamport_clock import LamportError, SharedClock

clock = SharedClock.connect(sys.argv[1], "stopped", timeout=0.5)
print(clock.update().value, flush=True)
for line in sys.stdin:
    print("calls", flush=True)
    try:
        print(clock.update().value, flush=True)
    except LamportError as error:
        print(error.kind, flush=True)
"""


class Relay:
    """Passes connections on to a server; what is said one way may be held back."""

    def __init__(self, server: str) -> None:
        host, port = server.split(":")
        self._server = (host, int(port))
        self._listens = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listens.getsockname()[1]}"
        self._may_pass = {way: threading.Event() for way in ("questions", "answers")}
        for passes in self._may_pass.values():
            passes.set()
        self.holds = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self, way: str) -> None:
        self.holds.clear()
        self._may_pass[way].clear()

    def let_go(self) -> None:
        for passes in self._may_pass.values():
            passes.set()

    def close(self) -> None:
        self.let_go()
        self._listens.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listens.accept()
                server = socket.create_connection(self._server)
                for way, ends in (("questions", (caller, server)), ("answers", (server, caller))):
                    threading.Thread(target=self._pass, args=(way, *ends), daemon=True).start()

    def _pass(self, way: str, said: socket.socket, heard: socket.socket) -> None:
        with contextlib.suppress(OSError), said, heard:
            while text := said.recv(1 << 16):
                if not self._may_pass[way].is_set():
                    self.holds.set()
                    self._may_pass[way].wait(PATIENCE)
                heard.sendall(text)


@pytest.fixture
def relay(etcd: Etcd) -> Iterator[Relay]:
    relay = Relay(etcd.uri("/").removeprefix("etcd://").split("/")[0])
    yield relay
    relay.close()


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    give_up = time.monotonic() + PATIENCE
    tasks = Path(f"/proc/{pid}/task")
    while {stat.read_text().rpartition(")")[2].split()[0] for stat in tasks.glob("*/stat")} != {
        "T"
    }:
        assert time.monotonic() < give_up
        time.sleep(0.001)


@pytest.mark.parametrize("meanwhile", [True, False], ids=["passed on meanwhile", "held all along"])
@pytest.mark.parametrize("way", ["questions", "answers"])
def test_an_answer_or_an_error_and_no_value_twice(
    etcd: Etcd, relay: Relay, key: str, way: str, meanwhile: bool
) -> None:
    other = SharedClock.connect(etcd.uri(key), "other")
    store = f"etcd://{relay.address}{key}"
    with Program("-c", PROGRAM, store) as program:
        values = [int(program.next_line())]
        # Its fold is done with: what is held then is the call's.
        while (newest := other.read()) is None or newest.value != values[0]:
            pass
        relay.hold(way)
        program.say("update")
        program.wait_for("calls")
        assert relay.holds.wait(PATIENCE)
        stop(program.process.pid)
        values.append(other.update().value)
        # Its deadline passes meanwhile, by the clock that deadlines use.
        passed = time.monotonic() + 0.5
        while time.monotonic() < passed:
            values.append(other.update().value)
        if meanwhile:
            relay.let_go()
            values.append(other.update().value)
        os.kill(program.process.pid, signal.SIGCONT)
        outcome = program.next_line()
        relay.let_go()
        if outcome.isdigit():
            values.append(int(outcome))
        else:
            assert outcome == "timeout"
        program.say("update")
        program.wait_for("calls")
        after = program.next_line()
        assert after.isdigit() and int(after) > max(values)
        assert len({*values, int(after)}) == len(values) + 1
    other.close()
