"""A legacy writer: it reads the record and writes it back in two steps.

usage: legacy_writer.py ENDPOINT CA USER:PASSWORD PROCESS RECORD REST_MS

Two of them that read the same record give the same time twice. It records its calls as the clocks
do, with an instance, so a checker that is worth its name says so.
"""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import ssl
import sys
import time
import urllib.request
from typing import Any

KEY = base64.b64encode(b"/lamport_clock").decode()


class Gateway:
    """etcd over its JSON gateway."""

    def __init__(self, endpoint: str, authority: str, user: str) -> None:
        self._endpoint = endpoint
        self._tls = ssl.create_default_context(cafile=authority)
        self._token = ""
        name, _, password = user.partition(":")
        self._token = self.ask("auth/authenticate", {"name": name, "password": password})["token"]

    def ask(self, path: str, question: dict[str, str]) -> dict[str, Any]:
        headers = {"Authorization": self._token} if self._token else {}
        asked = urllib.request.Request(
            f"{self._endpoint}/v3/{path}", json.dumps(question).encode(), headers
        )
        with urllib.request.urlopen(asked, timeout=5, context=self._tls) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


def main() -> None:
    endpoint, authority, user, process, path, rest = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    etcd = Gateway(endpoint, authority, user)
    instance = f"{random.getrandbits(64):016x}"
    local = 0
    with open(path, "a", buffering=1) as record:
        while True:
            called = time.monotonic_ns()
            found = etcd.ask("kv/range", {"key": KEY}).get("kvs")
            value = json.loads(base64.b64decode(found[0]["value"]))["value"] if found else 0
            local = max(local + 1, value) + 1
            text = json.dumps(
                {"value": local, "process_id": process, "real_timestamp": time.time()}
            )
            etcd.ask("kv/put", {"key": KEY, "value": base64.b64encode(text.encode()).decode()})
            line = {
                "process": process,
                "instance": instance,
                "operation": "update",
                "called": called,
                "returned": time.monotonic_ns(),
                "outcome": "ok",
                "first": local,
                "value": local,
            }
            record.write(json.dumps(line) + os.linesep)
            time.sleep(random.uniform(0.5, 1.5) * float(rest) / 1e3)


if __name__ == "__main__":
    main()
