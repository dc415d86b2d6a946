"""Signals: what a process may do to the calls that wait in it."""

from __future__ import annotations

import signal
import subprocess
from contextlib import suppress

import pytest
from programs import Program, run
from servers import Etcd, Silence
from verbs import VERBS, WAITING

# The clock's own deadline is far longer than what the test waits for the process to end.
CALL = """
import operator, sys
from lamport_clock import SharedClock
clock = SharedClock.open(sys.argv[1], node="a", timeout=3600)
print("calling", flush=True)
{}
print("it returned")
"""
CALLS = {
    "connect": "SharedClock.connect(sys.argv[1], node='a', timeout=3600)",
    **{verb: f"{VERBS[verb]!r}(clock)" for verb in WAITING},
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


def test_ctrl_c_ends_a_watch_on_etcd(etcd: Etcd, key: str) -> None:
    script = """
import sys
from lamport_clock import SharedClock
clock = SharedClock.connect(sys.argv[1], node="a")
watch = clock.watch()
clock.update()
for update in watch:
    print("waiting", flush=True)
"""
    with Program("-c", script, etcd.uri(key)) as program:
        assert program.next_line() == "waiting"
        assert program.end(signal.SIGINT) == -signal.SIGINT
        assert program.lines[-1] == "KeyboardInterrupt"


def test_a_handler_of_sigterm_ends_a_call_that_waits(silence: Silence) -> None:
    script = """
import signal, sys
from lamport_clock import SharedClock
def end(number, frame):
    raise SystemExit(7)
signal.signal(signal.SIGTERM, end)
print("calling", flush=True)
with SharedClock.open(sys.argv[1], node="a", timeout=3600) as clock:
    clock.update()
"""
    with Program("-c", script, silence.uri) as program:
        assert program.next_line() == "calling"
        silence.wait_for_caller()
        assert program.end(signal.SIGTERM) == 7
        assert program.lines == ["calling"]


STORM = """
import os, signal, sys
from lamport_clock import SharedClock
seen = 0
def count(number, frame):
    global seen
    seen += 1
def storm():
    signal.signal(signal.SIGALRM, count)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
def calm():
    signal.setitimer(signal.ITIMER_REAL, 0)
def work(clock):
    values = [clock.update().value for _ in range(100)]
    while not seen:
        values.append(clock.update().value)
    assert values == sorted(set(values))
storm()
clock = SharedClock.connect(sys.argv[1], node="a")
work(clock)
# Timers are not inherited: the child's signals begin before its first use of the clock.
child = os.fork()
seen = 0
storm()
work(clock)
calm()
if child:
    assert os.waitpid(child, 0)[1] == 0
    print("went on")
"""


def test_calls_and_a_childs_first_use_go_on_under_a_storm_of_signals(etcd: Etcd, key: str) -> None:
    done = run("-c", STORM, etcd.uri(key))
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")


@pytest.mark.parametrize("where", ["parent", "child"])
def test_a_signal_that_the_host_blocks_is_not_handled_on_our_thread(where: str) -> None:
    script = """
import os, signal, sys
from lamport_clock import SharedClock
clock = SharedClock.memory("a")
clock.update()
child = os.fork() if sys.argv[1] == "child" else 0
if child:
    assert os.waitpid(child, 0)[1] == 0
else:
    clock.update()
    # Only now: a thread that has it unblocked would be ended by it, and the process with it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.kill(os.getpid(), signal.SIGTERM)
    print(signal.sigwait({signal.SIGTERM}).name)
"""
    done = run("-c", script, where)
    assert (done.returncode, done.stdout, done.stderr) == (0, "SIGTERM\n", "")


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


def test_a_command_whose_output_nobody_reads_ends_when_it_is_asked_again() -> None:
    """Asked once, it waits for ever to write what it has to say."""
    script = """
import os, sys
read, write = os.pipe()
os.set_inheritable(read, True)
os.set_blocking(write, False)
try:
    while True:
        os.write(write, b"x" * 4096)
except BlockingIOError:
    os.set_blocking(write, True)
os.dup2(write, 1)
print("full", file=sys.stderr, flush=True)
os.execv(sys.executable, [sys.executable, "-m", "lamport_clock", *sys.argv[1:]])
"""
    arguments = ("run", "--store", "memory:", "--node", "a", "--interval", "60m")
    with Program("-c", script, *arguments) as program:
        assert program.next_line() == "full"
        # Before the command listens, a signal simply ends it.
        status = f"/proc/{program.process.pid}/status"
        while not caught(status) >> (signal.SIGTERM - 1) & 1:
            assert program.process.poll() is None
        # Two that come together may be one.
        while program.process.poll() is None:
            program.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                program.process.wait(0.1)
        assert program.process.returncode == 1


def caught(status: str) -> int:
    """The signals that a process has handlers for."""
    with open(status) as lines:
        return next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
