"""Draws a run's results: `plot.py bench-results.json bench-results.svg`."""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
# Text as text, and no random ids: runs can be compared.
matplotlib.rcParams.update(
    {"svg.fonttype": "none", "svg.hashsalt": "lamport-clock", "font.size": 9, "axes.grid": True}
)

from matplotlib import pyplot  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

OURS, PEER, LIMIT = "#1f6feb", "#d1242f", "#8b949e"
PEERS = re.compile(r"uhlc|hlcpy|get \+ put|deployed|naive")
LIMITS = re.compile(r"fetch_add|no-op|itertools|bare")
# figure name -> (median, min, max)
Figures = dict[str, tuple[float, float, float]]


def colour(name: str) -> str:
    if PEERS.search(name):
        return PEER
    return LIMIT if LIMITS.search(name) else OURS


def bars(axes: Axes, title: str, unit: str, figures: Figures, scale: str = "linear") -> None:
    names = list(figures)
    medians = [figures[name][0] for name in names]
    spread = [
        [figures[name][0] - figures[name][1] for name in names],
        [figures[name][2] - figures[name][0] for name in names],
    ]
    axes.barh(names, medians, xerr=spread, color=[colour(name) for name in names])
    axes.set(title=title, xlabel=unit, xscale=scale)
    axes.invert_yaxis()


def lines(axes: Axes, title: str, unit: str, figures: Figures, pattern: str) -> None:
    """One line for each first group of `pattern`, over the number in its second."""
    series: dict[str, list[tuple[int, tuple[float, float, float]]]] = defaultdict(list)
    for name, figure in figures.items():
        if match := re.fullmatch(pattern, name):
            series[match[1]].append((int(match[2]), figure))
    for name, points in series.items():
        x = [number for number, _ in points]
        y = [figure[0] for _, figure in points]
        (line,) = axes.plot(x, y, "o-", label=name)
        lowest, highest = [p[1][1] for p in points], [p[1][2] for p in points]
        axes.fill_between(x, lowest, highest, alpha=0.2, color=line.get_color())
    axes.set(title=title, ylabel=unit, xscale="log", yscale="log")
    if series:
        axes.legend()


def targets(axes: Axes, ratios: list[dict[str, Any]]) -> None:
    """How many times better than its target each ratio is; left of the line it falls short."""
    names, values = [], []
    for ratio in ratios:
        target = ratio.get("target")
        if target and re.search(r"x\d+: (rate|p99) / put", ratio["name"]):
            at_most, at_least = target.get("at_most"), target.get("at_least")
            names.append(ratio["name"])
            values.append(at_most / ratio["median"] if at_most else ratio["median"] / at_least)
    axes.barh(names, values, color=[OURS if value >= 1 else PEER for value in values])
    axes.axvline(1, color="black")
    axes.set(title="Processes against their targets", xlabel="times the target (1: just reached)")
    axes.invert_yaxis()


def main() -> None:
    results, picture = map(Path, sys.argv[1:])
    run = json.loads(results.read_text())
    sections: dict[str, Figures] = defaultdict(dict)
    ratios = []
    for section in run["sections"]:
        ratios += section["ratios"]
        for figure in section["figures"]:
            values = (figure["median"], figure["min"], figure["max"])
            sections[section["name"]][figure["name"]] = values

    def some(section: str, pattern: str) -> Figures:
        return {n: f for n, f in sections[section].items() if re.search(pattern, n)}

    figure, grid = pyplot.subplots(4, 2, figsize=(14, 18), layout="constrained")
    bars(grid[0, 0], "Local clock, Rust", "ns a call", some("local", "1 thr"))
    local = sections["c"] | sections["python"]
    bars(grid[0, 1], "Local clock, C and Python", "ns a call", local, scale="log")
    bars(grid[1, 0], "One update alone, median", "ms", some("alone", ", p50"))
    targets(grid[1, 1], ratios)
    one = r"(update|bare transaction) x(\d+)(?: tasks)?, "
    lines(grid[2, 0], "Callers in one process", "a second", sections["callers"], one + "rate")
    lines(grid[2, 1], "Callers in one process, p99", "ms", sections["callers"], one + "p99")
    many = r"(ours|put|naive) x(\d+), "
    lines(grid[3, 0], "Processes", "updates a second", sections["processes"], many + "rate")
    lines(grid[3, 1], "Processes, p99", "ms", sections["processes"], many + "p99")
    machine = run["machine"]
    figure.suptitle(f"{machine['cpu']}, {machine['cores']} cores, {machine['etcd']}")
    figure.savefig(picture, metadata={"Date": None})


if __name__ == "__main__":
    main()
