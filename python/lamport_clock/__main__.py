"""The `lamport` command, and `python -m lamport_clock`."""

import signal
import sys

from . import _native


def main(*arguments: str) -> int:
    """Runs the command and returns its exit status. By default it gets this process's arguments."""
    # Python's own handler only sets a flag, which is not checked while the native command runs.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.main(["lamport", *(arguments or sys.argv[1:])])


if __name__ == "__main__":
    sys.exit(main())
