"""A worker of Celery that does as a task says, and hands others on: test_seeing.py.

The environment has SEEING_NAME and SEEING_FOLDER; the broker is that folder. A task is a list of
such tasks for others, each with its queue: [["bank", [...]], ...]. The worker prints a line for
each that it has done. As a program it is who gives out the tasks that it finds in its argument.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lamport_clock.celery
from celery import Celery
from celery.signals import before_task_publish, task_prerun
from kombu.transport import filesystem
from kombu.utils.json import dumps
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


class Channel(filesystem.Channel):
    """A message is there when it is whole: kombu reads files that others are still writing."""

    # Their own two signatures do not agree, either.
    def _put(self, queue: str, message: object, **_: object) -> None:  # type: ignore[override]
        name = f"{time.monotonic_ns()}_{uuid.uuid4()}.{queue}.msg"
        unseen = Path(FOLDER, "control", name)
        unseen.write_text(dumps(message), encoding="utf-8")
        unseen.rename(Path(FOLDER, "messages", name))


filesystem.Transport.Channel = Channel


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
