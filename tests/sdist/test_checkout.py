"""A checkout as a Rust program has it by README.md: without etcd, and so without protoc."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 900


def test_the_program_of_the_readme_runs_without_protoc(
    without_protoc: Path, tmp_path: Path
) -> None:
    page = (REPOSITORY / "README.md").read_text()
    section = page.partition("\n## Rust\n")[2].partition("\n## ")[0]
    [(dependency, program)] = re.findall(
        r"^```toml\n(.*?)^```$.*^```rust\n(.*?)^```$", section, re.M | re.S
    )
    [default_features, features] = re.findall(r"`((?:default-)?features = [^`]+)`", section)

    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "src/main.rs").write_text(program)
    (tmp_path / "lamport-clock").symlink_to(REPOSITORY)
    manifest = '[package]\nname = "project"\nedition = "2024"\n\n' + dependency
    without_etcd = manifest.replace('" }', f'", {default_features}, {features} }}')
    assert without_etcd != manifest
    (project / "Cargo.toml").write_text(without_etcd)
    # Of the versions in it cargo takes those that are needed, and asks nobody.
    shutil.copy(REPOSITORY / "Cargo.lock", project)

    environment = {
        **os.environ,
        "PATH": str(without_protoc),
        # So that it is compiled once, and not for every place.
        "CARGO_TARGET_DIR": str(REPOSITORY / "target/checkout"),
        "CARGO_PROFILE_DEV_DEBUG": "0",
    }
    environment.pop("PROTOC", None)
    ran = subprocess.run(
        ["cargo", "run", "--quiet", "--offline"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "1@api before 3, after None\n"
