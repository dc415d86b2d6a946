"""Which targets are tried, and what is said of each at the end: tests/summary.py reads it."""

from __future__ import annotations

import os

import pytest

# All that is handed out; LAMPORT_TARGETS names fewer.
ALL = tuple(f"{m}-unknown-linux-{c}" for m in ("x86_64", "aarch64") for c in ("gnu", "musl"))
TARGETS = os.environ.get("LAMPORT_TARGETS", " ".join(ALL)).split()
# No test on an x86_64 machine can show these; docs/PLATFORMS.md says more.
LIMITS = {
    "aarch64": "how a real ARM orders memory",
    "musl": "Alpine's own Python",
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A skip would otherwise be one letter among many."""
    stats = terminalreporter.stats
    for target in ALL:
        of_it = {
            kind: [report for report in stats.get(kind, []) if f"[{target}]" in report.nodeid]
            for kind in ("passed", "skipped")
        }
        passed = sum(report.when == "call" for report in of_it["passed"])
        terminalreporter.line(f"{target}: {passed} passed")
        reasons = {report.longrepr[2].removeprefix("Skipped: ") for report in of_it["skipped"]}
        if target not in TARGETS:
            reasons = {"left out here: `make anywhere` tries it"}
        for reason in sorted(reasons):
            terminalreporter.line(f"NOT TESTED: {target}: {reason}")
        for word, limit in LIMITS.items():
            if word in target and target in TARGETS:
                terminalreporter.line(f"NOT SHOWN: {target}: {limit}")
