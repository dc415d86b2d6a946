"""A program that PyInstaller freezes: its scan of the bytecode sees all that the package needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """\
import time

import lamport_clock
from lamport_clock import LocalClock, SharedClock

with SharedClock.memory("frozen") as clock:
    clock.start(interval=0.01)
    while clock.stats().updates == 0:
        time.sleep(0.01)
    clock.stop()
    assert clock.update().value > 0 and clock._repr_html_() and list(clock.reserve(2))
    assert clock.stats().refused == 0
try:
    SharedClock.open("nonsense:")
except lamport_clock.InvalidArgumentError as error:
    print("refused:", error)
print(LocalClock("frozen").tick())
"""
LONGEST = 300  # seconds


def test_a_frozen_program_runs(tmp_path: Path) -> None:
    source = tmp_path / "frozen.py"
    source.write_text(PROGRAM)
    command = [sys.executable, "-m", "PyInstaller", "--log-level", "ERROR", "--onedir"]
    for option in ("--distpath", "--workpath", "--specpath"):
        command += [option, str(tmp_path / option.strip("-"))]
    made = subprocess.run(
        [*command, str(source)],
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
        cwd=tmp_path,
    )
    assert made.returncode == 0, made.stderr
    program = tmp_path / "distpath" / "frozen" / "frozen"
    ran = subprocess.run(
        [str(program)], capture_output=True, text=True, timeout=LONGEST, check=False, cwd="/"
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    refused, ticked = ran.stdout.splitlines()
    assert refused.startswith("refused: ") and "nonsense:" in refused
    assert ticked == "1@frozen"
