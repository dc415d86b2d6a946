"""The local clock from Python, beside a method that does nothing and beside peers.

Asked for a number of rounds on a line, it answers with ns a call for each subject and round.
"""

from __future__ import annotations

import itertools
import json
import sys
import timeit
from collections.abc import Callable

import hlcpy
from lamport_clock import SharedClock

# About so long a turn takes, in seconds.
TURN = 0.02


def main() -> None:
    clock = SharedClock.memory("bench-node")
    hlc = hlcpy.HLC()
    # Bound methods, called from a loop that timeit compiles: the same for all.
    subjects: dict[str, Callable[[], object]] = {
        # Gives the clock back and does nothing else: the cheapest method that the extension has.
        "clock.__enter__ (no-op)": clock.__enter__,
        "clock.now": clock.now,
        "clock.tick": clock.tick,
        "clock.advance": clock.advance,
        "hlcpy HLC.sync": hlc.sync,
        "itertools.count": itertools.count().__next__,
    }
    timers = {
        name: timeit.Timer("call()", globals={"call": call}) for name, call in subjects.items()
    }
    calls = {name: int(TURN / (timer.timeit(20_000) / 20_000)) for name, timer in timers.items()}
    for line in sys.stdin:
        results: dict[str, list[float]] = {name: [] for name in subjects}
        for _ in range(int(line)):
            for name, timer in timers.items():
                results[name].append(timer.timeit(calls[name]) / calls[name] * 1e9)
        print(json.dumps(results), flush=True)


if __name__ == "__main__":
    main()
