"""Many Python threads that call update() on one clock, in a closed loop.

`threads.py STORE`; asked for a number of threads and seconds on a line, it answers with the
milliseconds of each call and how long it took in all.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from lamport_clock import SharedClock


def crowd(clock: SharedClock, threads: int, seconds: float) -> tuple[float, list[float]]:
    ready = threading.Barrier(threads + 1)
    latencies: list[list[float]] = [[] for _ in range(threads)]

    def caller(own: list[float]) -> None:
        ready.wait()
        now = time.perf_counter()
        end = now + seconds
        while now < end:
            clock.update()
            begin, now = now, time.perf_counter()
            own.append((now - begin) * 1e3)

    running = [threading.Thread(target=caller, args=(own,)) for own in latencies]
    for thread in running:
        thread.start()
    ready.wait()
    begin = time.perf_counter()
    for thread in running:
        thread.join()
    return time.perf_counter() - begin, [latency for own in latencies for latency in own]


def main() -> None:
    with SharedClock.connect(sys.argv[1], node="bench-node", timeout=60.0) as clock:
        clock.update()
        for line in sys.stdin:
            threads, seconds = line.split()
            length, latencies = crowd(clock, int(threads), float(seconds))
            print(json.dumps({"seconds": length, "latencies": latencies}), flush=True)


if __name__ == "__main__":
    main()
