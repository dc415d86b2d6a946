"""Adds up what the suites of `make test` said when they passed.

usage: summary.py FOLDER     (one file a suite, its output)
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple


class Count(NamedTuple):
    """Tests that passed, failed and were skipped."""

    passed: int
    failed: int
    skipped: int


# cargo:  "test result: ok. 48 passed; 0 failed; 1 ignored; ..."
# pytest: "3 failed, 48 passed, 1 skipped in 2.00s"
CARGO = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", re.M)
PYTEST = re.compile(
    r"^(?!test result)(?=.* in [\d.]+s)(?=.*\d+ (?:passed|failed|skipped)).*$", re.M
)


def count(output: str) -> Count:
    """The tests of one suite; a suite may have run several programs."""
    runs = [Count(*map(int, match.groups())) for match in CARGO.finditer(output)]
    for match in PYTEST.finditer(output):
        found = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", match.group())}
        failed = found.get("failed", 0) + found.get("error", 0) + found.get("errors", 0)
        runs.append(Count(found.get("passed", 0), failed, found.get("skipped", 0)))
    return Count(*map(sum, zip(*runs, strict=True))) if runs else Count(0, 0, 0)


def main() -> int:
    """Prints a line for each suite and the sum; fails where a suite ran no test."""
    folder = Path(sys.argv[1])
    suites = {path.name: count(path.read_text()) for path in sorted(folder.iterdir())}
    print("\nsuite       passed failed skipped")
    for name, found in suites.items():
        print(f"{name:<12}{found.passed:>6}{found.failed:>7}{found.skipped:>8}")
    total = Count(*map(sum, zip(*suites.values(), strict=True)))
    print(f"\n{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    empty = [name for name, found in suites.items() if not found.passed]
    if empty:
        print(f"no test was run by: {', '.join(empty)}", file=sys.stderr)
    return 1 if empty or total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
