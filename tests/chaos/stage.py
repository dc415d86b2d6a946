"""The place where it all happens: three members, the homes of the clients, and an operator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import certificates
import namespaces
from certificates import Certificates
from members import Cluster, why_unfit
from network import Host, Wires

NODES = [("mx-nodel", "172.21.0.10"), ("mx-nodel2", "172.21.0.11"), ("mx-nodel3", "172.21.0.12")]
# One for the clients that prefer the member at the same index.
HOMES = [("home", "172.21.1.10"), ("home2", "172.21.1.11"), ("home3", "172.21.1.12")]
OPERATOR = ("operator", "172.21.2.10")
# The members' files grow in steps of 16 MB: full with the fifth. The clients' own history takes one
# or two between two cleanings.
SMALL_QUOTA = 72 * 1024 * 1024
# What start_etcd.sh gives them.
QUOTA = 2 * 1024 * 1024 * 1024


def why_not() -> str | None:
    """Why no stage can be made on this machine, or None when one can."""
    return namespaces.why_not() or why_unfit()


@dataclass(frozen=True)
class Stage:
    """Members that serve, and nobody yet who asks them."""

    wires: Wires
    cluster: Cluster
    homes: list[Host]
    operator: Host
    tls: Certificates | None


@contextlib.contextmanager
def opened(folder: Path, tls: bool, quota: int = QUOTA) -> Iterator[Stage]:
    """The stage while it stands; `folder` gets the members' logs."""
    with Wires() as wires:
        scratch = folder / "members"
        scratch.mkdir(parents=True)
        wires.open(scratch)
        hosts = [wires.host(*node) for node in NODES]
        homes = [wires.host(*home) for home in HOMES]
        operator = wires.host(*OPERATOR)
        shown = certificates.make(folder, [host.address for host in hosts]) if tls else None
        cluster = Cluster(wires, hosts, scratch, folder, quota, shown)
        cluster.start(operator)
        yield Stage(wires, cluster, homes, operator, shown)
