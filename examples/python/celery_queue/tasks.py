"""The tasks of a shop, for Celery. The broker is a folder, so that nothing else is needed."""

from __future__ import annotations

import logging
import os

import lamport_clock.celery
import lamport_clock.logging
from celery import Celery
from lamport_clock import SharedClock

FOLDER = os.environ["SHOP_FOLDER"]
NAME = os.environ["SHOP_NAME"]

app = Celery("tasks", broker="filesystem://", backend=f"file://{FOLDER}")
app.conf.broker_transport_options = {
    "data_folder_in": f"{FOLDER}/messages",
    "data_folder_out": f"{FOLDER}/messages",
    "control_folder": f"{FOLDER}/control",
    "polling_interval": 0.05,
}
app.conf.worker_hijack_root_logger = False

clock = SharedClock.memory(NAME)  # among many machines: SharedClock.open()
lamport_clock.celery.install(clock, trust="everybody")  # who writes to the broker
lamport_clock.logging.install(clock)
handler = logging.FileHandler(f"{FOLDER}/{NAME}.log")
handler.setFormatter(lamport_clock.logging.Formatter())
logging.basicConfig(handlers=[handler])
log = logging.getLogger("shop")
log.setLevel("INFO")


@app.task
def pack(item: str) -> str:
    log.info("worker: packing the %s", item)
    return f"a parcel with a {item}"
