"""A process may end at any moment, with calls under way in any number of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from exits import WAYS
from programs import run
from servers import Etcd, Silence

EXITS = Path(__file__).with_name("exits.py")
# 200 processes in all, a few at a time.
EACH = 200 // len(WAYS) + 1


@pytest.mark.parametrize("way", WAYS)
def test_no_process_crashes_or_hangs_at_its_end(
    way: str, etcd: Etcd, key: str, silence: Silence
) -> None:
    def once(_: int) -> tuple[int, str, str]:
        done = run(str(EXITS), way, silence.uri, etcd.uri(key))
        return done.returncode, done.stdout, done.stderr

    with ThreadPoolExecutor(5) as batch:
        ended = list(batch.map(once, range(EACH)))
    assert set(ended) == {(0, "", "")}
