"""scripts/check_artifact.py: it finds what is wrong in programs that are not what is handed out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that needs the C library, and names a path of this machine."""
    source = tmp_path / "program.c"
    source.write_text(f'int main(int n, char **of) {{ return "{Path.home()}/secret"[n]; }}\n')
    path = tmp_path / "lamport"
    subprocess.run(["cc", "-o", path, source], check=True, timeout=60)
    return path


def checked(target: str, path: Path) -> subprocess.CompletedProcess[str]:
    """What the program says of a file."""
    return subprocess.run(
        [sys.executable, REPOSITORY / "scripts/check_artifact.py", target, path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_a_dynamic_program_with_symbols_and_paths_is_refused(
    program: Path, architecture: str
) -> None:
    said = checked(f"{architecture}-unknown-linux-musl", program)
    assert said.returncode == 1
    assert "lamport: is not static" in said.stderr
    assert "lamport: is not stripped" in said.stderr
    assert f"lamport: names {Path.home()}/" in said.stderr


def test_a_program_for_another_architecture_is_refused(program: Path) -> None:
    said = [checked(f"{a}-unknown-linux-musl", program).stderr for a in ("x86_64", "aarch64")]
    assert sorted("lamport: is for EM_" in text for text in said) == [False, True]


def test_an_unknown_target_is_wrong_usage(program: Path) -> None:
    assert checked("riscv64gc-unknown-linux-gnu", program).returncode == 2
