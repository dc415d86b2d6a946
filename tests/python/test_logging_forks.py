"""Log records of forked children."""

from __future__ import annotations

from lamport_clock import Stamp
from orders import merge
from programs import run


def test_a_forked_child_stamps_with_an_instance_of_its_own() -> None:
    script = """
import logging, os, sys
import lamport_clock.logging
from lamport_clock import SharedClock
lamport_clock.logging.install(SharedClock.memory("api"))
logging.basicConfig(stream=sys.stdout, level="INFO", format="%(lamport_time)s %(lamport_instance)s")
logging.info("parent")
sys.stdout.flush()
if os.fork() == 0:
    logging.info("child")
    sys.stdout.flush()
    os._exit(0)
os.wait()
"""
    done = run("-c", script)
    (parent, one), (child, other) = (line.split() for line in done.stdout.splitlines())
    assert int(child) > int(parent) and one != other, done.stderr


def test_the_lines_of_two_children_are_told_apart() -> None:
    script = """
import logging, os, sys
import lamport_clock.logging
from lamport_clock import SharedClock
lamport_clock.logging.install(SharedClock.memory("api"))
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(lamport_clock.logging.Formatter())
logging.basicConfig(handlers=[handler], level="INFO")
logging.info("parent")
for child in "ab":
    if os.fork() == 0:
        logging.info(child)
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""
    done = run("-c", script)
    parent, a, b = done.stdout.splitlines()
    assert parent == "parent 1@api <-", done.stderr
    stamps = [Stamp.parse(line.split()[1]) for line in (a, b)]
    # Each came after the parent's line.
    parents = {line.split()[2] for line in (a, b)}
    assert len(parents) == 1 and parents.pop().startswith("<1@api;instance=")
    assert stamps[0] != stamps[1] and stamps[0].time == stamps[1].time == 2
    assert all(stamp.instance for stamp in stamps)
    assert merge([b], [a], [parent])[0] == parent


def test_a_forked_child_installs_although_a_thread_of_the_parent_was_installing() -> None:
    script = """
import logging, os, threading
import lamport_clock.logging
from lamport_clock import SharedClock
held, forked = threading.Event(), threading.Event()
def install():
    with lamport_clock.logging._lock:
        held.set()
        forked.wait()
thread = threading.Thread(target=install)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    lamport_clock.logging.install(SharedClock.memory("child"))
    os._exit(0 if logging.makeLogRecord({}).lamport.startswith("1@child;") else 1)
forked.set()
print(os.waitpid(child, 0)[1])
"""
    assert run("-c", script).stdout == "0\n"
