"""A clock with a vector clock beside it, for the programs that test_seeing.py runs.

A line, a message that leaves and one that arrives are each one step for both clocks, under one
lock. With two steps another thread's event may come in between, and then one clock says that it
came before and the other one that it came after. It does no harm that a message waits between its
step and the wire: neither clock counts what happens meanwhile.

The vector travels beside the stamp in a header of its own. The middleware or interceptor that is
tested takes the step, by tick() or receive(); what puts the header into the message, or takes it
out, is called before or after that in the same context: thread or task.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from contextvars import ContextVar
from pathlib import Path

import lamport_clock.logging
from lamport_clock import SharedClock, Stamp, propagation

HEADER = "x-vector"


class Vectored:
    """The clock of a process, in place of the one that stamps its log. It writes the log NAME.log,
    and beside it NAME.vectors: for each line its text, and the vector."""

    def __init__(self, name: str, folder: str) -> None:
        self._clock = SharedClock.memory(name)
        self._owner = name
        self._vector: dict[str, int] = {}
        self._lock = threading.Lock()
        self._left: ContextVar[str] = ContextVar("left")
        self._arriving: ContextVar[str] = ContextVar("arriving")
        lamport_clock.logging.install(self._clock)
        handler = logging.FileHandler(Path(folder, f"{name}.log"))
        handler.setFormatter(lamport_clock.logging.JsonFormatter())
        # What others in the process log is an event, too: without its line it would be missing.
        logging.basicConfig(handlers=[handler])
        self._log = logging.getLogger("shop")
        self._log.setLevel("INFO")
        self._vectors = Path(folder, f"{name}.vectors")
        # A child begins with what its parent knew at the fork, by both clocks.
        os.register_at_fork(
            before=self._lock.acquire,
            after_in_parent=self._lock.release,
            after_in_child=self._begin_child,
        )

    def _begin_child(self) -> None:
        self._owner = f"{self._owner}-{os.getpid()}"
        self._lock.release()

    def log(self) -> None:
        """Writes a line."""
        with self._lock:
            number = self._vector.get(self._owner, 0) + 1
            self._vector[self._owner] = number
            text = f"{self._owner} {number}"
            self._log.info(text)
            with self._vectors.open("a") as vectors:
                vectors.write(json.dumps([text, self._vector]) + "\n")

    def log_last(self) -> None:
        """Writes a line after which nothing leaves, so that no message may have slipped by."""
        stats = propagation.stats()
        assert stats.failed == stats.untrusted == stats.malformed == 0, stats
        self.log()

    def tick(self) -> Stamp:
        """A message leaves."""
        with self._lock:
            self._left.set(json.dumps(self._vector))
            return self._clock.tick()

    def receive(self, message: Stamp, /) -> Stamp:
        """A message arrives."""
        with self._lock:
            for owner, number in json.loads(self._arriving.get()).items():
                self._vector[owner] = max(self._vector.get(owner, 0), number)
            return self._clock.receive(message)

    def left(self) -> str:
        """The vector of the message that left last, for its header."""
        return self._left.get()

    def arriving(self, vector: str) -> None:
        """A message with this vector in its header is about to be received."""
        self._arriving.set(vector)
