"""The deployed script's interface, on top of lamport_clock: `NODE_NAME=mx-nodel logical_count`.

`python -m logical_count` works too. But if the old script lies in the working directory, Python
runs that one.

Connects to the etcd of the node that NODE_NAME names (the others if it is down), then every 2 s
takes the next time of the shared clock under /lamport_clock. The settings are those of
lamport_clock (LAMPORT_STORE, LAMPORT_NODES, ...). It goes on whatever happens, also if etcd starts
later than it does, until Ctrl-C or SIGTERM ends it with exit status 0. A wrong setting ends it with
exit status 2, because trying again would not help.

It prints one line for each event, at once, on stdout. A line that can't be written (the disk is
full, nobody reads) is left out, and a character that stdout's encoding lacks becomes `\\u6642`:

    Connected to 172.21.0.10:2379 as mx-nodel
    Connection failed (unavailable): <cause>
    Updated Lamport clock to 7 (before: 6 by mx-nodel2)
    Update failed (timeout): <cause>
    Stopped: 3 updates, 1 failure, last value 7

In an update line, "before" tells who held the record and at what value: "no record" if there was
none; "6 by mx-nodel2; had gone back from 9" if a writer that does not follow the rule had moved it
back from 9. The word in brackets after "failed" is LamportError.kind. Without a single update the
last line ends in "no value".
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

    After the first signal, further ones do nothing: the process is about to end.
    """
    updates = failures = 0
    last: int | None = None
    connected = False
    ending = False

    def end(_number: int, _frame: FrameType | None) -> None:
        # A second signal comes while the process ends already, and is ignored.
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
    # When the interpreter ends, it resets its signal handlers, but not SIG_IGN.
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
    # Anyone can write a process id into the record: it may hold line breaks or terminal codes.
    line = escape(text) + "\n"
    stdout = sys.stdout
    # stdout is None if it was closed when the interpreter began.
    with suppress(OSError, ValueError, AttributeError):
        # Not by way of stdout's buffer, which would keep unwritable text until the process ends.
        os.write(stdout.fileno(), line.encode(stdout.encoding, "backslashreplace"))


if __name__ == "__main__":
    sys.exit(main())
