"""A part of this suite again, with every allocation of the process watched by AddressSanitizer.

The interpreter and the module are not instrumented: what is seen is memory that is freed twice or
wrongly, or handed to the C library after its end. `test_leaks.py` counts what is left behind, which
a leak detector can't tell from what an interpreter keeps until its end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from servers import PATIENCE, etcd_binary

# All values, all verbs, all errors; what starts programs of its own is left out.
SUITES = [
    "test_values.py",
    "test_stamps.py",
    "test_memory.py",
    "test_errors.py",
    "test_watch.py",
    "test_closed.py",
]


@pytest.fixture
def runtime() -> str:
    """The sanitizer's library, to be loaded before all others. Skips loudly; never in CI."""
    compiler = os.environ.get("CC", "cc")
    command = [compiler, "-print-file-name=libasan.so"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    found = Path(told.stdout.strip())
    if not found.is_absolute():
        assert os.environ.get("CI") != "true", f"{compiler} has no libasan.so"
        warnings.warn(f"{compiler} has no libasan.so: memory errors go unseen here", stacklevel=1)
        pytest.skip(f"{compiler} has no libasan.so: install it to have memory errors seen")
    # It is a script for the linker in some distributions, and a link in others.
    return str(found.resolve())


def sanitized(runtime: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Python's own allocator would hide the single objects.
    watched = {"LD_PRELOAD": runtime, "PYTHONMALLOC": "malloc", "ASAN_OPTIONS": "detect_leaks=0"}
    watched["LAMPORT_ETCD"] = etcd_binary()
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **watched},
        cwd=Path(__file__).parent,
        timeout=8 * PATIENCE,
        check=False,
    )


def test_no_verb_and_no_error_misuses_memory(runtime: str) -> None:
    done = sanitized(runtime, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "AddressSanitizer" not in done.stdout + done.stderr


def test_memory_that_is_misused_is_seen(runtime: str) -> None:
    done = sanitized(
        runtime,
        "-c",
        "import ctypes\n"
        "c = ctypes.CDLL(None)\n"
        "c.malloc.restype = ctypes.c_void_p\n"
        "c.free.argtypes = [ctypes.c_void_p]\n"
        "p = c.malloc(8)\n"
        "c.free(p)\n"
        "c.free(p)\n",
    )
    assert done.returncode != 0 and "double-free" in done.stderr
