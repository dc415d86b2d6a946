"""A worker of Celery that does as a task says, and hands others on: test_seeing.py.

The environment has SEEING_NAME and SEEING_FOLDER; the broker is that folder. A task is a list of
such tasks for others, each with its queue: [["bank", [...]], ...]. The worker prints a line for
each that it has done. As a program it is who gives out the tasks that it finds in its argument.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import lamport_clock.celery
from celery import Celery
from celery.signals import before_task_publish, task_prerun
from vectored import HEADER, Vectored

FOLDER = os.environ["SEEING_FOLDER"]
clock = Vectored(os.environ["SEEING_NAME"], FOLDER)

app = Celery("seeing_queue", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": f"{FOLDER}/messages",
    "data_folder_out": f"{FOLDER}/messages",
    "control_folder": f"{FOLDER}/control",
    "polling_interval": 0.01,
}
app.conf.worker_hijack_root_logger = False
app.conf.task_ignore_result = True


def arrive(task: Any = None, **_: object) -> None:  # noqa: ANN401
    clock.arriving(getattr(task.request, HEADER))


def leave(headers: Any = None, **_: object) -> None:  # noqa: ANN401
    headers[HEADER] = clock.left()


# Receivers of a signal are called in the order in which they came.
task_prerun.connect(arrive)
lamport_clock.celery.install(clock, trust="everybody")
before_task_publish.connect(leave)


@app.task
def work(tasks: list[Any]) -> None:
    give(tasks)
    # Celery has made a log of sys.stdout.
    os.write(1, b"done\n")


def give(tasks: list[Any]) -> None:
    """Nothing leaves after the last line."""
    clock.log()
    for queue, inner in tasks:
        work.apply_async((inner,), queue=queue)
        clock.log()


if __name__ == "__main__":
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(give, json.loads(sys.argv[1])))
    clock.log_last()
