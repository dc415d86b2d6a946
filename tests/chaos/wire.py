"""A slow or lossy wire: this kernel has no `tc netem`, so a program stands where the cable was.

usage: wire.py DELAY_MS LOSS_PERCENT INTERFACE INTERFACE     frames go from each to the other
       wire.py --whole INTERFACE                             no half-made frames on this interface

It says "ready" once it carries frames, and ends with its standard input.
"""

from __future__ import annotations

import array
import fcntl
import random
import selectors
import socket
import struct
import sys
import time
from collections import deque

EVERY_PROTOCOL = 3
# Not named by every Python.
SOL_PACKET = 263
IGNORE_OUTGOING = 23
ETHTOOL = 0x8946
SET_CHECKSUMS = 0x17
LARGEST_FRAME = 65_600


def whole(interface: str) -> None:
    """Has checksums and segments made here: a cable leaves them to a card that we have not."""
    question = array.array("B", struct.pack("II", SET_CHECKSUMS, 0))
    request = struct.pack("16sP", interface.encode(), question.buffer_info()[0])
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, ETHTOOL, request)


def plug(interface: str) -> socket.socket:
    """Everything that arrives at an interface, whomever it is for."""
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL))
    found.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
    found.bind((interface, 0))
    found.setblocking(False)
    return found


def carry(delay: float, loss: float, interfaces: list[str]) -> None:
    """Carries frames both ways until the life line closes."""
    ends = [plug(interface) for interface in interfaces]
    ready = selectors.DefaultSelector()
    ready.register(sys.stdin, selectors.EVENT_READ, None)
    for end, other in zip(ends, reversed(ends), strict=True):
        ready.register(end, selectors.EVENT_READ, other)
    # All wait equally long, so the order in which they came is the one in which they are due.
    waiting: deque[tuple[float, socket.socket, bytes]] = deque()
    print("ready", flush=True)
    while True:
        until = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for key, _ in ready.select(until):
            if key.data is None:
                return
            try:
                frame = key.fileobj.recv(LARGEST_FRAME)  # type: ignore[union-attr]
            except BlockingIOError:
                continue
            if random.random() >= loss:
                waiting.append((time.monotonic() + delay, key.data, frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, other, frame = waiting.popleft()
            try:
                other.send(frame)
            except OSError:
                # A full queue or an interface that is down loses it, as a cable would.
                continue


if __name__ == "__main__":
    if sys.argv[1] == "--whole":
        whole(sys.argv[2])
    else:
        carry(float(sys.argv[1]) / 1e3, float(sys.argv[2]) / 1e2, sys.argv[3:])
