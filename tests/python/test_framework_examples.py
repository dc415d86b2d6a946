"""The programs in examples/python that show frameworks, with the real frameworks."""

from __future__ import annotations

from conftest import REPOSITORY
from programs import run

EXAMPLES = REPOSITORY / "examples/python"


def lines(name: str) -> list[str]:
    """What the example prints, without the stamps; these are in order."""
    done = run(str(EXAMPLES / name))
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.rpartition(" ") for line in done.stdout.splitlines()]
    times = [int(stamp.partition("@")[0]) for _, _, stamp in told]
    assert times == sorted(times)
    return [text for text, _, _ in told]


def test_the_logs_of_a_chain_of_services_are_put_in_order() -> None:
    told = lines("web_chain/shop.py")
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


def test_the_logs_of_a_queue_and_its_worker_are_put_in_order() -> None:
    told = lines("celery_queue/office.py")
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
