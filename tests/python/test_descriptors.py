"""A program closes all descriptors that it does not know: the library's are among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from programs import Program, run
from servers import Silence

PROGRAM = Path(__file__).with_name("descriptors.py")


def outcome(scenario: str, *stores: str) -> Any:  # noqa: ANN401
    """What the program told; it ended well and said nothing else."""
    done = run(str(PROGRAM), scenario, *stores)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


def test_clocks_at_rest_go_on_and_write_into_no_file(store: str) -> None:
    told = outcome("at_rest", store)
    values = [*told["before"], *told["first"], *told["second"], told["new"]]
    # Also where the store is in memory: it is no less the store of all.
    assert values == sorted(set(values)) and told["newest"] == told["new"]
    assert told["first files"] and told["second files"]


def test_what_is_let_go_of_writes_into_no_file(store: str) -> None:
    assert outcome("dropped", store)


def test_updates_in_the_background_go_on(store: str) -> None:
    told = outcome("in_the_background", store)
    assert told["values"] == sorted(set(told["values"]))
    assert told["running"] and told["files"]


def test_calls_under_way_end(silence: Silence) -> None:
    with Program(str(PROGRAM), "under_way", silence.uri) as program:
        program.wait_for("it has called")
        silence.wait_for_caller()
        program.say("close them")
        told = json.loads(program.next_line())
        assert program.end() == 0
    assert told == {"ends": ["closed"] * 3, "files": True, "after": 2}


def test_event_loops(store: str) -> None:
    told = outcome("loops", store)
    assert told["outcomes"][0] == "lost" and told["files"]
    assert told["value"] > 2
