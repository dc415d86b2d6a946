"""Signals: what a process may do to the calls that wait in it."""

from __future__ import annotations

import signal

import pytest
from programs import Program, run
from servers import Silence

# The clock's own deadline is far longer than what the test waits for the process to end.
CALL = """
import sys
from lamport_clock import SharedClock
clock = SharedClock.open(sys.argv[1], node="a", timeout=3600)
print("calling", flush=True)
{}
print("it returned")
"""
CALLS = {
    "connect": "SharedClock.connect(sys.argv[1], node='a', timeout=3600)",
    "update": "clock.update()",
    "reserve": "clock.reserve(5)",
    "read": "clock.read()",
    "watch": "clock.watch()",
    "history": "clock.history()",
}


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_ends_a_call_that_waits(call: str, silence: Silence) -> None:
    with Program("-c", CALL.format(CALLS[call]), silence.uri) as program:
        assert program.next_line() == "calling"
        silence.wait_for_caller()
        assert program.end(signal.SIGINT) == -signal.SIGINT
        assert program.lines[-1] == "KeyboardInterrupt"


def test_ctrl_c_ends_a_watch_that_waits() -> None:
    script = """
from lamport_clock import SharedClock
watch = SharedClock.memory("a").watch()
print("waiting", flush=True)
for update in watch:
    print("it returned")
"""
    with Program("-c", script) as program:
        assert program.next_line() == "waiting"
        assert program.end(signal.SIGINT) == -signal.SIGINT
        assert program.lines[-1] == "KeyboardInterrupt"


def test_a_clock_goes_on_after_ctrl_c() -> None:
    script = """
from lamport_clock import SharedClock
clock = SharedClock.memory("a")
watch = clock.watch()
clock.update()
next(watch)
try:
    print("waiting", flush=True)
    next(watch)
except KeyboardInterrupt:
    print(clock.update().value, next(watch).value)
"""
    with Program("-c", script) as program:
        assert program.next_line() == "waiting"
        assert program.end(signal.SIGINT) == 0
        assert program.lines[-1] == "4 4"


def test_processes_end_well_with_calls_under_way(silence: Silence) -> None:
    script = """
import sys, threading
from lamport_clock import SharedClock
clock = SharedClock.open(sys.argv[1], node="a", timeout=3600)
for _ in range(8):
    threading.Thread(target=clock.update, daemon=True).start()
print("calling", flush=True)

"""
    for _ in range(5):
        done = run("-c", script, silence.uri)
        assert (done.returncode, done.stdout, done.stderr) == (0, "calling\n", "")
