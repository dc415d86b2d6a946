"""Three real etcd members, each on a host of its own, with users and roles."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from certificates import Certificates
from namespaces import LabError, Program
from network import Host, Wires

ETCD = Path(os.environ.get("LAMPORT_ETCD") or shutil.which("etcd") or "etcd").absolute()
# Far longer than anything takes that works; only a failure waits this long.
PATIENCE = 60.0
CLIENTS = "2379"
ROOT = ("root", "root-of-the-lab")
USER = ("clock", "user-of-the-lab")
KEY = "/lamport_clock"
Found = TypeVar("Found")


def why_unfit() -> str | None:
    """Why no member of this etcd may be killed while it writes, or None."""
    said = subprocess.run([ETCD, "--version"], capture_output=True, text=True, timeout=20)
    found = re.search(r"etcd Version: (\d+)\.(\d+)\.(\d+)", said.stdout)
    if not found:
        return f"{ETCD} does not say which version it is: {said.stdout}{said.stderr}"
    version = tuple(map(int, found.groups()))
    if (3, 5, 0) <= version < (3, 5, 3):
        return (
            f"members of etcd {'.'.join(found.groups())} may differ after one was killed"
            " (etcd issue 13766): let CHAOS_ETCD name another etcd"
        )
    return None


class Member:
    """One etcd process. It can be killed, stopped and started again on the same data."""

    def __init__(self, wires: Wires, host: Host, command: list[str], log: Path) -> None:
        self.host = host
        self.log = log
        self._wires = wires
        self._command = command
        self._program: Program | None = None
        self._pid = 0

    @property
    def name(self) -> str:
        return self.host.name

    def start(self) -> None:
        self._program = self._wires.start(self.host, self._command, {}, self.log)
        self._pid = self._program.pid()

    def kill(self) -> None:
        """It dies without a word."""
        assert self._program is not None
        os.kill(self._pid, signal.SIGKILL)
        self._wires.forget(self._program)
        self._program = None

    def stop(self) -> None:
        """It falls silent, and keeps its connections."""
        os.kill(self._pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._program is not None
        self._program.send(signal.SIGCONT)

    def has_ended(self) -> bool:
        """Whether it is gone although nobody killed it."""
        return self._program is not None and self._program.process.poll() is not None


class Cluster:
    """The members, and what an operator says to them."""

    def __init__(
        self,
        wires: Wires,
        hosts: list[Host],
        scratch: Path,
        logs: Path,
        quota: int,
        tls: Certificates | None,
    ) -> None:
        self._tls = tls
        self._secured = False
        self._operator: Host = hosts[0]
        scheme = "https" if tls else "http"
        peers = ",".join(f"{host.name}=http://{host.address}:2380" for host in hosts)
        self.members = []
        for host in hosts:
            options = {
                "--name": host.name,
                "--data-dir": str(scratch / host.name),
                "--listen-client-urls": f"{scheme}://0.0.0.0:{CLIENTS}",
                "--advertise-client-urls": f"{scheme}://{host.address}:{CLIENTS}",
                "--listen-peer-urls": "http://0.0.0.0:2380",
                "--initial-advertise-peer-urls": f"http://{host.address}:2380",
                "--initial-cluster": peers,
                "--quota-backend-bytes": str(quota),
                "--log-level": "warn",
                "--log-outputs": "stdout",
                # A member that was away for long catches up from a snapshot, not from the log.
                "--snapshot-count": "2000",
                # Each file of the log takes 64 MB of the memory that the members write to.
                "--max-wals": "2",
                "--max-snapshots": "2",
            }
            if tls:
                options |= {"--cert-file": str(tls.certificate), "--key-file": str(tls.key)}
            words = [word for pair in options.items() for word in pair]
            log = logs / f"{host.name}.log"
            self.members.append(Member(wires, host, [str(ETCD), *words], log))

    def start(self, operator: Host) -> None:
        """Starts all; returns when each serves. The operator speaks from that host."""
        self._operator = operator
        for member in self.members:
            member.start()
        self.wait_until_well()

    def endpoint(self, member: Member) -> str:
        return f"{'https' if self._tls else 'http'}://{member.host.address}:{CLIENTS}"

    def ctl(self, words: str, member: Member, asked: bytes = b"", timeout: float = 10) -> str:
        """What `etcdctl` says of one member."""
        command = [str(ETCD.with_name("etcdctl")), "--endpoints", self.endpoint(member)]
        command += ["--command-timeout", f"{timeout}s", "--dial-timeout", "2s"]
        if self._tls:
            command += ["--cacert", str(self._tls.authority)]
        if self._secured:
            command += ["--user", ":".join(ROOT)]
        return self._operator.run([*command, *words.split()], {}, asked, timeout + 5)

    def secure(self) -> None:
        """From now on only the two users get in, and the clocks' has the role of SECURITY.md."""
        first = self.members[0]
        for words in (
            "role add root",
            f"user add {ROOT[0]}:{ROOT[1]}",
            "user grant-role root root",
            "role add clock",
            f"role grant-permission clock readwrite {KEY}",
            f"role grant-permission clock readwrite --prefix {KEY}/",
            f"role grant-permission clock read {KEY} {KEY}0",
            f"user add {USER[0]}:{USER[1]}",
            f"user grant-role {USER[0]} clock",
            "auth enable",
        ):
            self.ctl(words, first)
        self._secured = True

    def status(self, member: Member) -> dict[str, Any]:
        answer: list[dict[str, Any]] = json.loads(
            self.ctl("endpoint status -w json", member, timeout=2)
        )
        status: dict[str, Any] = answer[0]["Status"]
        return status

    def leader(self) -> Member:
        """The member that leads, as itself says."""

        def found() -> Member | None:
            for member in self.members:
                status = self.status(member)
                if status["leader"] == status["header"]["member_id"]:
                    return member
            return None

        return until(found, "no member leads")

    def followers(self) -> list[Member]:
        leader = self.leader()
        return [member for member in self.members if member is not leader]

    def wait_until_well(self) -> None:
        """Each member reads by consensus, so it sees the leader and the others see it."""

        def well(member: Member) -> Callable[[], str]:
            return lambda: self.ctl(f"get {KEY} --keys-only -w json", member, timeout=2)

        for member in self.members:
            until(well(member), f"{member.name} does not serve")

    def compact(self, revision: int) -> None:
        """Forgets what lies before this revision; that it is forgotten already is fine."""
        try:
            # Returns once it is done, so that a defragmentation finds the space.
            self.ctl(f"compact --physical {revision}", self.members[0], timeout=30)
        except LabError as error:
            if "required revision has been compacted" not in str(error):
                raise

    def defragment(self, member: Member) -> None:
        self.ctl("defrag", member, timeout=30)

    def clean(self, revision: int) -> None:
        """Compacts, and gives back the space: a file that only ever grows is full one day."""
        self.compact(revision)
        for member in self.members:
            self.defragment(member)


def until(look: Callable[[], Found | None], complaint: str) -> Found:
    """What `look` gives once it gives something; a LabError when it never does."""
    give_up = time.monotonic() + PATIENCE
    failure: LabError | None = None
    while time.monotonic() < give_up:
        try:
            found = look()
        except LabError as error:
            failure = error
        else:
            if found:
                return found
        time.sleep(0.1)
    raise LabError(f"{complaint} after {PATIENCE} s: {failure}")
