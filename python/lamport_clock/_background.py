"""Logs what the updates in the background have to say. SharedClock.start() imports it, and not
before: `import lamport_clock` costs no import of logging.

No thread of the library ever attaches to Python. So a small thread of Python's looks every half
second what there is to tell. It looks and never waits in native code: wherever it waits it is
Python that waits, so greenlets can stand in for it, and the interpreter's end finds no native code
on its stack.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
import traceback

from ._native import Notices

GLANCE = 0.5
"""The pause between two looks, in seconds."""
PATIENCE = 1.0
"""So long the interpreter's end waits for filters and handlers at work, in seconds."""

_logger = logging.getLogger(__name__.rpartition(".")[0])


class Follower(threading.Thread):
    """Logs for one clock, until that no longer updates in the background."""

    def __init__(self, notices: Notices, process: str) -> None:
        super().__init__(name="lamport-clock-log", daemon=True)
        self._notices = notices
        self._process = process
        self._over = threading.Event()

    def run(self) -> None:
        over = False
        while not over:
            over = self._over.wait(GLANCE)
            told = self._notices.take()
            if told is None:
                return
            for notice in told:
                try:
                    self._log(notice)
                except Exception:
                    # A filter of the program's, which gets the next notice all the same.
                    traceback.print_exc()

    def end(self) -> None:
        """Logs what there is, and ends; it is not waited for."""
        self._over.set()

    def _log(self, notice: tuple[str, str, str] | tuple[str, int, float]) -> None:
        # The recovery at the level of the failure: who has seen the one sees the other.
        match notice:
            case ("failing", str(kind), reason):
                _logger.warning(
                    "the clock of %s: updates in the background fail (%s), and go on: %s",
                    self._process,
                    kind,
                    reason,
                )
            case ("recovered", int(failures), seconds):
                _logger.warning(
                    "the clock of %s: updates in the background succeed again, after %d failure%s"
                    " in %.1f s",
                    self._process,
                    failures,
                    "s" * (failures != 1),
                    seconds,
                )


def follow(notices: Notices, process: str) -> None:
    """Logs from now on, on a thread of its own."""
    Follower(notices, process).start()


@atexit.register
def _end() -> None:
    # Daemons are cut off when the interpreter ends; one that is writing to stderr then takes the
    # stream's lock along, and the interpreter aborts.
    followers = [each for each in threading.enumerate() if isinstance(each, Follower)]
    for follower in followers:
        follower.end()
    give_up = time.monotonic() + PATIENCE
    for follower in followers:
        follower.join(max(0.0, give_up - time.monotonic()))
