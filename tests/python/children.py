"""Forked children, for programs that fork with clocks in hand."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from lamport_clock import ClosedError, SharedClock

T = TypeVar("T")


PATIENCE = 30
LEAVES: list[Callable[[int], object]] = [os._exit, sys.exit]
# Too long to be kept in place, so that the list of names is in play.
NAME = "checkout-service-6d4cf56db6-x2v4q"


class Child(Generic[T]):
    """A forked child that does `work`, and tells what that returned."""

    def __init__(self, work: Callable[[], T], *, leave: Callable[[int], object] = os._exit) -> None:
        heard, told = os.pipe()
        self._heard = heard
        self._pid = os.fork()
        if self._pid:
            os.close(told)
            return
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)
        os.close(heard)
        try:
            with os.fdopen(told, "w") as out:
                json.dump(work(), out)
        except BaseException as error:
            print(f"child: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        # By os._exit() nothing of Python's ends; by sys.exit() everything does, unless in a child's
        # child, where it is no more than an exception in `work`.
        leave(0)

    def join(self) -> T:
        """What it told, once it has ended well."""
        with os.fdopen(self._heard) as told:
            text = told.read()
        _, status = os.waitpid(self._pid, 0)
        assert status == 0, f"child: {os.waitstatus_to_exitcode(status)}"
        return cast(T, json.loads(text))


def refused(call: Callable[[], object]) -> str:
    """The message of the ClosedError that the call must raise."""
    try:
        given = call()
    except ClosedError as error:
        return str(error)
    raise AssertionError(f"it gave {given}")


def threads() -> int:
    """How many threads this process has."""
    return len(os.listdir("/proc/self/task"))


def updates(clock: SharedClock, count: int) -> list[int]:
    return [clock.update().value for _ in range(count)]


def stopwatch() -> None:
    """The program itself ends by an alarm, too; children set their own."""
    signal.alarm(3 * PATIENCE)
