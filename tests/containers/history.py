"""What the three clocks printed, and whether it keeps the promises.

The only place that knows how `logical_count` words its lines.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from namespaces import Line

# The pause between two updates of one process, in seconds.
INTERVAL = 2.0

UPDATED = re.compile(r"\b[Uu]pdated\b.*?\b(?:value|clock|to)\b[ =:]*(\d+)\b")
CONNECTED = re.compile(r"\b[Cc]onnected\b")


def updated_value(text: str) -> int | None:
    """The time that an update line reports, or None for any other line."""
    found = UPDATED.search(text)
    return int(found.group(1)) if found else None


def is_update(line: Line) -> bool:
    return updated_value(line.text) is not None


def names_endpoint(text: str, address: str, port: int = 2379) -> bool:
    """Whether a line says that a connection to that member was made."""
    whole = rf"(?<![\d.]){re.escape(address)}(?![\d.])"
    return bool(CONNECTED.search(text) and re.search(whole, text) and str(port) in text)


@dataclass(frozen=True)
class Update:
    """One update as seen from outside; times are monotonic seconds."""

    process: str
    value: int
    # It cannot have begun before this moment: the process was started, and slept a whole
    # interval after each update it had done before.
    not_before: float
    # It had returned by this moment: its line was here.
    done_by: float


@dataclass(frozen=True)
class Reading:
    """A linearizable read of the record: its value, and when it was asked and answered."""

    value: int
    asked: float
    answered: float


def updates_of(process: str, began: float, lines: Sequence[Line]) -> list[Update]:
    """The updates that one process printed, in its order; `began` is when it was started."""
    found: list[Update] = []
    for line in lines:
        value = updated_value(line.text)
        if value is not None:
            not_before = began + len(found) * INTERVAL
            found.append(Update(process, value, not_before, line.at))
    return found


def complaints(
    history: Mapping[str, Sequence[Update]], readings: Sequence[Reading] = ()
) -> list[str]:
    """Every way in which a history breaks a promise; empty when it keeps them all."""
    everything = [update for updates in history.values() for update in updates]
    found: list[str] = []

    owner: dict[int, str] = {}
    for update in everything:
        if update.value in owner:
            found.append(f"{update.value} was given to {owner[update.value]} and {update.process}")
        owner[update.value] = update.process

    for process, updates in history.items():
        for one, other in itertools.pairwise(updates):
            if other.value <= one.value:
                found.append(f"{process} went from {one.value} to {other.value}")

    for one in everything:
        for other in everything:
            if one.done_by < other.not_before and one.value >= other.value:
                found.append(
                    f"{one.process}'s {one.value} was done {other.not_before - one.done_by:.3f} s"
                    f" before {other.process}'s {other.value} began"
                )

    for reading in readings:
        for update in everything:
            if update.done_by < reading.asked and update.value > reading.value:
                found.append(f"a read gave {reading.value} after {update.value} was done")
            if reading.answered < update.not_before and update.value <= reading.value:
                found.append(f"{update.value} began after a read gave {reading.value}")
    return found


def ordered_pairs(history: Mapping[str, Sequence[Update]]) -> int:
    """How many pairs of different processes have a real order that the check could see."""
    everything = [update for updates in history.values() for update in updates]
    return sum(
        one.process != other.process and one.done_by < other.not_before
        for one in everything
        for other in everything
    )
