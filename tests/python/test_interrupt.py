"""Ctrl-C and fork: what a process may do to the calls that wait in it."""

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


def test_a_child_does_not_go_on_with_its_parents_clock() -> None:
    script = """
import os
from lamport_clock import ClosedError, SharedClock
clock = SharedClock.memory("a")
clock.update()
watch = clock.watch()
if os.fork() == 0:
    calls = [clock.tick, clock.now, clock.update, clock.read, clock.watch, clock.history,
             lambda: clock.receive(1), lambda: clock.reserve(2), lambda: next(watch),
             lambda: SharedClock.memory("child").update()]
    for call in calls:
        try:
            print("gave", call())
        except ClosedError as error:
            assert "fork" in str(error)
    fresh = SharedClock.memory("child")
    print(fresh.tick().time, fresh.instance != clock.instance, flush=True)
    clock.close()
    os._exit(0)
_, status = os.wait()
print(os.waitstatus_to_exitcode(status), clock.update().value)
"""
    done = run("-c", script)
    assert done.stdout.splitlines() == ["1 True", "0 4"], done.stderr


def test_a_child_may_use_clocks_if_its_parent_had_not() -> None:
    script = """
import os
from lamport_clock import SharedClock
if os.fork() == 0:
    if os.fork() == 0:
        print("grandchild", SharedClock.memory("a").update().value, flush=True)
        os._exit(0)
    os.wait()
    print("child", SharedClock.memory("a").update().value, flush=True)
    os._exit(0)
os.wait()
print("parent", SharedClock.memory("a").update().value, flush=True)
"""
    done = run("-c", script)
    assert done.stdout.splitlines() == ["grandchild 2", "child 2", "parent 2"], done.stderr


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
