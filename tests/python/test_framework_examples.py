"""The programs in examples/python that show frameworks, with the real frameworks."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import REPOSITORY
from programs import run

EXAMPLES = REPOSITORY / "examples/python"

# Writes down, in every process, which stamp arrived where and when.
RECORDER = """
import os
from lamport_clock import _header

def received(values, clock, peer=None, theirs=_header.received):
    values = list(values)
    arrival = theirs(values, clock, peer)
    if arrival is not None:
        [value] = values
        value = value if isinstance(value, str) else value.decode()
        with open(os.environ["MESSAGES"], "a") as messages:
            messages.write(f"{value.partition(';')[0]} {arrival}\\n")
    return arrival

_header.received = received
"""


def lines(name: str, folder: Path) -> list[str]:
    """What the example prints, without the stamps. These are in order, and each message that
    arrived is named by the line after it."""
    (folder / "sitecustomize.py").write_text(RECORDER)
    messages = folder / "messages"
    done = run(str(EXAMPLES / name), PYTHONPATH=str(folder), MESSAGES=str(messages))
    assert done.returncode == 0, done.stdout + done.stderr
    told, edges = [], []
    previous: dict[str, str] = {}
    for line in done.stdout.splitlines():
        found = re.fullmatch(r"(.*) ([0-9]+)@([a-z]+)((?: <\S+)+)", line)
        assert found, line
        text, time, process, causes = found.groups()
        told.append((text, int(time)))
        before, *arrivals = causes.split(" <")[1:]
        if process not in previous:
            arrivals = [before, *arrivals] if before != "-" else []
        else:
            assert before == previous[process]
        previous[process] = f"{time}@{process}"
        edges += [arrival.replace(";at=", " ") + f"@{process}" for arrival in arrivals]
    assert sorted(edges) == sorted(messages.read_text().splitlines())
    assert len(edges) > 2
    assert told == sorted(told, key=lambda one: one[1])
    return [text for text, _ in told]


def test_the_logs_of_a_chain_of_services_are_put_in_order(tmp_path: Path) -> None:
    told = lines("web_chain/shop.py", tmp_path)
    for item, price in (("teapot", "6"), ("cup", "3"), ("spoon", "5")):
        # What led to what, through three services and back.
        chain = [
            f"customer: a {item}, please",
            f"front: an order of {item}",
            f"billing: {price} pounds for the {item}",
            f"front: the {item} costs {price} pounds",
            f"customer: so {item} for {price} pounds",
        ]
        assert [line for line in told if line in chain] == chain
    assert len(told) == 15


def test_the_logs_of_a_queue_and_its_worker_are_put_in_order(tmp_path: Path) -> None:
    told = lines("celery_queue/office.py", tmp_path)
    for item in ("teapot", "cup", "spoon"):
        chain = [f"office: please pack the {item}", f"worker: packing the {item}"]
        assert [line for line in told if line in chain] == chain
    assert len([line for line in told if line.startswith(("office: ", "worker: "))]) == 6


def test_a_call_and_a_stream_are_in_order() -> None:
    done = run(str(EXAMPLES / "grpc_calls.py"))
    assert done.returncode == 0, done.stdout + done.stderr
    events = [line.partition(": ") for line in done.stdout.splitlines()]
    times = {text: int(stamp.partition("@")[0]) for stamp, _, text in events}
    chain = ["hungry", "an order of everything", "it will take a while", "out goes the soup"]
    chain += ["here is the soup", "full"]
    assert [times[text] for text in chain] == sorted(times[text] for text in chain)
    assert times["out goes the pie"] < times["full"]
    assert len(events) == 8
