"""The deployed script's face on lamport_clock: `NODE_NAME=mx-nodel logical_count`.

Also `python -m logical_count`, but Python takes the old script where that lies in the working
directory.

Connects to the etcd of the node that NODE_NAME names (the others if it is down), then every 2 s
takes the next time of the shared clock under /lamport_clock. The settings are those of
lamport_clock (LAMPORT_STORE, LAMPORT_NODES, ...). It goes on whatever happens, also if etcd comes
later than it does, until Ctrl-C or SIGTERM ends it with exit status 0. A wrong setting ends it with
exit status 2: trying again would not mend it.

It prints one line for each event, at once, on stdout. A line that can't be written (the disk is
full, nobody reads) is left out, and a character that stdout's encoding lacks becomes `\\u6642`:

    Connected to 172.21.0.10:2379 as mx-nodel
    Connection failed (unavailable): <cause>
    Updated Lamport clock to 7 (before: 6 by mx-nodel2)
    Update failed (timeout): <cause>
    Stopped: 3 updates, 1 failure, last value 7

In an update line, "before" tells who held the record and at what value: "no record" if there was
none; "6 by mx-nodel2; had gone back from 9" if a writer that does not follow the rule had moved it
back from 9. In brackets after "failed" stands LamportError.kind. Without a single update the last
line ends in "no value".
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType

from lamport_clock import InvalidArgumentError, LamportError, SharedClock, UnknownNodeError, Update
from lamport_clock._native import escape
from lamport_clock._values import counted

INTERVAL = 2.0
"""The pause between two updates, in seconds."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_lock = threading.Lock()
_clock: SharedClock | None = None


def shared_clock() -> SharedClock:
    """The clock of this process, connected at the first call that succeeds."""
    global _clock
    with _lock:
        if _clock is None:
            _clock = SharedClock.connect()
        return _clock


def update_lamport_clock() -> int:
    """Takes the next time of the shared clock and returns it. Raises LamportError."""
    return shared_clock().update().value


def main(interval: float = INTERVAL) -> int:
    """Connects and updates until a signal ends it; returns the exit status.

    After that Ctrl-C and SIGTERM do nothing any more: the process is about to end.
    """
    updates = failures = 0
    last: int | None = None
    connected = False
    ending = False

    def end(_number: int, _frame: FrameType | None) -> None:
        # The next one comes while it ends, and changes nothing.
        nonlocal ending
        if not ending:
            ending = True
            raise KeyboardInterrupt

    try:
        for number in _SIGNALS:
            signal.signal(number, end)
        while True:
            try:
                clock = shared_clock()
                if not connected:
                    connected = True
                    _say(f"Connected to {clock.location} as {clock.process}")
                update = clock.update()
            except LamportError as error:
                failures += 1
                if not connected and isinstance(error, (InvalidArgumentError, UnknownNodeError)):
                    _say(f"Wrong setting ({error.kind}): {error}")
                    return 2
                attempt = "Update" if connected else "Connection"
                _say(f"{attempt} failed ({error.kind}): {error}")
            else:
                updates += 1
                last = update.value
                _say(f"Updated Lamport clock to {update.value} (before: {_before(update)})")
            time.sleep(interval)
    except KeyboardInterrupt:
        pass
    value = "no value" if last is None else f"last value {last}"
    _say(f"Stopped: {counted(updates, 'update')}, {counted(failures, 'failure')}, {value}")
    # As the interpreter ends it takes back its handlers, but not this.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    return 0


def _before(update: Update) -> str:
    if update.previous is None:
        text = "no record"
    else:
        text = f"{update.previous.value} by {update.previous.process}"
    if update.regressed is not None:
        text += f"; had gone back from {update.regressed}"
    return text


def _say(text: str) -> None:
    # A process id in the record is anybody's text: it may hold a line break, or drive a terminal.
    line = escape(text) + "\n"
    stdout = sys.stdout
    # None, if it was closed when the interpreter began.
    with suppress(OSError, ValueError, AttributeError):
        # Past its buffer, which would keep what can't be written until the process ends.
        os.write(stdout.fileno(), line.encode(stdout.encoding, "backslashreplace"))


if __name__ == "__main__":
    sys.exit(main())
