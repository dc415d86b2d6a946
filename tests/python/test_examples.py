"""The programs in examples/python, run on the installed wheel as people run them."""

from __future__ import annotations

import re

import pytest
from conftest import REPOSITORY
from programs import run
from servers import Etcd, Refusal

EXAMPLES = REPOSITORY / "examples/python"


def example(name: str, **variables: str) -> str:
    """What the example prints, when it ends well."""
    done = run(str(EXAMPLES / name), **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("store", ["memory", "etcd"])
def test_three_workers_agree_on_one_order(store: str, etcd: Etcd) -> None:
    variables = {"LAMPORT_STORE": etcd.uri("")} if store == "etcd" else {}
    shown = example("three_workers.py", **variables)
    kind = "Three processes" if store == "etcd" else "Three threads"
    assert shown.startswith(kind)
    picture = [line for line in shown.splitlines() if "●" in line]
    assert len(picture) == 12
    times = [int(line.split()[0]) for line in picture]
    assert times == sorted(set(times))
    for line in picture:
        assert line.count("●") == 1
        assert line.count("│") == 2
        assert re.search(r"after \d+@(anna|bert|carl|start)$", line)
    assert "no time was given twice" in shown


def test_an_example_says_which_store_it_can_not_reach() -> None:
    with Refusal() as address:
        done = run(str(EXAMPLES / "three_workers.py"), LAMPORT_STORE=f"etcd://{address}")
    assert done.returncode == 1
    assert done.stderr.startswith("UnavailableError: ")
    assert address in done.stderr


@pytest.mark.parametrize("store", ["memory", "etcd"])
def test_the_job_queue_starts_jobs_in_the_order_of_their_tickets(store: str, etcd: Etcd) -> None:
    variables = {"LAMPORT_STORE": etcd.uri("")} if store == "etcd" else {}
    shown = example("job_queue.py", **variables)
    started = [line.split() for line in shown.splitlines() if " starts " in line]
    tickets = [int(words[0]) for words in started]
    assert len(tickets) == 9
    assert tickets == sorted(set(tickets))
    assert {words[1].partition("-")[0] for words in started} == {"web", "mail", "cron"}
