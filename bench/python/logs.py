"""Logs of services that send each other messages, as lamport_clock.logging writes them.

Each service has a wall clock of its own, which is off by what is said. A line is written for each
event, in the order in which they happen; what was sent arrives some milliseconds later.
"""

from __future__ import annotations

import json
import random
import sys
from collections import deque
from datetime import datetime, timedelta, timezone
from pathlib import Path

START = datetime(2026, 11, 29, tzinfo=timezone.utc)
NAMES = ["api", "billing", "shop"]
OFF_MS = [0.0, 4.0, -6.0]


def write(folder: Path, lines: int, seed: int = 1, names: list[str] = NAMES) -> list[Path]:
    """Writes `lines` lines in all into one file a service. Half of the lines tell of an arrival."""
    chance = random.Random(seed)
    count = len(names)
    instances = [f"{chance.getrandbits(64) | 1:016x}" for _ in names]
    clocks = [0] * count
    last: list[str | None] = [None] * count
    inbox: list[deque[tuple[int, str, float]]] = [deque() for _ in names]
    paths = [folder / f"{name}.log" for name in names]
    files = [path.open("w", encoding="ascii") for path in paths]
    now = 0.0
    for number in range(lines):
        at = chance.randrange(count)
        now += chance.random() * 2.0
        before = last[at]
        after = [] if before is None else [before]
        if inbox[at] and inbox[at][0][2] <= now:
            sender, stamp, _ = inbox[at].popleft()
            clocks[at] = max(clocks[at], sender) + 1
            after.append(f"{stamp};at={clocks[at]}")
            message = "received"
        else:
            message = "worked on it"
        clocks[at] += 1
        stamp = f"{clocks[at]}@{names[at]}"
        long = last[at] = f"{stamp};instance={instances[at]}"
        wall = START + timedelta(milliseconds=now + OFF_MS[at % len(OFF_MS)])
        line = {
            "lamport": stamp,
            "lamport_time": clocks[at],
            "lamport_process": names[at],
            "lamport_instance": instances[at],
            "lamport_after": after,
            "timestamp": wall.isoformat(timespec="microseconds"),
            "level": "INFO",
            "logger": names[at],
            "message": f"{message} {number}",
        }
        files[at].write(json.dumps(line) + "\n")
        if message != "received":
            to = chance.randrange(count - 1)
            to += to >= at
            inbox[to].append((clocks[at], long, now + chance.random() * 3.0))
    for file in files:
        file.close()
    return paths


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    write(target, int(sys.argv[2]))
