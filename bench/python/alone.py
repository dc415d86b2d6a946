"""One update from Python with nobody else about, and the deployed script's loop beside it.

`alone.py STORE MEMBER`; asked for a number of calls on a line, it answers with the milliseconds of
each. The script's client, python-etcd3, does not import with a current protobuf; cslab-etcd3 is the
same code with its generated part made anew.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import etcd3
from lamport_clock import SharedClock

KEY = "/bench/deployed"
NODE = "bench-node"


class Deployed:
    """Reads the record and writes it, in two steps, as the deployed script does."""

    def __init__(self, member: str) -> None:
        host, port = member.rsplit(":", 1)
        self.client = etcd3.client(host=host, port=int(port))
        self.local = 0

    def update(self) -> int:
        self.local += 1
        value, _ = self.client.get(KEY)
        shared = int(json.loads(value)["value"]) if value else 0
        new = max(self.local, shared) + 1
        record = {"value": new, "process_id": NODE, "real_timestamp": time.time()}
        self.client.put(KEY, json.dumps(record))
        self.local = new
        return new


def milliseconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1e3


def main() -> None:
    store, member = sys.argv[1:]
    deployed = Deployed(member)
    with SharedClock.connect(store, node=NODE) as clock:
        for line in sys.stdin:
            results: dict[str, list[float]] = {"update": [], "deployed": []}
            for _ in range(int(line)):
                results["update"].append(milliseconds(clock.update))
                results["deployed"].append(milliseconds(deployed.update))
            print(json.dumps(results), flush=True)


if __name__ == "__main__":
    main()
