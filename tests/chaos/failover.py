"""The worst stall that one fault of one member costs, for each fault, in the clear and with TLS.

usage: failover.py [--runs N] [--report FILE]

A stall is the longest time between two acknowledged updates of one client, from the fault to its
recovery. etcd has its default heartbeat (100 ms) and election timeout (1000 ms). Prints a table.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import stage
from campaign import programs
from clients import Client, Crowd, Settings, Workshop
from members import Member
from namespaces import LabError
from nemesis import killed, stopped
from records import calls_of, longest_gap
from report import SECOND
from stage import Stage

# The library's default deadline, and hardly a rest: a stall is seen to some milliseconds.
SETTINGS = Settings(timeout=5.0, rest=5)
# A fault lasts so long at least, so that it is there when an election is over.
HOLD = 2.5


@contextlib.contextmanager
def black_hole(place: Stage, member: Member) -> Iterator[str]:
    with place.wires.unplugged(member.host):
        yield member.name


def kill(place: Stage, member: Member) -> AbstractContextManager[str]:
    return killed(member)


def stop(place: Stage, member: Member) -> AbstractContextManager[str]:
    return stopped(member)


@dataclass(frozen=True)
class Kind:
    """One fault, and whom it hits."""

    title: str
    fault: Callable[[Stage, Member], AbstractContextManager[str]]
    leader: bool


KINDS = [
    Kind(f"{title} {'the leader' if leader else 'a follower'}", fault, leader)
    for title, fault in (("kill", kill), ("SIGSTOP", stop), ("black hole", black_hole))
    for leader in (False, True)
]


@dataclass(frozen=True)
class Stall:
    """The worst stalls of one run, in milliseconds."""

    transport: str
    kind: str
    # Of the client that prefers the member that was hit, and the worst of the others.
    own: float
    others: float


def run(place: Stage, kind: Kind, crowd: Crowd) -> tuple[int, int, int]:
    """One fault: whose it was, and the moments between which it was felt."""
    cluster = place.cluster
    cluster.wait_until_well()
    # A new client is with the member that it prefers; one that was driven away returns in a while.
    for client in crowd.clients:
        client.kill()
        client.start()
    crowd.wait_for_update(time.monotonic_ns(), everyone=True)
    leader = cluster.leader()
    index = cluster.members.index(leader)
    if not kind.leader:
        index = (index + 1) % len(cluster.members)
    began = time.monotonic_ns()
    with kind.fault(place, cluster.members[index]):
        time.sleep(HOLD)
        crowd.wait_for_update(time.monotonic_ns(), everyone=True)
    cluster.wait_until_well()
    ended = crowd.wait_for_update(time.monotonic_ns(), everyone=True)
    return index, began, ended


def stalls(transport: str, runs: int, folder: Path) -> list[Stall]:
    """All faults, each so often, on one stage."""
    felt: list[tuple[Kind, int, int, int]] = []
    with stage.opened(folder, tls=transport == "TLS") as place:
        workshop = Workshop(place, programs(), SETTINGS, folder, None)
        crowd = Crowd([workshop.python(index) for index in range(3)])
        crowd.start()
        for number in range(runs):
            for kind in KINDS:
                felt.append((kind, *run(place, kind, crowd)))
                print(f"{transport}, run {number + 1}: {kind.title}", file=sys.stderr, flush=True)
        crowd.end()
    acknowledged = [answers(client) for client in crowd.clients]
    found = []
    for kind, index, began, ended in felt:
        gaps = [longest_gap(moments, began, ended) / SECOND * 1e3 for moments in acknowledged]
        found.append(Stall(transport, kind.title, gaps.pop(index), max(gaps)))
    return found


def answers(client: Client) -> list[int]:
    """When each acknowledged update of a client returned."""
    calls = calls_of(client.record)
    return [call.returned for call in calls if call.is_acknowledged and call.returned is not None]


def table(found: Sequence[Stall]) -> str:
    """As Markdown: the median and the worst of each."""
    lines = [
        "| fault | transport | runs | its own client, median / worst | other clients |",
        "|---|---|---:|---:|---:|",
    ]
    for kind in KINDS:
        for transport in dict.fromkeys(one.transport for one in found):
            rows = [one for one in found if (one.kind, one.transport) == (kind.title, transport)]
            own, others = [one.own for one in rows], [one.others for one in rows]
            lines.append(
                f"| {kind.title} | {transport} | {len(rows)} | {both(own)} | {both(others)} |"
            )
    return "\n".join(lines)


def both(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f} / {max(values):.0f} ms"


def main() -> int:
    words = argparse.ArgumentParser(description="The worst stall for each fault.")
    words.add_argument("--runs", type=int, default=10, help="how often each fault comes")
    words.add_argument("--report", type=Path, help="each run's figures as JSON, into this file")
    given = words.parse_args()
    reason = stage.why_not()
    if reason:
        sys.exit(f"no real faults can be made here: {reason}")
    folder = Path(tempfile.mkdtemp(prefix="lamport-failover-"))
    found: list[Stall] = []
    try:
        for transport in ("plain", "TLS"):
            found += stalls(transport, given.runs, folder / transport)
    except LabError as error:
        sys.exit(f"{error}\nlogs are in {folder}")
    print(table(found))
    if given.report:
        given.report.write_text(json.dumps([vars(one) for one in found], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
