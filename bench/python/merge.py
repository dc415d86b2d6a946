"""Several logs in one order, in Python: what `lamport order` is measured against.

The whole of it is in memory, and each line is parsed by json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def place(line: str) -> tuple[int, str, str] | None:
    """Where a line belongs; None if it has no stamp."""
    try:
        entry = json.loads(line)
        time, _, process = entry["lamport"].partition("@")
        return int(time), process, entry["lamport_instance"]
    except (ValueError, KeyError):
        return None


def main(paths: list[str]) -> None:
    """Prints the lines of these files in one order."""
    entries: list[tuple[tuple[int, str, str], str]] = []
    for path in paths:
        at = (-1, "", "")
        with Path(path).open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            for line in lines:
                at = place(line) or at
                entries.append((at, line))
    entries.sort(key=lambda entry: entry[0])
    for _, line in entries:
        sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    main(sys.argv[1:])
