"""A web application that gunicorn loads before it forks its workers: its clock was started then.

WORKERS says how many there are.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable

from backgrounds import SHORT, goes_on
from lamport_clock import SharedClock

# LAMPORT_STORE and NODE_NAME come from the environment, as in a container.
clock = SharedClock.connect()
clock.start(SHORT)

# As many requests as workers, each held until all are there: no worker gets two.
_gathered = multiprocessing.get_context("fork").Barrier(int(os.environ["WORKERS"]))


def application(
    _environ: dict[str, object], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    _gathered.wait(30)
    ticked = clock.tick()
    goes_on(clock)
    stats = clock.stats()
    told = {
        "pid": os.getpid(),
        "instance": clock.instance,
        "ticked": ticked.time,
        "value": clock.update().value,
        "running": stats.running,
        "failures": stats.failures,
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
