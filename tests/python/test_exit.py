"""A process may end at any moment, with calls under way in any number of threads."""

from __future__ import annotations

from pathlib import Path

import pytest
from exits import WAYS
from programs import ends_well_every_time
from servers import Etcd, Silence

EXITS = Path(__file__).with_name("exits.py")
# 200 processes in all.
EACH = 200 // len(WAYS) + 1


@pytest.mark.parametrize("way", WAYS)
def test_no_process_crashes_or_hangs_at_its_end(
    way: str, etcd: Etcd, key: str, silence: Silence
) -> None:
    ends_well_every_time(str(EXITS), way, silence.uri, etcd.uri(key), times=EACH)
