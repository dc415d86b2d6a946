"""Updates of many tasks at once: awaited, and by the threads that asyncio has for blocking calls.

`event_loop.py STORE`; asked for a number of updates on a line, it answers with the milliseconds
that so many took each way, one way after the other. What asyncio itself takes for as many tasks
that each wait for a future stands beside them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

from lamport_clock import AsyncSharedClock


async def milliseconds(begin: Callable[[], Awaitable[object]], count: int) -> float:
    start = time.perf_counter()
    await asyncio.gather(*(begin() for _ in range(count)))
    return (time.perf_counter() - start) * 1e3


async def one_round(clock: AsyncSharedClock, count: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()

    async def bare() -> None:
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future

    def by_a_thread() -> Awaitable[object]:
        return loop.run_in_executor(None, clock.sync.update)

    return {
        "awaited": await milliseconds(clock.update, count),
        "executor": await milliseconds(by_a_thread, count),
        "bare": await milliseconds(bare, count),
    }


async def main() -> None:
    async with await AsyncSharedClock.connect(sys.argv[1], node="bench-node", timeout=60) as clock:
        for line in sys.stdin:
            print(json.dumps(await one_round(clock, int(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
