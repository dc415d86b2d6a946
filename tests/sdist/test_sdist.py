"""The Python source distribution: what is in it, and that a user's pip can build it.

It is built as pip builds it, in an environment that holds the build requirements of pyproject.toml
and nothing else. The compiled dependencies are those of the checkout's own builds, which makes this
the price of this project's crates and a link.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 900

NEEDED = {
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "LICENSE-THIRD-PARTY",
    "PKG-INFO",
    "README.md",
    "bindings/host/Cargo.toml",
    "bindings/host/src/lib.rs",
    "bindings/python/Cargo.toml",
    "bindings/python/src/lib.rs",
    "cli/Cargo.toml",
    "cli/LICENSE-APACHE",
    "cli/LICENSE-MIT",
    "cli/README.md",
    "cli/src/lib.rs",
    "pyproject.toml",
    "python/lamport_clock/__init__.py",
    "python/lamport_clock/_native.pyi",
    "python/lamport_clock/py.typed",
    "python/README.md",
    "python/logical_count.py",
    "src/lib.rs",
    "trace/Cargo.toml",
    "trace/LICENSE-APACHE",
    "trace/LICENSE-MIT",
    "trace/README.md",
    "trace/src/lib.rs",
}
ALLOWED = re.compile(
    r"(bindings/host/|bindings/python/|cli/|trace/)?src/.*\.rs|python/lamport_clock/.*\.pyi?"
    r"|trace/src/page/.*\.(css|html|js)"
    # Cargo.toml names it, and cargo wants what Cargo.toml names.
    r"|examples/scaling/.*\.rs|tests/(oddities/oddity|c/talker)\.rs"
    # Pages whose Rust is tested with the crate's examples.
    r"|docs/[A-Z]+\.md"
)


@pytest.fixture(scope="module")
def packed() -> Path:
    """The archive that `make sdist` made."""
    [packed] = REPOSITORY.glob("dist/*.tar.gz")
    return packed


def test_it_holds_what_a_build_needs_and_nothing_else(packed: Path) -> None:
    with tarfile.open(packed) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= NEEDED
    assert not [name for name in names - NEEDED if not ALLOWED.fullmatch(name)]


def test_pip_builds_the_same_wheel_of_it_with_no_protoc_on_the_machine(
    packed: Path, without_protoc: Path, tmp_path: Path
) -> None:
    # Always the same place: cargo tells crates apart by it, and would keep those of every place.
    unpacked = REPOSITORY / "build/sdist"
    shutil.rmtree(unpacked, ignore_errors=True)
    with tarfile.open(packed) as archive:
        archive.extractall(unpacked, filter="data")
    [source] = unpacked.iterdir()
    for path in source.rglob("*"):
        # The archive's are of long ago: cargo would take what changed for built.
        os.utime(path)

    # Tells which protoc a build script would find, and goes on as the real one.
    cargo = (without_protoc / "cargo").readlink()
    (without_protoc / "cargo").unlink()
    found = tmp_path / "found"
    shim = f'protoc --version >&2 && command -v protoc >> {found} && exec {cargo} "$@"'
    (without_protoc / "cargo").write_text(f"#!/bin/sh\n{shim}\n")
    (without_protoc / "cargo").chmod(0o755)

    environment = {**os.environ, "PATH": str(without_protoc)}
    environment.pop("PROTOC", None)
    environment["CARGO_TARGET_DIR"] = str(REPOSITORY / "target")
    # Halves what this costs: most of it would be the optimizer's last pass over everything.
    environment["MATURIN_PEP517_ARGS"] = "-- -C opt-level=0"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, source],
        env=environment,
        timeout=PATIENCE,
        check=True,
    )
    assert found.exists(), "the build environment has no protoc"
    for protoc in found.read_text().splitlines():
        assert not Path(protoc).is_relative_to(without_protoc)

    [built] = tmp_path.glob("*.whl")
    [wheel] = REPOSITORY.glob("dist/*.whl")
    assert contents(built) == contents(wheel)
    installed = tmp_path / "installed"
    subprocess.run(
        [*pip, "install", "--quiet", "--no-index", "--target", installed, built], check=True
    )
    subprocess.run(
        [sys.executable, "-m", "lamport_clock", "update", "--store=memory:", "--node=a"],
        env={"PYTHONPATH": str(installed)},
        timeout=PATIENCE,
        check=True,
    )


def contents(wheel: Path) -> set[str]:
    """The names of the files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())
