"""A plugin for tests/python on a Python that has not all of it: says what was not run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator
from typing import TypeVar

import pytest

# What the Python of build_musl_python.sh is without, and what has no wheel for musl.
LACKS = re.compile(r"No module named '(_ssl|_ctypes|_sqlite3|gevent)\b")
# By tests that are about something else.
ELSEWHERE = {
    "test_install.py": "starts the Pythons of this machine",
    "test_sanitized.py": "loads a sanitizer that is glibc's",
    "test_frozen.py": "freezes a program with a shared libpython",
    "test_wheel.py": "reads the wheel for glibc",
    "test_two_loops_in_two_threads_share_a_clock": "runs uvloop, which wants _ssl",
}


def pytest_ignore_collect(collection_path: object) -> bool | None:
    return True if str(collection_path).rpartition("/")[2] in ELSEWHERE else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if item.name.partition("[")[0] not in ELSEWHERE]


def lacking(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """What a failure was for want of, also in a program that the test had started."""
    text = "\n".join([str(report.longrepr), *(content for _, content in report.sections)])
    found = LACKS.search(text)
    return found and found[1]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return skipped(report)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return skipped(report)


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def skipped(report: Report) -> Report:
    """The report of a failure, as a skip where it was for want of something."""
    if report.outcome == "failed" and (name := lacking(report)):
        report.outcome = "skipped"
        report.longrepr = (report.nodeid, 0, f"Skipped: wants {name}")
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    begin = "NOT TESTED: x86_64-unknown-linux-musl:"
    for name, reason in ELSEWHERE.items():
        terminalreporter.line(f"{begin} {name}, which {reason}")
    wanting: dict[str, Counter[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        if reason.startswith("wants "):
            name, _, test = report.nodeid.partition("::")
            wanting.setdefault(reason, Counter())[name if test else f"all of {name}"] += 1
    for reason, tests in wanting.items():
        said = ", ".join(
            name if name.startswith("all") else f"{count} in {name}"
            for name, count in tests.items()
        )
        terminalreporter.line(f"{begin} what {reason}: {said}")
