"""Logs of systems that never ran: what they say is known, so what a page must show is, too."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

BEGIN = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)


@dataclass
class Process:
    """One process: its clock, what arrived since its last line, and how wrong its wall clock is."""

    name: str
    skew: int
    time: int = 0
    last: int = 0
    run: int = 1
    arrived: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


class System:
    """Some processes that send each other messages; their wall clocks are wrong by microseconds."""

    def __init__(self, skews: dict[str, int], seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.micros = 0
        self.clock = 0
        self.processes = [Process(name, skew) for name, skew in skews.items()]

    def log(self, process: Process, message: str, **members: object) -> str:
        """Writes a line; returns its stamp."""
        process.time += 1
        instance = f"{random.Random(f'{process.name} {process.run}').getrandbits(64) | 1:016x}"
        causes = list(process.arrived)
        if process.last:
            causes.insert(0, f"{process.last}@{process.name};instance={instance}")
        wall = BEGIN + timedelta(microseconds=self.micros + process.skew)
        record = {
            "time": wall.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "level": "info",
            "message": message,
            "lamport": f"{process.time}@{process.name}",
            "lamport_instance": instance,
            "lamport_after": causes,
            **members,
        }
        process.lines.append(json.dumps(record, ensure_ascii=False))
        process.arrived.clear()
        process.last = process.time
        self.micros += self.random.randrange(200, 900)
        return f"{process.time}@{process.name};instance={instance}"

    def deliver(self, stamp: str, receiver: Process) -> None:
        """A message arrives; the receiver's next line tells of it."""
        receiver.time = max(receiver.time, int(stamp.partition("@")[0]))
        receiver.arrived.append(stamp)

    def send(self, sender: Process, receiver: Process, sent: str, got: str) -> None:
        """A message with a line where it leaves and one where it arrives."""
        self.deliver(self.log(sender, sent), receiver)
        self.log(receiver, got)

    def update(self, process: Process, message: str) -> None:
        """Takes a time from the shared clock."""
        process.time = max(process.time, self.clock)
        self.log(process, message, lamport_kind="update")
        self.clock = process.time

    def restart(self, process: Process) -> None:
        """Another run begins, which knows nothing of the last one."""
        process.run += 1
        process.last = 0
        process.arrived.clear()

    def write(self, folder: Path) -> list[Path]:
        """A file for each process."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for process in self.processes:
            paths.append(folder / f"{process.name}.log")
            paths[-1].write_text("\n".join(process.lines) + "\n")
        return paths


def tea() -> System:
    """Ten lines of three processes: billing's wall clock is behind."""
    system = System({"api": 0, "billing": -6_900, "db": 300})
    api, billing, db = system.processes
    system.log(api, "GET /tea from a browser")
    system.send(api, billing, "asks billing for 3 pounds", "is asked for 3 pounds")
    system.send(billing, db, "books 3 pounds", "writes the booking")
    system.log(db, "the disk is almost full", level="warn")
    system.send(billing, api, "charged 3 pounds", "pours tea")
    system.log(api, "200 OK in 4 ms")
    return system


def busy(processes: int, lines: int, seed: int = 1, skew: int = 4_000) -> System:
    """Many messages between many processes, the shared clock, warnings, tracebacks and restarts."""
    chance = random.Random(seed)
    kinds = ["api", "billing", "db", "cache", "mail"]
    names = [
        f"{kinds[i % 5]}-{i // 5 + 1}" if processes > 5 else kinds[i] for i in range(processes)
    ]
    system = System({name: chance.randrange(-skew, skew) for name in names}, seed)
    words = ["charged", "asked for", "cached", "lost", "wrote", "retried", "sent", "refused"]
    under_way: list[tuple[str, Process]] = []
    for number in range(lines):
        draw, process = chance.random(), chance.choice(system.processes)
        if draw < 0.4 and under_way:
            stamp, receiver = under_way.pop(0)
            system.deliver(stamp, receiver)
            system.log(receiver, f"got order {number}")
        elif draw < 0.75:
            receiver = chance.choice(system.processes)
            text = f"{chance.choice(words)} order {number} in {chance.randrange(9999)} µs"
            stamp = system.log(process, text)
            if receiver is not process:
                under_way.append((stamp, receiver))
        elif draw < 0.79:
            system.update(process, f"took its turn as {number}")
        elif draw < 0.792:
            system.restart(process)
            system.log(process, "started")
        elif draw < 0.83:
            system.log(process, f"order {number} took too long", level="warn")
        elif draw < 0.84:
            system.log(process, f"order {number} failed", level="error")
            process.lines.append(f'  File "pay.py", line {number}, in pay')
        else:
            system.log(process, f"{chance.choice(words)} order {number}")
    return system
