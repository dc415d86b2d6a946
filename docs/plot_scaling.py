"""Draws docs/scaling.svg from the lines that examples/scaling writes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
# The same figures give the same file: no date, no random ids.
matplotlib.rcParams["svg.hashsalt"] = "scaling"
matplotlib.rcParams["font.size"] = 9

from matplotlib import pyplot  # noqa: E402  (the backend must be chosen before)

Line = dict[str, Any]

CURVES = {
    "small server, closed loop": ("tab:orange", "o", "-"),
    "large server, closed loop": ("tab:blue", "o", "-"),
    "small server, every 2 s": ("tab:orange", "s", "--"),
    "large server, every 2 s": ("tab:blue", "s", "--"),
}
PANELS: list[tuple[str, Callable[[Line], float | None]]] = [
    ("updates per second", lambda line: line["updates"]),
    ("p99 of an update, ms (timeout: 5,000)", lambda line: served_p99(line)),
    ("etcd: transactions per second", lambda line: line["transactions"]),
    ("etcd: MB in and out per second", lambda line: (line["bytes_in"] + line["bytes_out"]) / 1e6),
]


def served_p99(line: Line) -> float | None:
    """A call that ended with its deadline counts as one that took that long."""
    if line["timeouts"] > 0.01 * line["updates"]:
        return 5_000.0
    p99: float | None = line["p99"]
    return p99


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    lines: list[Line] = [json.loads(text) for text in source.read_text().splitlines()]
    figure, grid = pyplot.subplots(2, 2, figsize=(10, 7), sharex=True, layout="constrained")
    for axes, (title, value) in zip(grid.flat, PANELS, strict=True):
        for group, (colour, marker, style) in CURVES.items():
            points = [line for line in lines if line["group"] == group]
            axes.plot(
                [line["callers"] for line in points],
                [value(line) or float("nan") for line in points],
                color=colour,
                marker=marker,
                linestyle=style,
                markersize=4,
                label=group,
            )
        axes.set(xscale="log", yscale="log", title=title)
        axes.grid(alpha=0.3)
    for axes in grid[1]:
        axes.set_xlabel("processes")
    grid[0][0].legend()
    figure.suptitle(f"One shared clock, simulated (seed {lines[0]['seed']})")
    figure.savefig(target, metadata={"Date": None})
    # Matplotlib leaves blanks at the ends of lines.
    text = "\n".join(row.rstrip() for row in target.read_text().splitlines())
    target.write_text(text + "\n")


if __name__ == "__main__":
    main()
