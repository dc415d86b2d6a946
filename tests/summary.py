"""Adds up what the suites of `make test` said when they passed.

usage: summary.py FOLDER [--targets RELEASE]     (one file a suite, its output)

With --targets: what `make anywhere` built into RELEASE, and what was shown of each.
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


def targets(folder: Path, release: Path) -> int:
    """Prints a line for each target; fails where one was not built or nothing of it ran."""

    def output(suite: str) -> str:
        return (folder / suite).read_text() if (folder / suite).exists() else ""

    said = output("anywhere")
    reasons: list[str] = []
    lines = [("target", "built and checked", "tests passed", "not shown")]
    for target, passed in re.findall(r"^(\S+-linux-\S+): (\d+) passed$", said, re.M):
        machine, _, libc = target.partition("-unknown-linux-")
        wheels = release.glob(f"*{'musl' if libc == 'musl' else 'many'}linux*_{machine}.whl")
        # The checks are the last step of each build.
        built = [f"wheel {megabytes(path)}" for path in wheels]
        built += [f"command {megabytes(path)}" for path in release.glob(f"lamport-*-{target}")]
        tests = passed
        if target == "x86_64-unknown-linux-musl":
            tests += f" + {count(output('musl')).passed} of Python's suite"
            said += output("musl")
        missing = re.findall(rf"^NOT (?:TESTED|SHOWN): {target}: (.*)$", said, re.M)
        reasons += [f"{target}: {reason}" for reason in missing]
        lines.append(
            (target, ", ".join(built) or "-", tests, f"{len(missing)}, below" if missing else "-")
        )
    deploy = f"{count(output('deploy')).passed}"
    lines.append(("deploy/", "-", deploy, "-" if deploy != "0" else "all of it"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print()
    for line in lines:
        print(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        )
    print("\nnot shown:")
    print("\n".join(f"  {reason}" for reason in reasons))
    ran = [line for line in lines[1:-1] if line[1] != "-" and line[2] != "0"]
    return 0 if len(ran) == len(lines) - 2 == 4 else 1


def megabytes(path: Path) -> str:
    """The size of a file."""
    return f"{path.stat().st_size / 1e6:.1f} MB"


def main() -> int:
    """Prints a line for each suite and the sum; fails where a suite ran no test."""
    folder = Path(sys.argv[1])
    if sys.argv[2:3] == ["--targets"]:
        return targets(folder, Path(sys.argv[3]))
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
