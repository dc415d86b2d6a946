"""gevent: which calls hold up its greenlets, and how they don't."""

from __future__ import annotations

import pytest
from programs import run
from servers import Silence

SCRIPT = """
import sys
import gevent
from lamport_clock import LamportTimeoutError, SharedClock

clock = SharedClock.open(sys.argv[1], node="a", timeout=1)

def update():
    try:
        {}
    except LamportTimeoutError:
        print("timeout")

waiting = gevent.spawn(update)
# The second greenlet has its turn as soon as the first one waits.
print(gevent.spawn(waiting.ready).get())
waiting.get()
"""


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("clock.update()", ["timeout", "True"]),
        ("gevent.get_hub().threadpool.apply(clock.update)", ["False", "timeout"]),
    ],
)
def test_the_threadpool_waits_and_no_greenlet_does(
    call: str, said: list[str], silence: Silence
) -> None:
    done = run("-c", SCRIPT.format(call), silence.uri)
    assert done.stdout.splitlines() == said, done.stderr
