"""The deployment, for real: three containers, three etcd members, three clocks, one order.

Each container runs `scripts/start_etcd.sh`, installing from a local mirror, and
`python -m logical_count`, with nothing set but NODE_NAME. LAMPORT_ETCD names the etcd
(else PATH), LAMPORT_PYTHON the Python that has the project's wheel (else this one).
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import history
import pytest
from history import INTERVAL, Reading, complaints, is_update, names_endpoint
from lab import MOUNTED, Container, Lab
from namespaces import Line, Program, why_not
from release import RealEtcd, architecture, make_release

REPOSITORY = Path(__file__).resolve().parents[2]
NODES = [("mx-nodel", "172.21.0.10"), ("mx-nodel2", "172.21.0.11"), ("mx-nodel3", "172.21.0.12")]
PYTHON = os.environ.get("LAMPORT_PYTHON") or sys.executable
LAMPORT = str(Path(PYTHON).with_name("lamport"))
# In a container's own /tmp.
RECORD = "/tmp/calls"
# Long enough for an election and a busy machine; only a failure waits this long.
PATIENCE = 30.0


class Cluster:
    """The lab with etcd in it, as one container after the other was started."""

    def __init__(self, lab: Lab, version: str, outside_before: dict[str, list[str]]) -> None:
        self.lab = lab
        self.version = version
        self.outside_before = outside_before
        self.etcd: dict[str, Program] = {}

    @property
    def containers(self) -> list[Container]:
        return list(self.lab.containers.values())

    def launch(self, container: Container) -> Program:
        """Runs the start script; it is not ready yet. It installs what is not there yet."""
        program = container.start(
            "etcd",
            *("sh", f"{MOUNTED}/scripts/start_etcd.sh"),
            ETCD_VERSION=self.version,
            ETCD_MIRROR=f"{MOUNTED}/mirror",
        )
        self.etcd[container.name] = program
        return program

    def healthy(self, container: Container) -> None:
        """Waits until this member serves, and says by a consensus round that it is well."""
        self.etcd[container.name].wait_for(serving, PATIENCE)
        answer = container.run("etcdctl", "endpoint", "health", "-w", "json", timeout=PATIENCE)
        assert json.loads(answer)[0]["health"] is True, answer

    def leader(self) -> Container:
        """The container whose member leads, as each of the members says."""
        for container in self.containers:
            answer = container.run("etcdctl", "endpoint", "status", "-w", "json")
            status = json.loads(answer)[0]["Status"]
            if status["leader"] == status["header"]["member_id"]:
                return container
        raise AssertionError("no member leads")

    def record(self, container: Container) -> tuple[dict[str, Any], Reading]:
        """The shared record, by a linearizable read through this container's member."""
        asked = time.monotonic()
        answer = container.run("etcdctl", "get", "/lamport_clock", "--print-value-only")
        record = json.loads(answer)
        return record, Reading(record["value"], asked, time.monotonic())

    def runs(self, container: Container) -> str:
        """The version that this member says it is."""
        answer = container.run("etcdctl", "endpoint", "status", "-w", "json")
        version: str = json.loads(answer)[0]["Status"]["version"]
        return version

    def kill(self, container: Container) -> None:
        """The member dies without a word."""
        etcd = self.etcd[container.name]
        etcd.send(signal.SIGKILL)
        assert etcd.wait(5) == -signal.SIGKILL


def outside() -> dict[str, list[str]]:
    """What the machine itself has where the scripts write."""
    places = ("/usr/local/bin", "/var/lib/etcd", MOUNTED, "/sys/class/net")
    return {place: sorted(path.name for path in Path(place).glob("*")) for place in places}


def serving(line: Line) -> bool:
    return "ready to serve client requests" in line.text


def printed(program: Program) -> str:
    return "\n".join(line.text for line in program.lines)


def homes_of_python() -> list[Path]:
    """The directories that LAMPORT_PYTHON needs in sight inside a container."""
    answer = subprocess.run(
        [PYTHON, "-c", "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return sorted({Path(line) for line in answer.stdout.splitlines()} | {REPOSITORY})


def has_logical_count() -> bool:
    """Whether it is installed; whether it works is for the test to find out."""
    look = "import importlib.util, sys; sys.exit(not importlib.util.find_spec('logical_count'))"
    return subprocess.run([PYTHON, "-c", look], timeout=20, cwd="/").returncode == 0


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, cannot: Callable[[str], NoReturn]
) -> Iterator[Cluster]:
    reason = why_not()
    if reason:
        cannot(reason)
    with started([RealEtcd.find()], tmp_path_factory.mktemp("mirror")) as cluster:
        yield cluster


@contextmanager
def started(releases: Sequence[RealEtcd], mirror: Path) -> Iterator[Cluster]:
    """Three members of the first of these releases, with a mirror that has them all."""
    for etcd in releases:
        make_release(mirror, etcd.version, architecture(), etcd.binaries)
    before = outside()
    with Lab(REPOSITORY / "scripts", mirror, homes_of_python()) as lab:
        cluster = Cluster(lab.open(NODES), releases[0].version, before)
        for container in cluster.containers:
            cluster.launch(container)
        for container in cluster.containers:
            cluster.healthy(container)
        yield cluster


def test_the_machine_is_untouched(cluster: Cluster) -> None:
    """What the script wrote is in the containers and nowhere else."""
    for container in cluster.containers:
        assert container.run("stat", "-c", "%a", "/var/lib/etcd").strip() == "700"
        assert container.run("sh", "-c", "command -v etcd").strip() == "/usr/local/bin/etcd"
        # The mirror is a directory: no package was needed.
        assert container.run("ls", MOUNTED).split().count("apt-asked") == 0
    assert outside() == cluster.outside_before


def test_each_member_says_what_it_does(cluster: Cluster) -> None:
    for container in cluster.containers:
        text = printed(cluster.etcd[container.name])
        assert f"start_etcd: installed etcd {cluster.version} in /usr/local/bin" in text
        assert "start_etcd: no data in /var/lib/etcd: bootstrapping" in text
        assert f"start_etcd: {container.name} at {container.address}: clients on" in text
        assert "quota 2 GiB" in text
        assert "unrecognized environment variable" not in text


def test_three_members_form_one_cluster(cluster: Cluster) -> None:
    for container in cluster.containers:
        members = json.loads(container.run("etcdctl", "member", "list", "-w", "json"))["members"]
        assert {member["name"]: member["clientURLs"] for member in members} == {
            name: [f"http://{address}:2379"] for name, address in NODES
        }
        assert {member["peerURLs"][0] for member in members} == {
            f"http://{address}:2380" for _, address in NODES
        }


def test_a_killed_member_rejoins_with_its_data(cluster: Cluster) -> None:
    leader = cluster.leader()
    victim = next(one for one in cluster.containers if one is not leader)
    leader.run("etcdctl", "put", "/test/before", "1")
    cluster.kill(victim)
    leader.run("etcdctl", "put", "/test/during", "2")
    restarted = cluster.launch(victim)
    cluster.healthy(victim)
    text = printed(restarted)
    assert "already here as /usr/local/bin/etcd" in text
    assert "rejoining the cluster" in text
    assert "start_etcd: installed" not in text
    answer = victim.run("etcdctl", "get", "--prefix", "/test/", "--print-value-only")
    assert answer.split() == ["1", "2"]
    members = json.loads(victim.run("etcdctl", "member", "list", "-w", "json"))["members"]
    assert len(members) == 3


def clocks_of(cluster: Cluster, cannot: Callable[[str], NoReturn]) -> dict[str, Program]:
    """A clock in each container. One after the other: whoever starts later has larger values."""
    if not has_logical_count():
        cannot(f"{PYTHON} has no logical_count; install the project's wheel or set LAMPORT_PYTHON")
    clocks: dict[str, Program] = {}
    for container in cluster.containers:
        clock = container.start("clock", PYTHON, "-m", "logical_count")
        clocks[container.name] = clock
        clock.wait_for(is_update, PATIENCE)
    return clocks


def rounds_of(clocks: dict[str, Program], count: int) -> None:
    """Waits until every clock has printed that many updates more."""
    marks = {name: len(clock.lines) for name, clock in clocks.items()}
    for name, clock in clocks.items():
        clock.wait_for(is_update, PATIENCE, count, after=marks[name])


def end(clocks: dict[str, Program]) -> dict[str, list[history.Update]]:
    """Stops each in its sleep, right after a line: no update is under way and unheard of."""
    for clock in clocks.values():
        clock.wait_for(is_update, PATIENCE, after=len(clock.lines))
        clock.send(signal.SIGINT)
        clock.wait(INTERVAL)
    return {
        name: history.updates_of(name, clock.began, clock.lines) for name, clock in clocks.items()
    }


def test_three_clocks_agree_on_one_order(
    cluster: Cluster, cannot: Callable[[str], NoReturn]
) -> None:
    clocks = clocks_of(cluster, cannot)
    readings = [cluster.record(container)[1] for container in cluster.containers]

    # Held until every sleep is over and let go together, they race, now and in all rounds after:
    # left alone, each keeps its own beat, and not even the old script would repeat a value.
    for clock in clocks.values():
        clock.send(signal.SIGSTOP)
    time.sleep(INTERVAL + 0.1)
    for clock in clocks.values():
        clock.send(signal.SIGCONT)
    rounds_of(clocks, 3)
    # The leader: its own clock loses the member it talks to, the others lose the quorum's head.
    victim = cluster.leader()
    survivors = [one for one in cluster.containers if one is not victim]
    cluster.kill(victim)
    rounds_of(clocks, 3)
    readings += [cluster.record(container)[1] for container in survivors]

    cluster.launch(victim)
    cluster.healthy(victim)
    readings.append(cluster.record(victim)[1])
    rounds_of(clocks, 2)

    told = end(clocks)
    record, last = cluster.record(victim)
    assert complaints(told, [*readings, last]) == []
    assert history.ordered_pairs(told) >= 20, "too few pairs with a real order: the check is empty"

    highest = max((update for one in told.values() for update in one), key=lambda one: one.value)
    assert record["value"] == highest.value
    assert record["process_id"] == highest.process
    assert abs(record["real_timestamp"] - time.time()) < 3600

    for container in cluster.containers:
        clock = clocks[container.name]
        lines = clock.lines
        first = next(index for index, line in enumerate(lines) if is_update(line))
        connected = [line for line in lines[:first] if names_endpoint(line.text, container.address)]
        assert connected, f"no line names the own member\n{clock.tail(40)}"
        # What a failed update prints is for a reader, not for a programmer.
        told_until = max(index for index, line in enumerate(lines) if is_update(line))
        assert not any("Traceback" in line.text for line in lines[:told_until]), clock.tail(40)


def test_members_move_from_etcd_to_etcd_under_load(
    tmp_path: Path, cannot: Callable[[str], NoReturn]
) -> None:
    """As docs/MIGRATING.md says: stop, start with another ETCD_VERSION, see it serve, next."""
    reason = why_not()
    if reason:
        cannot(reason)
    releases = releases_at_hand()
    if len(releases) < 2:
        cannot("there is no second release of etcd: let SERVERS name some")
    with started(releases, tmp_path) as cluster:
        loads = loads_of(cluster)
        clocks = clocks_of(cluster, cannot)
        readings = []
        for old, new in itertools.pairwise(etcd.version for etcd in releases):
            cluster.version = new
            for container in cluster.containers:
                assert cluster.runs(container) == old
                etcd = cluster.etcd[container.name]
                etcd.send(signal.SIGTERM)
                etcd.wait(PATIENCE)
                restarted = cluster.launch(container)
                cluster.healthy(container)
                assert cluster.runs(container) == new
                assert f"start_etcd: installed etcd {new}" in printed(restarted)
                assert "rejoining the cluster" in printed(restarted)
                for load in loads.values():
                    progress(load)
                readings.append(cluster.record(container)[1])
            rounds_of(clocks, 1)
        told = end(clocks)
        calls = [calls_of(container, load, tmp_path) for container, load in loads.items()]
        record, last = cluster.record(cluster.containers[0])
        assert complaints(told, [*readings, last]) == []
        assert record["value"] >= max(update.value for one in told.values() for update in one)
        verdict = subprocess.run(
            [LAMPORT, "check", *calls], capture_output=True, text=True, timeout=PATIENCE
        )
        print(*(etcd.version for etcd in releases), sep=" to ", end=":\n")
        print(verdict.stdout, verdict.stderr)
        assert verdict.returncode == 0, verdict


def releases_at_hand() -> list[RealEtcd]:
    """The etcd of the other tests, and those that SERVERS names; the oldest first."""
    named = os.environ.get("SERVERS", "").split()
    missing = [path for path in named if not Path(path).is_file()]
    if missing:
        print(f"NOT TESTED: a move to the etcd at {', '.join(missing)}", file=sys.stderr)
    found = [RealEtcd.find(path) for path in [None, *named] if path not in missing]
    return sorted({etcd.version: etcd for etcd in found}.values(), key=by_version)


def by_version(etcd: RealEtcd) -> list[int]:
    return [int(number) for number in etcd.version.split(".")]


def loads_of(cluster: Cluster) -> dict[Container, Program]:
    """A process in each container that updates some fifty times a second, and records it."""
    argv = (LAMPORT, "run", "--interval", "20ms", "--record", RECORD)
    return {container: container.start("load", *argv) for container in cluster.containers}


def progress(load: Program) -> None:
    """Waits for a few updates more."""
    load.wait_for(lambda line: " after " in line.text, PATIENCE, 5, after=len(load.lines))


def calls_of(container: Container, load: Program, folder: Path) -> Path:
    """Ends it; what its calls saw."""
    load.send(signal.SIGTERM)
    assert load.wait(PATIENCE) == 0, load.tail()
    calls = folder / f"{container.name}.calls"
    calls.write_text(container.run("cat", RECORD))
    return calls
