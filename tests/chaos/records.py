"""What the clients wrote down, read back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

TAKES_TIMES = ("update", "reserve")


@dataclass(frozen=True)
class Call:
    """One call; times are monotonic nanoseconds."""

    process: str
    instance: str
    operation: str
    called: int
    # Neither, where the client was killed in the call.
    returned: int | None = None
    outcome: str | None = None
    kind: str | None = None
    # Where it stands in the store's history, if it was answered.
    revision: int = 0

    @property
    def is_acknowledged(self) -> bool:
        """It handed out times."""
        return self.outcome == "ok" and self.operation in TAKES_TIMES

    @property
    def length(self) -> int:
        """How long it took; 0 if it never returned."""
        return 0 if self.returned is None else self.returned - self.called


def call_of(line: str) -> Call:
    found = json.loads(line)
    return Call(
        found["process"],
        found.get("instance") or "",
        found["operation"],
        found["called"],
        found.get("returned"),
        found.get("outcome"),
        found.get("kind"),
        found.get("revision") or 0,
    )


def calls_of(path: Path) -> list[Call]:
    """All calls of a record, in the order in which they began; also those that never returned."""
    found: dict[tuple[str, int], Call] = {}
    for line in path.read_text().splitlines():
        call = call_of(line)
        found[call.instance, call.called] = call
    return list(found.values())


class Tail:
    """The lines of a file that grows, each once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def lines(self) -> Iterator[str]:
        """What came since the last look; a line that is not whole yet comes with the next."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if line.endswith(b"\n"):
                    self._offset += len(line)
                    yield line.decode()


def longest_gap(moments: Iterable[int], began: int, ended: int) -> int:
    """The longest time between two moments, or between one and an end of the window."""
    within = [began, *sorted(at for at in moments if began < at < ended), ended]
    return max(later - earlier for earlier, later in itertools.pairwise(within))
