"""A job queue for asyncio that starts jobs in the order in which they were handed in, anywhere.

    python examples/python/job_queue.py
    LAMPORT_STORE=etcd://10.0.0.5 python examples/python/job_queue.py

Whoever hands in a job takes a ticket for it: the next time of the shared clock. Three clients do so
at once, and what waits together travels in one transaction. The queue starts a job when it sees its
ticket go by in the store, where tickets stand in one order for everybody; so it does not matter
whose task woke up first. Jobs may end in any order.

Without LAMPORT_STORE the store is in memory.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import defaultdict
from typing import Any, NamedTuple

from lamport_clock import AsyncSharedClock, LamportError

CLIENTS = ("web", "mail", "cron")
JOBS_EACH = 3
WORKERS = 2
# Not the key of your services.
KEY = "/examples/job_queue"


class Job(NamedTuple):
    """What is to be done, its ticket, and the transaction that brought it."""

    name: str
    ticket: int
    revision: int
    done: asyncio.Event


class JobQueue:
    """Jobs in the order of their tickets."""

    def __init__(self, clock: AsyncSharedClock) -> None:
        self._clock = clock
        self._ready: asyncio.Queue[Job] = asyncio.Queue()
        # A ticket may go by before its taker has heard of it.
        self._taken: defaultdict[int, asyncio.Future[Job]] = defaultdict(
            asyncio.get_running_loop().create_future
        )

    async def do(self, name: str) -> Job:
        """Hands in a job; returns when it is done."""
        ticket = await self._clock.update()
        job = Job(name, ticket.value, ticket.revision, asyncio.Event())
        self._taken[job.ticket].set_result(job)
        await job.done.wait()
        return job

    async def follow(self, revision: int) -> None:
        """Lets jobs start in the order in which their tickets go by, from this revision on."""
        async for seen in self._clock.watch(from_revision=revision):
            # Other processes take tickets too, and have a queue of their own.
            if seen.instance == self._clock.instance:
                for ticket in range(seen.first, seen.value + 1):
                    self._ready.put_nowait(await self._taken[ticket])
                    del self._taken[ticket]

    async def work(self, worker: int) -> None:
        """Does one job after another."""
        while True:
            job = await self._ready.get()
            print(f"{job.ticket:>8}  {job.name:<8} starts on worker {worker}")
            await asyncio.sleep(random.uniform(0.01, 0.03))  # the job
            job.done.set()


async def run(store: str) -> None:
    """Hands in all jobs at once, and prints how they are started."""
    async with await AsyncSharedClock.connect(store, node="queue", key=KEY) as clock:
        queue = JobQueue(clock)
        begin = await clock.update()
        tasks = [asyncio.create_task(queue.follow(begin.revision + 1))]
        tasks += [asyncio.create_task(queue.work(worker)) for worker in range(1, WORKERS + 1)]
        print("  ticket  job")
        names = [f"{client}-{n}" for n in range(1, JOBS_EACH + 1) for client in CLIENTS]
        jobs = asyncio.gather(*map(queue.do, names))
        # Nobody would do the jobs if one of the tasks ended in an error.
        running: list[asyncio.Future[Any]] = [jobs, *tasks]
        ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for one in ended:
            one.result()
        transactions = {job.revision for job in jobs.result()}
        print(f"\n{len(names)} jobs; transactions for their tickets: {len(transactions)}")


def main() -> int:
    """Runs the jobs; returns the exit status."""
    try:
        asyncio.run(run(os.environ.get("LAMPORT_STORE", "memory:")))
    except LamportError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
