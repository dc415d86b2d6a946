"""A private etcd member for a test."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import threading
import urllib.request
from pathlib import Path
from types import TracebackType

START = 60
"""Seconds that a member may take to serve, on a busy machine."""


class Etcd:
    """One member on loopback, from entering the context to leaving it."""

    def __init__(self, folder: Path) -> None:
        binary = os.environ.get("LAMPORT_ETCD")
        assert binary, "LAMPORT_ETCD must name an etcd binary: these tests need a real store"
        assert Path(binary).is_file(), f"LAMPORT_ETCD is {binary}: there is no such file"
        self.binary = binary
        self.folder = folder
        self.port = 0

    def __enter__(self) -> Etcd:
        # Between looking for a free port and taking it, somebody else may take it.
        for attempt in range(5):
            if self._start(self.folder / str(attempt)):
                return self
            self.kill()
        raise AssertionError("etcd did not start:\n" + "".join(self.log))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def store(self, name: str) -> str:
        """The URI of a record of its own."""
        return f"etcd://127.0.0.1:{self.port}/{name}"

    def pause(self) -> None:
        """From now on it accepts connections, and never answers."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It answers again."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it at once, paused or not."""
        self.process.kill()
        self.process.wait(START)
        self.reader.join(START)

    def put(self, key: str, value: str) -> None:
        """Writes as a program that does not follow the rule would."""
        self._call("put", {"key": encoded(key), "value": encoded(value)})

    def get(self, key: str) -> str:
        """What lies under a key."""
        entry = self._call("range", {"key": encoded(key)})["kvs"][0]
        return base64.b64decode(entry["value"]).decode()

    def _start(self, folder: Path) -> bool:
        self.port, peers = free_ports(2)
        client, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{peers}"
        arguments = {
            "name": "test",
            "data-dir": str(folder),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"test={peer}",
            "log-outputs": "stderr",
        }
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [self.binary, *(f"--{name}={value}" for name, value in arguments.items())],
            stderr=subprocess.PIPE,
            text=True,
        )
        heard = threading.Event()
        self.serves = False
        self.reader = threading.Thread(target=self._listen, args=(heard,), daemon=True)
        self.reader.start()
        return heard.wait(START) and self.serves

    def _listen(self, heard: threading.Event) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.log.append(line)
                if "ready to serve client requests" in line:
                    self.serves = True
                    heard.set()
        heard.set()

    def _call(self, method: str, body: dict[str, str]) -> dict[str, list[dict[str, str]]]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v3/kv/{method}", json.dumps(body).encode()
        )
        # Not through a proxy that the environment may name.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=START) as reply:
            answer: dict[str, list[dict[str, str]]] = json.load(reply)
        return answer


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on at present, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def encoded(text: str) -> str:
    """As etcd's JSON gateway wants keys and values."""
    return base64.b64encode(text.encode()).decode()
