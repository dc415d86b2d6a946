"""Servers to test against: a real etcd, and worse ones."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Longer than anything takes that works; only a failure waits this long.
PATIENCE = 30.0
# Its child dies with the pipe on stdin: a test that is killed leaves no server behind.
KEEPER = '"$@" & child=$!; echo "$child"; read -r _ || :; kill -KILL "$child"'


def etcd_binary() -> str:
    """The etcd that LAMPORT_ETCD names, else the one on PATH."""
    found = LAMPORT_ETCD or shutil.which("etcd")
    if not found or not shutil.which(found):
        raise RuntimeError(
            f"no etcd to test with: LAMPORT_ETCD is {LAMPORT_ETCD!r} and PATH has no etcd;"
            " set LAMPORT_ETCD to an etcd 3.5 binary"
        )
    return found


# Read before a fixture takes such variables away.
LAMPORT_ETCD = os.environ.get("LAMPORT_ETCD")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, below those that outgoing connections take."""
    ports: list[int] = []
    for port in random.sample(range(10_000, 30_000), 1_000):
        if len(ports) < count:
            with contextlib.suppress(OSError):
                socket.create_server(("127.0.0.1", port)).close()
                ports.append(port)
    assert len(ports) == count, "no free ports on 127.0.0.1"
    return ports


class Refusal:
    """An address at which connections are refused: bound, so nobody else takes it."""

    def __enter__(self) -> str:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_exception: object) -> None:
        self._socket.close()


class Silence:
    """A server that accepts connections and never answers."""

    def __enter__(self) -> Silence:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(PATIENCE)
        self._callers: list[socket.socket] = []
        return self

    @property
    def uri(self) -> str:
        return f"etcd://127.0.0.1:{self._server.getsockname()[1]}/silence"

    def wait_for_caller(self) -> None:
        """Returns once somebody has connected and said something."""
        caller, _ = self._server.accept()
        caller.settimeout(PATIENCE)
        self._callers.append(caller)
        assert caller.recv(1), "the caller hung up"

    def __exit__(self, *_exception: object) -> None:
        for one in [*self._callers, self._server]:
            one.close()


class Member:
    """One etcd process. It can be stopped, killed and started again on the same data."""

    def __init__(
        self, name: str, client: int, peer: int, folder: Path, tls: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.address = f"127.0.0.1:{client}"
        self._url = f"{'https' if tls else 'http'}://{self.address}"
        self._tls = tls
        self.peer = f"http://127.0.0.1:{peer}"
        self._folder = folder
        self._keeper: subprocess.Popen[str] | None = None
        self._pid = 0
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._log: list[str] = []

    def start(self, cluster: Sequence[Member]) -> None:
        """Starts it; wait_until_ready() tells when it serves."""
        command = {
            "--name": self.name,
            "--data-dir": str(self._folder / self.name),
            "--listen-client-urls": self._url,
            "--advertise-client-urls": self._url,
            "--listen-peer-urls": self.peer,
            "--initial-advertise-peer-urls": self.peer,
            "--initial-cluster": ",".join(f"{one.name}={one.peer}" for one in cluster),
            "--initial-cluster-token": str(self._folder),
            "--log-outputs": "stdout",
        }
        arguments = [word for pair in command.items() for word in pair] + [*self._tls]
        self._ready.clear()
        self._ended.clear()
        self._keeper = subprocess.Popen(
            ["sh", "-c", KEEPER, "sh", etcd_binary(), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A Ctrl-C at the terminal is for the tests.
            start_new_session=True,
        )
        assert self._keeper.stdout is not None
        self._pid = int(self._keeper.stdout.readline())
        threading.Thread(target=self._read, args=(self._keeper,), daemon=True).start()

    def _read(self, keeper: subprocess.Popen[str]) -> None:
        assert keeper.stdout is not None
        for line in keeper.stdout:
            self._log.append(line)
            if "ready to serve client requests" in line:
                self._ready.set()
        self._ended.set()
        self._ready.set()

    def wait_until_ready(self) -> None:
        ready = self._ready.wait(PATIENCE)
        if not ready or self._ended.is_set():
            raise RuntimeError(f"etcd {self.name} did not start:\n{''.join(self._log[-20:])}")

    def stop(self) -> None:
        """It falls silent, and keeps its connections."""
        os.kill(self._pid, signal.SIGSTOP)
        # Its threads stop one by one; until all have, it may answer.
        give_up = time.monotonic() + PATIENCE
        while self._states() != {"T"}:
            assert time.monotonic() < give_up, f"etcd {self.name} does not stop"
            time.sleep(0.001)

    def _states(self) -> set[str]:
        """What its threads are at, in the letters of proc(5)."""
        stats = Path(f"/proc/{self._pid}/task").glob("*/stat")
        # "pid (any name) state ...": the name may hold blanks and brackets.
        return {stat.read_text().rpartition(")")[2].split()[0] for stat in stats}

    def resume(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def kill(self) -> None:
        """It dies without a word. Also after it has died already."""
        if self._keeper is None:
            return
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(PATIENCE)
        assert self._ended.wait(PATIENCE), f"etcd {self.name} did not end"
        self._keeper = None


class Etcd:
    """A private etcd of some members on 127.0.0.1, as a context.

    With tls, arguments such as --cert-file=..., it serves clients over TLS and nobody else: put(),
    get() and their like speak without.
    """

    def __init__(self, folder: Path, size: int, tls: Sequence[str] = ()) -> None:
        ports = free_ports(2 * size)
        self.members = [
            Member(f"m{i}", ports[2 * i], ports[2 * i + 1], folder, tls) for i in range(size)
        ]

    def __enter__(self) -> Etcd:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.kill()

    def start(self) -> None:
        for member in self.members:
            member.start(self.members)
        for member in self.members:
            member.wait_until_ready()

    def kill(self) -> None:
        for member in self.members:
            member.kill()

    def uri(self, key: str) -> str:
        return f"etcd://{','.join(member.address for member in self.members)}{key}"

    def put(self, key: str | bytes, value: str | bytes) -> int:
        """Writes as any other client would; returns the revision."""
        answer = self._ask("kv/put", {"key": _base64(key), "value": _base64(value)})
        return _revision(answer)

    def get(self, key: str) -> str | None:
        answer = self._ask("kv/range", {"key": _base64(key)})
        found = answer.get("kvs")
        if not isinstance(found, list):
            return None
        return base64.b64decode(found[0].get("value", "")).decode()

    def everything(self) -> dict[bytes, tuple[bytes, int]]:
        """Every key, with its value and the revision of its last write."""
        whole: dict[str, object] = {"key": _base64(b"\0"), "range_end": _base64(b"\0")}
        found: Any = self._ask("kv/range", whole).get("kvs", [])
        decode = base64.b64decode
        return {
            decode(entry["key"]): (decode(entry.get("value", "")), int(entry["mod_revision"]))
            for entry in found
        }

    def delete(self, key: str | bytes) -> int:
        return _revision(self._ask("kv/deleterange", {"key": _base64(key)}))

    def compact(self, revision: int) -> None:
        """Forgets what lies before this revision."""
        self._ask("kv/compaction", {"revision": str(revision), "physical": True})

    def _ask(self, path: str, question: dict[str, object]) -> dict[str, object]:
        # No proxy of the machine's environment lies between us.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        address = f"http://{self.members[0].address}/v3/{path}"
        try:
            with opener.open(address, json.dumps(question).encode(), PATIENCE) as answer:
                result: dict[str, object] = json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path} {question}: {error.read().decode()}") from error
        return result


class Relay:
    """A way to a member of etcd that falls silent when it is told to."""

    def __init__(self, etcd: Etcd) -> None:
        host, port = etcd.members[0].address.split(":")
        self._member = (host, int(port))
        self._left = sys.maxsize
        self._lock = threading.Lock()

    def __enter__(self) -> Relay:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._ends = [self._server]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def uri(self, key: str) -> str:
        return f"etcd://127.0.0.1:{self._server.getsockname()[1]}{key}"

    def fall_silent_after(self, count: int) -> None:
        """From now on it passes on so many bytes of answers, and then none."""
        with self._lock:
            self._left = count

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._server.accept()
                member = socket.create_connection(self._member)
                self._ends += [caller, member]
                for ends in (caller, member, False), (member, caller, True):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while said := source.recv(65_536):
                if is_answer:
                    with self._lock:
                        said = said[: self._left]
                        self._left -= len(said)
                target.sendall(said)
            target.shutdown(socket.SHUT_WR)

    def __exit__(self, *_exception: object) -> None:
        for end in self._ends:
            # Wakes the thread that waits for it, which closing alone does not.
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _base64(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return base64.b64encode(raw).decode()


def _revision(answer: dict[str, object]) -> int:
    header = answer["header"]
    assert isinstance(header, dict)
    return int(header["revision"])
