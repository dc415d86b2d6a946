"""The figures of the wheel: its size, what its import costs, what a tick costs.

usage: figures.py WHEEL      (run by an interpreter that has the wheel installed)

Times are medians, with the quartiles as the spread. An import is timed as the whole life of an
interpreter that imports, less that of one that does nothing, in turns.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from pathlib import Path

from lamport_clock import SharedClock

LIVES = 60
TURNS = 50
CALLS = 20_000


def life(program: str) -> float:
    """How long an interpreter lives that runs this and ends, in milliseconds."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", program], check=True)
    return (time.perf_counter() - begin) * 1e3


def spread(figures: list[float]) -> str:
    """The median, and where the middle half lies."""
    low, middle, high = statistics.quantiles(figures, n=4)
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


def main() -> None:
    size = Path(sys.argv[1]).stat().st_size
    print(f"wheel: {size / 1e6:.2f} MB")

    for program in ("", "import lamport_clock"):
        life(program)  # the files come into memory
    empty, imported = [], []
    for _ in range(LIVES):
        empty.append(life(""))
        imported.append(life("import lamport_clock"))
    more = [one - other for one, other in zip(imported, empty, strict=True)]
    print(f"import lamport_clock: {spread(more)} ms over an empty interpreter's {spread(empty)} ms")

    clock = SharedClock.memory("figures")
    subjects: dict[str, Callable[[], object]] = {
        "tick": clock.tick,
        "advance": clock.advance,
        "now": clock.now,
    }
    costs: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(TURNS):
        for name, call in subjects.items():
            seconds = timeit.timeit("call()", globals={"call": call}, number=CALLS)
            costs[name].append(seconds / CALLS * 1e9)
    for name, figures in costs.items():
        print(f"clock.{name}(): {spread(figures)} ns")


if __name__ == "__main__":
    main()
