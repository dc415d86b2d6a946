"""Containers by podman, without its daemon, a registry, or a trace on the machine.

Everything runs in namespaces of its own (tests/support/namespaces.py), where podman has a network
and a store of images below one folder. Nothing of it outlives the test. Images are made on the
machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from namespaces import OWN, LabError, Network

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "deploy"
# Far longer than anything takes; only a failure waits this long.
PATIENCE = 120.0

# Where podman looks for what it does not find on the PATH.
HELPERS = [Path("/usr/lib/podman"), Path("/usr/libexec/podman"), Path("/usr/local/libexec/podman")]

NAMESPACES = """
set -eu
ip link set lo up
mount -t tmpfs -o mode=0755 engine /run
echo ready
read -r _ || :
"""

# podman raises limits of its own, which not every container that tests run in may do.
RUNTIME = """#!{python}
import json, os, sys
if "--bundle" in sys.argv:
    path = sys.argv[sys.argv.index("--bundle") + 1] + "/config.json"
    with open(path) as file:
        config = json.load(file)
    config["process"].pop("rlimits", None)
    with open(path, "w") as file:
        json.dump(config, file)
os.execv({runtime!r}, [{runtime!r}, *sys.argv[1:]])
"""

CONTAINERS = """
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "lab"
[engine.runtimes]
lab = ["{folder}/runtime"]
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""

STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/store"
runroot = "{folder}/run"
"""


def why_not() -> str | None:
    """Why there can be no containers on this machine, or None where there can."""
    needed = ("podman", "podman-compose", "debootstrap", "ip", "nsenter", "unshare")
    missing = [program for program in needed if not shutil.which(program)]
    if not runtime():
        missing.append("runc or crun")
    for helper in ("netavark", "aardvark-dns", "catatonit"):
        if not any((folder / helper).exists() for folder in HELPERS):
            missing.append(helper)
    if missing:
        return f"not installed: {', '.join(missing)}"
    if os.geteuid() != 0:
        return "not root: making network namespaces and mounts needs it"
    return None


def runtime() -> str | None:
    return shutil.which("runc") or shutil.which("crun")


class Engine(Network):
    """podman in namespaces of its own, as a context; `open` it once."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }

    def open(self) -> Engine:
        path = self.folder / "runtime"
        path.write_text(RUNTIME.format(python=sys.executable, runtime=runtime()))
        path.chmod(0o755)
        (self.folder / "containers.conf").write_text(CONTAINERS.format(folder=self.folder))
        (self.folder / "storage.conf").write_text(STORAGE.format(folder=self.folder))
        self._entry = self._hold("engine", ["unshare", "--net", *OWN, "sh", "-c", NAMESPACES])
        return self

    def run(self, *argv: str | Path, timeout: float = PATIENCE) -> str:
        """What a command inside prints on stdout; a LabError when it fails."""
        done = self.attempt(*argv, timeout=timeout)
        if done.returncode:
            raise LabError(f"{argv} gave {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def attempt(
        self, *argv: str | Path, timeout: float = PATIENCE
    ) -> subprocess.CompletedProcess[str]:
        # Not by nsenter's --wd, which is of the mounts outside: podman does not find itself there.
        inside = [*self._enter("-m", "-p"), "sh", "-c", 'cd "$0" && exec "$@"', str(REPOSITORY)]
        return subprocess.run(
            [*inside, *map(str, argv)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self._environment,
            stdin=subprocess.DEVNULL,
        )

    def healthy(self, container: str) -> None:
        """Waits until a container's own health check says that it is well.

        podman has systemd ask it at its interval. Here there is none, so it is asked by hand.
        """
        said = ""

        def asked() -> bool:
            nonlocal said
            done = self.attempt("podman", "healthcheck", "run", container)
            said = done.stdout + done.stderr
            return done.returncode == 0

        try:
            until(asked, f"{container} is not healthy")
        except LabError as error:
            logs = self.attempt("podman", "logs", "--tail", "20", container)
            raise LabError(f"{error}\n{said}\n{logs.stdout}{logs.stderr}") from None

    def unhealthy(self, container: str) -> None:
        until(
            lambda: self.attempt("podman", "healthcheck", "run", container).returncode != 0,
            f"{container} stays healthy",
        )

    def lines(self, container: str) -> list[str]:
        """What a container has written to standard output."""
        return self.run("podman", "logs", container).splitlines()

    def goes_on(self, container: str, count: int = 3) -> None:
        """Waits for so many more updates of a run."""
        before = len(self.updates(container))
        until(lambda: len(self.updates(container)) >= before + count, f"{container} does not go on")

    def updates(self, container: str) -> list[str]:
        return [line for line in self.lines(container) if "  after " in line]

    def inspect(self, container: str) -> dict[str, object]:
        found: list[dict[str, object]] = json.loads(self.run("podman", "inspect", container))
        return found[0]


def until(condition: Callable[[], bool], otherwise: str) -> None:
    """Asks again and again: podman tells nobody when something happens."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > give_up:
            raise LabError(f"{otherwise} after {PATIENCE} s")
        time.sleep(0.1)
