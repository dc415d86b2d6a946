"""The files in deploy/, run for real: compose and the Deployment, by podman."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from conftest import COMMAND
from engine import DEPLOY, PATIENCE, REPOSITORY, Engine, until

NODES = {"1": "mx-nodel", "2": "mx-nodel2", "3": "mx-nodel3"}


class Compose:
    """What a person does with `docker compose -f FILE`."""

    def __init__(self, engine: Engine, project: str, *files: Path) -> None:
        self.engine = engine
        self._project = project
        self._files = [word for file in files for word in ("-f", str(file))]

    def __call__(self, *words: str) -> str:
        # podman-compose puts all services into one pod, which compose does not know.
        return self.engine.run("podman-compose", "--in-pod=0", *self._files, *words)

    def container(self, service: str) -> str:
        return f"{self._project}_{service}_1"


@contextmanager
def composed(
    engine: Engine, project: str, file: str, override: dict[str, Any], folder: Path
) -> Iterator[Compose]:
    more = folder / "override.yaml"
    more.write_text(json.dumps({"services": override}))
    compose = Compose(engine, project, DEPLOY / file, more)
    compose("up", "--detach", "--no-build")
    try:
        yield compose
    finally:
        compose("down", "--volumes", "--timeout", "2")


def comes_to(engine: Engine, run: str, member: str) -> None:
    """Waits until that is what a run said of its member last."""

    def said() -> bool:
        told = [line for line in engine.lines(run) if ": connected to " in line]
        return bool(told) and told[-1].startswith(member)

    until(said, f"{run} does not come to its member ({member})")


def from_mirror(etcd: tuple[str, Path]) -> dict[str, Any]:
    """What an etcd needs to be installed from this machine."""
    version, mirror = etcd
    return {
        "environment": {"ETCD_VERSION": version, "ETCD_MIRROR": "/mirror"},
        "volumes": [f"{mirror}:/mirror:ro"],
    }


def test_three_nodes_go_on_without_one_and_keep_their_promises(
    engine: Engine, etcd: tuple[str, Path], tmp_path: Path
) -> None:
    records = tmp_path / "records"
    records.mkdir()
    records.chmod(0o777)
    override = {f"etcd{number}": from_mirror(etcd) for number in NODES}
    for number in NODES:
        override[f"updates{number}"] = {
            "command": [
                *("run", "--metrics", "127.0.0.1:9464"),
                *("--interval", "100ms", "--record", f"/records/{number}.jsonl"),
            ],
            "volumes": [f"{records}:/records"],
        }
    with composed(engine, "lamport", "compose.yaml", override, tmp_path) as compose:
        runs = [compose.container(f"updates{number}") for number in NODES]
        for number, node in NODES.items():
            engine.healthy(compose.container(f"etcd{number}"))
            engine.healthy(compose.container(f"updates{number}"))
            # Each by way of its own member, at its own address, once that serves.
            own = f"{node}: connected to 172.21.0.{9 + int(number)}:2379"
            comes_to(engine, compose.container(f"updates{number}"), own)

        compose("stop", "etcd2")
        nodes = compose("exec", "updates1", "/lamport", "nodes", "--json")
        answers = {row["node"]: row["answers"] for row in map(json.loads, nodes.splitlines())}
        assert answers == {"mx-nodel": True, "mx-nodel2": False, "mx-nodel3": True}
        for run in runs:
            engine.goes_on(run)
            engine.healthy(run)
        compose("start", "etcd2")
        engine.healthy(compose.container("etcd2"))

        # One that is cut off says so, and goes on when it is back.
        cut_off = runs[2]
        engine.run("podman", "network", "disconnect", "lamport_nodes", cut_off)
        engine.unhealthy(cut_off)
        engine.goes_on(runs[0])
        engine.run("podman", "network", "connect", "lamport_nodes", cut_off)
        engine.healthy(cut_off)
        for run in runs:
            engine.goes_on(run)
            engine.run("podman", "stop", "--time", "10", run)

        log = tmp_path / "log.jsonl"
        log.write_text(
            compose(
                *("run", "--rm", "--no-deps", "-T", "updates1"),
                *("history", "--json", "--limit", "10000"),
            )
        )
    histories = [str(records / f"{number}.jsonl") for number in NODES]
    verdict = subprocess.run(
        [COMMAND, "check", "--json", *histories, "--log", log],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    assert json.loads(verdict.stdout)["acknowledged"] > 30


def test_the_small_one_has_two_processes_on_one_clock(
    engine: Engine, etcd: tuple[str, Path], tmp_path: Path
) -> None:
    override = {"etcd": from_mirror(etcd)}
    with composed(engine, "lamport-small", "compose.small.yaml", override, tmp_path) as compose:
        for service in ("etcd", "api", "billing"):
            engine.healthy(compose.container(service))
        taken = compose("exec", "api", "/lamport", "update", "-n", "3").split()
        assert len(taken) == 3
        seen = compose("exec", "billing", "/lamport", "history", "--json")
        names = {update["process"] for update in map(json.loads, seen.splitlines())}
        assert names == {"api", "billing"}


def test_the_image_holds_a_command_that_is_not_root(engine: Engine) -> None:
    image = engine.inspect("localhost/lamport")
    config = image["Config"]
    assert isinstance(config, dict)
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/lamport"] and config["Cmd"] == ["run"]
    demo = engine.run("podman", "run", "--rm", "--network=none", "--read-only", "lamport", "demo")
    assert "no value repeated, none went back" in demo


def test_pods_update_by_their_own_names_with_no_right_too_many(
    engine: Engine, etcd: tuple[str, Path], tmp_path: Path
) -> None:
    configuration, deployment = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    secret = yaml.safe_load((DEPLOY / "kubernetes.secret.yaml").read_text())
    # An etcd without TLS and users, and podman gives a secret's files to everybody.
    configuration["data"] = {"LAMPORT_STORE": "etcd://172.21.0.10"}
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    # podman would publish it, of both pods at one address.
    del container["ports"]
    file = tmp_path / "kubernetes.yaml"
    file.write_text(yaml.safe_dump_all([configuration, secret, deployment]))
    version, mirror = etcd
    engine.run("podman", "network", "create", "--subnet", "172.21.0.0/24", "pods")
    try:
        engine.run(
            *("podman", "run", "--detach", "--name", "etcd", "--network=pods"),
            *("--ip=172.21.0.10", "-e", "NODE_NAME=etcd", "-e", "LAMPORT_NODES=etcd=172.21.0.10"),
            *("-e", f"ETCD_VERSION={version}", "-e", "ETCD_MIRROR=/mirror"),
            *("-v", f"{mirror}:/mirror:ro", "-v", f"{REPOSITORY}/scripts:/scripts:ro"),
            *("debian:bookworm-slim", "sh", "/scripts/start_etcd.sh"),
        )
        engine.run("podman", "kube", "play", "--network=pods", file)
        pods = ["lamport-pod-0", "lamport-pod-1"]
        for pod in pods:
            name = f"{pod}-lamport"
            engine.goes_on(name)
            assert all(f"@{pod}  " in line for line in engine.updates(name))
            engine.run("podman", "exec", name, "/lamport", "ready", "9464")
            about = engine.inspect(name)
            host, config = about["HostConfig"], about["Config"]
            assert isinstance(host, dict) and isinstance(config, dict)
            assert config["User"] == "65532:65532"
            assert host["ReadonlyRootfs"] and host["SecurityOpt"] == ["no-new-privileges"]
            assert not about["EffectiveCaps"] and not about["BoundingCaps"]
        # They share one clock.
        assert any(
            "after" in line and pods[1] in line for line in engine.updates(f"{pods[0]}-lamport")
        )
    finally:
        engine.attempt("podman", "kube", "down", file)
        engine.attempt("podman", "rm", "--force", "--time=2", "etcd")
        engine.attempt("podman", "network", "rm", "--force", "pods")
