"""A process that logs and talks as it is told on stdin, a line at a time; each answer is a line.

log TEXT            the line of the log
send                the header of a message
receive HEADER      ok
fork PORT           ok; a child listens to whoever it finds there

talker.py NAME
"""

from __future__ import annotations

import logging
import os
import socket
import sys

import lamport_clock.logging
from lamport_clock import LocalClock, propagation


def main() -> None:
    clock = LocalClock(sys.argv[1])
    lamport_clock.logging.install(clock)
    formatter = lamport_clock.logging.JsonFormatter()
    while command := sys.stdin.readline():
        verb, _, rest = command.rstrip("\n").partition(" ")
        answer = "ok"
        if verb == "log":
            answer = formatter.format(logging.makeLogRecord({"msg": rest}))
        elif verb == "send":
            headers: dict[str, str] = {}
            propagation.inject(headers, clock)
            answer = headers["lamport"]
        elif verb == "receive":
            assert propagation.extract({"lamport": rest}, clock)
        elif os.fork() == 0:
            with socket.create_connection(("127.0.0.1", int(rest))) as connection:
                os.dup2(connection.fileno(), 0)
                os.dup2(connection.fileno(), 1)
            continue
        print(answer, flush=True)


if __name__ == "__main__":
    main()
