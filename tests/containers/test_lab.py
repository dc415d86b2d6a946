"""The lab itself: a test that is killed leaves nothing running."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from namespaces import why_not

HERE = Path(__file__).resolve().parent
KEEPER = """
import sys
from pathlib import Path
from lab import Lab

with Lab(Path(sys.argv[1]), Path(sys.argv[1]), []) as lab:
    node = lab.open([("mx-nodel", "172.21.0.10")]).containers["mx-nodel"]
    # Deaf to everything but SIGKILL, and holding no pipe of ours.
    sleeper = node.start("sleeper", "sh", "-c", "trap '' TERM HUP INT PIPE; echo up; sleep 600")
    sleeper.wait_for(lambda line: line.text == "up", 10)
    print(sleeper.pid(), flush=True)
    sys.stdin.read()
"""


def test_nothing_outlives_a_killed_test(cannot: Callable[[str], NoReturn]) -> None:
    reason = why_not()
    if reason:
        cannot(reason)
    keeper = subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(HERE)],
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": str(HERE.parent / "support")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert keeper.stdout is not None
        sleeper = os.pidfd_open(int(keeper.stdout.readline()))
        keeper.kill()
        ended, _, _ = select.select([sleeper], [], [], 10)
        assert ended, "a program in the lab outlived the test that started it"
        os.close(sleeper)
    finally:
        keeper.kill()
        keeper.communicate(timeout=10)
