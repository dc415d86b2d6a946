"""The engine with its images, and what to do on a machine where there can be none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from engine import DEPLOY, REPOSITORY, Engine, why_not
from release import RealEtcd, architecture, make_release

COMMAND = Path(os.environ.get("LAMPORT_COMMAND") or REPOSITORY / "target/debug/lamport")
# Kept from run to run: it takes a minute.
DEBIAN = REPOSITORY / "build/deploy/debian.tar"


@pytest.fixture(scope="session")
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    def cannot(reason: str) -> NoReturn:
        message = f"the files in deploy/ were NOT run: {reason}"
        # Past pytest's capture: a skip would otherwise be one letter among many.
        capture = request.config.pluginmanager.getplugin("capturemanager")
        assert capture is not None
        with capture.global_and_fixture_disabled():
            print(f"\n*** {message}", file=sys.stderr, flush=True)
        pytest.skip(message)

    if reason := why_not():
        cannot(reason)
    if not DEBIAN.exists() and (reason := make_debian(tmp_path_factory.mktemp("debian"))):
        cannot(f"there is no bare Debian to be had: {reason}")
    with Engine(tmp_path_factory.mktemp("engine")).open() as engine:
        trial = engine.attempt("podman", "import", DEBIAN, "docker.io/library/debian:bookworm-slim")
        if not trial.returncode:
            trial = engine.attempt(
                *("podman", "run", "--rm", "--network=none", "debian:bookworm-slim", "true")
            )
        if trial.returncode:
            cannot(f"podman runs no container here: {trial.stderr.strip()}")
        make_image(engine, tmp_path_factory.mktemp("image"))
        yield engine


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The version of an etcd, and a mirror that start_etcd.sh installs it from."""
    real = RealEtcd.find()
    mirror = tmp_path_factory.mktemp("mirror")
    make_release(mirror, real.version, architecture(), real.binaries)
    return real.version, mirror


def make_debian(folder: Path) -> str | None:
    """The image that compose.yaml names, as Debian's own packages make it; or why there is none."""
    DEBIAN.parent.mkdir(parents=True, exist_ok=True)
    root, tar = folder / "root", folder / "debian.tar"
    for argv in (
        ["debootstrap", "--variant=minbase", "bookworm", str(root)],
        ["tar", "-C", str(root), "--exclude=./var/cache/apt/archives/*", "-cf", str(tar), "."],
    ):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
        if done.returncode:
            return (done.stderr or done.stdout).strip()[-300:]
    shutil.rmtree(root)
    shutil.move(tar, DEBIAN)
    return None


def make_image(engine: Engine, folder: Path) -> None:
    """The last stage of the Dockerfile, around the command of this checkout.

    That one is not static, so what it links to lies beside it.
    """
    root = folder / "root"
    root.mkdir()
    subprocess.run(["strip", "-o", str(root / "lamport"), str(COMMAND)], check=True, timeout=60)
    linked = subprocess.run(["ldd", str(COMMAND)], capture_output=True, text=True, check=True)
    for library in re.findall(r"(/\S+)", linked.stdout):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(library).resolve(), target)
    text = (DEPLOY / "Dockerfile").read_text()
    last = text[text.index("FROM scratch") :]
    copy = "COPY --from=build /src/target/release/lamport /lamport\n"
    assert copy in last
    (folder / "Dockerfile").write_text(last.replace(copy, "COPY root/ /\n"))
    engine.run("podman", "build", "--pull=never", "-t", "lamport", folder)
