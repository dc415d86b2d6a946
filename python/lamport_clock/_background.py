"""Logs when updates in the background fail, and when they succeed again. Only SharedClock.start()
imports this module, so that `import lamport_clock` does not import logging.

No native thread of the library ever attaches to Python. So a Python thread looks at the counts of
stats() every half second, and logs changes. It waits only in Python, never in native code. So
greenlets can replace it, and when the interpreter ends, no native code is on its stack.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
import traceback
import weakref

from ._values import counted

TYPE_CHECKING = False  # typing's own costs an import of typing
if TYPE_CHECKING:
    from . import SharedClock, SyncStats

GLANCE = 0.5
"""The pause between two looks, in seconds."""
PATIENCE = 1.0
"""How long the interpreter's end waits for logging filters and handlers to finish, in seconds."""

_logger = logging.getLogger(__name__.rpartition(".")[0])

_following: dict[int, Follower] = {}
"""The follower of each instance. A forked child's clocks are new instances, so the entries that it
inherits don't affect it. There is no lock, because a child could inherit it locked."""


class Follower(threading.Thread):
    """Logs for one clock, until the clock stops its updates in the background or is deleted.

    Made before the updates begin, so that it knows the counts before them; begun afterwards.
    """

    def __init__(self, clock: SharedClock) -> None:
        super().__init__(name="lamport-clock-log", daemon=True)
        self._clock = weakref.ref(clock)
        self._instance = clock.instance
        self._known = clock.stats()
        self._outage: _Outage | None = None
        self._over = threading.Event()

    def begin(self) -> None:
        """Starts to log, unless another follower logs for this clock."""
        if self._leads():
            try:
                self.start()
            except BaseException:
                self._leave()
                raise

    def run(self) -> None:
        try:
            ends = False
            while not ends:
                ends = self._over.wait(GLANCE)
                ends = not self._look() or ends
        finally:
            self._leave()

    def _leads(self) -> bool:
        return _following.setdefault(self._instance, self) is self

    def _leave(self) -> None:
        if _following.get(self._instance) is self:
            _following.pop(self._instance, None)

    def _look(self) -> bool:
        """Logs changes, and returns whether to look again. Keeps no clock alive in between."""
        if (clock := self._clock()) is None:
            return False
        stats = clock.stats()
        try:
            self._note(clock.process, stats)
        except Exception:
            # A logging filter of the program failed. It gets the next line all the same.
            traceback.print_exc()
        if not stats.running:
            self._leave()
            # The updates may have been started again: the follower that registers first goes on.
            return clock.stats().running and self._leads()
        return True

    def _note(self, process: str, stats: SyncStats) -> None:
        known, self._known = self._known, stats
        if stats.failures > known.failures:
            outage = self._outage = self._outage or _Outage(known)
            for kind, count in stats.failures_by_kind.items():
                if count > known.failures_by_kind.get(kind, 0) and kind not in outage.told:
                    outage.told.add(kind)
                    _logger.warning(
                        "the clock of %s: updates in the background fail (%s), and go on%s",
                        process,
                        kind,
                        f": {stats.last_error}" if kind == stats.last_error_kind else "",
                    )
        if (ended := self._outage) is not None and stats.failing == 0:
            self._outage = None
            # Without a new success they were stopped. A warning as the failure was, so that the
            # same people see it.
            if stats.updates > known.updates:
                _logger.warning(
                    "the clock of %s: updates in the background succeed again, after %s in %.1f s",
                    process,
                    counted(stats.failures - ended.before, "failure"),
                    time.monotonic() - ended.since,
                )


class _Outage:
    """A series of failures without a success, as far as this thread saw it."""

    def __init__(self, before: SyncStats) -> None:
        self.before = before.failures
        # It began at some time after the previous look: assume the middle.
        self.since = time.monotonic() - GLANCE / 2
        self.told: set[str] = set()


@atexit.register
def _end() -> None:
    # When the interpreter ends, it cuts daemon threads off. If one is writing to stderr, it still
    # holds the stream's lock, and the interpreter aborts.
    followers = [each for each in threading.enumerate() if isinstance(each, Follower)]
    for follower in followers:
        # The follower logs the last changes before it ends.
        follower._over.set()
    give_up = time.monotonic() + PATIENCE
    for follower in followers:
        follower.join(max(0.0, give_up - time.monotonic()))
