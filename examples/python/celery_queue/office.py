"""A queue of tasks with Celery: who asks and who works log in one order.

    python examples/python/celery_queue/office.py

It starts a worker for tasks.py, has it pack three parcels, and prints the lines of
both logs in one order. It needs celery.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from celery.result import AsyncResult

HERE = Path(__file__).parent
WORKER = "-m celery --app tasks worker --pool solo --loglevel ERROR --without-gossip"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(SHOP_FOLDER=folder, SHOP_NAME="office")
        Path(folder, "messages").mkdir()
        import tasks

        with subprocess.Popen(
            [sys.executable, *WORKER.split()],
            cwd=HERE,
            env={**os.environ, "SHOP_NAME": "worker"},
            stdout=subprocess.DEVNULL,
        ) as worker:
            try:
                parcels: list[AsyncResult[str]] = []
                for item in ("teapot", "cup", "spoon"):
                    tasks.log.info("office: please pack the %s", item)
                    parcels.append(tasks.pack.delay(item))
                for parcel in parcels:
                    parcel.get(timeout=30, interval=0.05)
            finally:
                worker.terminate()

        logs = [Path(folder, f"{name}.log") for name in ("office", "worker")]
        subprocess.run([sys.executable, "-m", "lamport_clock", "order", *logs], check=True)


if __name__ == "__main__":
    main()
