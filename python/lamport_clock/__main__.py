"""The `lamport` command, and `python -m lamport_clock`."""

import signal
import sys

from . import _native


def main(*arguments: str) -> int:
    """Runs the command, with this process's arguments if none are given; its exit status."""
    # Python's own handler only sets a flag, and nobody looks at it while the command runs.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.main(["lamport", *(arguments or sys.argv[1:])])


if __name__ == "__main__":
    sys.exit(main())
