"""One case of test_oddities.py in Python: `oddity.py NODE HEADER HEADERS`, and the environment.

A line for each step says what came of it: `ok`, or the kind of the error. HEADERS is a literal: a
container of headers, or what a framework might hand over in its place.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from typing import TypeVar

from lamport_clock import LamportError, SharedClock, Stamp, propagation

T = TypeVar("T")


def tell(step: str, call: Callable[[], T]) -> T | None:
    """Makes the call, and says what came of it. Other exceptions are found in the test."""
    try:
        result = call()
    except LamportError as error:
        print(step, error.kind, flush=True)
        return None
    print(step, "ok", flush=True)
    return result


def main() -> None:
    node, header, headers = sys.argv[1:]
    clock = tell("open", lambda: SharedClock.open(node=node or None))
    if clock is None:
        return
    tell("update", clock.update)
    arrival = propagation.extract({"lamport": header}, clock)
    print("extract", "ignored" if arrival is None else "ok", flush=True)
    tell("read", clock.read)
    tell("history", lambda: clock.history(10))
    # A header is never a reason for an exception.
    arrival = propagation.extract(ast.literal_eval(headers), clock)
    assert arrival is None or isinstance(arrival, Stamp)
    clock.close()


main()
