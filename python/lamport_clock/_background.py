"""Logs what becomes of updates in the background. Only SharedClock.start() loads it: `import
lamport_clock` costs no import of logging.

No thread of the library ever attaches to Python. So a small thread of Python's looks at the counts
of stats() every half second, and logs what has changed. It looks and never waits in native code:
wherever it waits it is Python that waits, so greenlets can stand in for it, and the interpreter's
end finds no native code on its stack.
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
"""So long the interpreter's end waits for filters and handlers at work, in seconds."""

_logger = logging.getLogger(__name__.rpartition(".")[0])

_following: dict[int, Follower] = {}
"""Who logs for which instance. A forked child's clocks have instances of their own, so what it
inherits here is nothing to it; and no lock is needed, which it might inherit held."""


class Follower(threading.Thread):
    """Logs for one clock, until that no longer updates in the background or is gone.

    Made before the updates begin, so that it knows what was counted before; begun afterwards.
    """

    def __init__(self, clock: SharedClock) -> None:
        super().__init__(name="lamport-clock-log", daemon=True)
        self._clock = weakref.ref(clock)
        self._instance = clock.instance
        self._known = clock.stats()
        self._outage: _Outage | None = None
        self._over = threading.Event()

    def begin(self) -> None:
        """Logs from now on, unless another one logs for this clock."""
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
        """Logs what there is; whether to look again. It keeps no clock alive in between."""
        if (clock := self._clock()) is None:
            return False
        stats = clock.stats()
        try:
            self._note(clock.process, stats)
        except Exception:
            # A filter of the program's, which gets the next line all the same.
            traceback.print_exc()
        if not stats.running:
            self._leave()
            # Started again in between: whoever comes first goes on.
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
            # Else they were stopped. At the level of the failure, to be seen by the same people.
            if stats.updates > known.updates:
                _logger.warning(
                    "the clock of %s: updates in the background succeed again, after %s in %.1f s",
                    process,
                    counted(stats.failures - ended.before, "failure"),
                    time.monotonic() - ended.since,
                )


class _Outage:
    """Failures in a row, as far as they were seen."""

    def __init__(self, before: SyncStats) -> None:
        self.before = before.failures
        # A little before it was seen.
        self.since = time.monotonic() - GLANCE / 2
        self.told: set[str] = set()


@atexit.register
def _end() -> None:
    # Daemons are cut off when the interpreter ends; one that is writing to stderr then takes the
    # stream's lock along, and the interpreter aborts.
    followers = [each for each in threading.enumerate() if isinstance(each, Follower)]
    for follower in followers:
        # It logs what there is before it ends.
        follower._over.set()
    give_up = time.monotonic() + PATIENCE
    for follower in followers:
        follower.join(max(0.0, give_up - time.monotonic()))
