"""A short campaign of real faults, and proof that a campaign can fail."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import campaign
import pytest
import stage
from campaign import Order
from nemesis import FAULTS

# With the start, the last recoveries and the check it is two minutes.
SECONDS = 100.0


@pytest.fixture(autouse=True)
def lab(cannot: Callable[[str], NoReturn]) -> None:
    reason = stage.why_not()
    if reason:
        cannot(reason)


def test_every_promise_holds_under_every_fault(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(1_000_000))
    with capfd.disabled():
        print(f"\nseed {seed} (SEED={seed} replays the plan)", flush=True)
        found = campaign.run(Order(seed, SECONDS, list(FAULTS), campaign.programs(), tmp_path))
        print(f"\n{found}", flush=True)
    assert found.broken is None
    assert found.invalid is None
    assert set(found.faults) == set(FAULTS)


def test_clients_that_read_and_write_in_two_steps_are_caught(tmp_path: Path) -> None:
    order = Order(1, 5.0, ["compact"], campaign.programs(), tmp_path, legacy_writers=True)
    found = campaign.run(order)
    assert not found.verdict.good
    assert "handed out twice" in found.verdict.said, found.verdict.said
    assert found.broken is not None
