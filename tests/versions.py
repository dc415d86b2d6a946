"""Runs the tests that use an etcd against one version of it after the other, and adds up.

usage: versions.py [--few] FOLDER VERSION...     (FOLDER/VERSION/etcd; --few: half a minute of them)

Prints a line for each suite and version, and the sum. A version that is not there is named, and
counts as skipped. What a suite said stands in FOLDER/VERSION/SUITE.log.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from summary import Count, count

REPOSITORY = Path(__file__).resolve().parents[1]
PYTEST = "-m pytest -q -p no:cacheprovider test_etcd.py test_repair.py test_tls.py"
# Far longer than any of them takes.
PATIENCE = 1200


def of_cargo(*tests: str) -> tuple[list[str], Path]:
    """How to run these of the workspace's tests, and where."""
    chosen = [word for name in tests for word in ("--test", name)]
    return ["cargo", "test", "--no-fail-fast", *chosen], REPOSITORY


SUITES = {
    "stores": of_cargo("conformance"),
    "rust": of_cargo("etcd"),
    "command": of_cargo("cli_etcd", "restore", "tls", "users"),
    "python": (
        [os.environ.get("LAMPORT_PYTHON", sys.executable), *PYTEST.split()],
        REPOSITORY / "tests/python",
    ),
}
FEW = {"few": of_cargo("conformance", "restore", "users")}
FAILED = re.compile(r"^(?:test (\S+) \.\.\. FAILED|(?:FAILED|ERROR) (\S+))", re.M)


def version_of(etcd: Path) -> str | None:
    """What that etcd says it is; None where there is none, or it does not run here."""
    try:
        said = subprocess.run([etcd, "--version"], capture_output=True, text=True, timeout=20)
    except OSError:
        return None
    found = re.search(r"etcd Version: (\S+)", said.stdout)
    return found[1] if found else None


def run(suite: str, argv: list[str], folder: Path, etcd: Path) -> tuple[Count, list[str]]:
    """The counts of one suite against that etcd, and the names of what failed."""
    done = subprocess.run(
        argv,
        cwd=folder,
        env={**os.environ, "LAMPORT_ETCD": str(etcd)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    etcd.with_name(f"{suite}.log").write_text(done.stdout)
    failed = sorted({first or second for first, second in FAILED.findall(done.stdout)})
    if done.returncode and not failed:
        failed = [f"{suite} gave {done.returncode}"]
    return count(done.stdout), failed


def main() -> int:
    """Prints the table; fails where a test failed, or a suite ran none."""
    words = sys.argv[1:]
    suites = FEW if "--few" in words else SUITES
    folder, *versions = [word for word in words if word != "--few"]
    counts = []
    missing, empty = 0, False
    began = time.monotonic()
    print("etcd      suite     passed failed skipped")
    for version in versions:
        etcd = Path(folder).resolve() / version / "etcd"
        if version_of(etcd) != version:
            print(f"NOT TESTED: etcd {version}, which was not to be had", flush=True)
            missing += 1
            continue
        for suite, (argv, where) in suites.items():
            found, failed = run(suite, argv, where, etcd)
            said = f"{found.passed:>6}{found.failed:>7}{found.skipped:>8}"
            print(f"{version:<10}{suite:<10}{said}  {', '.join(failed)}", flush=True)
            counts.append(found._replace(failed=len(failed)))
            empty |= not found.passed
    total = Count(*map(sum, zip(*counts, strict=True))) if counts else Count(0, 0, 0)
    # As pytest says it, for summary.py.
    print(
        f"{total.failed} failed, {total.passed} passed, {total.skipped + missing} skipped "
        f"in {time.monotonic() - began:.2f}s"
    )
    return 1 if total.failed or empty else 0


if __name__ == "__main__":
    sys.exit(main())
